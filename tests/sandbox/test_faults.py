import json
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from auth0_sandbox.errors import FileError, SandboxError
from auth0_sandbox.faults import plan
from auth0_sandbox.faults.plan import (
    KINDS,
    AnswerFault,
    Drop,
    FaultPlan,
    Lag,
    Rule,
    Series,
    parse_faults,
    plan_data,
    read_faults,
)

SCHEMA = json.loads((Path(plan.__file__).parents[1] / "faults_schema.json").read_text(encoding="utf-8"))
RULE = SCHEMA["properties"]["faults"]["items"]
PLAN = """
# a comment
faults:
  - method: POST
    path: /api/v2/client-grants
    calls: [1, 3]
    answer: {status: 502, when: after, body: html}
  - path: /oauth/token
    calls: {from: 2, to: 8, every: 3}
    drop: {}
  - lag: {seconds: 0.5}
"""


def test_a_file_is_parsed_to_a_fault_plan(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN, encoding="utf-8")
    assert read_faults(file) == FaultPlan(
        (
            Rule(AnswerFault(status=502, when="after", body="html"), "POST", "/api/v2/client-grants", (1, 3)),
            Rule(Drop(), path="/oauth/token", calls=Series(first=2, last=8, every=3)),
            Rule(Lag(seconds=0.5)),
        )
    )


def test_a_json_file_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan_data(parse_faults(PLAN.encode())), indent="\t"), encoding="utf-8")
    assert read_faults(file) == parse_faults(PLAN.encode())


@pytest.mark.parametrize("name", KINDS)
def test_schema_and_value_have_the_same_fields(name: str) -> None:
    assert set(RULE["properties"][name]["properties"]) == {field.name for field in fields(KINDS[name])}


@pytest.mark.parametrize("name", KINDS)
def test_schema_and_value_have_the_same_choices(name: str) -> None:
    in_value = {field.name: set(get_args(field.type)) for field in fields(KINDS[name]) if get_args(field.type)}
    in_schema = {
        key: set(each["enum"]) for key, each in RULE["properties"][name]["properties"].items() if "enum" in each
    }
    assert {key: in_value[key] for key in in_schema} == in_schema


def test_the_schema_contains_every_kind_of_fault() -> None:
    assert set(RULE["properties"]) == {"method", "path", "calls", *KINDS}
    assert [each["required"] for each in RULE["allOf"][0]["oneOf"]] == [[name] for name in KINDS]
    assert set(KINDS.values()) == set(get_args(plan.Fault))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "the file", id="empty"),
        pytest.param("faults: {}", "faults", id="not a list"),
        pytest.param("faults: [{path: /x}]", "a rule has exactly one fault", id="no fault"),
        pytest.param("faults: [{drop: {}, lag: {reads: 1}}]", "a rule has exactly one fault", id="two faults"),
        pytest.param("faults: [{drop: {when: later}}]", '"when"', id="unknown choice"),
        pytest.param("faults: [{drop: {wehn: after}}]", 'did you mean "when"', id="misspelled key"),
        pytest.param("faults: [{answer: {}}]", '"status" is missing', id="missing key"),
        pytest.param("faults: [{calls: [0], drop: {}}]", "calls", id="call number 0"),
        pytest.param("faults: [}", "faults:1:10", id="invalid YAML"),
    ],
)
def test_an_invalid_plan_is_reported_with_its_position(text: str, problem: str) -> None:
    with pytest.raises(FileError) as raised:
        parse_faults(text.encode())
    assert any(problem in str(each) for each in raised.value.problems)


def test_a_file_with_problems_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("faults: [{x: 1}]")
    with pytest.raises(FileError) as raised:
        read_faults(file)
    assert "plan.yaml:1:1" in str(raised.value.problems[0])


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="does not exist"):
        read_faults(tmp_path / "plan.yaml")
