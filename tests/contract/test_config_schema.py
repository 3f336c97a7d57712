"""The schema of reconciler.yaml is written by hand, so the tests compare it with the constants of the code."""

from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.contract import stored
from reconciler.contract.derive import CONTROL_CHARACTERS
from reconciler.core.expiry import DEFAULT_WARN_BEFORE, DURATION_UNITS, TEMPORARY_ACCESS
from reconciler.core.expressible import MAX_SCOPE_LENGTH
from reconciler.core.fleet.rollout import DEFAULT_STOP_AFTER
from reconciler.core.identity import CREDENTIALS_PREFIX
from reconciler.core.pattern import PATTERN_FIELDS
from reconciler.core.risks import RULES
from reconciler.core.scope_sets import SET_NAME
from reconciler.core.settings import Limits
from reconciler.core.tenant_filter import BUILT_IN, INVALID_PLACEHOLDER, VARIABLE_NAME

SCHEMA = stored.load(stored.CONFIG)
VALIDATOR = Draft202012Validator(SCHEMA)
PARTS = SCHEMA["$defs"]
OF_ALL_TENANTS = {"default_tenant", "tenants", "waves", "stop_after"}
OF_ONE_TENANT = {"kind", "domain", "canonical_domain", "seed", "database"}
SCOPE = PARTS["scope_sets"]["additionalProperties"]["items"]
VARIABLE = PARTS["variables"]
LIMITS = PARTS["limits"]["properties"]
RULE = PARTS["policy"]["properties"]["rules"]["items"]
END = r"(?![\s\S])"


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_shared_setting_is_also_a_setting_of_a_tenant() -> None:
    shared = {name: field for name, field in SCHEMA["properties"].items() if name not in OF_ALL_TENANTS}
    of_tenant = PARTS["tenant"]["properties"]

    assert shared == {name: field for name, field in of_tenant.items() if name not in OF_ONE_TENANT}
    assert shared == {name: {"$ref": f"#/$defs/{name}"} for name in shared}


@pytest.mark.parametrize("item", [PARTS["manage"]["items"], PARTS["protect"]["items"], RULE])
def test_all_items_with_patterns_have_the_same_fields(item: dict[str, Any]) -> None:
    patterns = {name: field for name, field in item["properties"].items() if name in PATTERN_FIELDS}

    assert patterns == {name: {"$ref": f"#/$defs/pattern/properties/{name}"} for name in PATTERN_FIELDS}


@pytest.mark.parametrize("name", ["manage", "protect"])
def test_an_item_of_manage_and_protect_needs_a_pattern(name: str) -> None:
    (rule,) = PARTS[name]["items"]["allOf"]

    assert rule["anyOf"] == [{"required": [field]} for field in PATTERN_FIELDS]
    assert rule["errorMessage"].endswith(f"{', '.join(PATTERN_FIELDS[:-1])} and {PATTERN_FIELDS[-1]}")


@pytest.mark.parametrize(
    ("in_schema", "in_code"),
    [
        (tuple(PARTS["pattern"]["properties"]), PATTERN_FIELDS),
        (RULE["properties"]["rule"]["enum"], [rule.name for rule in RULES]),
        (RULE["allOf"][-1]["if"]["properties"]["rule"]["not"]["const"], TEMPORARY_ACCESS),
        (SCHEMA["properties"]["stop_after"]["default"], DEFAULT_STOP_AFTER),
        (PARTS["credentials"]["default"], CREDENTIALS_PREFIX),
        (LIMITS["deletes"]["default"], Limits().deletes_percent),
        (LIMITS["updates"]["default"], Limits().updates_percent),
        (LIMITS["organization_grants"]["default"], Limits().organization_grants),
        (PARTS["warn_before"]["default"], f"{DEFAULT_WARN_BEFORE // timedelta(days=1)}d"),
        (PARTS["warn_before"]["allOf"][0]["pattern"], f"^[0-9]{{1,4}}[{''.join(DURATION_UNITS)}]{END}"),
        (VARIABLE["propertyNames"]["allOf"][0]["pattern"], f"^{VARIABLE_NAME}$"),
        (VARIABLE["propertyNames"]["allOf"][1]["not"]["const"], BUILT_IN),
        (VARIABLE["additionalProperties"]["allOf"][0]["not"]["pattern"], CONTROL_CHARACTERS),
        (PARTS["scope_sets"]["propertyNames"]["pattern"], f"^{SET_NAME}{END}"),
        (SCOPE["maxLength"], MAX_SCOPE_LENGTH),
        (SCOPE["allOf"][0]["not"]["pattern"], CONTROL_CHARACTERS),
        (SCOPE["allOf"][2]["not"]["pattern"], INVALID_PLACEHOLDER),
    ],
)
def test_the_schema_agrees_with_the_constants_of_the_code(in_schema: object, in_code: object) -> None:
    assert in_schema == in_code


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
