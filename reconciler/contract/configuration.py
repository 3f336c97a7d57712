"""Pure: the JSON Schema of reconciler.yaml, built of parts that are each said once."""

from collections.abc import Iterator
from typing import Any

from reconciler.contract.derive import DIALECT
from reconciler.contract.rules import CONTROL_CHARACTERS, NOTHING, Schema
from reconciler.core.domain import CREDENTIALS_PREFIX
from reconciler.core.pattern import NAMES
from reconciler.core.risks import RULES
from reconciler.core.template import BUILT_IN, NAME

PREFIX = "^AUTH0_([A-Z0-9]+_)*$"
"""No other variable of the environment can be named: a file that strangers may change must not choose a secret."""
SHARED = ("variables", "credentials", "manage", "protect", "own", "limits", "policy")
"""What stands at the top for all tenants, or beside one."""
MOST_ITEMS = 1000
"""Each item is compared with each grant."""
WILDCARDS = "In the patterns, * stands for any characters and ? for any single one"
PATTERN_PARTS: dict[str, tuple[str, str, str]] = {
    "client": ("Client", "the application's name", "Payroll*"),
    "client_id": ("Client id", "the application's id", "tpc_*"),
    "api": ("API", "the API's name", "Auth0 *"),
    "audience": ("Audience", "the API's identifier", "https://*/api/v2/"),
    "subject_type": ("Subject type", "the subject type", "user"),
}


def config_schema() -> dict[str, Any]:
    """Return the schema of reconciler.yaml (JSON Schema 2020-12)."""
    tenants = {
        "title": "Tenants",
        "description": "The tenants by the names that you give them.",
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/tenant"},
        "examples": [
            {
                "sandbox": {"kind": "sandbox", "seed": "sandbox.yaml"},
                "production": {"domain": "example.eu.auth0.com"},
            },
        ],
    }
    default_tenant = _text("Default tenant", "The tenant to work on where neither --tenant nor AUTH0_DOMAIN names one.")
    return {
        "$schema": DIALECT,
        **_object(
            "reconciler.yaml",
            "Which tenants there are, and what the reconciler may do to them. Credentials never stand here: "
            "they come from the environment.",
            {"default_tenant": {**default_tenant, "examples": ["sandbox"]}, **_shared(), "tenants": tenants},
        ),
        "$defs": {
            "tenant": _tenant(),
            "variables": _variables(),
            "credentials": _credentials(),
            "manage": _manage(),
            "protect": _protect(),
            "own": _own(),
            "limits": _limits(),
            "policy": _policy(),
        },
    }


def _shared() -> Schema:
    return {name: {"$ref": f"#/$defs/{name}"} for name in SHARED}


def _tenant() -> Schema:
    kind = {
        "title": "Kind",
        "description": "auth0: reached over the network. sandbox: kept in a local file.",
        "type": "string",
        "enum": ["auth0", "sandbox"],
        "default": "auth0",
    }
    domain = "The tenant's domain. One on loopback is spoken to in plain http unless it begins with https://."
    canonical_domain = (
        "Where the domain is a custom one: the domain that Auth0 gave the tenant. Each run compares it with what the "
        "tenant says of itself, and stops before it writes if they differ."
    )
    seed = "For a sandbox: the YAML file with what it holds at the start, relative to this file."
    database = "For a sandbox: the file that keeps its state, relative to this file."
    fields = {
        "kind": kind,
        "domain": {**_text("Domain", domain), "examples": ["example.eu.auth0.com", "127.0.0.1:8321"]},
        "canonical_domain": {**_text("Canonical domain", canonical_domain), "examples": ["example.eu.auth0.com"]},
        "seed": {**_text("Seed", seed), "examples": ["sandbox.yaml"]},
        "database": {**_text("Database", database), "examples": [".reconciler/sandbox.sqlite"]},
        **_shared(),
    }
    description = "An Auth0 tenant, or a sandbox: a local copy of one that needs no credentials."
    return {**_object("Tenant", description, fields), "allOf": list(_about_kinds())}


