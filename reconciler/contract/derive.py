"""Pure: derive the JSON Schema of grant files from the OpenAPI document of the Management API."""

import json
from typing import Any

from reconciler.contract.openapi import create_request
from reconciler.contract.rules import APIS, HOLDERS, Schema, rules

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# The fields that grant files have and Auth0's endpoint does not.
CLIENT: Schema = {
    "title": "Client",
    "description": "Name of the application that receives the grant, as the tenant shows it.",
    "markdownDescription": (
        "Name of the application that receives the grant, as the tenant shows it. "
        "Names are equal in all tenants, ids are not. If two applications have the same name, use `client_id`."
    ),
    "type": "string",
    "minLength": 1,
    "examples": ["Billing Worker"],
}
API: Schema = {
    "title": "API",
    "description": "Name of the API that the application may call, as the tenant shows it.",
    "markdownDescription": (
        "Name of the API that the application may call, as the tenant shows it. "
        "Use `audience` for its identifier, and for Auth0's own APIs."
    ),
    "type": "string",
    "minLength": 1,
    "examples": ["Invoices API"],
}
DESCRIPTION: Schema = {
    "title": "Description",
    "description": "Why the grant exists. Plans and reports show it. Auth0 does not store it.",
    "type": "string",
    "examples": ["Nightly invoice run, OPS-1432"],
}
TENANTS: Schema = {
    "title": "Tenants",
    "description": "Tenants of reconciler.yaml in which this applies, as names or patterns.",
    "markdownDescription": (
        "Tenants of `reconciler.yaml` in which this applies, as names or patterns. The default is all tenants. "
        "A tenant must match both the list of the file and the list of the grant."
    ),
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {"type": "string", "minLength": 1},
    "examples": [["dev", "staging"], ["customer-*"]],
}
ORGANIZATIONS: Schema = {
    "title": "Organizations",
    "description": (
        "Names or ids of the only organizations that may use the grant. "
        "Without this field, reconciler neither reads nor changes them."
    ),
    "markdownDescription": (
        "Names or ids of the only organizations that may use the grant. `[]` means none. "
        "Without this field, reconciler neither reads nor changes them."
    ),
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "examples": [["acme", "globex"]],
}
SNAPSHOT: Schema = {
    "title": "Snapshot",
    "description": (
        "The run that wrote this file. Applying the file undoes the run. In such a file, a scope that its API no "
        "longer defines is a warning instead of an error."
    ),
    "type": "string",
}
SNIPPETS: list[Schema] = [
    {
        "label": "grant by names",
        "description": "An application may call an API with these scopes.",
        "body": {"client": "${1:application}", "api": "${2:API}", "scope": ["${3:read:things}"]},
    },
    {
        "label": "grant by ids",
        "description": "The same with client id and audience.",
        "body": {"client_id": "${1:id}", "audience": "${2:identifier}", "scope": ["${3:read:things}"]},
    },
]


def grants_schema(openapi: object) -> dict[str, Any]:
    """Return the schema of grant files (JSON Schema 2020-12) for the create request of `openapi`.

    Raises:
        ReconcilerError: `openapi` is not an OpenAPI document with this request.
    """
    return {
        "$schema": DIALECT,
        "title": "Client grants",
        "description": "The applications that may call APIs of an Auth0 tenant, and the scopes that they may use.",
        "type": "object",
        "required": ["grants"],
        "additionalProperties": False,
        "properties": {
            "snapshot": SNAPSHOT,
            "tenants": TENANTS,
            "grants": {
                "title": "Grants",
                "description": "The client grants that the tenant should have, in any order.",
                "type": "array",
                "items": _grant(create_request(openapi)),
            },
        },
    }


def _grant(request: dict[str, Any]) -> Schema:
    """Return the schema of one grant: the create request, plus the fields of grant files and the rules."""
    names = {"client": CLIENT, "api": API, "description": DESCRIPTION, "tenants": TENANTS}
    fields = {**names, **request["properties"], "organizations": ORGANIZATIONS}
    alternatives = {*HOLDERS, *APIS}  # which of them are required is a rule
    required = [name for name in request.get("required", ()) if name not in alternatives]
    return {
        **request,
        "title": "Grant",
        "description": "Permission for one application, or for a default group of applications, to call one API.",
        "defaultSnippets": SNIPPETS,
        "required": required,
        "properties": fields,
        "allOf": [*request.get("allOf", ()), *rules(fields)],
    }


def render(schema: dict[str, Any]) -> str:
    """Return the text of a schema file."""
    return json.dumps(schema, indent=2) + "\n"
