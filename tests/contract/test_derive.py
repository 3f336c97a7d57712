import copy
import json
import os
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.contract import stored
from reconciler.contract.derive import grants_schema, render, rules
from reconciler.contract.openapi import create_request

OPENAPI = stored.load(stored.OPENAPI)
SCHEMA = grants_schema(OPENAPI)


def a_grant(**fields: object) -> dict[str, object]:
    return {"client": "Billing Worker", "api": "Invoices API", **fields}


def accepts(*grants: dict[str, object], schema: dict[str, Any] = SCHEMA) -> bool:
    return bool(Draft202012Validator(schema).is_valid({"grants": list(grants)}))


def an_openapi_without(*fields: str) -> dict[str, Any]:
    document = copy.deepcopy(OPENAPI)
    for field in fields:
        del document["components"]["schemas"]["CreateClientGrantRequest"]["properties"][field]
    return document


def test_the_committed_schema_is_up_to_date() -> None:
    committed = stored.folder() / stored.GRANTS
    if "REMAKE_SCHEMAS" in os.environ:
        committed.write_text(render(SCHEMA), encoding="utf-8")

    assert committed.read_text(encoding="utf-8") == render(SCHEMA)


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_fields_of_the_request_are_unchanged() -> None:
    request = create_request(OPENAPI)["properties"]
    fields = SCHEMA["properties"]["grants"]["items"]["properties"]
    assert {name: fields[name] for name in request} == request
    assert set(fields) - set(request) == {
        "client",
        "clients",
        "api",
        "description",
        "expires",
        "tenants",
        "organizations",
    }


def test_every_field_and_level_has_a_title_and_a_description_for_the_editor() -> None:
    item = SCHEMA["properties"]["grants"]["items"]
    for schema in (SCHEMA, SCHEMA["properties"]["grants"], item, *item["properties"].values()):
        assert schema["title"]
        assert schema["description"]


def test_every_rule_has_an_error_message() -> None:
    for rule in SCHEMA["properties"]["grants"]["items"]["allOf"]:
        assert '"errorMessage"' in json.dumps(rule)


def test_grants_are_required_and_may_be_empty() -> None:
    validator = Draft202012Validator(SCHEMA)
    assert validator.is_valid({"grants": []})
    assert not validator.is_valid({})
    assert not validator.is_valid({"grants": [], "more": 1})


@pytest.mark.parametrize(
    "grant",
    [
        pytest.param(a_grant(), id="by names"),
        pytest.param({"client_id": "c", "audience": "a"}, id="by ids"),
        pytest.param({"default_for": "third_party_clients", "audience": "a"}, id="default"),
        pytest.param(a_grant(scope=["s" * 280]), id="longest scope"),
        pytest.param(a_grant(scope=['odd "scope"']), id="odd scope"),
        pytest.param(a_grant(allow_all_scopes=True), id="all scopes"),
        pytest.param(a_grant(allow_all_scopes=True, scope=[]), id="all scopes and an empty list"),
        pytest.param(a_grant(allow_all_scopes=False, scope=["s"]), id="not all scopes"),
        pytest.param(a_grant(subject_type="user", authorization_details_types=["t"]), id="details for users"),
        pytest.param(a_grant(authorization_details_types=[]), id="no details"),
        pytest.param(a_grant(organization_usage="allow", allow_any_organization=True), id="any organization"),
        pytest.param(a_grant(allow_any_organization=False), id="no organization"),
        pytest.param(a_grant(subject_type="client", organization_usage="require"), id="organizations"),
        pytest.param(a_grant(organization_usage="allow", organizations=["acme", "org_1"]), id="named organizations"),
        pytest.param(a_grant(organizations=[]), id="no organizations"),
    ],
)
def test_a_grant_that_auth0_accepts_is_valid(grant: dict[str, object]) -> None:
    assert accepts(grant)


