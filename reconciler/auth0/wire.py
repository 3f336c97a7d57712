"""Convert JSON data of the Management API to the types in `core`, and convert grants to request bodies."""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

from reconciler.auth0.errors import UnreadableError
from reconciler.core.characters import quote_text
from reconciler.core.directory import Api, Application, Organization
from reconciler.core.fields import SETTINGS, SUBJECT_CLIENT, FieldKind, GrantField, plain_value
from reconciler.core.grant import CACHE_SIZE, EMPTY_SET, SUBJECT_USER, ClientGrant, Key, ObservedGrant, shared_set
from reconciler.core.log_events import DATE, VERBS, LogEvent
from reconciler.core.plan import Update

Json = Mapping[str, Any]

MAX_TEXT_LENGTH = 2_048
"""The maximum length of a string in a response, in characters.

The longest string that Auth0's documentation allows is an API identifier with 600 characters.
"""
MAX_ID_LENGTH = 512
CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f]")
MAX_CURSOR_LENGTH = 2_048
"""The maximum length of a cursor for the next page, in characters.

The limits for ids, identifiers and cursors keep the URL of a request below 64 KB. In a URL, a character takes at most
12 bytes.
"""
MAX_ITEMS = 10_000
"""The maximum number of items in each list inside a grant or an API.

The longest lists are the scopes of APIs, with at most a few thousand scopes.
"""
MAX_COUNT = 10**12
API_OPERATION = "sapi"
"""The type of log events for successful operations of the Management API."""


def parse(body: bytes) -> Any:  # noqa: ANN401 - the functions below parse the JSON data
    """Parse the JSON body of a response.

    Raises:
        ValueError: if the body is not JSON in UTF-8, repeats a key, or is nested too deeply.
    """
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_object_without_repeats, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def text(data: Json, name: str) -> str:
    """Return the value of the field `name` if it is a non-empty string.

    Every function that returns the value of a field raises UnreadableError for an invalid value.
    """
    value = text_or_none(data, name)
    if not value:
        raise UnreadableError(f"a response of the tenant lacks {name}")
    return value


def text_or_none(data: Json, name: str, max_length: int = MAX_TEXT_LENGTH) -> str | None:
    """Return the value of the field `name` if it is a string, or None if the field is absent or null."""
    value = data.get(name)
    return None if value is None else _text(value, name, max_length)


def identifier(data: Json, name: str) -> str:
    """Return the value of the field `name` if it is a valid id. A valid id can be used in the path of a URL."""
    value = text(data, name)
    if len(value) > MAX_ID_LENGTH or value in {".", ".."} or CONTROL_CHARACTER.search(value):
        raise UnreadableError(f"a response of the tenant has an invalid {name}: {quote_text(value)}")
    return value


def flag(data: Json, name: str) -> bool:
    """Return the value of the field `name` if it is a boolean, or false if the field is absent or null."""
    return bool(flag_or_none(data, name))


def flag_or_none(data: Json, name: str) -> bool | None:
    """Return the value of the field `name` if it is a boolean, or None if the field is absent or null."""
    value = data.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise UnreadableError(f"a response of the tenant has a {name} that is not true or false")


def texts(data: Json, name: str) -> frozenset[str]:
    """Return the value of the field `name`, a list of strings, as a set.

    Return an empty set if the field is absent or null.
    """
    values = data.get(name)
    if not values:
        return EMPTY_SET
    if not isinstance(values, list) or not {str}.issuperset(map(type, values)):
        raise UnreadableError(f"a response of the tenant has a {name} that is not a list of strings")
    if len(values) > MAX_ITEMS:
        raise UnreadableError(f"a response of the tenant has a {name} with more than {MAX_ITEMS} items")
    return _text_set(tuple(values), name)


@lru_cache(CACHE_SIZE)
def _text_set(values: tuple[str, ...], name: str) -> frozenset[str]:
    """Check that each item of a list is a valid string, and return the items as a set.

    The function caches the returned sets, because many grants have equal scopes.
    """
    for value in values:
        _text(value, name, MAX_TEXT_LENGTH)
    return shared_set(values)


def objects(data: Json, name: str) -> list[Json]:
    """Return the value of the field `name` if it is a list of objects.

    Return an empty list if the field is absent or null.
    """
    values = data.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise UnreadableError(f"a response of the tenant has a {name} that is not a list of objects")
    if len(values) > MAX_ITEMS:
        raise UnreadableError(f"a response of the tenant has a {name} with more than {MAX_ITEMS} items")
    return values


