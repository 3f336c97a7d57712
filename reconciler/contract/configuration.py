"""The JSON Schema of reconciler.yaml."""

from collections.abc import Iterator
from typing import Any

from reconciler.contract.derive import CONTROL_CHARACTERS, DIALECT, MATCHES_NOTHING, Schema
from reconciler.contract.policy import (
    MAX_ITEMS,
    WILDCARDS,
    must_not_match,
    object_schema,
    pattern_item,
    policy_schema,
    reason_schema,
    text_schema,
)
from reconciler.core.expiry import DURATION_UNITS
from reconciler.core.expressible import MAX_SCOPE_LENGTH
from reconciler.core.fleet.waves import DEFAULT_STOP_AFTER
from reconciler.core.identity import CREDENTIALS_PREFIX
from reconciler.core.scope_sets import SET_NAME
from reconciler.core.tenant_filter import BUILT_IN, INVALID_PLACEHOLDER, VARIABLE_NAME

END = r"(?![\s\S])"
"""A regular expression that matches only at the end of a string.

Python's `$` also matches before a line break at the end of a string.
"""
PREFIX = f"^AUTH0_([A-Z0-9]+_)*{END}"
"""A regular expression for the values of `credentials` in reconciler.yaml.

Without the prefix AUTH0_, a pull request could make reconciler read other environment variables.
"""
SHARED_SETTINGS = (
    *("variables", "scope_sets", "credentials", "manage", "protect", "own", "limits", "policy", "warn_before"),
)
"""The settings in reconciler.yaml that can be global or set for one tenant."""
WAVE_NAME = f"^[A-Za-z0-9][A-Za-z0-9._-]*{END}"
"""A regular expression for the names of rollout waves in reconciler.yaml.

CI services show the name of a rollout wave as the name of a job or environment.
"""


def config_schema() -> dict[str, Any]:
    """Return the schema of reconciler.yaml (JSON Schema 2020-12)."""
    tenants = {
        "title": "Tenants",
        "description": "The tenants by name. Choose any name for a tenant.",
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/tenant"},
        "examples": [
            {
                "sandbox": {"kind": "sandbox", "seed": "sandbox.yaml"},
                "production": {"domain": "example.eu.auth0.com"},
            },
        ],
    }
    default_tenant = text_schema("Default tenant", "The name of the tenant to use without --tenant and AUTH0_DOMAIN.")
    return {
        "$schema": DIALECT,
        **object_schema(
            "reconciler.yaml",
            "The tenants, and the rules for changes in the tenants. This file contains no credentials. "
            "Credentials come from environment variables.",
            {
                "default_tenant": {**default_tenant, "examples": ["sandbox"]},
                **_shared(),
                "tenants": tenants,
                "waves": _waves(),
                "stop_after": _stop_after(),
            },
        ),
        "$defs": {
            "tenant": _tenant(),
            "variables": _variables(),
            "scope_sets": _scope_sets(),
            "credentials": _credentials(),
            "manage": _manage(),
            "protect": _protect(),
            "own": _own(),
            "limits": _limits(),
            "policy": policy_schema(),
            "warn_before": _warn_before(),
        },
    }


def _shared() -> Schema:
    return {name: {"$ref": f"#/$defs/{name}"} for name in SHARED_SETTINGS}


def _tenant() -> Schema:
    kind = {
        "title": "Kind",
        "description": "auth0: a tenant of Auth0. sandbox: a local tenant in a file.",
        "type": "string",
        "enum": ["auth0", "sandbox"],
        "default": "auth0",
    }
    domain = "The tenant's domain. A loopback address uses plain HTTP unless it starts with https://."
    canonical_domain = (
        "The domain that Auth0 assigned to the tenant, if `domain` is a custom domain. Each run stops before the "
        "first write if the canonical domain does not match the identity of the tenant."
    )
    seed = "For a sandbox: the YAML file with the initial content, relative to reconciler.yaml."
    database = "For a sandbox: the file for the state of the tenant, relative to reconciler.yaml."
    fields = {
        "kind": kind,
        "domain": {**text_schema("Domain", domain), "examples": ["example.eu.auth0.com", "127.0.0.1:8321"]},
        "canonical_domain": {**text_schema("Canonical domain", canonical_domain), "examples": ["example.eu.auth0.com"]},
        "seed": {**text_schema("Seed", seed), "examples": ["sandbox.yaml"]},
        "database": {**text_schema("Database", database), "examples": [".reconciler/sandbox.sqlite"]},
        **_shared(),
    }
    description = "An Auth0 tenant, or a sandbox (a local tenant without credentials)."
    return {**object_schema("Tenant", description, fields), "allOf": list(_kind_rules())}


