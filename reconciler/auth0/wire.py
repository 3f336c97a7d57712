"""Pure: convert between the Management API's JSON and our values."""

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
"""Percent-encoded, an id, an identifier and a cursor take at most 12 bytes per character. A URL of 64 KB holds them."""
MOST_ITEMS = 10_000
"""The limit for a list inside an entry. An API has at most a few thousand scopes."""
LARGEST_COUNT = 10**12


def parse(body: bytes) -> Any:  # noqa: ANN401 - JSON; the functions below read values out of it
    """Parse the JSON of a response.

    Raises:
        ValueError: if the body is not JSON in UTF-8, repeats a key, or is nested too deeply.
    """
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def text(answer: Json, name: str) -> str:
    """Return a text that is not empty. Raises UnreadableError, like all functions below."""
    value = text_or_none(answer, name)
    if not value:
        raise UnreadableError(f"a response of the tenant lacks {name}")
    return value


def text_or_none(answer: Json, name: str, longest: int = LONGEST_TEXT) -> str | None:
    """Return a text, or None if it is absent or null."""
    value = answer.get(name)
    return None if value is None else _text(value, name, longest)


def identifier(answer: Json, name: str) -> str:
    """Return an id that is safe as one segment of a path."""
    value = text(answer, name)
    if len(value) > LONGEST_ID or value in {".", ".."} or any(unicodedata.category(each) == "Cc" for each in value):
        raise UnreadableError(f"a response of the tenant has an invalid {name}: {quoted(value)}")
    return value


def flag(answer: Json, name: str) -> bool:
    """Return a flag. The default is false."""
    return bool(flag_or_none(answer, name))


def flag_or_none(answer: Json, name: str) -> bool | None:
    """Return a flag, or None if the response does not have it."""
    value = answer.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise UnreadableError(f"a response of the tenant has a {name} that is not true or false")


def texts(answer: Json, name: str) -> frozenset[str]:
    """Return a set of texts. It is empty if absent or null."""
    values = answer.get(name)
    if not values:
        return NOTHING
    if not isinstance(values, list) or not {str}.issuperset(map(type, values)):
        raise UnreadableError(f"a response of the tenant has a {name} that is not a list of texts")
    if len(values) > MOST_ITEMS:
        raise UnreadableError(f"a response of the tenant has a {name} with more than {MOST_ITEMS} items")
    for value in values:
        _text(value, name, LONGEST_TEXT)
    return set_of(tuple(values))


def objects(answer: Json, name: str) -> list[Json]:
    """Return a list of objects. It is empty if absent or null."""
    values = answer.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise UnreadableError(f"a response of the tenant has a {name} that is not a list of objects")
    if len(values) > MOST_ITEMS:
        raise UnreadableError(f"a response of the tenant has a {name} with more than {MOST_ITEMS} items")
    return values


def count(answer: object, name: str, most: int = LARGEST_COUNT) -> int | None:
    """Return a whole number from 0 to `most`, or None for any other value."""
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if type(value) is int and 0 <= value <= most else None


def cursor(page: Json, name: str) -> str:
    """Return the cursor of the next page, or "" on the last page."""
    value = page.get(name)
    return "" if value is None else _text(value, name, LONGEST_CURSOR)


def _text(value: object, name: str, longest: int) -> str:
    if not isinstance(value, str):
        raise UnreadableError(f"a response of the tenant has a {name} that is not text")
    if len(value) > longest:
        raise UnreadableError(f"a response of the tenant has a {name} with more than {longest:,} characters")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UnreadableError(f"a response of the tenant has a {name} with a single surrogate") from error
    return value


KNOWN_FIELDS = frozenset(
    {"id", "client_id", "default_for", "audience", "subject_type", "is_system", *(each.name for each in SETTINGS)}
)
MOST_UNFAMILIAR = 20
"""The limit for unknown fields of a grant that are named."""


def observed_grant(answer: Json) -> ObservedGrant:
    """Parse a client grant. Absent and null fields have their defaults. Unknown fields are ignored.

    Raises:
        UnreadableError: if an identifying field is missing or a field has the wrong type.
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
    """Parse an API (resource server). An API that never had scopes lacks the field. Raises UnreadableError."""
    scopes = frozenset(text(scope, "value") for scope in objects(answer, "scopes"))
    identifier = text(answer, "identifier")
    return Api(identifier, text_or_none(answer, "name") or "", scopes, is_system=flag(answer, "is_system"))


def organization(answer: Json) -> Organization:
    """Parse an organization. Raises UnreadableError if it lacks its id."""
    return Organization(identifier(answer, "id"), text_or_none(answer, "name") or "")


def created_id(answer: object, asked: ClientGrant) -> str:
    """Return the id of the created grant.

    Raises:
        UnreadableError: if the response contains a different grant.
    """
    if not isinstance(answer, dict):
        raise UnreadableError("a response of the tenant is not an object")
    created = observed_grant(answer)
    if created.grant.key != asked.key:
        raise UnreadableError("the tenant responded with a different grant than the one to create")
    return created.id


def create_body(grant: ClientGrant) -> dict[str, object]:
    """Return the body of POST /client-grants. Defaults are left out, because some APIs refuse them.

    `scope` is always sent unless all scopes are allowed, because Auth0 requires it.
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
    """Return the body of PATCH /client-grants/{id} with the changed fields.

    A change to `allow_all_scopes: true` sends no scopes, because Auth0 removes them. A change to false sends the scopes
    in the same request, so that the grant is never without scopes.
    """
    after = update.after.grant
    body = {change.field: plain_value(getattr(after, change.field)) for change in update.fields}
    if body.get("allow_all_scopes") is True:
        body.pop("scope", None)
    if body.get("allow_all_scopes") is False:
        body["scope"] = sorted(after.scope)
    return body


def in_two_steps(body: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Split the body of a change to `allow_all_scopes: false`: first everything except the scopes, then the scopes.

    This is for a tenant that refuses both in one request. In between, the grant has no scopes. Other bodies are not
    split.
    """
    if body.get("allow_all_scopes") is not False:
        return dict(body), {}
    return {name: value for name, value in body.items() if name != "scope"}, {"scope": body["scope"]}