def _about_kinds() -> Iterator[Schema]:
    of_auth0 = {"properties": {"kind": {"const": "auth0"}}}
    sentence = 'the tenant has no domain; add one, or write "kind: sandbox"'
    yield {"if": of_auth0, "then": {"required": ["domain"], "errorMessage": sentence}}
    refused = {
        name: {**NOTHING, "errorMessage": f'"{name}" belongs to sandboxes only; remove it, or write "kind: sandbox"'}
        for name in ("seed", "database")
    }
    yield {"if": of_auth0, "then": {"properties": refused}}
    of_sandbox = {"properties": {"kind": {"const": "sandbox"}}, "required": ["kind"]}
    sentence = '"canonical_domain" belongs to tenants of Auth0 only; remove it'
    canonical = {"canonical_domain": {**NOTHING, "errorMessage": sentence}}
    yield {"if": of_sandbox, "then": {"properties": canonical}}


def _variables() -> Schema:
    value = {
        **_text("Value", "What stands in the place of ${name} in this tenant."),
        "allOf": [_none_of(CONTROL_CHARACTERS, "a variable has a control character; remove it")],
    }
    name = {
        "allOf": [
            {
                "pattern": f"^{NAME}$",
                "errorMessage": "this cannot name a variable; begin with a letter, go on with letters, digits or _",
            },
            {"not": {"const": BUILT_IN}, "errorMessage": f'"{BUILT_IN}" is built in; give the variable another name'},
        ],
    }
    return {
        "title": "Variables",
        "description": "What ${name} stands for in grant files. ${domain}, the tenant's host, is built in.",
        "type": "object",
        "propertyNames": name,
        "additionalProperties": value,
        "examples": [{"stage": "dev"}],
    }


def _credentials() -> Schema:
    text = _text(
        "Credentials",
        "How the names of the environment variables with the tenant's credentials begin: AUTH0_PROD_ stands for "
        "AUTH0_PROD_CLIENT_ID, AUTH0_PROD_CLIENT_SECRET and so on.",
    )
    sentence = 'this cannot begin the name of a variable; write it like "AUTH0_PROD_": AUTH0_, capitals, digits, _'
    return {
        **text,
        "default": CREDENTIALS_PREFIX,
        "examples": ["AUTH0_PROD_"],
        "allOf": [{"pattern": PREFIX, "errorMessage": sentence}],
    }


def _manage() -> Schema:
    item = _covering("Managed", f"{WILDCARDS}.", "this names nothing", {})
    return {
        "title": "Managed grants",
        "description": (
            "The border: what no item covers is never changed or deleted, and no file may declare it. "
            "Left out, everything is within."
        ),
        "type": "array",
        "minItems": 1,
        "maxItems": MOST_ITEMS,
        "items": item,
    }


def _protect() -> Schema:
    fields = {"reason": _reason("owned by the payroll team")}
    return {
        "title": "Protected grants",
        "description": (
            "Grants that are never changed or deleted: each item names some by patterns, and all of its patterns "
            "must fit."
        ),
        "type": "array",
        "maxItems": MOST_ITEMS,
        "items": _covering("Protected", f"{WILDCARDS}.", "this protects nothing", fields),
    }


def _own() -> Schema:
    return {
        "title": "Own applications",
        "description": (
            "Client ids of applications that reconciler works as, for example one to plan and one to apply. Their "
            "grants on the Management API are never changed or deleted. An application that may change client grants "
            "counts as one without being named."
        ),
        "type": "array",
        "items": {**_text("Client id", "The application's id."), "examples": ["B5PSkQdpM3r"]},
    }


def _limits() -> Schema:
    def percent(title: str, verb: str, default: int) -> Schema:
        return {
            "title": title,
            "description": f"The most that may be {verb}, in percent.",
            "type": "number",
            "minimum": 0,
            "maximum": 100,
            "default": default,
        }

    of_organizations = {
        "title": "Grants of an organization",
        "description": (
            "How many grants Auth0 lets an organization have: 100 in the public cloud, 1000 in private ones."
        ),
        "type": "integer",
        "minimum": 0,
        "default": 100,
    }
    return _object(
        "Limits",
        "How much one run may change, in percent of the managed grants. They count from 10 grants up.",
        {
            "deletes": percent("Deletes", "deleted", 30),
            "updates": percent("Updates", "updated", 50),
            "organization_grants": of_organizations,
        },
    )


