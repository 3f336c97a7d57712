"""Derive the JSON Schema of grant files from the OpenAPI document of the Management API."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from reconciler.contract.openapi import create_request
from reconciler.core.expiry import EXPIRES_PATTERN
from reconciler.core.scope_sets import INVALID_REFERENCE
from reconciler.core.tenant_filter import INVALID_PLACEHOLDER

Schema = dict[str, Any]

HOLDERS = ("client", "clients", "client_id", "default_for")
APIS = ("api", "audience")
LISTS = ("clients", "scope", "organizations")
ORGANIZATION_SETTINGS = ("organization_usage", "allow_any_organization", "organizations")
USER_SETTINGS_OF_MY_ORGANIZATION = ("organization_usage", "allow_any_organization")
MY_ORGANIZATION_OF_USERS: Schema = {
    "required": ["subject_type", "audience"],
    "properties": {"subject_type": {"const": "user"}, "audience": {"type": "string", "pattern": "/my-org/$"}},
}
"""A JSON Schema that matches grants with the subject type `user` for the My Organization API.

In real tenants, user grants for the My Organization API have organization settings.
"""
FOREIGN_KEYWORD = "##[A-Za-z0-9_]+##|@@[A-Za-z0-9_]+@@"
"""A regular expression for the placeholders of auth0-deploy-cli, for example `##KEY##`.