@pytest.mark.parametrize(
    "grant",
    [
        pytest.param({"api": "a"}, id="no holder"),
        pytest.param({"client": "c"}, id="no api"),
        pytest.param(a_grant(client_id="c"), id="two holders"),
        pytest.param(a_grant(default_for="third_party_clients"), id="application and default"),
        pytest.param(a_grant(audience="a"), id="two apis"),
        pytest.param({"client": "", "api": "a"}, id="empty client"),
        pytest.param({"client_id": "", "api": "a"}, id="empty client id"),
        pytest.param({"client": "c", "api": ""}, id="empty api"),
        pytest.param({"client": "c", "audience": ""}, id="empty audience"),
        pytest.param(a_grant(scope=[""]), id="empty scope"),
        pytest.param(a_grant(scope=["s" * 281]), id="long scope"),
        pytest.param(a_grant(scope=["s", "s"]), id="scope twice"),
        pytest.param(a_grant(scope=["s\n"]), id="line break at a scope's end"),
        pytest.param(a_grant(scope=["\x9b31m"]), id="escape sequence in a scope"),
        pytest.param(a_grant(scope=None), id="null scope"),
        pytest.param(a_grant(authorization_details_types=["t"]), id="details for clients"),
        pytest.param(a_grant(subject_type="user", authorization_details_types=["t" * 256]), id="long details"),
        pytest.param(a_grant(allow_all_scopes=True, scope=["s"]), id="all scopes and one"),
        pytest.param(a_grant(subject_type="user", organization_usage="deny"), id="organizations for users"),
        pytest.param(a_grant(subject_type="user", allow_any_organization=False), id="any organization for users"),
        pytest.param(a_grant(allow_any_organization=True), id="any organization without organizations"),
        pytest.param(
            {"default_for": "third_party_clients", "api": "a", "organization_usage": "allow"},
            id="organizations for third parties",
        ),
        pytest.param(a_grant(subject_type="user", organizations=[]), id="named organizations for users"),
        pytest.param(
            {"default_for": "third_party_clients", "api": "a", "organizations": []},
            id="named organizations for third parties",
        ),
        pytest.param(a_grant(organizations=["acme", "acme"]), id="organization twice"),
        pytest.param(a_grant(organizations=[""]), id="empty organization"),
        pytest.param(a_grant(organizations=None), id="null organizations"),
        pytest.param(a_grant(default_for="everyone"), id="unknown group"),
        pytest.param(a_grant(subject_type="robot"), id="unknown subject type"),
        pytest.param(a_grant(organization_usage="sometimes"), id="unknown organization usage"),
        pytest.param(a_grant(is_system=True), id="field of responses only"),
    ],
)
def test_a_grant_that_auth0_refuses_is_not_valid(grant: dict[str, object]) -> None:
    assert not accepts(grant)


@pytest.mark.parametrize(
    "field",
    [
        "client_id",
        "default_for",
        "subject_type",
        "scope",
        "allow_all_scopes",
        "organization_usage",
        "allow_any_organization",
        "authorization_details_types",
    ],
)
def test_the_schema_omits_fields_that_an_older_document_lacks(field: str) -> None:
    schema = grants_schema(an_openapi_without(field))
    assert accepts(a_grant(), schema=schema)
    assert not accepts(a_grant(**{field: True}), schema=schema)
    item = schema["properties"]["grants"]["items"]
    assert f'"{field}"' not in json.dumps([item["properties"], item["required"], item["allOf"]]).replace('\\"', "")


def test_the_schema_contains_new_fields_values_and_rules_of_a_newer_document() -> None:
    document = copy.deepcopy(OPENAPI)
    schemas = document["components"]["schemas"]
    schemas["CreateClientGrantRequest"]["properties"]["expires"] = {"type": "integer"}
    schemas["CreateClientGrantRequest"]["required"] = ["audience", "client_id", "scope"]
    schemas["CreateClientGrantRequest"]["allOf"] = [{"maxProperties": 4}]
    schemas["SubjectType"]["enum"].append("anonymous_user")
    schema = grants_schema(document)
    assert accepts(a_grant(scope=[], expires=5), schema=schema)
    assert not accepts(a_grant(), schema=schema)
    assert not accepts(a_grant(scope=[], expires=5, description="five"), schema=schema)
    assert accepts(a_grant(scope=[], subject_type="anonymous_user"), schema=schema)
    for refused in ({"organization_usage": "allow"}, {"authorization_details_types": ["t"]}):
        assert not accepts({**a_grant(scope=[], subject_type="anonymous_user"), **refused}, schema=schema)


def test_a_rule_does_not_repeat_a_limit_of_the_document() -> None:
    bare: dict[str, dict[str, Any]] = {"client": {"type": "string"}, "audience": {"type": "string", "minLength": 1}}
    limited = [list(rule["properties"]) for rule in rules(bare) if "minLength" in json.dumps(rule)]
    assert limited == [["client"]]
