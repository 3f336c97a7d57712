"""Pure: the schemas of the bodies that /client-grants takes, derived from the project's OpenAPI document."""

from functools import cache

from reconciler.contract import stored
from reconciler.sandbox.documents import Document, Schema

# What PATCH takes, and which of it may be null (Auth0's OpenAPI document).
_NULLABLE = {
    "scope": True,
    "organization_usage": True,
    "allow_any_organization": True,
    "authorization_details_types": False,
    "allow_all_scopes": True,
}


@cache
def create_body() -> Schema:
    """Return the schema of POST's body, its references resolved."""
    document = stored.load(stored.OPENAPI)
    request = document["paths"]["/client-grants"]["post"]["requestBody"]
    return _resolved(request["content"]["application/json"]["schema"], document)


@cache
def update_body() -> Schema:
    """Return the schema of PATCH's body: the mutable properties of POST's, null where it un-sets one."""
    properties = create_body()["properties"]
    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {
            name: _nullable(properties[name]) if nullable else properties[name] for name, nullable in _NULLABLE.items()
        },
    }


def _nullable(schema: Document) -> Document:
    changed = {**schema, "type": [schema["type"], "null"]}
    return changed | {"enum": [*schema["enum"], None]} if "enum" in schema else changed


def _resolved(schema: Document, document: Document) -> Document:
    """Return `schema` with every local reference replaced by what it names; the contract has no cycles."""
    if "$ref" in schema:
        target = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _resolved(target, document)
    changed = dict(schema)
    if "properties" in schema:
        changed["properties"] = {name: _resolved(part, document) for name, part in schema["properties"].items()}
    if "items" in schema:
        changed["items"] = _resolved(schema["items"], document)
    return changed
