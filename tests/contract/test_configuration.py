import os

import pytest
from jsonschema import Draft202012Validator

from reconciler.contract import stored
from reconciler.contract.configuration import SHARED_SETTINGS, config_schema
from reconciler.contract.derive import Schema, render
from reconciler.contract.policy import PATTERN_PARTS
from reconciler.core.pattern import PATTERN_FIELDS
from reconciler.core.risks import RULES

SCHEMA = config_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
PARTS = SCHEMA["$defs"]


def test_the_committed_schema_is_up_to_date() -> None:
    committed = stored.folder() / stored.CONFIG
    if "REMAKE_SCHEMAS" in os.environ:
        committed.write_text(render(SCHEMA), encoding="utf-8")

    assert committed.read_text(encoding="utf-8") == render(SCHEMA)


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_shared_setting_is_also_a_setting_of_a_tenant() -> None:
    assert set(SHARED_SETTINGS) < set(SCHEMA["properties"])
    assert set(SHARED_SETTINGS) < set(PARTS["tenant"]["properties"])


@pytest.mark.parametrize(
    "item",
    [PARTS["manage"]["items"], PARTS["protect"]["items"], PARTS["policy"]["properties"]["rules"]["items"]],
    ids=["manage", "protect", "policy"],
)
def test_all_pattern_items_have_the_same_fields(item: Schema) -> None:
    named = {name: field for name, field in item["properties"].items() if name in PATTERN_FIELDS}

    assert tuple(named) == tuple(PATTERN_PARTS) == PATTERN_FIELDS
    assert named == {name: PARTS["protect"]["items"]["properties"][name] for name in PATTERN_FIELDS}


def test_a_policy_can_name_every_risk_rule() -> None:
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
def test_a_canonical_domain_needs_a_domain_and_is_not_valid_for_sandboxes(
    tenant: dict[str, str], *, is_valid: bool
) -> None:
    assert VALIDATOR.is_valid({"tenants": {"a": tenant}}) is is_valid


@pytest.mark.parametrize("prefix", ["AUTH0_", "AUTH0_PROD_", "AUTH0_EU_2_"])
def test_prefixes_that_start_with_auth0_are_valid(prefix: str) -> None:
    assert VALIDATOR.is_valid({"credentials": prefix})


@pytest.mark.parametrize("prefix", ["", "PROD_", "AWS_", "AUTH0", "AUTH0_PROD", "AUTH0__", "AUTH0_prod_", "AUTH0_\n"])
def test_other_prefixes_of_credentials_are_not_valid(prefix: str) -> None:
    assert not VALIDATOR.is_valid({"credentials": prefix})


@pytest.mark.parametrize("verdict", ["allow", "warn"])
@pytest.mark.parametrize(("name", "identity"), [("client", "client_id"), ("api", "audience")])
def test_rules_that_allow_or_warn_need_ids(verdict: str, name: str, identity: str) -> None:
    def errors_of(field: str, verdict: str) -> list[str]:
        rule = {"rule": "third-party", "verdict": verdict, field: "Deploy *"}
        found = Draft202012Validator(SCHEMA).iter_errors({"policy": {"rules": [rule]}})
        return [str(error.schema["errorMessage"]) for error in found]

    assert errors_of(name, verdict) == [
        f'"{name}" is not valid with allow or warn, because anybody can choose a name; use "{identity}"'
    ]
    assert errors_of(identity, verdict) == errors_of(name, "deny") == []


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [
        *((name, True) for name in ("canary", "eu-1", "2nd", "a.b_c", "x" * 64)),
        *((name, False) for name in ("", "-eu", ".", "../x", "a b", "a/b", "a\n", "x" * 65, 1, None)),
    ],
)
def test_names_of_waves_fit_into_job_names(name: object, *, is_valid: bool) -> None:
    assert VALIDATOR.is_valid({"waves": [{"name": name, "tenants": ["*"]}]}) is is_valid


@pytest.mark.parametrize(
    "content",
    [
        {"waves": []},
        {"waves": [{"name": "a"}]},
        {"waves": [{"tenants": ["*"]}]},
        {"waves": [{"name": "a", "tenants": []}]},
        {"waves": [{"name": "a", "tenants": ["*"], "stop": 1}]},
        {"stop_after": 0},
        {"stop_after": 1.5},
        {"tenants": {"a": {"domain": "a.eu.auth0.com", "waves": []}}},
    ],
)
def test_invalid_waves_are_refused(content: dict[str, object]) -> None:
    assert not VALIDATOR.is_valid(content)