def _policy() -> Schema:
    rules = {
        "title": "Rules",
        "description": (
            "The first item that names a risk's rule and covers its grant decides. "
            "A risk that none decides on is shown."
        ),
        "type": "array",
        "maxItems": MOST_ITEMS,
        "items": _policy_rule(),
    }
    schemas = {
        "title": "Schemas",
        "description": "JSON Schemas (2020-12) that every grant must meet; a change that breaks one is blocked.",
        "type": "array",
        "items": {
            "title": "Schema",
            "description": "Of a grant as a file would say it with nothing left out: names, ids, defaults.",
            "type": "object",
            "required": ["title"],
            "properties": {"title": _text("Title", "What the schema asks for; the reason of a block.")},
            "examples": [
                {"title": "no grant has all scopes", "properties": {"allow_all_scopes": {"const": False}}},
            ],
        },
    }
    description = "What is thought of the risks that plans tell of; `reconciler risks` lists their rules."
    return _object("Policy", description, {"rules": rules, "schemas": schemas})


def _policy_rule() -> Schema:
    names = [rule.name for rule in RULES]
    verdicts = "allow: not shown. warn: shown. deny: the change is blocked, and nothing is written."
    fields = {
        "rule": {"title": "Rule", "description": "The name of a rule.", "type": "string", "enum": names},
        "verdict": {
            "title": "Verdict",
            "description": verdicts,
            "type": "string",
            "enum": ["allow", "warn", "deny"],
        },
        **_patterns(),
        "reason": _reason("ask the security team"),
    }
    exceptions = "Items that allow or warn give ids, because anybody can take a name."
    description = f"{WILDCARDS}; without patterns the item covers every grant. {exceptions}"
    by_id = [_allowed_by_id(name, identity) for name, identity in (("client", "client_id"), ("api", "audience"))]
    return {**_object("Policy rule", description, fields), "required": ["rule", "verdict"], "allOf": by_id}


def _allowed_by_id(name: str, identity: str) -> Schema:
    """Return the rule that an exception names ids: whoever can rename an application could gain it otherwise."""
    sentence = f'"{name}" cannot make an exception, because anybody can take a name; write "{identity}"'
    return {
        "if": {"required": ["verdict"], "properties": {"verdict": {"enum": ["allow", "warn"]}}},
        "then": {"properties": {name: {**NOTHING, "errorMessage": sentence}}},
    }


def _patterns() -> Schema:
    """Return the fields by which an item names grants."""
    return {
        name: {**_text(title, f"Pattern for {what}."), "examples": [example]}
        for name, (title, what, example) in PATTERN_PARTS.items()
    }


def _covering(title: str, description: str, otherwise: str, more: Schema) -> Schema:
    """Return an item that has to name grants by at least one pattern; `otherwise` is what is wrong if it does not."""
    needed = {
        "anyOf": [{"required": [name]} for name in NAMES],
        "errorMessage": f"{otherwise}; give at least one of {', '.join(NAMES[:-1])} and {NAMES[-1]}",
    }
    return {**_object(title, description, {**_patterns(), **more}), "allOf": [needed]}


def _reason(example: str) -> Schema:
    return {"title": "Reason", "description": "Why; plans show it.", "type": "string", "examples": [example]}


def _none_of(pattern: str, sentence: str) -> Schema:
    return {"not": {"type": "string", "pattern": pattern}, "errorMessage": sentence}


def _object(title: str, description: str, fields: Schema) -> Schema:
    return {
        "title": title,
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "properties": fields,
    }


def _text(title: str, description: str) -> Schema:
    return {"title": title, "description": description, "type": "string", "minLength": 1}
