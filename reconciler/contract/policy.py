"""Create the JSON Schemas for the patterns and the policy in reconciler.yaml."""

from reconciler.contract.derive import MATCHES_NOTHING, Schema
from reconciler.core.expiry import TEMPORARY_ACCESS
from reconciler.core.pattern import PATTERN_FIELDS
from reconciler.core.risks import RULES

MAX_ITEMS = 1000
"""The maximum number of items in a list of patterns in reconciler.yaml.

The limit keeps planning fast, because reconciler compares each pattern with each grant.
"""
WILDCARDS = "In patterns, * matches any characters and ? matches one character"
PATTERN_PARTS: dict[str, tuple[str, str, str]] = {
    "client": ("Client", "the application's name", "Payroll*"),
    "client_id": ("Client id", "the application's id", "tpc_*"),
    "api": ("API", "the API's name", "Auth0 *"),
    "audience": ("Audience", "the API's identifier", "https://*/api/v2/"),
    "subject_type": ("Subject type", "the subject type", "user"),
}


def policy_schema() -> Schema:
    """Return the schema of a policy in reconciler.yaml."""
    rules = {
        "title": "Rules",
        "description": (
            "The first policy rule that matches a risk and the grant decides whether reconciler hides, shows or denies "
            "the risk. Without a matching policy rule, reconciler shows the risk."
        ),
        "type": "array",
        "maxItems": MAX_ITEMS,
        "items": _policy_rule(),
    }
    schemas = {
        "title": "Schemas",
        "description": "JSON Schemas (2020-12) for grants. A change is blocked if the new grant violates a schema.",
        "type": "array",
        "items": {
            "title": "Schema",
            "description": (
                "A JSON Schema for one grant. reconciler fills in names, ids and default values before it checks the "
                "grant."
            ),
            "type": "object",
            "required": ["title"],
            "properties": {"title": text_schema("Title", "The requirement in a few words, shown for blocked changes.")},
            "examples": [
                {"title": "no grant uses allow_all_scopes", "properties": {"allow_all_scopes": {"const": False}}},
            ],
        },
    }
    description = "Accepted and denied risks. `reconciler risks` lists the risk rules."
    return object_schema("Policy", description, {"rules": rules, "schemas": schemas})


def _policy_rule() -> Schema:
    names = [rule.name for rule in RULES]
    verdicts = "allow: hide the risk. warn: show the risk. deny: block the change, so that nothing is written."
    fields = {
        "rule": {"title": "Rule", "description": "The name of a risk rule.", "type": "string", "enum": names},
        "verdict": {
            "title": "Verdict",
            "description": verdicts,
            "type": "string",
            "enum": ["allow", "warn", "deny"],
        },
        **_patterns(),
        "max_days": {
            "title": "Maximum days",
            "description": (
                "For the rule temporary-access: the maximum number of days until a grant expires. Default: no maximum."
            ),
            "type": "integer",
            "minimum": 1,
            "maximum": 3650,
            "examples": [30],
        },
        "reason": reason_schema("ask the security team"),
    }
    exceptions = "Items with allow or warn must use ids, because anybody can choose a name."
    description = f"{WILDCARDS}. Without patterns, the item matches every grant. {exceptions}"
    by_id = [_id_rule(name, identity) for name, identity in (("client", "client_id"), ("api", "audience"))]
    sentence = f'"max_days" is only valid for the rule {TEMPORARY_ACCESS}; remove it'
    days = {
        "if": {"properties": {"rule": {"not": {"const": TEMPORARY_ACCESS}}}},
        "then": {"properties": {"max_days": {**MATCHES_NOTHING, "errorMessage": sentence}}},
    }
    rules = [*by_id, days]
    return {**object_schema("Policy rule", description, fields), "required": ["rule", "verdict"], "allOf": rules}


def _id_rule(name: str, identity: str) -> Schema:
    """Return the JSON Schema rule that refuses a name in a policy item whose verdict is `allow` or `warn`.

    If a policy item contained the name of an application, anybody could rename another application to match the item.
    """
    sentence = f'"{name}" is not valid with allow or warn, because anybody can choose a name; use "{identity}"'
    return {
        "if": {"required": ["verdict"], "properties": {"verdict": {"enum": ["allow", "warn"]}}},
        "then": {"properties": {name: {**MATCHES_NOTHING, "errorMessage": sentence}}},
    }


def _patterns() -> Schema:
    """Return the JSON Schema of each field that selects grants by a pattern."""
    return {
        name: {**text_schema(title, f"Pattern for {what}."), "examples": [example]}
        for name, (title, what, example) in PATTERN_PARTS.items()
    }


def pattern_item(title: str, description: str, otherwise: str, more: Schema) -> Schema:
    """Return the JSON Schema of an item in reconciler.yaml that must have at least one pattern.

    `otherwise` is the start of the error message for an item without a pattern such as `client: Payroll*`. `more`
    contains the JSON Schemas of the item's other fields, which contain no pattern.
    """
    needed = {
        "anyOf": [{"required": [name]} for name in PATTERN_FIELDS],
        "errorMessage": f"{otherwise}; add at least one of {', '.join(PATTERN_FIELDS[:-1])} and {PATTERN_FIELDS[-1]}",
    }
    return {**object_schema(title, description, {**_patterns(), **more}), "allOf": [needed]}


def reason_schema(example: str) -> Schema:
    """Return the JSON Schema of the field `reason`."""
    description = "The reason for this item. Plans show the reason."
    return {"title": "Reason", "description": description, "type": "string", "examples": [example]}


def must_not_match(pattern: str, sentence: str) -> Schema:
    """Return the JSON Schema of a string that must not match the regular expression `pattern`.

    `sentence` is the error message for a string that matches `pattern`.
    """
    return {"not": {"type": "string", "pattern": pattern}, "errorMessage": sentence}


def object_schema(title: str, description: str, fields: Schema) -> Schema:
    """Return the JSON Schema of an object that has no fields except `fields`."""
    return {
        "title": title,
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "properties": fields,
    }


def text_schema(title: str, description: str) -> Schema:
    """Return the JSON Schema of a string that is not empty."""
    return {"title": title, "description": description, "type": "string", "minLength": 1}