def _kind_rules() -> Iterator[Schema]:
    of_auth0 = {"properties": {"kind": {"const": "auth0"}}}
    sentence = 'the tenant has no domain; add a domain, or write "kind: sandbox"'
    yield {"if": of_auth0, "then": {"required": ["domain"], "errorMessage": sentence}}
    refused = {
        name: {
            **MATCHES_NOTHING,
            "errorMessage": f'"{name}" is only valid for sandboxes; remove it, or write "kind: sandbox"',
        }
        for name in ("seed", "database")
    }
    yield {"if": of_auth0, "then": {"properties": refused}}
    of_sandbox = {"properties": {"kind": {"const": "sandbox"}}, "required": ["kind"]}
    sentence = '"canonical_domain" is not valid for sandboxes; remove it'
    canonical = {"canonical_domain": {**MATCHES_NOTHING, "errorMessage": sentence}}
    yield {"if": of_sandbox, "then": {"properties": canonical}}


def _variables() -> Schema:
    value = {
        **text_schema("Value", "The value that replaces ${name} for this tenant."),
        "allOf": [must_not_match(CONTROL_CHARACTERS, "the variable contains a control character; remove it")],
    }
    name = {
        "allOf": [
            {
                "pattern": f"^{VARIABLE_NAME}$",
                "errorMessage": "this is not a valid variable name; start with a letter, then use letters, digits or _",
            },
            {"not": {"const": BUILT_IN}, "errorMessage": f'"{BUILT_IN}" is built in; give the variable another name'},
        ],
    }
    return {
        "title": "Variables",
        "description": "Values for ${name} in grant files. ${domain}, the tenant's canonical domain, is built in.",
        "type": "object",
        "propertyNames": name,
        "additionalProperties": value,
        "examples": [{"stage": "dev"}],
    }


def _scope_sets() -> Schema:
    scope = {
        **text_schema("Scope", 'A scope. Write "@@" at the start of a scope that starts with "@".'),
        "maxLength": MAX_SCOPE_LENGTH,
        "allOf": [
            must_not_match(CONTROL_CHARACTERS, "a scope contains a control character; remove it"),
            must_not_match("^@(?!@)", "a scope set cannot contain a scope set; list the scopes instead"),
            must_not_match(INVALID_PLACEHOLDER, 'invalid variable after "${"; write ${name}, or $${ for a literal ${'),
        ],
    }
    sentence = "this is not a valid name of a scope set; start with a letter, then use letters, digits, _ or -"
    return {
        "title": "Scope sets",
        "description": 'Named lists of scopes. A grant with the scope "@name" gets all scopes in the set `name`.',
        "type": "object",
        "propertyNames": {"pattern": f"^{SET_NAME}{END}", "errorMessage": sentence},
        "additionalProperties": {
            "title": "Scope set",
            "description": "The scopes in the set.",
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_ITEMS,
            "uniqueItems": True,
            "items": scope,
        },
        "examples": [{"readers": ["read:invoices", "read:orders"]}],
    }


def _credentials() -> Schema:
    text = text_schema(
        "Credentials",
        "Prefix of the environment variables with the tenant's credentials. With the prefix AUTH0_PROD_, "
        "reconciler reads AUTH0_PROD_CLIENT_ID, AUTH0_PROD_CLIENT_SECRET and so on.",
    )
    sentence = "this is not a valid prefix; start with AUTH0_, use capital letters, digits and _, and end with _"
    return {
        **text,
        "default": CREDENTIALS_PREFIX,
        "examples": ["AUTH0_PROD_"],
        "allOf": [{"pattern": PREFIX, "errorMessage": sentence}],
    }


