"""Every module handles every field of a grant. These tests fail if a module lacks a field."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from support.access import a_tenant_access, an_access_grant
from support.builders import a_grant, a_key

from reconciler.artifacts.grant_json import grant_from_json, grant_json
from reconciler.auth0.wire import create_body, observed_grant
from reconciler.core.access.report import GrantedScope
from reconciler.core.access.tenant_diff import compare_tenants
from reconciler.core.diff import changed_fields, granted_fields
from reconciler.core.directory import Directory
from reconciler.core.fields import (
    CALLERS,
    CHANGEABLE,
    FIELDS,
    ORGANIZATIONS,
    SETTINGS,
    FieldKind,
    FieldRole,
    GrantField,
    admits_organizations,
    callers_gaining_access,
    callers_losing_access,
    describe_effect,
)
from reconciler.core.grant import ClientGrant, Key, narrows, widens
from reconciler.core.problems import Level
from reconciler.core.spec import GrantSpec
from reconciler.files.write import import_file
from reconciler.output.access.json import grant_json as access_grant_json
from reconciler.output.access.words import scope_texts, settings

SCHEMA = Path(__file__).parents[2] / "schemas" / "grants.schema.json"
OTHER_VALUES: dict[FieldKind, Any] = {
    FieldKind.SET: frozenset({"an_item"}),
    FieldKind.FLAG: True,
    FieldKind.TEXT: "allow",
}

every_setting = pytest.mark.parametrize("field", SETTINGS, ids=lambda field: field.name)
every_changeable = pytest.mark.parametrize("field", CHANGEABLE, ids=lambda field: field.name)


def key_for(field: GrantField) -> Key:
    return a_key()._replace(subject_type="user" if field.name == "authorization_details_types" else "client")


def with_value(field: GrantField) -> ClientGrant:
    return ClientGrant(key_for(field), organizations=frozenset())._replace(**{field.name: OTHER_VALUES[field.kind]})


def without_value(field: GrantField) -> ClientGrant:
    return ClientGrant(key_for(field), organizations=frozenset())


def test_the_table_has_all_fields_of_grant_files() -> None:
    item = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]["grants"]["items"]

    assert {each.name for each in FIELDS} == set(item["properties"])


def test_specs_have_all_fields_and_grants_have_all_changeable_fields() -> None:
    assert {each.name for each in FIELDS} <= set(GrantSpec._fields)
    assert {each.name for each in CHANGEABLE} == set(ClientGrant._fields) - {"key"}
    assert {each.name for each in FIELDS if each.role is FieldRole.KEY} - {"client", "api"} == set(Key._fields) - {
        "other_holder"
    }


@every_changeable
def test_the_default_in_the_table_equals_the_default_of_a_grant(field: GrantField) -> None:
    assert getattr(ClientGrant(a_key()), field.name) == field.default


@every_changeable
def test_each_field_is_compared(field: GrantField) -> None:
    assert [change.field for change in changed_fields(without_value(field), with_value(field))] == [field.name]
    assert [change.field for change in granted_fields(with_value(field))] == [field.name]


@every_changeable
def test_each_field_widens_and_narrows_access(field: GrantField) -> None:
    before, after = without_value(field), with_value(field)

    assert widens(before, after)
    assert narrows(after, before)
    assert not narrows(before, after)


@every_changeable
def test_saved_plans_contain_each_field(field: GrantField) -> None:
    grant = with_value(field)

    assert grant_from_json(json.loads(json.dumps(grant_json(grant)))) == grant


@every_setting
def test_requests_and_responses_contain_each_setting(field: GrantField) -> None:
    grant = with_value(field)._replace(organizations=None)

    assert field.name in create_body(grant)
    assert observed_grant({"id": "cgr_1", **create_body(grant)}).grant == grant
    assert not observed_grant({"id": "cgr_1", **create_body(grant)}).unknown_fields


@every_setting
def test_access_reports_contain_each_setting(field: GrantField) -> None:
    before, after = (
        an_access_grant(grant=grant, scopes=tuple(GrantedScope(each, Level.LOW, None) for each in grant.scope))
        for grant in (without_value(field), with_value(field))
    )
    diff = compare_tenants(a_tenant_access(before), a_tenant_access(after), is_declared=False)

    assert [pair.field for each in diff.differences for pair in each.fields] == [field.name]
    assert access_grant_json(before) != access_grant_json(after)
    if field.name != "allow_any_organization":  # only shown to people together with organization_usage
        assert [*settings(before), *scope_texts(before)] != [*settings(after), *scope_texts(after)]


@every_changeable
def test_imported_files_contain_each_field(field: GrantField) -> None:
    text = import_file([with_value(field)], Directory(), (), convert=str)

    assert f"{field.name}:" in text


def test_the_schema_of_saved_plans_contains_each_field() -> None:
    text = (SCHEMA.parent / "plan.schema.json").read_text(encoding="utf-8")
    definitions = json.loads(text)["$defs"]
    changed = {name for each in definitions["field"]["oneOf"] for name in each["properties"]["field"].get("enum", ())}

    assert changed == {each.name for each in CHANGEABLE}


def test_all_scopes_are_wider_than_any_list_of_scopes() -> None:
    listed, every = a_grant(scope=("read:a",)), a_grant(scope=(), allow_all_scopes=True)

    assert widens(listed, every)
    assert narrows(every, listed)
    assert not widens(every, listed)


def test_organizations_default_to_none() -> None:
    assert ClientGrant(a_key()).organizations is None
    assert ORGANIZATIONS in {each.name for each in CHANGEABLE}


WITHOUT, WITH = "callers without an organization", "callers with an organization"


@pytest.mark.parametrize(
    ("before", "after", "gains", "losses"),
    [
        ("deny", "require", {WITH}, {WITHOUT}),
        ("deny", "allow", {WITH}, set()),
        ("require", "deny", {WITHOUT}, {WITH}),
        ("require", "allow", {WITHOUT}, set()),
        ("allow", "deny", set(), {WITH}),
        ("allow", "require", set(), {WITHOUT}),
        ("deny", "of-the-future", {WITH}, {WITHOUT}),
        ("of-the-future", "deny", {WITHOUT}, {WITH}),
        ("of-the-future", "other", {WITH, WITHOUT}, {WITH, WITHOUT}),
    ],
)
def test_a_change_of_usage_adds_and_removes_access(before: str, after: str, gains: set[str], losses: set[str]) -> None:
    assert callers_gaining_access(before, after) == gains
    assert callers_losing_access(before, after) == losses


def test_an_unchanged_usage_has_no_effect() -> None:
    for usage in (*CALLERS, "of-the-future"):
        assert not callers_gaining_access(usage, usage)
        assert not callers_losing_access(usage, usage)
        assert describe_effect(usage, usage) == ""


def test_every_change_of_usage_has_a_description() -> None:
    for before, after in product(CALLERS, repeat=2):
        assert bool(describe_effect(before, after)) == (before != after)
    assert describe_effect("deny", "require") == f"{WITH} gain access; {WITHOUT} lose access"


def test_only_deny_excludes_organizations() -> None:
    assert [usage for usage in (*CALLERS, "of-the-future") if not admits_organizations(usage)] == ["deny"]
