"""Pure: the operations of the Management API that write, with the scopes that allow them."""

import json
import re
from collections.abc import Iterator, Mapping

from reconciler.contract.openapi import METHODS, paths_of
from reconciler.core.usage_events import PARAMETER

WRITES = tuple(method for method in METHODS if method != "get")
MIN_SHARE = 2
"""A document with less than half of the operations of the table describes only a part of the API."""

Operations = Mapping[str, tuple[str, ...]]
"""The scopes by operation, such as `PATCH /clients/{id}`. One of the scopes is enough."""


def write_operations(openapi: object) -> Operations:
    """Return the operations of an OpenAPI document that write.

    Raises:
        ReconcilerError: if the document has no client grants.
    """
    found: dict[str, set[str]] = {}
    for path, item in paths_of(openapi):
        for method in WRITES:
            operation = item.get(method)
            if isinstance(operation, Mapping):
                name = f"{method.upper()} {re.sub(r'{[^}]*}', PARAMETER, path)}"
                found.setdefault(name, set()).update(_scopes(operation.get("security")))
    return {name: tuple(sorted(scopes)) for name, scopes in sorted(found.items(), key=_by_path)}


def _by_path(item: tuple[str, object]) -> tuple[str, str]:
    method, _, path = item[0].partition(" ")
    return path, method


def _scopes(security: object) -> Iterator[str]:
    """Yield the scopes in the `security` of an operation. A wrong value has none."""
    for alternative in security if isinstance(security, list) else ():
        for scopes in alternative.values() if isinstance(alternative, Mapping) else ():
            yield from (str(scope) for scope in (scopes if isinstance(scopes, list) else ()))


def stored_operations(table: Mapping[str, Mapping[str, list[str]]]) -> Operations:
    """Return the operations of the stored table."""
    return {name: tuple(scopes) for name, scopes in table["operations"].items()}


def is_part_of_api(found: Operations, stored: Operations) -> bool:
    """Return whether a document describes only a part of the API, so that missing operations mean nothing."""
    return len(found) * MIN_SHARE < len(stored)


def operation_differences(found: Operations, stored: Operations) -> tuple[str, ...]:
    """Compare the operations of a document with the stored table. Return a line per difference."""
    lines = [f"{name}: new" for name in found.keys() - stored.keys()]
    lines += [f"{name}: missing" for name in stored.keys() - found.keys()]
    for name in found.keys() & stored.keys():
        if found[name] != stored[name]:
            texts = (", ".join(each) or "none" for each in (found[name], stored[name]))
            lines.append(f"{name}, scopes: {' instead of '.join(texts)}")
    return tuple(sorted(lines))


def render_operations(table: Mapping[str, object], operations: Operations) -> str:
    """Return the table as the text of a file, with one line per operation."""
    lines = (f"    {json.dumps(name)}: {json.dumps(list(scopes))}" for name, scopes in operations.items())
    description = json.dumps(table["description"])
    return f'{{\n  "description": {description},\n  "operations": {{\n' + ",\n".join(lines) + "\n  }\n}\n"
