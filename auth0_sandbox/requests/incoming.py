"""Pure: parse parts of an HTTP request according to schemas, or refuse them with the API's messages."""

import re
from collections.abc import Mapping, Sequence

from auth0_sandbox.requests.responses import RefusalError, bad_request
from auth0_sandbox.requests.validation import violation
from auth0_sandbox.store.documents import MalformedJsonError, Schema, parse_foreign

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_BOOLEANS = {"true": True, "false": False}


def check_identity(identity: str, schema: Schema) -> None:
    """Refuse a malformed id in the path.

    Raises:
        RefusalError: 400 `invalid_uri`.
    """
    if found := violation({"id": identity}, {"properties": {"id": schema}}):
        raise bad_request(f"Path validation error: {found}", "invalid_uri")


def query_values(
    pairs: Sequence[tuple[str, str]], parameters: Mapping[str, Schema], *, refuse_unknown: bool
) -> Mapping[str, object]:
    """Return the query parameters with the types of their schemas.

    Raises:
        RefusalError: 400 `invalid_query_string`.
    """
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        texts.setdefault(name, []).append(text)
    values = {name: _value(several, parameters.get(name, {})) for name, several in texts.items()}
    if found := violation(values, {"properties": parameters, "additionalProperties": not refuse_unknown}):
        raise invalid_query(str(found))
    return values


def invalid_query(violation_text: str) -> RefusalError:
    """Return the 400 for a query that its schema or a rule refuses."""
    return bad_request(f"Query validation error: {violation_text}", "invalid_query_string")


def body_value(raw: bytes, schema: Schema) -> object:
    """Return the JSON body. An empty body counts as null.

    Raises:
        RefusalError: 400, with `invalid_body` for a violation of the schema.
    """
    try:
        value = parse_foreign(raw) if raw else None
    except MalformedJsonError as error:
        raise bad_request("Invalid request payload JSON format") from error
    if found := violation(value, schema):
        raise invalid_body(str(found))
    return value


def invalid_body(violation_text: str) -> RefusalError:
    """Return the 400 for a body that its schema refuses."""
    return bad_request(f"Payload validation error: {violation_text}", "invalid_body")


def _value(several: list[str], schema: Schema) -> object:
    """Return the value of one parameter. A repeated parameter is an array, which most schemas refuse."""
    if schema.get("type") == "array":
        return several
    if len(several) > 1:
        return several
    text = several[0]
    if schema.get("type") == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if schema.get("type") == "boolean":
        return _BOOLEANS.get(text, text)
    return text
