"""Pure: between the Management API's JSON and our values."""

from collections.abc import Mapping

from reconciler.auth0.errors import UnreadableError
from reconciler.auth0.values import LONGEST_ID, Json, flag, flag_or_none, identifier, objects, text, text_or_none, texts
from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Api, Application, Organization
from reconciler.core.grant import NOTHING, SUBJECT_CLIENT, USAGE_DENY, ClientGrant, Key, ObservedGrant
from reconciler.core.plan import Update
from reconciler.core.quoting import quoted

KNOWN_FIELDS = frozenset(
    {
        "id",
        "client_id",
        "audience",
        "scope",
        "organization_usage",
        "allow_any_organization",
        "is_system",
        "subject_type",
        "authorization_details_types",
        "allow_all_scopes",
        "default_for",
    },
)
MOST_UNFAMILIAR = 20
"""Unknown fields of one grant that are named."""


def observed_grant(answer: Json) -> ObservedGrant:
    """Parse a client grant. Absent and null fields stand for their defaults; unknown fields are passed over.

    Raises:
        UnreadableError: if a field that identifies the grant is missing, or one has the wrong type.
    """
    identity = identifier(answer, "id")
    key = _key(answer, identity)
    all_scopes = flag(answer, "allow_all_scopes")
    grant = ClientGrant(
        key=key,
        scope=NOTHING if all_scopes else texts(answer, "scope"),
        organization_usage=text_or_none(answer, "organization_usage") or USAGE_DENY,
        allow_any_organization=flag(answer, "allow_any_organization"),
        authorization_details_types=texts(answer, "authorization_details_types"),
        allow_all_scopes=all_scopes,
    )
    return ObservedGrant(identity, grant, flag(answer, "is_system"), _unfamiliar(answer))


def _key(answer: Json, identity: str) -> Key:
    client_id, default_for = text_or_none(answer, "client_id", LONGEST_ID), text_or_none(answer, "default_for")
    audience = text(answer, "audience")
    subject_type = text_or_none(answer, "subject_type") or SUBJECT_CLIENT
    if bool(client_id) != bool(default_for):
        return Key(client_id or None, audience, subject_type, default_for or None)
    both = f"{client_id} and the default for {default_for}"
    holder = both if client_id else "unknown holder"
    return Key(None, audience, subject_type, other_holder=f"{holder} ({identity})")


def _unfamiliar(answer: Json) -> frozenset[str]:
    if KNOWN_FIELDS.issuperset(answer):
        return NOTHING
    return frozenset(f"field {quoted(name)}" for name in sorted(answer.keys() - KNOWN_FIELDS)[:MOST_UNFAMILIAR])


def application(answer: Json) -> Application:
    """Parse an application. Raises UnreadableError if it lacks its id."""
    is_first_party = flag_or_none(answer, "is_first_party")
    return Application(
        client_id=text(answer, "client_id"),
        name=text_or_none(answer, "name") or "",
        is_third_party=None if is_first_party is None else not is_first_party,
        app_type=text_or_none(answer, "app_type") or "",
    )


def api(answer: Json) -> Api:
    """Parse an API (resource server); one that never had scopes has no such field. Raises UnreadableError."""
    scopes = frozenset(text(scope, "value") for scope in objects(answer, "scopes"))
    identifier = text(answer, "identifier")
    return Api(identifier, text_or_none(answer, "name") or "", scopes, is_system=flag(answer, "is_system"))


def organization(answer: Json) -> Organization:
    """Parse an organization. Raises UnreadableError if it lacks its id."""
    return Organization(identifier(answer, "id"), text_or_none(answer, "name") or "")


def created_id(answer: object, asked: ClientGrant) -> str:
    """Return the id of the grant that was created.

    Raises:
        UnreadableError: if the answer is about another grant than the one that was asked for.
    """
    if not isinstance(answer, dict):
        raise UnreadableError("an answer of the tenant is not an object")
    created = observed_grant(answer)
    if created.grant.key != asked.key:
        raise UnreadableError("the tenant answered with another grant than the one to create")
    return created.id


def create_body(grant: ClientGrant) -> dict[str, object]:
    """Return the body of POST /client-grants: never a field at its default, because some APIs refuse even that.

    `scope` is the exception: Auth0 wants it unless all scopes are allowed.
    """
    body: dict[str, object] = {}
    if grant.key.client_id is not None:
        body["client_id"] = grant.key.client_id
    if grant.key.default_for is not None:
        body["default_for"] = grant.key.default_for
    body["audience"] = grant.key.audience
    if grant.key.subject_type != SUBJECT_CLIENT:
        body["subject_type"] = grant.key.subject_type
    if grant.allow_all_scopes:
        body["allow_all_scopes"] = True
    else:
        body["scope"] = sorted(grant.scope)
    if grant.organization_usage != USAGE_DENY:
        body["organization_usage"] = grant.organization_usage
    if grant.allow_any_organization:
        body["allow_any_organization"] = True
    if grant.authorization_details_types:
        body["authorization_details_types"] = sorted(grant.authorization_details_types)
    return body


def update_body(update: Update) -> dict[str, object]:
    """Return the body of PATCH /client-grants/{id}: the changed fields, whole.

    Entering `allow_all_scopes` sends no scopes (Auth0 drops them); leaving it sends them in the same call, so that no
    moment without scopes arises.
    """
    after = update.after.grant
    body = {change.field: _value(change, after) for change in update.fields}
    if body.get("allow_all_scopes") is True:
        body.pop("scope", None)
    if body.get("allow_all_scopes") is False:
        body["scope"] = sorted(after.scope)
    return body


def in_two_steps(body: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Split the body that leaves `allow_all_scopes`: first all but the scopes, then these. Others stay whole.

    For a tenant that refuses both in one call; between the two steps the grant has no scopes.
    """
    if body.get("allow_all_scopes") is not False:
        return dict(body), {}
    return {name: value for name, value in body.items() if name != "scope"}, {"scope": body["scope"]}


def _value(change: FieldChange, after: ClientGrant) -> object:
    match change:
        case SetChange(field="scope"):
            return sorted(after.scope)
        case SetChange():
            return sorted(after.authorization_details_types)
        case ValueChange():
            return change.after
