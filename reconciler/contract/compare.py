"""Pure: compare two OpenAPI documents of the Management API in everything that reconciler relies on."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.contract.derive import differences
from reconciler.contract.openapi import COLLECTION, ApiOperation, grant_operations, item_schema

GRANT = f"{COLLECTION}/{{id}}"
WITH_GRANTS = frozenset({f"POST {COLLECTION}", f"GET {COLLECTION}", f"GET {GRANT}", f"PATCH {GRANT}"})
"""The operations whose responses contain client grants."""


def api_differences(theirs: object, ours: object) -> tuple[str, ...]:
    """Return one line for each difference between two parsed OpenAPI documents.

    The comparison covers the endpoints of client grants, their request bodies with all keywords, and the names, types
    and values of query parameters and of the attributes of grants in responses.

    Raises:
        ReconcilerError: if a document lacks client grants, or a reference is circular, external or broken.
    """
    their, our = grant_operations(theirs), grant_operations(ours)
    lines = [f"{name}: only theirs" for name in their.keys() - our.keys()]
    lines += [f"{name}: only ours" for name in our.keys() - their.keys()]
    for name in their.keys() & our.keys():
        lines += [f"{name}, {line}" for line in _differing(name, their[name], our[name])]
    return tuple(sorted(lines))


def _differing(name: str, theirs: ApiOperation, ours: ApiOperation) -> Iterator[str]:
    their_body, our_body = theirs.body(), ours.body()
    if their_body and our_body:
        yield from (f"body, {line}" for line in differences(their_body, our_body))
    elif their_body or our_body:
        yield f"body: only {'theirs' if their_body else 'ours'}"
    yield from (f"query, {line}" for line in _named(theirs.query(), ours.query()))
    if name in WITH_GRANTS:
        their_grant, our_grant = (item_schema(each.response()).get("properties", {}) for each in (theirs, ours))
        yield from (f"response, {line}" for line in _named(their_grant, our_grant))


def _named(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences of named schemas. Limits of lengths and numbers do not count."""
    yield from (f"{name}: only theirs" for name in theirs.keys() - ours.keys())
    yield from (f"{name}: only ours" for name in ours.keys() - theirs.keys())
    for name in theirs.keys() & ours.keys():
        their_type, our_type = _types(theirs[name]), _types(ours[name])
        if their_type != our_type:
            yield f"{name}, type: theirs {', '.join(their_type) or 'none'}, ours {', '.join(our_type) or 'none'}"
        if new := _values(theirs[name]) - _values(ours[name]):
            yield f"{name}, values: only theirs {', '.join(sorted(new))}"


def _types(schema: object) -> list[str]:
    """Return the types of a schema. `null` does not count, because a missing attribute means the same."""
    types = schema.get("type", []) if isinstance(schema, Mapping) else []
    return sorted({str(each) for each in (types if isinstance(types, list) else [types])} - {"null"})


def _values(schema: object) -> set[str]:
    """Return the possible values of a schema. For an open list of values, the examples count as known."""
    values = (schema.get("enum") or schema.get("examples")) if isinstance(schema, Mapping) else ()
    return {str(value) for value in values} if isinstance(values, list) else set()
