"""Pure: find the create request in an OpenAPI document of the Management API, as one self-contained JSON Schema."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from reconciler.errors import ReconcilerError

COLLECTION = "/client-grants"
EXTENSION = "x-"  # OpenAPI's prefix for what vendors add; it binds nobody
MOST_LEVELS = 200
MOST_PARTS = 10_000
"""Of the request body with its references written out: a few references can stand for billions of parts."""


def create_request(openapi: object) -> dict[str, Any]:
    """Return the schema of the body of `POST …/client-grants`.

    `openapi` is the parsed document. In the result every local `$ref` is written out and `x-` keywords are gone.

    Raises:
        ReconcilerError: the document lacks the endpoint or its JSON body, or refers to itself, elsewhere or nowhere.
    """
    request = dict(_part(openapi, "paths", _collection_path(openapi), "post", "requestBody"))
    body = _WrittenOut(openapi).mapping(request, ())
    schema = _part(body, "content", "application/json", "schema")
    _part(schema, "properties")
    return dict(schema)


def _collection_path(openapi: object) -> str:
    """Return the one path of the grants themselves: `/organizations/{id}/client-grants` ends alike, but has an id."""
    paths = [path for path in _part(openapi, "paths") if path.endswith(COLLECTION) and "{" not in path]
    if len(paths) != 1:
        raise ReconcilerError(
            f"the OpenAPI document has {len(paths)} paths that end in {COLLECTION}, not one; "
            "give a document of Auth0's Management API"
        )
    return str(paths[0])


def _part(value: object, key: str, *deeper: str) -> Mapping[str, Any]:
    """Return the mapping under the keys given, one inside the other."""
    inner = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(inner, Mapping):
        raise ReconcilerError(
            f'the OpenAPI document has no "{key}" where one belongs; give one of Auth0\'s Management API, in JSON'
        )
    return _part(inner, *deeper) if deeper else inner


class _WrittenOut:
    """Writes out what references in a document name; `trail` always holds the references on the way to a part."""

    def __init__(self, openapi: object) -> None:
        self._openapi = openapi
        self._parts = 0

    def mapping(self, node: dict[str, Any], trail: tuple[str, ...], level: int = 0) -> dict[str, Any]:
        """Return a mapping with its references written out; what stands beside one is added to what it names."""
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
            raise ReconcilerError(f"the OpenAPI document's reference {reference} leads back to itself")
        target = _target(self._openapi, str(reference))
        return {**self.mapping(dict(target), (*trail, str(reference)), level + 1), **beside}

    def _count(self, level: int) -> None:
        """Count a part. Raises ReconcilerError if there are too many, or too many levels of them."""
        self._parts += 1
        if self._parts > MOST_PARTS or level > MOST_LEVELS:
            what = f"more than {MOST_PARTS:,} parts" if level <= MOST_LEVELS else f"more than {MOST_LEVELS} levels"
            raise ReconcilerError(f"the request in the OpenAPI document has {what} once its references are written out")

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
    """Return what a local reference names: a JSON pointer (RFC 6901) in a URI fragment."""
    if not reference.startswith("#/"):
        raise ReconcilerError(
            f"the OpenAPI document refers to {reference}, which is outside of it; bundle it into one document"
        )
    steps = unquote(reference[2:]).split("/")
    return _part(openapi, *(step.replace("~1", "/").replace("~0", "~") for step in steps))