def _manage() -> Schema:
    item = pattern_item("Managed", f"{WILDCARDS}.", "this item matches nothing", {})
    return {
        "title": "Managed grants",
        "description": (
            "The grants that reconciler may change. If a grant matches no item of `manage`, reconciler never changes "
            "or deletes the grant, and no file may declare the grant. Without `manage`, reconciler manages all grants."
        ),
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_ITEMS,
        "items": item,
    }


def _protect() -> Schema:
    fields = {"reason": reason_schema("owned by the payroll team")}
    return {
        "title": "Protected grants",
        "description": (
            "Grants that reconciler never changes or deletes. An item of `protect` matches a grant if all patterns of "
            "the item match."
        ),
        "type": "array",
        "maxItems": MAX_ITEMS,
        "items": pattern_item("Protected", f"{WILDCARDS}.", "this item protects nothing", fields),
    }


def _own() -> Schema:
    return {
        "title": "Own applications",
        "description": (
            "Client ids of the applications that run reconciler, for example one to plan and one to apply. The "
            "Management API grants of applications in `own`, and of all applications that may change client grants, "
            "are never changed or deleted."
        ),
        "type": "array",
        "items": {**text_schema("Client id", "The application's id."), "examples": ["B5PSkQdpM3r"]},
    }


def _limits() -> Schema:
    def percent(title: str, verb: str, default: int) -> Schema:
        return {
            "title": title,
            "description": f"Maximum percentage of the counted grants (see `limits`) that one plan may {verb}.",
            "type": "number",
            "minimum": 0,
            "maximum": 100,
            "default": default,
        }

    of_organizations = {
        "title": "Grants of an organization",
        "description": (
            "Maximum number of grants per organization. Auth0 allows 100 grants in the public cloud, and 1000 grants "
            "in a private cloud."
        ),
        "type": "integer",
        "minimum": 0,
        "default": 100,
    }
    return object_schema(
        "Limits",
        "Limits for the changes in one plan. The percentages refer to the declared grants that exist in the tenant, "
        "plus the undeclared and expired grants that the plan deletes. The percentages apply only if this total is "
        "at least ten.",
        {
            "deletes": percent("Deletes", "delete", 30),
            "updates": percent("Updates", "update", 50),
            "organization_grants": of_organizations,
        },
    )


def _waves() -> Schema:
    name = {
        **text_schema("Name", "The name of the wave, for the option --wave."),
        "maxLength": 64,
        "examples": ["canary"],
        "allOf": [
            {
                "pattern": WAVE_NAME,
                "errorMessage": "this is not a valid name of a wave; use letters, digits, ., _ and -, and start with "
                "a letter or a digit",
            }
        ],
    }
    tenants = {
        "title": "Tenants",
        "description": f"Names or patterns of tenants. {WILDCARDS}.",
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_ITEMS,
        "items": {**text_schema("Tenant", "The name of a tenant, or a pattern for names."), "examples": ["eu-*"]},
    }
    item = object_schema("Wave", "A group of tenants.", {"name": name, "tenants": tenants})
    return {
        "title": "Waves",
        "description": (
            "Groups of tenants. `reconciler apply --all-tenants` changes one group at a time. A tenant belongs "
            "to the first group with a name or pattern that matches the tenant. Every tenant must belong to a group."
        ),
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_ITEMS,
        "items": {**item, "required": ["name", "tenants"]},
        "examples": [[{"name": "canary", "tenants": ["t001"]}, {"name": "rest", "tenants": ["*"]}]],
    }


def _stop_after() -> Schema:
    return {
        "title": "Stop after",
        "description": (
            "No further wave starts after this number of tenants failed, were refused, were only partly applied, or "
            "have an unknown result. The tenants of all waves are counted."
        ),
        "type": "integer",
        "minimum": 1,
        "default": DEFAULT_STOP_AFTER,
    }


def _warn_before() -> Schema:
    sentence = "this is not a number of days, hours or weeks; write for example 14d, 36h or 2w, or 0d for no warnings"
    description = "The time before the expiry date of a grant (`expires`) at which `plan` and `validate` start to warn."
    pattern = {"pattern": f"^[0-9]{{1,4}}[{''.join(DURATION_UNITS)}]{END}", "errorMessage": sentence}
    return {
        **text_schema("Warn before", description),
        "default": "14d",
        "examples": ["14d", "4w"],
        "allOf": [pattern],
    }
