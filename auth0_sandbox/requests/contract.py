"""Read the required scopes and the schemas of operations from the project's OpenAPI document.

The sandbox checks requests only against the OpenAPI document, so document and behaviour agree.
"""

import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from auth0_sandbox.requests.calls import ApiCall, Endpoint
from auth0_sandbox.requests.responses import SandboxResponse
from auth0_sandbox.store.documents import Document, Schema

_ROUTED_ID = "{id:path}"  # also matches slashes


def endpoint(method: str, path: str, handle: Callable[[ApiCall], SandboxResponse]) -> Endpoint:
    """Return the endpoint for a method and a path of the OpenAPI document.

    Raises:
        KeyError: if the document lacks the operation.
    """
    item, operation = _described(method, path)
    parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
    return Endpoint(
        method=method,
        path=path,
        any_of=tuple(scope for requirement in operation["security"] for scope in requirement["bearer"]),
        handle=handle,
        identity=_schemas(parameters, "path").get("id", {}),
        query=_schemas(parameters, "query"),
        body=partial(body, method, path) if "requestBody" in operation else None,
        summary=operation["summary"],
    )


def body(method: str, path: str) -> Schema:
    """Return the schema of an operation's JSON body.

    Raises:
        KeyError: if the document lacks the operation, or the operation has no body.
    """
    _, operation = _described(method, path)
    schema: Schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return schema


def _described(method: str, path: str) -> tuple[Document, Document]:
    """Return the description of a path and the description of a method of the path."""
    item = described_paths()[path.replace(_ROUTED_ID, "{id}")]
    return item, item[method.lower()]


@cache
def described_paths() -> Document:
    """Return the paths of the OpenAPI document with resolved references."""
    document = json.loads(_document().read_text(encoding="utf-8"))
    paths = _written_out(document["paths"], document)
    return paths if isinstance(paths, dict) else {}


def _document() -> Path:
    """Return the path of the OpenAPI document: inside the package in a wheel, in the folder `schemas` in a checkout."""
    name = "client-grants.openapi.json"
    inside = Path(__file__).resolve().parents[1] / name
    return inside if inside.exists() else inside.parents[1] / "schemas" / name


def _schemas(parameters: list[Document], place: str) -> dict[str, Schema]:
    """Return the schemas of the parameters in `place` by name.

    The schemas contain the descriptions, for error messages.
    """
    return {
        parameter["name"]: {**parameter["schema"], "description": parameter["description"]}
        for parameter in parameters
        if parameter["in"] == place
    }


def _written_out(node: object, document: Document) -> object:
    """Return `node` with resolved references. The document contains no circular references."""
    match node:
        case {"$ref": str(reference)}:
            target: object = document
            for step in reference.removeprefix("#/").split("/"):
                target = target[step] if isinstance(target, dict) else {}
            return _written_out(target, document)
        case dict():
            return {key: _written_out(value, document) for key, value in node.items()}
        case list():
            return [_written_out(item, document) for item in node]
        case _:
            return node
