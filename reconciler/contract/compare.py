"""Compare an OpenAPI document of the Management API with the stored OpenAPI document."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.contract.derive import differences
from reconciler.contract.openapi import COLLECTION, ApiOperation, grant_operations, item_schema

GRANT = f"{COLLECTION}/{{id}}"


WITH_GRANTS = frozenset({f"POST {COLLECTION}", f"GET {COLLECTION}", f"GET {GRANT}", f"PATCH {GRANT}"})
"""The operations whose responses contain client grants."""


def api_differences(found: object, stored: object) -> tuple[str, ...]:
    """Compare an OpenAPI document with the stored OpenAPI document. Return one line for each difference.

    The function compares all JSON Schema keywords of the request bodies except annotations, such as descriptions. For
    query parameters and for the fields of grants in responses, the function compares only names, types and values.

    Raises:
        ReconcilerError: if a document does not describe client grants, or if a reference is circular, external or
            broken.
    """
    found_operations, stored_operations = grant_operations(found), grant_operations(stored)
    lines = [f"{name}: new" for name in found_operations.keys() - stored_operations.keys()]
    lines += [f"{name}: missing" for name in stored_operations.keys() - found_operations.keys()]
    for name in found_operations.keys() & stored_operations.keys():
        differing = _operation_differences(name, found_operations[name], stored_operations[name])
        lines += [f"{name}, {line}" for line in differing]
    return tuple(sorted(lines))


def _operation_differences(name: str, found: ApiOperation, stored: ApiOperation) -> Iterator[str]:
    found_body, stored_body = found.body(), stored.body()
    if found_body and stored_body:
        yield from (f"body, {line}" for line in differences(found_body, stored_body))
    elif found_body or stored_body:
        yield f"body: {'new' if found_body else 'missing'}"
    yield from (f"query, {line}" for line in _schema_differences(found.query(), stored.query()))
    if name in WITH_GRANTS:
        found_grant, stored_grant = (item_schema(each.response()).get("properties", {}) for each in (found, stored))
        yield from (f"response, {line}" for line in _schema_differences(found_grant, stored_grant))


def _schema_differences(found: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[str]:
    """Compare JSON Schemas that have the same name, and yield one line for each difference.

    The function ignores differences in limits such as `maxLength` and `minimum`.
    """
    yield from (f"{name}: new" for name in found.keys() - stored.keys())
    yield from (f"{name}: missing" for name in stored.keys() - found.keys())
    for name in found.keys() & stored.keys():
        found_types, stored_types = _types(found[name]), _types(stored[name])
        if found_types != stored_types:
            yield f"{name}, type: {', '.join(found_types) or 'none'} instead of {', '.join(stored_types) or 'none'}"
        if new := _values(found[name]) - _values(stored[name]):
            yield f"{name}, values: new {', '.join(sorted(new))}"


def _types(schema: object) -> list[str]:
    """Return the types in a JSON Schema except `null`, because null has the same meaning as a missing field."""
    types = schema.get("type", []) if isinstance(schema, Mapping) else []
    return sorted({str(each) for each in (types if isinstance(types, list) else [types])} - {"null"})


def _values(schema: object) -> set[str]:
    """Return the possible values in a JSON Schema: the values of `enum`, or the examples if `enum` is missing."""
    values = (schema.get("enum") or schema.get("examples")) if isinstance(schema, Mapping) else ()
    return {str(value) for value in values} if isinstance(values, list) else set()
