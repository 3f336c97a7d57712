"""Pure: the rules between the fields of a grant, as JSON Schema with error messages.

Each message is in the keyword `errorMessage` next to the keyword that fails. VS Code's YAML extension and our own
messages read it there. A message says what is wrong and, after a semicolon, what to do.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from reconciler.core.template import BROKEN

Schema = dict[str, Any]

HOLDERS = ("client", "client_id", "default_for")
APIS = ("api", "audience")
LISTS = ("scope", "organizations")
ORGANIZATION_SETTINGS = ("organization_usage", "allow_any_organization", "organizations")
USER_SETTINGS_OF_MY_ORGANIZATION = ("organization_usage", "allow_any_organization")
MY_ORGANIZATION_OF_USERS: Schema = {
    "required": ["subject_type", "audience"],
    "properties": {"subject_type": {"const": "user"}, "audience": {"type": "string", "pattern": "/my-org/$"}},
}
"""Live tenants have users' grants on the My Organization API with organization settings."""
CONTROL_CHARACTERS = "[\\u0000-\\u001f\\u007f-\\u009f]"
NOTHING: Schema = {"not": {}}


def rules(fields: Mapping[str, Mapping[str, Any]]) -> list[Schema]:
    """Return the rules for `fields`, the properties of a grant with their schemas.

    A rule for a missing field is left out, so that older API descriptions work too.
    """
    return [
        _exactly_one(HOLDERS, fields, "to name the holder of the grant"),
        _exactly_one(APIS, fields, "to name the API"),
        *_not_empty(fields),
        *_about_placeholders(fields),
        *_about_scopes(fields),
        *_about_subjects(fields),
        *_about_organizations(fields),
    ]


def _exactly_one(names: Iterable[str], fields: Collection[str], purpose: str) -> Schema:
    known = [name for name in names if name in fields]
    listed = f"{', '.join(known[:-1])} and {known[-1]}" if known[1:] else known[0]
    return {
        "oneOf": [{"required": [name]} for name in known],
        "errorMessage": f"give exactly one of {listed} {purpose}",
    }


def _not_empty(fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Schema]:
    """Refuse empty values. The API description allows an empty `client_id`, which can only be a mistake."""
    for name in (*HOLDERS, *APIS):
        if fields.get(name, {}).get("type") == "string" and not {"minLength", "enum"} & fields[name].keys():
            yield _bound(name, {"minLength": 1}, f'"{name}" is empty; write its value')


def _about_placeholders(fields: Collection[str]) -> Iterator[Schema]:
    """Refuse invalid variables in the fields that may contain variables."""
    whole = {
        "not": {"type": "string", "pattern": BROKEN},
        "errorMessage": 'invalid variable after "${"; write ${name}, or $${ for a literal ${',
    }
    for name in (*HOLDERS, *APIS, *LISTS):
        if name in fields and name != "default_for":
            yield {"properties": {name: {"items": whole} if name in LISTS else whole}}


def _about_scopes(fields: Collection[str]) -> Iterator[Schema]:
    if "scope" not in fields:
        return
    yield _bound("scope", {"uniqueItems": True}, "a scope is listed twice; list each scope once")
    printable = {
        "not": {"type": "string", "pattern": CONTROL_CHARACTERS},
        "errorMessage": "a scope contains a control character (such as a tab or a line break); remove it",
    }
    yield {"properties": {"scope": {"items": printable}}}
    if "allow_all_scopes" in fields:
        yield {
            "if": _stated("allow_all_scopes", {"const": True}),
            "then": _bound(
                "scope",
                {"const": []},
                '"scope" lists scopes although "allow_all_scopes" is true; remove one of them',
            ),
        }


def _about_subjects(fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Schema]:
    """Refuse fields that Auth0 does not allow for the subject type. The default subject type is `client`."""
    others = [name for name in fields.get("subject_type", {}).get("enum", ()) if name != "user"]
    if others and "authorization_details_types" in fields:
        yield {
            "if": {"properties": {"subject_type": {"enum": others}}},
            "then": _bound(
                "authorization_details_types",
                {"const": []},
                '"authorization_details_types" is only valid for users; remove it, or write "subject_type: user"',
            ),
        }
    people = [name for name in fields.get("subject_type", {}).get("enum", ()) if name != "client"]
    for setting in _settings(fields) if people else ():
        excepted = setting in USER_SETTINGS_OF_MY_ORGANIZATION and "audience" in fields
        yield {
            "if": _stated("subject_type", {"enum": people}) | ({"not": MY_ORGANIZATION_OF_USERS} if excepted else {}),
            "then": _bound(
                setting,
                NOTHING,
                f'"{setting}" is only valid for applications; remove it, or write "subject_type: client"',
            ),
        }


def _about_organizations(fields: Collection[str]) -> Iterator[Schema]:
    if "organizations" in fields:
        sentence = "an organization is listed twice; list each organization once"
        yield _bound("organizations", {"uniqueItems": True}, sentence)
    for setting in _settings(fields) if "default_for" in fields else ():
        yield {
            "if": {"required": ["default_for"]},
            "then": _bound(
                setting,
                NOTHING,
                f'"{setting}" cannot be combined with "default_for"; remove one of them',
            ),
        }
    if {"organization_usage", "allow_any_organization"} <= set(fields):
        yield {
            "if": {"properties": {"organization_usage": {"const": "deny"}}},
            "then": _bound(
                "allow_any_organization",
                {"not": {"const": True}},
                '"allow_any_organization" has no effect without organizations; '
                'write "organization_usage: allow" (or require), or remove it',
            ),
        }


def _settings(fields: Collection[str]) -> list[str]:
    return [name for name in ORGANIZATION_SETTINGS if name in fields]


def _bound(field: str, schema: Schema, sentence: str) -> Schema:
    """Return the rule that `field`, if present, matches `schema`."""
    return {"properties": {field: {**schema, "errorMessage": sentence}}}


def _stated(field: str, schema: Schema) -> Schema:
    """Return the condition that `field` is present and matches `schema`."""
    return {"required": [field], "properties": {field: schema}}
