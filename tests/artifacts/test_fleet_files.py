import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support.builders import a_fleet, a_plan, a_result, a_spec, leave_result

from reconciler.artifacts.deserialization import plan_from_json
from reconciler.artifacts.fleet_files import MAX_RESULT_BYTES, read_fleet, read_results, result_file, write_result
from reconciler.artifacts.fleet_json import fleet_from_json, fleet_json, result_from_json, result_json
from reconciler.artifacts.serialization import plan_json
from reconciler.contract import stored
from reconciler.core.fleet.run import FleetResult
from reconciler.errors import ReconcilerError

FLEET_FILE = Path("fleet.json")


def read(folder: Path) -> list[FleetResult | str]:
    return [each.result for each in read_results([folder], FLEET_FILE)]


def matches(content: object, schema: str) -> bool:
    return Draft202012Validator(stored.load(schema)).is_valid(content)


@pytest.mark.parametrize(
    "result",
    [
        a_result(exit_code=3, is_sandbox=True),
        a_result(exit_code=None),
        a_result(exit_code=4, command="plan", wave="canary", shard="0/4"),
        a_result(exit_code=1, errors=("HTTP 401", "second line"), attempt=2),
        a_result(exit_code=None, status="not started", ended_at="2026-11-28T03:00:01.000Z"),
    ],
)
def test_a_result_is_read_as_it_was_written(tmp_path: Path, result: FleetResult) -> None:
    write_result(result_file(tmp_path, result.tenant), result, None)

    (found,) = read_results([tmp_path], FLEET_FILE)

    assert (found.tenant, found.result) == (result.tenant, result)
    assert result_from_json(result_json(result)) == result
    assert matches(json.loads(Path(found.name).read_text()), stored.FLEET_RESULT)
    assert Path(found.name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("result", [a_result(counts={"applied": 3}), a_result(exit_code=2, command="plan")])
def test_a_successful_result_is_read_with_its_plan_and_counts(tmp_path: Path, result: FleetResult) -> None:
    plan = replace(a_plan([a_spec()]), tenant=result.title) if result.command == "plan" else None
    leave_result(tmp_path / "t1.json", replace(result, plan=plan))

    (found,) = read(tmp_path)

    assert isinstance(found, FleetResult)
    assert (found.status, found.plan) == (result.status, plan and plan_from_json(plan_json(plan)))
    assert found.counts["create"] == (1 if plan else 3)
    assert replace(result_from_json(result_json(found)), plan=found.plan) == found


@pytest.mark.parametrize("name", [stored.FLEET, stored.FLEET_RESULT])
def test_the_schemas_are_valid(name: str) -> None:
    Draft202012Validator.check_schema(stored.load(name))


def test_a_fleet_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    fleet = a_fleet("t1", waves={"canary": ["t2"]}, base="main", shards=2, notes=("a note",), stop_after=3)
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps(fleet_json(fleet)))

    assert read_fleet(file) == fleet == fleet_from_json(fleet_json(fleet))
    assert matches(fleet_json(fleet), stored.FLEET)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_the_name_of_a_result_file_is_portable(tenant: str) -> None:
    path = result_file(Path("results"), tenant)

    assert path.parent == Path("results")
    assert path.name[0] != "."
    assert path.name.isascii()
    assert not set(path.name) & set('/\\":<>|*?\r\n\0')


@pytest.mark.parametrize("tenant", ["prod", "eu-1.test_2", ".prod", "..", "a/b", "a,b c", "café", "%2E"])
def test_every_tenant_name_can_be_written_and_read(tmp_path: Path, tenant: str) -> None:
    write_result(result_file(tmp_path, tenant), a_result(tenant), None)

    assert [each.tenant for each in read_results([tmp_path], FLEET_FILE)] == [tenant]


def test_ordinary_names_are_unchanged() -> None:
    assert result_file(Path("results"), "eu-1.test_2") == Path("results/eu-1.test_2.json")


def test_long_errors_and_outputs_are_limited(tmp_path: Path) -> None:
    result = a_result(exit_code=1, errors=tuple(f"{number} {'x' * 5_000}\ud800" for number in range(300)))
    write_result(tmp_path / "t1.json", result, {"text": "x" * MAX_RESULT_BYTES})

    (found,) = read(tmp_path)

    assert isinstance(found, FleetResult)
    assert len(found.errors) == 101
    assert found.errors[-1] == "and 200 more"
    assert json.loads((tmp_path / "t1.json").read_text())["output"] is None


def test_results_are_found_in_subfolders_and_other_files_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "shard-0" / "results").mkdir(parents=True)
    write_result(tmp_path / "shard-0" / "results" / "t1.json", a_result(), None)
    (tmp_path / "log.txt").write_text("not a result")
    (tmp_path / "fleet.json").write_text("{}")

    found = list(read_results([tmp_path], tmp_path / "fleet.json"))

    assert [each.tenant for each in found] == ["t1"]


def test_a_file_that_is_found_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    write_result(tmp_path / "one" / "t1.json", a_result(), None)

    assert len(list(read_results([tmp_path, tmp_path / "one", tmp_path], FLEET_FILE))) == 1


def test_a_result_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match=r"missing/t1.json cannot be written"):
        write_result(tmp_path / "missing" / "t1.json", a_result(), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not valid JSON"),
        ("[]", "does not match fleet.schema.json"),
        ("{}", "does not match fleet.schema.json"),
        (json.dumps({**fleet_json(a_fleet("t1")), "more": 1}), "does not match fleet.schema.json"),
        (json.dumps(fleet_json(a_fleet("t1"))).replace('"waves"', '"run": "8", "waves"'), "is not valid JSON"),
    ],
)
def test_a_file_that_is_not_a_fleet_run_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "fleet.json").write_text(text)

    with pytest.raises(ReconcilerError, match=message):
        read_fleet(tmp_path / "fleet.json")


def test_a_fleet_run_that_names_a_tenant_twice_is_refused(tmp_path: Path) -> None:
    data = fleet_json(a_fleet("t1"))
    (tmp_path / "fleet.json").write_text(json.dumps({**data, "tenants": [*data["tenants"]] * 2}))  # type: ignore[misc]

    with pytest.raises(ReconcilerError, match="contains a tenant twice"):
        read_fleet(tmp_path / "fleet.json")
