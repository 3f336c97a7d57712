"""Find the operations (paths and HTTP methods) in an OpenAPI document of the Management API.

This module reads the JSON Schemas of the operations on client grants, and the required scopes of write operations.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from reconciler.core.characters import quote_text
from reconciler.core.usage.events import PARAMETER
from reconciler.errors import ReconcilerError

COLLECTION = "/client-grants"
METHODS = ("get", "post", "put", "patch", "delete")
JSON = "application/json"
_BELOW = re.compile(rf"{COLLECTION}(/.*)?|/organizations/{{id}}{COLLECTION}(/.*)?")
EXTENSION = "x-"  # the names of OpenAPI extension keywords start with `x-`
MAX_LEVELS = 200
MAX_PARTS = 10_000
"""The maximum number of objects and lists in a request body after all `$ref` references are resolved.

A few nested references can expand to billions of objects.
"""


def create_request(openapi: object) -> dict[str, Any]:
    """Return the JSON Schema for the body of the request `POST …/client-grants`.

    `openapi` is the parsed OpenAPI document. In the result, references are replaced with their targets, and keywords
    that start with `x-` are removed.

    Raises:
        ReconcilerError: if the document lacks the endpoint or its JSON body, or if a reference is circular,
            external or broken.
    """
    request = dict(_part(openapi, "paths", _collection_path(openapi), "post", "requestBody"))
    body = _Resolver(openapi).mapping(request, ())
    schema = _part(body, "content", JSON, "schema")
    _part(schema, "properties")
    return _with_valid_properties(schema)


@dataclass(frozen=True, slots=True)
class ApiOperation:
    """An operation in an OpenAPI document: a path and an HTTP method.

    `item` is the OpenAPI object of the path, and `operation` is the OpenAPI object of the HTTP method.
    """

    openapi: object
    item: Mapping[str, Any]
    operation: Mapping[str, Any]

    def body(self) -> dict[str, Any]:
        """Return the JSON Schema of the request body, or an empty schema if the operation has no JSON body.

        Raises the same errors as `create_request`.
        """
        return _json_schema(self._resolved(self.operation.get("requestBody")))

    def response(self) -> dict[str, Any]:
        """Return the JSON Schema of a successful response, or an empty schema if the response is not JSON.

        Raises the same errors as `body`.
        """
        responses = _mapping(self.operation.get("responses"))
        successes = sorted(each for each in responses if str(each).startswith("2"))
        return _json_schema(self._resolved(responses[successes[0]])) if successes else {}

    def query(self) -> dict[str, dict[str, Any]]:
        """Return the JSON Schema of each query parameter, by the name of the parameter.

        Raises the same errors as `create_request`.
        """
        parameters = [*_listed(self.item.get("parameters")), *_listed(self.operation.get("parameters"))]
        resolved = [self._resolved(each) for each in parameters]
        asked = [each for each in resolved if each.get("in") == "query"]
        return {str(each.get("name")): dict(_mapping(each.get("schema"))) for each in asked}

    def _resolved(self, node: object) -> dict[str, Any]:
        return _Resolver(self.openapi).mapping(dict(node), ()) if isinstance(node, Mapping) else {}


def grant_operations(openapi: object) -> dict[str, ApiOperation]:
    """Return the operations on client grants, by name.

    The name of an operation is its HTTP method and path, for example `GET /client-grants`. In the name of an operation,
    every path parameter is written as `{id}`.

    Raises:
        ReconcilerError: if the document does not describe client grants.
    """
    prefix = _collection_path(openapi).removesuffix(COLLECTION)
    found: dict[str, ApiOperation] = {}
    for path, item in _part(openapi, "paths").items():
        name = re.sub(r"\{[^}]*\}", "{id}", str(path).removeprefix(prefix))
        if str(path).startswith(prefix) and _BELOW.fullmatch(name) and isinstance(item, Mapping):
            methods = [method for method in METHODS if isinstance(item.get(method), Mapping)]
            found |= {f"{method.upper()} {name}": ApiOperation(openapi, item, item[method]) for method in methods}
    return found


def paths_of(openapi: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the paths of an OpenAPI document without their common prefix, and the description of each path.

    Raises:
        ReconcilerError: if the document does not describe client grants.
    """
    prefix = _collection_path(openapi).removesuffix(COLLECTION)
    for path, item in _part(openapi, "paths").items():
        if str(path).startswith(prefix) and isinstance(item, Mapping):
            yield str(path).removeprefix(prefix), item


def item_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON Schemas of the fields that a grant has in API responses, as `{"properties": …}`.

    If `schema` allows several forms of a response, return the fields of the first form that contains grants.
    """
    return next(_items(schema), {})


def _items(schema: object) -> Iterator[Mapping[str, Any]]:
    match schema:
        case {"anyOf": [*forms]} | {"oneOf": [*forms]}:
            for form in forms:
                yield from _items(form)
        case {"type": "array", "items": dict() as items}:
            yield from _items(items)
        case {"properties": {"client_grants": {"items": dict() as items}}}:
            yield from _items(items)
        case {"properties": dict() as properties}:
            yield {"properties": properties}
        case _:
            return


def _json_schema(content: Mapping[str, Any]) -> dict[str, Any]:
    by_type = _mapping(content.get("content"))
    return _with_valid_properties(_mapping(_mapping(by_type.get(JSON)).get("schema")))


def _with_valid_properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema. Raise ReconcilerError if a part that describes the properties has the wrong type."""
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        raise _wrong_type('"properties"', "an object")
    for name, field in properties.items():
        if not isinstance(field, Mapping):
            raise _wrong_type(f"the property {quote_text(str(name))}", "an object")
    if not isinstance(schema.get("required", []), list):
        raise _wrong_type('"required"', "a list")
    return dict(schema)


