"""Pure: between the Management API's JSON and our values."""

from collections.abc import Mapping
from typing import Any

from reconciler.auth0.errors import UnreadableError
from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Api, Application, Organization
from reconciler.core.grant import NOTHING, SUBJECT_CLIENT, USAGE_DENY, ClientGrant, Key, ObservedGrant, set_of
from reconciler.core.plan import Update

Json = Mapping[str, Any]

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


def observed_grant(answer: Json) -> ObservedGrant:
    """Parse a client grant. Absent and null fields stand for their defaults; unknown fields are passed over.

    Raises:
        UnreadableError: if a field that identifies the grant is missing, or one has the wrong type.
    """
    identity = _text(answer, "id")
    key = _key(answer, identity)
    all_scopes = _flag(answer, "allow_all_scopes")
    grant = ClientGrant(
        key=key,
        scope=NOTHING if all_scopes else _texts(answer, "scope"),
        organization_usage=_text_or_none(answer, "organization_usage") or USAGE_DENY,
        allow_any_organization=_flag(answer, "allow_any_organization"),
        authorization_details_types=_texts(answer, "authorization_details_types"),
        allow_all_scopes=all_scopes,
    )
    return ObservedGrant(identity, grant, _flag(answer, "is_system"), _unfamiliar(answer))


def _key(answer: Json, identity: str) -> Key:
    client_id, default_for = _text_or_none(answer, "client_id"), _text_or_none(answer, "default_for")
    audience = _text(answer, "audience")
    subject_type = _text_or_none(answer, "subject_type") or SUBJECT_CLIENT
    if bool(client_id) != bool(default_for):
        return Key(client_id or None, audience, subject_type, default_for or None)
    both = f"{client_id} and the default for {default_for}"
    holder = both if client_id else "unknown holder"
    return Key(None, audience, subject_type, other_holder=f"{holder} ({identity})")


def _unfamiliar(answer: Json) -> frozenset[str]:
    if KNOWN_FIELDS.issuperset(answer):
        return NOTHING
    return frozenset(f'field "{name}"' for name in answer.keys() - KNOWN_FIELDS)


def application(answer: Json) -> Application:
    """Parse an application. Raises UnreadableError if it lacks its id."""
    return Application(
        client_id=_text(answer, "client_id"),
        name=_text_or_none(answer, "name") or "",
        is_third_party=answer.get("is_first_party") is False,
    )


def api(answer: Json) -> Api:
    """Parse an API (resource server); one that never had scopes has no such field. Raises UnreadableError."""
    scopes = frozenset(_text(scope, "value") for scope in _objects(answer, "scopes"))
    identifier = _text(answer, "identifier")
    return Api(identifier, _text_or_none(answer, "name") or "", scopes, is_system=_flag(answer, "is_system"))


def organization(answer: Json) -> Organization:
    """Parse an organization. Raises UnreadableError if it lacks its id."""
    return Organization(_text(answer, "id"), _text_or_none(answer, "name") or "")


def created_id(answer: object) -> str:
    """Return the id of the grant that an answer to POST /client-grants tells of. Raises UnreadableError."""
    if not isinstance(answer, dict):
        raise UnreadableError("an answer of the tenant is no object")
    return _text(answer, "id")


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


def _text(answer: Json, name: str) -> str:
    value = _text_or_none(answer, name)
    if not value:
        raise UnreadableError(f"an answer of the tenant lacks {name}")
    return value


def _text_or_none(answer: Json, name: str) -> str | None:
    value = answer.get(name)
    if value is None or isinstance(value, str):
        return value
    raise UnreadableError(f"an answer of the tenant has {name} with something else than a text")


def _flag(answer: Json, name: str) -> bool:
    value = answer.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise UnreadableError(f"an answer of the tenant has {name} with something else than true or false")


def _texts(answer: Json, name: str) -> frozenset[str]:
    values = answer.get(name)
    if not values:
        return NOTHING
    if isinstance(values, list) and {str}.issuperset(map(type, values)):
        return set_of(tuple(values))
    raise UnreadableError(f"an answer of the tenant has {name} with something else than a list of texts")


def _objects(answer: Json, name: str) -> list[Json]:
    values = answer.get(name) or []
    if isinstance(values, list) and all(isinstance(value, dict) for value in values):
        return values
    raise UnreadableError(f"an answer of the tenant has {name} with something else than a list of objects")