def count(data: object, name: str, maximum: int = MAX_COUNT) -> int | None:
    """Return the value of the field `name` if it is an integer from 0 to `maximum`, otherwise None."""
    value = data.get(name) if isinstance(data, dict) else None
    return value if type(value) is int and 0 <= value <= maximum else None


def cursor(page: Json, name: str) -> str:
    """Return the cursor of the next page, or an empty string if the page is the last page."""
    value = page.get(name)
    return "" if value is None else _text(value, name, MAX_CURSOR_LENGTH)


def _text(value: object, name: str, max_length: int) -> str:
    if not isinstance(value, str):
        raise UnreadableError(f"a response of the tenant has a {name} that is not text")
    if len(value) > max_length:
        raise UnreadableError(f"a response of the tenant has a {name} with more than {max_length:,} characters")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UnreadableError(f"a response of the tenant has a {name} with an unpaired surrogate") from error
    return value


KNOWN_FIELDS = frozenset(
    {"id", "client_id", "default_for", "audience", "subject_type", "is_system", *(each.name for each in SETTINGS)}
)
MAX_UNKNOWN_FIELDS = 20
"""The maximum number of unknown fields that reconciler reports for one grant."""


def observed_grant(data: Json) -> ObservedGrant:
    """Parse a client grant.

    A field that is absent or null gets its default value. Unknown fields do not change the parsed grant.

    Raises:
        UnreadableError: if a field that identifies the grant is missing, or if a field has the wrong type.
    """
    identity = identifier(data, "id")
    key = _key(data, identity)
    grant = ClientGrant(key, **{name: read(data) for name, read in SETTING_READERS.items()})
    if grant.allow_all_scopes:
        grant = grant._replace(scope=EMPTY_SET)
    unknown = EMPTY_SET
    if not KNOWN_FIELDS.issuperset(data):
        names = sorted(data.keys() - KNOWN_FIELDS)[:MAX_UNKNOWN_FIELDS]
        unknown = frozenset(f"field {quote_text(name)}" for name in names)
    return ObservedGrant(identity, grant, flag(data, "is_system"), unknown)


def _setting_reader(field: GrantField) -> Callable[[Json], Any]:
    """Return the function that reads the value of a setting from a client grant."""
    name, default = field.name, field.default
    match field.kind:
        case FieldKind.SET:
            return lambda data: texts(data, name)
        case FieldKind.FLAG:
            return lambda data: flag(data, name)
        case FieldKind.TEXT:
            return lambda data: text_or_none(data, name) or default


SETTING_READERS = {each.name: _setting_reader(each) for each in SETTINGS}


def _key(data: Json, identity: str) -> Key:
    client_id, default_for = text_or_none(data, "client_id", MAX_ID_LENGTH), text_or_none(data, "default_for")
    audience = text(data, "audience")
    subject_type = text_or_none(data, "subject_type") or SUBJECT_CLIENT
    if bool(client_id) != bool(default_for):
        return Key(client_id or None, audience, subject_type, default_for or None)
    both = f"{client_id} and the default for {default_for}"
    holder = both if client_id else "unknown recipient"
    return Key(None, audience, subject_type, other_holder=f"{holder} ({identity})")


def application(data: Json) -> Application:
    """Parse an application. Raises UnreadableError if the application has no id."""
    is_first_party = flag_or_none(data, "is_first_party")
    return Application(
        client_id=text(data, "client_id"),
        name=text_or_none(data, "name") or "",
        is_third_party=None if is_first_party is None else not is_first_party,
        app_type=text_or_none(data, "app_type") or "",
    )


def api(data: Json) -> Api:
    """Parse an API, which Auth0 also calls a resource server. Raises UnreadableError.

    Auth0 omits the field `scopes` for an API that never had scopes.
    """
    scopes = frozenset(text(scope, "value") for scope in objects(data, "scopes"))
    identifier = text(data, "identifier")
    by_subject = _object(data, "subject_type_authorization")
    policies = ((each, _object(by_subject, each).get("policy")) for each in (SUBJECT_CLIENT, SUBJECT_USER))
    return Api(
        identifier,
        text_or_none(data, "name") or "",
        scopes,
        is_system=flag(data, "is_system"),
        token_lifetime=count(data, "token_lifetime"),
        policies=tuple((subject_type, policy) for subject_type, policy in policies if isinstance(policy, str)),
    )