A grant file that contains a placeholder was probably copied from auth0-deploy-cli.
"""
CONTROL_CHARACTERS = "[\\u0000-\\u001f\\u007f-\\u009f]"
MATCHES_NOTHING: Schema = {"not": {}}


def rules(fields: Mapping[str, Mapping[str, Any]]) -> list[Schema]:
    """Return the rules for a grant in a grant file, as JSON Schemas with an `errorMessage`.

    `fields` contains the JSON Schema of each field of a grant. If an old API description lacks a field, the function
    returns no rule for the field.
    """
    return [
        _exactly_one(HOLDERS, fields, "to say who receives the grant"),
        _exactly_one(APIS, fields, "to name the API"),
        *_not_empty_rules(fields),
        *_placeholder_rules(fields),
        *_scope_rules(fields),
        *_subject_type_rules(fields),
        *_organization_rules(fields),
    ]


def _exactly_one(names: Iterable[str], fields: Collection[str], purpose: str) -> Schema:
    known = [name for name in names if name in fields]
    listed = f"{', '.join(known[:-1])} and {known[-1]}" if known[1:] else known[0]
    return {
        "oneOf": [{"required": [name]} for name in known],
        "errorMessage": f"give exactly one of {listed} {purpose}",
    }


def _not_empty_rules(fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Schema]:
    """Yield rules that refuse empty ids and names.

    The API description allows an empty `client_id`, but an empty id in a grant file is always a mistake.
    """
    for name in (*HOLDERS, *APIS):
        if fields.get(name, {}).get("type") == "string" and not {"minLength", "enum"} & fields[name].keys():
            yield _if_present(name, {"minLength": 1}, f'"{name}" is empty; write its value')


def _placeholder_rules(fields: Collection[str]) -> Iterator[Schema]:
    """For each field, yield a rule that refuses invalid variables and the keywords of auth0-deploy-cli."""
    text = {
        "not": {"type": "string", "pattern": INVALID_PLACEHOLDER},
        "errorMessage": 'invalid variable after "${"; write ${name}, or $${ for a literal ${',
    }
    keyword = {
        "not": {"type": "string", "pattern": FOREIGN_KEYWORD},
        "errorMessage": "reconciler does not replace keywords of auth0-deploy-cli; write ${NAME}, and define NAME "
        "under variables in reconciler.yaml",
    }
    for name in (*HOLDERS, *APIS, *LISTS):
        if name in fields and name != "default_for":
            rules_of_text = {"allOf": [text, keyword]}
            yield {"properties": {name: {"items": rules_of_text} if name in LISTS else rules_of_text}}


def _scope_rules(fields: Collection[str]) -> Iterator[Schema]:
    if "scope" not in fields:
        return
    yield _if_present("scope", {"uniqueItems": True}, "a scope is listed twice; list each scope once")
    item = {
        "not": {"type": "string", "pattern": CONTROL_CHARACTERS},
        "errorMessage": "a scope contains a control character (such as a tab or a line break); remove it",
    }
    yield {"properties": {"scope": {"items": item}}}
    reference = {
        "not": {"type": "string", "pattern": INVALID_REFERENCE},
        "errorMessage": 'invalid scope set after "@"; write @name, or @@ for a scope that starts with "@"',
    }
    yield {"properties": {"scope": {"items": reference}}}
    if "allow_all_scopes" in fields:
        yield {
            "if": _has_value("allow_all_scopes", {"const": True}),
            "then": _if_present(
                "scope",
                {"const": []},
                '"scope" lists scopes although "allow_all_scopes" is true; remove one of the two fields',
            ),
        }


def _subject_type_rules(fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Schema]:
    """Yield rules that refuse the fields that Auth0 does not allow for the subject type of the grant.

    A grant without `subject_type` has the subject type `client`.
    """
    others = [name for name in fields.get("subject_type", {}).get("enum", ()) if name != "user"]
    if others and "authorization_details_types" in fields:
        yield {
            "if": {"properties": {"subject_type": {"enum": others}}},
            "then": _if_present(
                "authorization_details_types",
                {"const": []},
                '"authorization_details_types" is only valid for users; remove it, or write "subject_type: user"',
            ),
        }
    user_types = [name for name in fields.get("subject_type", {}).get("enum", ()) if name != "client"]
    for setting in _settings(fields) if user_types else ():
        is_allowed = setting in USER_SETTINGS_OF_MY_ORGANIZATION and "audience" in fields
        yield {
            "if": _has_value("subject_type", {"enum": user_types})
            | ({"not": MY_ORGANIZATION_OF_USERS} if is_allowed else {}),
            "then": _if_present(
                setting,
                MATCHES_NOTHING,
                f'"{setting}" is only valid for applications; remove it, or write "subject_type: client"',
            ),
        }


def _organization_rules(fields: Collection[str]) -> Iterator[Schema]:
    if "clients" in fields:
        yield _if_present("clients", {"uniqueItems": True}, "a client is listed twice; list each client once")
    if "organizations" in fields:
        sentence = "an organization is listed twice; list each organization once"
        yield _if_present("organizations", {"uniqueItems": True}, sentence)
    for setting in _settings(fields) if "default_for" in fields else ():
        yield {
            "if": {"required": ["default_for"]},
            "then": _if_present(
                setting,
                MATCHES_NOTHING,
                f'"{setting}" cannot be combined with "default_for"; remove one of the two fields',
            ),
        }
    if {"organization_usage", "allow_any_organization"} <= set(fields):
        yield {
            "if": {"properties": {"organization_usage": {"const": "deny"}}},
            "then": _if_present(
                "allow_any_organization",
                {"not": {"const": True}},
                '"allow_any_organization" has no effect without organizations; '
                'write "organization_usage: allow" (or require), or remove it',
            ),
        }


def _settings(fields: Collection[str]) -> list[str]:
    return [name for name in ORGANIZATION_SETTINGS if name in fields]


def _if_present(field: str, schema: Schema, sentence: str) -> Schema:
    """Return a rule that checks the value of `field` with `schema` if the grant has the field."""
    return {"properties": {field: {**schema, "errorMessage": sentence}}}


def _has_value(field: str, schema: Schema) -> Schema:
    """Return a condition that is true if a grant has the field `field` and the value of the field matches `schema`."""
    return {"required": [field], "properties": {field: schema}}


DIALECT = "https://json-schema.org/draft/2020-12/schema"

# the JSON Schemas of the fields that exist only in grant files and not in Auth0's API
CLIENT: Schema = {
    "title": "Client",
    "description": "Name of the application that receives the grant, as in the tenant.",
    "markdownDescription": (
        "Name of the application that receives the grant, as in the tenant. Prefer names to ids, because ids differ "
        "between tenants. If two applications have the same name, use `client_id`."
    ),
    "type": "string",
    "minLength": 1,
    "examples": ["Billing Worker"],
}
CLIENTS: Schema = {
    "title": "Clients",
    "description": "Names of several applications. Each application receives the grant.",
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "minLength": 1},
    "examples": [["Billing Worker", "Reporting Service"]],
}
API: Schema = {
    "title": "API",
    "description": "Name of the API that the application may call, as in the tenant.",
    "markdownDescription": (
        "Name of the API that the application may call, as in the tenant. "
        "Use `audience` for an identifier, and for Auth0's own APIs."
    ),
    "type": "string",
    "minLength": 1,
    "examples": ["Invoices API"],
}
DESCRIPTION: Schema = {
    "title": "Description",
    "description": "The purpose of the grant, for plans and reports. Auth0 does not store the description.",
    "type": "string",
    "examples": ["Nightly invoice run, OPS-1432"],
}
EXPIRES: Schema = {
    "title": "Expires",
    "description": (
        "The expiry date of the grant: the last day in UTC, or a time with a time zone. Expired grants are "
        "deleted. Auth0 does not store expiry dates."
    ),
    "type": "string",
    "allOf": [
        {
            "pattern": EXPIRES_PATTERN,
            "not": {"type": "string", "pattern": CONTROL_CHARACTERS},
            "errorMessage": "this is not a day or a time; write a valid date such as 2027-03-31, or a time with a time "
            "zone like 2027-03-31T18:00:00Z",
        },
    ],
    "examples": ["2027-03-31", "2027-03-31T18:00:00Z"],
}
TENANTS: Schema = {
    "title": "Tenants",
    "description": "Names or patterns of the tenants that get the grants. The names come from reconciler.yaml.",
    "markdownDescription": (
        "Names or patterns of the tenants that get the grants. The names come from `reconciler.yaml`. The default is "
        "all tenants. If the file and the grant both have `tenants`, a tenant must match both lists."
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
        "Names or ids of the organizations that may use the grant. "
        "Without `organizations`, reconciler neither reads nor changes the organizations."
    ),
    "markdownDescription": (
        "Names or ids of the organizations that may use the grant. `[]` means no organizations. "
        "Without `organizations`, reconciler neither reads nor changes the organizations."
    ),
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "examples": [["acme", "globex"]],
}
SNAPSHOT: Schema = {
    "title": "Snapshot",
    "description": (
        "The id of the run that wrote the snapshot. Apply the file to undo the run. In a snapshot, an undefined scope "
        "is a warning instead of an error."
    ),
    "type": "string",
}
SNIPPETS: list[Schema] = [
    {
        "label": "grant by names",
        "description": "A grant with the names of an application and an API.",
        "body": {"client": "${1:application}", "api": "${2:API}", "scope": ["${3:read:things}"]},
    },
    {
        "label": "grant by ids",
        "description": "A grant with a client id and an audience.",
        "body": {"client_id": "${1:id}", "audience": "${2:identifier}", "scope": ["${3:read:things}"]},
    },
]


def grants_schema(openapi: object) -> dict[str, Any]:
    """Return the schema of grant files (JSON Schema 2020-12).

    `openapi` is the parsed OpenAPI document of the Management API. The schema takes the fields of a grant from the body
    of the request that creates a grant.

    Raises:
        ReconcilerError: if `openapi` does not describe the request that creates a grant.
    """
    return {
        "$schema": DIALECT,
        "title": "Client grants",
        "description": "The applications that may call APIs of an Auth0 tenant, with the allowed scopes.",
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
    """Return the schema of one grant: Auth0's schema for creating a grant, plus the fields and rules of reconciler."""
    names = {
        "client": CLIENT,
        "clients": CLIENTS,
        "api": API,
        "description": DESCRIPTION,
        "expires": EXPIRES,
        "tenants": TENANTS,
    }
    fields = {**names, **request["properties"], "organizations": ORGANIZATIONS}
    # a grant has exactly one of the fields in HOLDERS, and exactly one of the fields in APIS
    alternatives = {*HOLDERS, *APIS}
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
    """Return the schema as the text of a JSON file."""
    return json.dumps(schema, indent=2) + "\n"
