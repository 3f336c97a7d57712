"""A policy schema, or a name that it checks, must not delay a run or end it with a traceback."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import CONFIG, CommandResult, a_workspace, run_process

from reconciler.files.custom_schemas import NotASchemaError, compile_schema

LONG = "a" * 8000 + "!"
SLOW = ["^(a+)+$", "^(a|aa)+$", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*a){20}$"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch)


def run_plan(here: Path, schema: object) -> CommandResult:
    (here / "reconciler.yaml").write_text(CONFIG + f"policy: {{schemas: [{json.dumps(schema)}]}}\n")
    grant = {"client": "Billing", "api": "Invoices API", "scope": ["read:invoices"], "description": LONG}
    (here / "grants" / "billing.yaml").write_text(json.dumps({"grants": [grant]}))
    return run_process("plan")


@pytest.mark.parametrize("pattern", SLOW)
def test_patterns_run_in_linear_time(here: Path, pattern: str) -> None:
    result = run_plan(here, {"title": "slow", "properties": {"description": {"pattern": pattern}}})

    assert result.code in {0, 4}, result.output
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "("},
        {"pattern": "(?<!a)b"},
        {"pattern": "a{1000}{1000}"},
        {"patternProperties": {"[": {}}},
        {"properties": {f"p{number}": {"pattern": "a"} for number in range(201)}},
        {"multipleOf": 0},
        {"$id": "::"},
        {"not": {"$dynamicRef": "#"}},
    ],
    ids=["broken", "look-behind", "large", "key", "many", "zero", "address", "reference"],
)
def test_an_unusable_schema_is_reported_at_its_line(here: Path, schema: dict[str, object]) -> None:
    result = run_plan(here, {"title": "no", **schema})

    assert result.code == 1
    assert result.stderr.startswith("reconciler.yaml:5:"), result.stderr


@pytest.mark.parametrize(
    "schema", [{"multipleOf": 5e-324}, {"minimum": 1e308}, {"maxLength": 10**30}, {"enum": [10**30]}], ids=str
)
def test_extreme_numbers_are_compared(here: Path, schema: dict[str, object]) -> None:
    result = run_plan(here, {"title": "no", "properties": {"scope": {"items": schema}}})

    assert result.code in {0, 1, 4}
    assert "Traceback" not in result.stderr


def test_a_text_that_cannot_be_checked_violates_the_schema() -> None:
    is_valid = compile_schema({"properties": {"client": {"not": {"pattern": "^Admin"}}}})

    assert is_valid({"client": "Portal"})
    assert not is_valid({"client": "\ud800"})


WORDS = [
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "minimum",
    "maxLength",
    "minLength",
    "pattern",
    "items",
    "prefixItems",
    "uniqueItems",
    "contains",
    "minContains",
    "required",
    "properties",
    "patternProperties",
    "additionalProperties",
    "dependentSchemas",
    "dependentRequired",
    "propertyNames",
    "unevaluatedProperties",
    "not",
    "if",
    "then",
    "else",
    "allOf",
    "anyOf",
    "oneOf",
    "format",
    "$id",
    "$schema",
    "$anchor",
    "$defs",
    "$vocabulary",
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["string", "object", "^(a+)+$", "(?=a)", "#", "http://localhost/", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(WORDS), values, max_size=4))
def test_any_schema_is_usable_or_an_error(schema: dict[str, object]) -> None:
    try:
        check = compile_schema(schema)
    except NotASchemaError:
        return
    assert check({"client": "Billing", "scope": ["a"]}) in {True, False}
