"""Pure: between the Management API's JSON and our values."""

import json
import unicodedata
from collections.abc import Mapping
from typing import Any, NoReturn

from reconciler.auth0.errors import UnreadableError
from reconciler.core.directory import Api, Application, Organization
from reconciler.core.fields import SETTINGS, SUBJECT_CLIENT, FieldKind, GrantField, plain_value
from reconciler.core.grant import NOTHING, ClientGrant, Key, ObservedGrant, set_of
from reconciler.core.plan import Update
from reconciler.core.quoting import quoted

Json = Mapping[str, Any]

LONGEST_TEXT = 2_048
"""Characters. The longest text that Auth0 documents is the identifier of an API, with 600."""
LONGEST_ID = 512
LONGEST_CURSOR = 2_048
"""Percent-encoded, an id, an identifier and a cursor take at most 12 bytes a character, and fit into a URL of 64 KB."""
MOST_ITEMS = 10_000
"""Of a list within an entry. An API has at most a few thousand scopes."""
LARGEST_COUNT = 10**12


def parse(body: bytes) -> Any:  # noqa: ANN401 - JSON; the functions below read values out of it
    """Return the JSON of an answer.

    Raises:
        ValueError: if the body is not JSON in UTF-8, has a key twice, or nests too deeply.
    """
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def text(answer: Json, name: str) -> str:
    """Return a text that is not empty. Raises UnreadableError, as all of these do."""
    value = text_or_none(answer, name)
    if not value:
        raise UnreadableError(f"an answer of the tenant lacks {name}")
    return value


def text_or_none(answer: Json, name: str, longest: int = LONGEST_TEXT) -> str | None:
    """Return a text, or None if it is absent or null."""
    value = answer.get(name)
    return None if value is None else _text(value, name, longest)


def identifier(answer: Json, name: str) -> str:
    """Return an id that can be part of a path and leaves the rest of the path as it is."""
    value = text(answer, name)
    if len(value) > LONGEST_ID or value in {".", ".."} or any(unicodedata.category(each) == "Cc" for each in value):
        raise UnreadableError(f"an answer of the tenant has an {name} that is not a valid id: {quoted(value)}")
    return value


def flag(answer: Json, name: str) -> bool:
    """Return whether a flag is set."""
    return bool(flag_or_none(answer, name))


def flag_or_none(answer: Json, name: str) -> bool | None:
    """Return a flag, None if the answer does not have it."""
    value = answer.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise UnreadableError(f"an answer of the tenant has {name} with something else than true or false")


def texts(answer: Json, name: str) -> frozenset[str]:
    """Return a set of texts, empty if it is absent or null."""
    values = answer.get(name)
    if not values:
        return NOTHING
    if not isinstance(values, list) or not {str}.issuperset(map(type, values)):
        raise UnreadableError(f"an answer of the tenant has {name} with something else than a list of texts")
    if len(values) > MOST_ITEMS:
        raise UnreadableError(f"an answer of the tenant has {name} with more than {MOST_ITEMS} items")
    for value in values:
        _text(value, name, LONGEST_TEXT)
    return set_of(tuple(values))


def objects(answer: Json, name: str) -> list[Json]:
    """Return a list of objects, empty if it is absent or null."""
    values = answer.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise UnreadableError(f"an answer of the tenant has {name} with something else than a list of objects")
    if len(values) > MOST_ITEMS:
        raise UnreadableError(f"an answer of the tenant has {name} with more than {MOST_ITEMS} items")
    return values


def count(answer: object, name: str, most: int = LARGEST_COUNT) -> int | None:
    """Return a whole number from 0 to `most`, None for anything else."""
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if type(value) is int and 0 <= value <= most else None


def cursor(page: Json, name: str) -> str:
    """Return where the next page of a listing begins, "" if this page is the last one."""
    value = page.get(name)
    return "" if value is None else _text(value, name, LONGEST_CURSOR)


def _text(value: object, name: str, longest: int) -> str:
    if not isinstance(value, str):
        raise UnreadableError(f"an answer of the tenant has {name} with something else than a text")
    if len(value) > longest:
        raise UnreadableError(f"an answer of the tenant has {name} with more than {longest:,} characters")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UnreadableError(f"an answer of the tenant has {name} with half a surrogate pair") from error
    return value


KNOWN_FIELDS = frozenset(
    {"id", "client_id", "default_for", "audience", "subject_type", "is_system", *(each.name for each in SETTINGS)}
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
    grant = ClientGrant(key, **{each.name: _setting(answer, each) for each in SETTINGS})
    if grant.allow_all_scopes:
        grant = grant._replace(scope=NOTHING)
    return ObservedGrant(identity, grant, flag(answer, "is_system"), _unfamiliar(answer))


def _setting(answer: Json, field: GrantField) -> Any:  # noqa: ANN401 - a value of any kind
    if field.kind is FieldKind.SET:
        return texts(answer, field.name)
    if field.kind is FieldKind.FLAG:
        return flag(answer, field.name)
    return text_or_none(answer, field.name) or field.default


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
    for each in SETTINGS:
        value = getattr(grant, each.name)
        if value != each.default or (each.name == "scope" and not grant.allow_all_scopes):
            body[each.name] = plain_value(value)
    return body


def update_body(update: Update) -> dict[str, object]:
    """Return the body of PATCH /client-grants/{id}: the changed fields, whole.

    Entering `allow_all_scopes` sends no scopes (Auth0 drops them); leaving it sends them in the same call, so that no
    moment without scopes arises.
    """
    after = update.after.grant
    body = {change.field: plain_value(getattr(after, change.field)) for change in update.fields}
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