def organization(data: Json) -> Organization:
    """Parse an organization. Raises UnreadableError if the organization has no id."""
    return Organization(identifier(data, "id"), text_or_none(data, "name") or "")


CHANGE = "PATCH"
CHANNELS: Mapping[str, str] = {"https://manage.auth0.com/": "dashboard", "api": "API"}
GRANT_PATH = re.compile(r"/api/v2/(?P<organization>organizations/[^/?]+/)?client-grants(?:/(?P<id>[^/?]+))?/?")


def log_event(data: Json) -> LogEvent:
    """Parse an event of the tenant's logs.

    If the event does not report an operation on client grants, parse only the date.

    Auth0 documents the structure of `details` only for `sapi` events. If the event lacks a detail, use an empty string
    as the detail. Raises UnreadableError if the event has no valid date.
    """
    date = text(data, "date")
    if not DATE.match(date):
        raise UnreadableError("an event of the logs has no valid date")
    request = _object(_object(data, "details"), "request")
    path = GRANT_PATH.fullmatch(text_or_none(request, "path") or "")
    if text_or_none(data, "type") != API_OPERATION or path is None:
        return LogEvent(date)
    method = (text_or_none(request, "method") or "").upper()
    body, answer = _object(request, "body"), _object(_object(_object(data, "details"), "response"), "body")
    key = _grant_key(answer) or _grant_key(body)
    user = _object(_object(request, "auth"), "user")
    names = [text_or_none(user, name) for name in ("email", "name", "user_id")]
    client = text_or_none(data, "client_name") or text_or_none(data, "client_id") or ""
    actor = next(filter(None, names), f"application {client}" if client else "")
    channel = text_or_none(request, "channel") or ""
    named = ((body, "grant_id"), (answer, "grant_id"), (answer, "id"))
    grant_id = path["id"] or next(filter(None, (text_or_none(part, name) for part, name in named)), "")
    if path["organization"]:
        # adding or removing an organization updates a grant; the response lacks the subject type, a part of the key
        method, key = CHANGE if method in VERBS else "", None
    return LogEvent(date, method if method in VERBS else "", grant_id, key, actor, CHANNELS.get(channel, channel))


def _grant_key(data: Json) -> Key | None:
    if not text_or_none(data, "audience"):
        return None
    if bool(text_or_none(data, "client_id")) == bool(text_or_none(data, "default_for")):
        return None
    return _key(data, "")


def _object(data: Json, name: str) -> Json:
    """Return the value of the field `name` if it is an object, otherwise an empty object."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def created_id(data: object, expected: ClientGrant) -> str:
    """Return the id of the created grant in the response `data`.

    Raises:
        UnreadableError: if the grant in the response differs from `expected`.
    """
    if not isinstance(data, dict):
        raise UnreadableError("a response of the tenant is not an object")
    created = observed_grant(data)
    if created.grant.key != expected.key:
        raise UnreadableError("the tenant responded with a different grant than the requested grant")
    return created.id


def create_body(grant: ClientGrant) -> dict[str, object]:
    """Return the body of the request POST /client-grants that creates `grant`.

    The body contains no default values, because some APIs refuse default values. The body always contains `scope`,
    unless the grant allows all scopes.
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
    """Return the body of the request PATCH /client-grants/{id} with the changed fields.

    If the change sets `allow_all_scopes` to true, the body contains no scopes, because Auth0 removes the scopes. If the
    change sets `allow_all_scopes` to false, the body contains all scopes of the grant, so that the grant is not left
    without scopes.
    """
    after = update.after.grant
    body = {change.field: plain_value(getattr(after, change.field)) for change in update.fields}
    if body.get("allow_all_scopes") is True:
        body.pop("scope", None)
    if body.get("allow_all_scopes") is False:
        body["scope"] = sorted(after.scope)
    return body


def split_update(body: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Split the body of an update that sets `allow_all_scopes` to false into the bodies of two requests.

    Some tenants refuse to change all fields of a grant in a single request. The first returned body contains all fields
    except the scopes, and the second returned body contains only the scopes. After the request with the first body, the
    grant has no scopes until the request with the second body.

    If an update does not set `allow_all_scopes` to false, the second returned body is empty.
    """
    if body.get("allow_all_scopes") is not False:
        return dict(body), {}
    return {name: value for name, value in body.items() if name != "scope"}, {"scope": body["scope"]}
