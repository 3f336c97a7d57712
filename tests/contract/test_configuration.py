import os

import pytest
from jsonschema import Draft202012Validator

from reconciler.contract import stored
from reconciler.contract.configuration import PATTERN_PARTS, SHARED, config_schema
from reconciler.contract.derive import Schema, render
from reconciler.core.pattern import NAMES
from reconciler.core.risks import RULES

SCHEMA = config_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
PARTS = SCHEMA["$defs"]


def test_the_committed_schema_is_what_the_function_yields() -> None:
    committed = stored.folder() / stored.CONFIG
    if "REMAKE_SCHEMAS" in os.environ:
        committed.write_text(render(SCHEMA), encoding="utf-8")

    assert committed.read_text(encoding="utf-8") == render(SCHEMA)


def test_it_is_valid_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_what_all_tenants_share_can_be_said_of_one_as_well() -> None:
    assert set(SHARED) < set(SCHEMA["properties"])
    assert set(SHARED) < set(PARTS["tenant"]["properties"])


@pytest.mark.parametrize(
    "item",
    [PARTS["manage"]["items"], PARTS["protect"]["items"], PARTS["policy"]["properties"]["rules"]["items"]],
    ids=["manage", "protect", "policy"],
)
def test_patterns_are_the_same_wherever_grants_are_named(item: Schema) -> None:
    named = {name: field for name, field in item["properties"].items() if name in NAMES}

    assert tuple(named) == tuple(PATTERN_PARTS) == NAMES
    assert named == {name: PARTS["protect"]["items"]["properties"][name] for name in NAMES}


def test_a_policy_can_decide_on_every_rule_there_is() -> None:
    rule = PARTS["policy"]["properties"]["rules"]["items"]["properties"]["rule"]

    assert rule["enum"] == [each.name for each in RULES]


@pytest.mark.parametrize(
    ("tenant", "is_valid"),
    [
        ({"domain": "login.example.com", "canonical_domain": "example.eu.auth0.com"}, True),
        ({"domain": "login.example.com", "canonical_domain": ""}, False),
        ({"canonical_domain": "example.eu.auth0.com"}, False),
        ({"kind": "sandbox", "canonical_domain": "example.eu.auth0.com"}, False),
    ],
    ids=["custom-domain", "empty", "alone", "sandbox"],
)
def test_a_canonical_domain_stands_beside_the_domain_of_a_tenant_of_auth0(
    tenant: dict[str, str], *, is_valid: bool
) -> None:
    assert VALIDATOR.is_valid({"tenants": {"a": tenant}}) is is_valid


@pytest.mark.parametrize("prefix", ["AUTH0_", "AUTH0_PROD_", "AUTH0_EU_2_"])
def test_credentials_begin_with_a_prefix_of_auth0s(prefix: str) -> None:
    assert VALIDATOR.is_valid({"credentials": prefix})


@pytest.mark.parametrize("prefix", ["", "PROD_", "AWS_", "AUTH0", "AUTH0_PROD", "AUTH0__", "AUTH0_prod_", "X_AUTH0_"])
def test_no_other_variable_of_the_environment_can_be_named(prefix: str) -> None:
    assert not VALIDATOR.is_valid({"credentials": prefix})


@pytest.mark.parametrize("verdict", ["allow", "warn"])
@pytest.mark.parametrize(("name", "identity"), [("client", "client_id"), ("api", "audience")])
def test_a_policy_makes_exceptions_by_ids_only(verdict: str, name: str, identity: str) -> None:
    def errors_of(field: str, said: str) -> list[str]:
        rule = {"rule": "third-party", "verdict": said, field: "Deploy *"}
        found = Draft202012Validator(SCHEMA).iter_errors({"policy": {"rules": [rule]}})
        return [str(error.schema["errorMessage"]) for error in found]

    assert errors_of(name, verdict) == [
        f'"{name}" is not valid with allow or warn, because anybody can choose a name; use "{identity}"'
    ]
    assert errors_of(identity, verdict) == errors_of(name, "deny") == []
