"""Compare an OpenAPI document of the Management API with the stored OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.contract.openapi import COLLECTION, ApiOperation, Operations, grant_operations, item_schema

GRANT = f"{COLLECTION}/{{id}}"

WITH_GRANTS = frozenset({f"POST {COLLECTION}", f"GET {COLLECTION}", f"GET {GRANT}", f"PATCH {GRANT}"})
"""The operations whose responses contain client grants."""
ANNOTATIONS = frozenset({"$comment", "deprecated", "description", "example", "examples", "externalDocs", "title"})
UNORDERED_KEYWORDS = frozenset({"enum", "required", "type"})
BODY = "(body)"


def api_differences(found: object, stored: object) -> tuple[str, ...]:
    """Compare an OpenAPI document with the stored OpenAPI document. Return one line for each difference.

    The function compares all JSON Schema keywords of the request bodies except annotations, such as descriptions. For
    query parameters and for the fields of grants in responses, the function compares only names, types and values.

    Raises:
        ReconcilerError: if a document does not describe client grants, or if a reference is circular, external or
            broken.
    """
    found_operations, stored_operations = grant_operations(found), grant_operations(stored)
    lines = [*_new_and_missing(found_operations, stored_operations)]
    for name in found_operations.keys() & stored_operations.keys():
        differing = _operation_differences(name, found_operations[name], stored_operations[name])
        lines += [f"{name}, {line}" for line in differing]
    return tuple(sorted(lines))


def _operation_differences(name: str, found: ApiOperation, stored: ApiOperation) -> Iterator[str]:
    found_body, stored_body = found.body(), stored.body()
    if found_body and stored_body:
        yield from (f"body, {line}" for line in body_differences(found_body, stored_body))
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
    yield from _new_and_missing(found, stored)
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


def body_differences(found: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[str, ...]:
    """Compare the JSON Schemas of two request bodies, which must not contain references.

    Return one line for each difference.

    Examples of lines are `scope: new`, `scope: missing`, and `scope, maxItems: 20 instead of 10`.
    """
    found_fields, stored_fields = _fields(found), _fields(stored)
    lines = [*_new_and_missing(found_fields, stored_fields)]
    for field in found_fields.keys() & stored_fields.keys():
        new, old = found_fields[field], stored_fields[field]
        lines += [
            f"{field}, {name}: {new.get(name, 'none')} instead of {old.get(name, 'none')}"
            for name in new.keys() | old.keys()
            if new.get(name) != old.get(name)
        ]
    return tuple(sorted(lines))


def _fields(request: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the JSON Schema keywords of each field of a request body, and of the body itself (key BODY)."""
    required = request.get("required", ())
    fields = {
        name: {**dict(_keywords(schema)), "required": _text("required", name in required)}
        for name, schema in request.get("properties", {}).items()
    }
    body = {name: value for name, value in request.items() if name not in {"properties", "required"}}
    return {BODY: dict(_keywords(body)), **fields}


def _keywords(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and value of each JSON Schema keyword that restricts values, for example `items.maxLength`."""
    for name, value in schema.items():
        if isinstance(value, Mapping):
            yield from _keywords(value, f"{prefix}{name}.")
        elif name not in ANNOTATIONS:
            yield prefix + name, _text(name, value)


def _text(name: str, value: object) -> str:
    """Return the value of a JSON Schema keyword as JSON text. If the order of a list has no meaning, sort the list."""
    if name in UNORDERED_KEYWORDS and isinstance(value, list):
        value = sorted(value, key=str)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def operation_differences(found: Operations, stored: Operations) -> tuple[str, ...]:
    """Compare the operations of an OpenAPI document with the operations in management-api-writes.json.

    Return one line for each difference.
    """
    lines = [*_new_and_missing(found, stored)]
    for name in found.keys() & stored.keys():
        if found[name] != stored[name]:
            texts = (", ".join(each) or "none" for each in (found[name], stored[name]))
            lines.append(f"{name}, scopes: {' instead of '.join(texts)}")
    return tuple(sorted(lines))


def _new_and_missing(found: Mapping[str, object], stored: Mapping[str, object]) -> Iterator[str]:
    yield from (f"{name}: new" for name in found.keys() - stored.keys())
    yield from (f"{name}: missing" for name in stored.keys() - found.keys())
