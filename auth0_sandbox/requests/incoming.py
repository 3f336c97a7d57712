"""Parse parts of an HTTP request according to schemas. Refuse invalid parts with the API's messages."""

import re
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import parse_qsl, urlencode

from auth0_sandbox.requests.responses import RefusalError, bad_request
from auth0_sandbox.requests.validation import violation
from auth0_sandbox.store.documents import Document, MalformedJsonError, Schema, parse_foreign, without_nulls

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_BOOLEANS = {"true": True, "false": False}
MOST_FORM_LEVELS = 5
FORM = "application/x-www-form-urlencoded"
_PART = re.compile(r"(?P<name>[^\[\]]+)\[(?P<key>[^\[\]]*)\](?P<rest>(?:\[[^\[\]]*\])*)")


def check_identity(identity: str, schema: Schema) -> None:
    """Refuse a malformed id in the path.

    Raises:
        RefusalError: 400 `invalid_uri` for a malformed id.
    """
    if found := violation({"id": identity}, {"properties": {"id": schema}}):
        raise bad_request(f"Path validation error: {found}", "invalid_uri")


def query_values(
    pairs: Sequence[tuple[str, str]], parameters: Mapping[str, Schema], *, refuse_unknown: bool
) -> Mapping[str, object]:
    """Return the query parameters, converted to the types in their schemas.

    Raises:
        RefusalError: 400 `invalid_query_string` for an invalid query.
    """
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        texts.setdefault(name, []).append(text)
    values = {name: _value(several, parameters.get(name, {})) for name, several in texts.items()}
    if found := violation(values, {"properties": parameters, "additionalProperties": not refuse_unknown}):
        raise invalid_query(str(found))
    return values


def invalid_query(violation_text: str) -> RefusalError:
    """Return the 400 response for an invalid query."""
    return bad_request(f"Query validation error: {violation_text}", "invalid_query_string")


def body_value(raw: bytes, schema: Schema, content_type: str = "") -> object:
    """Return the value of the body, which is JSON or a form. An empty body has the value null.

    Raises:
        RefusalError: 400 for an invalid body, with `invalid_body` for a violation of the schema.
    """
    try:
        if content_type.partition(";")[0].strip().lower() == FORM:
            value: object = form_value(raw.decode("utf-8", errors="replace"), schema)
        else:
            value = parse_foreign(raw) if raw else None
    except MalformedJsonError as error:
        raise bad_request("Invalid request payload JSON format") from error
    if found := violation(value, schema):
        raise invalid_body(str(found))
    return value


def form_value(text: str, schema: Schema, level: int = 0) -> dict[str, object]:
    """Convert a form to an object. `a=1&a=2`, `a[]=1` and `a[0]=1` are arrays, and `a[b]=1` is an object.

    The schema determines whether a text becomes a number or a boolean.

    Raises:
        MalformedJsonError: if objects are nested too deeply.
    """
    if level > MOST_FORM_LEVELS:
        raise MalformedJsonError(f"more than {MOST_FORM_LEVELS} levels")
    pairs = parse_qsl(text, keep_blank_values=True)
    several: dict[str, list[str]] = {}
    parts: dict[str, list[tuple[str, str]]] = {}
    for name, value in pairs:
        inner = _PART.fullmatch(name)
        if inner is None or not inner["key"]:
            several.setdefault(name.removesuffix("[]"), []).append(value)
        else:
            parts.setdefault(inner["name"], []).append((inner["key"] + inner["rest"], value))
    known: Mapping[str, Schema] = schema.get("properties", {})
    arrays = {name.removesuffix("[]") for name, _ in pairs if name.endswith("[]")}
    found: dict[str, object] = {
        name: values if name in arrays else _value(values, known.get(name, {})) for name, values in several.items()
    }
    for name, inside in parts.items():
        found[name] = _nested(inside, known.get(name, {}), level + 1)
    return found


def _nested(inside: Sequence[tuple[str, str]], schema: Schema, level: int) -> object:
    """Return the array or object of the parameters `name[key]…`. The keys of an array are numbers."""
    keys = {key.partition("[")[0] for key, _ in inside}
    text = urlencode(inside)
    if "array" not in _types(schema) or not all(key.isdecimal() for key in keys):
        return form_value(text, schema, level)
    items = form_value(text, {"properties": dict.fromkeys(keys, schema.get("items", {}))}, level)
    return [items[key] for key in sorted(items, key=int)]


def invalid_body(violation_text: str) -> RefusalError:
    """Return the 400 response for a body that violates its schema."""
    return bad_request(f"Payload validation error: {violation_text}", "invalid_body")


def patched(document: Document, body: Document, *, fixed: Collection[str]) -> Document:
    """Return the document with the attributes in `body` replaced. null removes an attribute (recorded for APIs).

    Raises:
        RefusalError: 400 `invalid_body` if the body contains an attribute in `fixed`.
    """
    if refused := [name for name in body if name in fixed]:
        raise invalid_body(f"'Additional properties not allowed: {','.join(refused)}'.")
    return without_nulls(document | body)


def _value(several: list[str], schema: Schema) -> object:
    """Return the value of one parameter. A repeated parameter becomes an array, and most schemas refuse arrays."""
    kinds = _types(schema)
    if "array" in kinds or len(several) > 1:
        return several
    text = several[0]
    if "integer" in kinds and _INTEGER.fullmatch(text):
        return int(text)
    if "boolean" in kinds:
        return _BOOLEANS.get(text, text)
    return text


def _types(schema: Schema) -> set[str]:
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else set(types)
