"""Pure: compare two OpenAPI documents of the Management API in everything that reconciler relies on."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.contract.derive import differences
from reconciler.contract.openapi import COLLECTION, ApiOperation, grant_operations, item_schema

GRANT = f"{COLLECTION}/{{id}}"
WITH_GRANTS = frozenset({f"POST {COLLECTION}", f"GET {COLLECTION}", f"GET {GRANT}", f"PATCH {GRANT}"})
"""The operations whose responses contain client grants."""


def api_differences(found: object, stored: object) -> tuple[str, ...]:
    """Return one line for each difference between two parsed OpenAPI documents.

    The comparison covers the endpoints of client grants, their request bodies with all keywords, and the names, types
    and values of query parameters and of the attributes of grants in responses.

    Raises:
        ReconcilerError: if a document lacks client grants, or a reference is circular, external or broken.
    """
    found_operations, stored_operations = grant_operations(found), grant_operations(stored)
    lines = [f"{name}: new" for name in found_operations.keys() - stored_operations.keys()]
    lines += [f"{name}: missing" for name in stored_operations.keys() - found_operations.keys()]
    for name in found_operations.keys() & stored_operations.keys():
        lines += [f"{name}, {line}" for line in _differing(name, found_operations[name], stored_operations[name])]
    return tuple(sorted(lines))


def _differing(name: str, found: ApiOperation, stored: ApiOperation) -> Iterator[str]:
    found_body, stored_body = found.body(), stored.body()
    if found_body and stored_body:
        yield from (f"body, {line}" for line in differences(found_body, stored_body))
    elif found_body or stored_body:
        yield f"body: {'new' if found_body else 'missing'}"
    yield from (f"query, {line}" for line in _named(found.query(), stored.query()))
    if name in WITH_GRANTS:
        found_grant, stored_grant = (item_schema(each.response()).get("properties", {}) for each in (found, stored))
        yield from (f"response, {line}" for line in _named(found_grant, stored_grant))


def _named(found: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences of named schemas. Limits of lengths and numbers do not count."""
    yield from (f"{name}: new" for name in found.keys() - stored.keys())
    yield from (f"{name}: missing" for name in stored.keys() - found.keys())
    for name in found.keys() & stored.keys():
        found_type, stored_type = _types(found[name]), _types(stored[name])
        if found_type != stored_type:
            yield f"{name}, type: {', '.join(found_type) or 'none'} instead of {', '.join(stored_type) or 'none'}"
        if new := _values(found[name]) - _values(stored[name]):
            yield f"{name}, values: new {', '.join(sorted(new))}"


def _types(schema: object) -> list[str]:
    """Return the types of a schema. `null` does not count, because a missing attribute means the same."""
    types = schema.get("type", []) if isinstance(schema, Mapping) else []
    return sorted({str(each) for each in (types if isinstance(types, list) else [types])} - {"null"})


def _values(schema: object) -> set[str]:
    """Return the possible values of a schema. For an open list of values, the examples count as known."""
    values = (schema.get("enum") or schema.get("examples")) if isinstance(schema, Mapping) else ()
    return {str(value) for value in values} if isinstance(values, list) else set()
