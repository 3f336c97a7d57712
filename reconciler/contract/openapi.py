"""Pure: find the create request in an OpenAPI document of the Management API, as one self-contained JSON Schema."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from reconciler.errors import ReconcilerError

COLLECTION = "/client-grants"
EXTENSION = "x-"  # OpenAPI's prefix for what vendors add; it binds nobody


def create_request(openapi: object) -> dict[str, Any]:
    """Return the schema of the body of `POST …/client-grants`.

    `openapi` is the parsed document. In the result every local `$ref` is written out and `x-` keywords are gone.

    Raises:
        ReconcilerError: the document lacks the endpoint or its JSON body, or refers to itself, elsewhere or nowhere.
    """
    body = _mapping(dict(_part(openapi, "paths", _collection_path(openapi), "post", "requestBody")), openapi, ())
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


def _written_out(node: object, openapi: object, trail: tuple[str, ...]) -> object:
    """Return `node` with what its references name in their place; `trail` holds the references on the way here."""
    match node:
        case dict():
            return _mapping(node, openapi, trail)
        case list():
            return [_written_out(item, openapi, trail) for item in node]
        case _:
            return node


def _mapping(node: dict[str, Any], openapi: object, trail: tuple[str, ...]) -> dict[str, Any]:
    """Do the same for a mapping; what stands beside a reference is added to what it names (OpenAPI 3.1)."""
    reference = node.get("$ref")
    beside = {
        key: _written_out(value, openapi, trail)
        for key, value in node.items()
        if key != "$ref" and not key.startswith(EXTENSION)
    }
    if reference is None:
        return beside
    if reference in trail:
        raise ReconcilerError(f"the OpenAPI document's reference {reference} leads back to itself")
    target = _target(openapi, str(reference))
    return {**_mapping(dict(target), openapi, (*trail, str(reference))), **beside}


def _target(openapi: object, reference: str) -> Mapping[str, Any]:
    """Return what a local reference names: a JSON pointer (RFC 6901) in a URI fragment."""
    if not reference.startswith("#/"):
        raise ReconcilerError(
            f"the OpenAPI document refers to {reference}, which is outside of it; bundle it into one document"
        )
    steps = unquote(reference[2:]).split("/")
    return _part(openapi, *(step.replace("~1", "/").replace("~0", "~") for step in steps))