def _wrong_type(what: str, expected: str) -> ReconcilerError:
    return ReconcilerError(
        f"{what} in the OpenAPI document is not {expected}; pass a JSON document of Auth0's Management API"
    )


def _mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, or an empty mapping for any other value."""
    return value if isinstance(value, Mapping) else {}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _collection_path(openapi: object) -> str:
    """Return the path of the endpoint for client grants.

    Ignore paths with parameters, because `/organizations/{id}/client-grants` also ends in `/client-grants`.
    """
    paths = [path for path in _part(openapi, "paths") if path.endswith(COLLECTION) and "{" not in path]
    if len(paths) != 1:
        raise ReconcilerError(
            f"the OpenAPI document has {len(paths)} paths that end in {COLLECTION}, instead of one; "
            "pass a document of Auth0's Management API"
        )
    return str(paths[0])


def _part(value: object, key: str, *deeper: str) -> Mapping[str, Any]:
    """Follow the keys in an OpenAPI document and return the object at the last key.

    Raises ReconcilerError if the object does not exist.
    """
    child = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(child, Mapping):
        raise ReconcilerError(f'the OpenAPI document lacks "{key}"; pass a JSON document of Auth0\'s Management API')
    return _part(child, *deeper) if deeper else child


class _Resolver:
    """Replaces references in an OpenAPI document with their targets.

    The argument `trail` contains all references that reconciler has followed to reach the current part. A reference
    that is already in `trail` is circular.
    """

    def __init__(self, openapi: object) -> None:
        self._openapi = openapi
        self._parts = 0

    def mapping(self, node: dict[str, Any], trail: tuple[str, ...], level: int = 0) -> dict[str, Any]:
        """Return a copy of an object in which references are replaced with their targets.

        A field next to a `$ref` overrides the field of the same name in the referenced object.
        """
        self._count(level)
        reference = node.get("$ref")
        beside = {
            key: self._any(value, trail, level + 1)
            for key, value in node.items()
            if key != "$ref" and not key.startswith(EXTENSION)
        }
        if reference is None:
            return beside
        if reference in trail:
            raise ReconcilerError(f"the reference {reference} in the OpenAPI document is circular")
        target = _target(self._openapi, str(reference))
        return {**self.mapping(dict(target), (*trail, str(reference)), level + 1), **beside}

    def _count(self, level: int) -> None:
        """Count an object or a list in the request body.

        Raise ReconcilerError if the request body has too many objects and lists, or too many nested levels.
        """
        self._parts += 1
        if self._parts > MAX_PARTS or level > MAX_LEVELS:
            what = f"more than {MAX_PARTS:,} values" if level <= MAX_LEVELS else f"more than {MAX_LEVELS} nested levels"
            raise ReconcilerError(f"the request in the OpenAPI document has {what} after resolving its references")

    def _any(self, node: object, trail: tuple[str, ...], level: int) -> object:
        match node:
            case dict():
                return self.mapping(node, trail, level)
            case list():
                self._count(level)
                return [self._any(item, trail, level + 1) for item in node]
            case _:
                return node


def _target(openapi: object, reference: str) -> Mapping[str, Any]:
    """Return the part of the document to which a local reference points.

    A local reference is a JSON pointer (RFC 6901) in a URI fragment.
    """
    if not reference.startswith("#/"):
        raise ReconcilerError(
            f"the OpenAPI document refers to {reference} in another document; bundle both into one document"
        )
    steps = unquote(reference[2:]).split("/")
    return _part(openapi, *(step.replace("~1", "/").replace("~0", "~") for step in steps))


WRITES = tuple(method for method in METHODS if method != "get")
MIN_SHARE = 2
"""A complete OpenAPI document has at least 1/MIN_SHARE of the operations in management-api-writes.json."""

Operations = Mapping[str, tuple[str, ...]]
"""Maps the name of an operation, such as `PATCH /clients/{id}`, to the scopes of the operation.

To use an operation, a token needs at least one of the scopes.
"""


def write_operations(openapi: object) -> Operations:
    """Return the operations in an OpenAPI document that change data, with the scopes that allow each operation.

    Raises:
        ReconcilerError: if the document does not describe client grants.
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
    """Yield the scopes in `security`, a field of an operation in an OpenAPI document.

    Yield nothing for a value of the wrong type.
    """
    for alternative in security if isinstance(security, list) else ():
        for scopes in alternative.values() if isinstance(alternative, Mapping) else ():
            yield from (str(scope) for scope in (scopes if isinstance(scopes, list) else ()))


def stored_operations(table: Mapping[str, Mapping[str, list[str]]]) -> Operations:
    """Return the operations and scopes in the file schemas/management-api-writes.json."""
    return {name: tuple(scopes) for name, scopes in table["operations"].items()}


def is_part_of_api(found: Operations, stored: Operations) -> bool:
    """Return whether `found` has so few operations that the document describes only a part of the API."""
    return len(found) * MIN_SHARE < len(stored)


def render_operations(table: Mapping[str, object], operations: Operations) -> str:
    """Return the text of the file schemas/management-api-writes.json, with one line for each operation."""
    lines = (f"    {json.dumps(name)}: {json.dumps(list(scopes))}" for name, scopes in operations.items())
    description = json.dumps(table["description"])
    return f'{{\n  "description": {description},\n  "operations": {{\n' + ",\n".join(lines) + "\n  }\n}\n"
