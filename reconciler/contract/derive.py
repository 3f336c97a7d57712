"""Pure: from the Management API's OpenAPI document to the JSON Schema of grant files."""

import json
from typing import Any

from reconciler.contract.openapi import create_request
from reconciler.contract.rules import APIS, HOLDERS, Schema, rules

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What a grant file adds to the contract.
CLIENT: Schema = {
    "title": "Client",
    "description": "Name of the application that receives the grant, as the tenant shows it.",
    "markdownDescription": (
        "Name of the application that receives the grant, as the tenant shows it. "
        "Names are the same in every tenant, ids are not; where two applications share a name, use `client_id`."
    ),
    "type": "string",
    "minLength": 1,
    "examples": ["Billing Worker"],
}
API: Schema = {
    "title": "API",
    "description": "Name of the API that the grant opens, as the tenant shows it.",
    "markdownDescription": (
        "Name of the API that the grant opens, as the tenant shows it. "
        "Use `audience` for its identifier, and for Auth0's own APIs."
    ),
    "type": "string",
    "minLength": 1,
    "examples": ["Invoices API"],
}
DESCRIPTION: Schema = {
    "title": "Description",
    "description": "Why the grant exists. It stays in the file, and reviews and reports show it.",
    "type": "string",
    "examples": ["Nightly invoice run, OPS-1432"],
}
TENANTS: Schema = {
    "title": "Tenants",
    "description": "Where this applies: tenants of reconciler.yaml, by their names there or by patterns.",
    "markdownDescription": (
        "Where this applies: tenants of `reconciler.yaml`, by their names there or by patterns. "
        "Left out: in every tenant. A file's and a grant's own have to fit both."
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
        "Names or ids of the organizations that may use the grant; all others lose it. "
        "Left out, they are neither read nor changed."
    ),
    "markdownDescription": (
        "Names or ids of the organizations that may use the grant; all others lose it: `[]` means none. "
        "Left out, they are neither read nor changed."
    ),
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "examples": [["acme", "globex"]],
}
SNAPSHOT: Schema = {
    "title": "Snapshot",
    "description": (
        "Written by a run that took something away, so that applying the file rolls back: a scope that its API no "
        "longer defines is a warning here, no error."
    ),
    "type": "string",
}
SNIPPETS: list[Schema] = [
    {
        "label": "grant by names",
        "description": "An application may call an API with these scopes",
        "body": {"client": "${1:application}", "api": "${2:API}", "scope": ["${3:read:things}"]},
    },
    {
        "label": "grant by ids",
        "description": "The same, by client id and audience",
        "body": {"client_id": "${1:id}", "audience": "${2:identifier}", "scope": ["${3:read:things}"]},
    },
]


def grants_schema(openapi: object) -> dict[str, Any]:
    """Return the schema of a grant file (JSON Schema 2020-12) that fits the create request of `openapi`.

    Raises:
        ReconcilerError: `openapi` is no OpenAPI document with that request.
    """
    return {
        "$schema": DIALECT,
        "title": "Client grants",
        "description": "Which applications may call which APIs of an Auth0 tenant, and with which scopes.",
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
    """Return the schema of one grant: the request's, with its own words and limits, plus names and the rules."""
    names = {"client": CLIENT, "api": API, "description": DESCRIPTION, "tenants": TENANTS}
    fields = {**names, **request["properties"], "organizations": ORGANIZATIONS}
    alternatives = {*HOLDERS, *APIS}  # which of them are required is a rule
    required = [name for name in request.get("required", ()) if name not in alternatives]
    return {
        **request,
        "title": "Grant",
        "description": "One application, or one group of applications by default, may call one API.",
        "defaultSnippets": SNIPPETS,
        "required": required,
        "properties": fields,
        "allOf": [*request.get("allOf", ()), *rules(fields)],
    }


def render(schema: dict[str, Any]) -> str:
    """Return the text of a schema file."""
    return json.dumps(schema, indent=2) + "\n"
