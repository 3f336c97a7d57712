"""fleet collect: the states of a run, from the results of its jobs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from support.builders import RUN_INPUTS, a_fleet, a_plan, a_result, a_spec, an_api, first_parties, leave_result
from support.commands import CommandResult, reconciler

from reconciler.artifacts.fleet_files import result_file
from reconciler.artifacts.fleet_json import fleet_json
from reconciler.core.fleet.run import Fleet, FleetResult, RunInputs

TENANTS = ("t1", "t2", "t3")
MANAGEMENT = an_api("https://test.example/api/v2/", scopes=frozenset({"update:clients"}), is_system=True)


@pytest.fixture(autouse=True)
def run(here: Path) -> Path:
    """A run that expects three tenants, without a result."""
    expect(here, a_fleet(*TENANTS))
    (here / "results").mkdir()
    return here


def expect(here: Path, fleet: Fleet) -> None:
    (here / "fleet.json").write_text(json.dumps(fleet_json(fleet)))


def leave(here: Path, *results: FleetResult, folder: str = "results") -> None:
    for result in results:
        (here / folder).mkdir(exist_ok=True)
        leave_result(result_file(here / folder, result.tenant), result)


def collect(*arguments: str, folders: tuple[str, ...] = ("results",)) -> CommandResult:
    return reconciler("fleet", "collect", "fleet.json", *folders, *arguments)


def test_tenants_that_are_not_done_are_shown(run: Path) -> None:
    leave(run, a_result("t1", counts={"applied": 2, "failed": 0}), a_result("t2", 1, errors=("HTTP 401",)))

    ran = collect()

    assert (ran.code, ran.stderr) == (3, "")
    assert ran.stdout == (
        "3 tenants: 1 applied, 1 failed, 1 unknown.\n"
        "failed       t2\n             HTTP 401\nunknown      t3\n             no result\n"
    )
    assert "applied      t1  2 applied\n" in collect("-v").stdout


def test_zero_if_every_tenant_is_applied(run: Path) -> None:
    leave(run, *map(a_result, TENANTS))

    assert (collect().code, collect().stdout) == (0, "3 tenants: 3 applied.\n")


def test_both_attempts_are_shown_and_the_later_one_counts(run: Path) -> None:
    leave(run, a_result("t1", 1, errors=("HTTP 500",)), *map(a_result, TENANTS[1:]), folder="first")
    leave(run, a_result("t1", attempt=2), folder="second")

    ran = collect(folders=("first", "second"))

    assert ran.code == 0
    assert "attempt 1, 2026-11-28T03:00:00.000Z to 2026-11-28T03:00:01.000Z: failed (first/t1.json)\n" in ran.stdout
    assert "attempt 2, 2026-11-28T03:00:00.000Z to 2026-11-28T03:00:01.000Z: applied (second/t1.json)\n" in ran.stdout
    body = collect("--format", "markdown", folders=("first", "second")).stdout
    assert body.endswith("Tenants with several results:\n\n- `t1`: failed in attempt 1, then applied in attempt 2\n")


def test_an_artifact_of_another_run_is_refused_by_name(run: Path) -> None:
    other = a_result("t3", inputs=RunInputs("6", RUN_INPUTS.commit, RUN_INPUTS.configuration, RUN_INPUTS.grants))
    leave(run, *map(a_result, TENANTS[:2]), other)

    ran = collect()

    assert ran.code == 3
    assert 'refused  results/t3.json: run "6" instead of "7"\n' in ran.stdout


def test_json_has_everything(run: Path) -> None:
    leave(run, a_result("t1"), a_result("t2", None))

    data = collect("--format", "json").data

    assert data["summary"] == {
        "planned": 0,
        "applied": 1,
        "refused": 0,
        "failed": 0,
        "partial": 0,
        "unknown": 2,
        "not started": 0,
    }
    assert (data["run"], data["exit_code"], data["stopped"], data["remaining"]) == ("7", 3, True, ["t2", "t3"])
    assert data["tenants"][1]["reason"] == "apply began at 2026-11-28T03:00:00.000Z and did not report its end"
    assert data["tenants"][1]["results"][0]["file"] == "results/t2.json"


def test_markdown_is_one_comment_for_the_configuration(run: Path) -> None:
    dangerous = [a_spec(client_id=each, audience=MANAGEMENT.identifier, scope=("update:clients",)) for each in "bc"]
    specs = [a_spec(client_id="a"), *dangerous]
    directory = replace(first_parties(specs), apis=(an_api(), MANAGEMENT))
    result = a_result("t1", 2, "plan")
    plan = replace(a_plan(specs, directory=directory), tenant=result.title)
    leave(run, replace(result, plan=plan), a_result("t2", 0, "plan"))

    assert collect("--report", "markdown=report.md").code == 3

    body = (run / "report.md").read_text()
    first, second, *_ = body.splitlines()
    assert first == "<!-- reconciler:all-tenants -->"
    assert second == "### Auth0 grants · 3 tenants: 2 of 3 planned, 1 unknown"
    assert "1 with changes: 3 to create, 2 critical." in body
    rows = [line for line in body.splitlines() if line.startswith("<tr><td>")]
    assert [row.split("<code>")[1].split("<")[0] for row in rows[:3]] == ["t3", "t1", "t2"]


def test_markdown_names_refused_results_and_a_stopped_rollout(run: Path) -> None:
    expect(run, a_fleet(waves={"canary": ["t1"], "rest": ["t2", "t3"]}))
    leave(run, a_result("t1", 3), a_result("t9"))

    body = collect("--format", "markdown").stdout

    assert "No further wave may start (stop_after: 1)." in body
    assert "- `results/t9.json`: `the fleet file does not list this tenant`" in body
    assert "- `Wave rest: 0 of 2 applied, 2 not started.`" in body


def test_the_exit_code_is_the_same_with_resume(run: Path) -> None:
    leave(run, a_result("t1"), a_result("t2", 4), a_result("t3"))

    assert (collect().code, collect("--resume").code) == (4, 4)


def test_resume_prints_the_tenants_that_remain(run: Path) -> None:
    leave(run, a_result("t1"), a_result("t2", 1))
    assert collect("--resume").stdout == "t2\nt3\n"

    found = dict(line.split("=", 1) for line in collect("--resume", "--format", "github").stdout.splitlines())
    assert [each["tenant"] for each in json.loads(found["matrix"])["include"]] == ["t2", "t3"]
    assert "tenants: t3" in yaml.safe_load(collect("--resume", "--format", "gitlab").stdout)
    remaining = collect("--resume", "--format", "json").data
    assert [each["reasons"] for each in remaining["tenants"]] == [["failed"], ["unknown: no result"]]

    leave(run, *map(a_result, TENANTS))
    assert (collect("--resume").code, collect("--resume").stdout) == (0, "")
    assert collect("--resume", "--format", "github").stdout == "any=false\n"


def test_a_failing_wave_stops_the_next(run: Path) -> None:
    expect(run, a_fleet(waves={"canary": ["t1"], "rest": ["t2", "t3"]}))
    leave(run, a_result("t1", 1))

    ran = collect()

    assert ran.code == 1
    assert "3 tenants: 1 failed, 2 not started.\n" in ran.stdout
    assert "the wave rest did not start, because 1 tenant of the earlier rollout waves did not succeed" in ran.stdout
    assert "No further wave may start (stop_after: 1).\n" in ran.stdout
    assert collect("--resume").stdout == "t1\nt2\nt3\n"


def test_the_last_started_wave_can_be_named(run: Path) -> None:
    expect(run, a_fleet(waves={"canary": ["t1"], "rest": ["t2", "t3"]}))
    leave(run, a_result("t1"))

    assert collect().code == 3
    assert collect("--wave", "canary").code == 0
    assert 'has no wave "canry"' in collect("--wave", "canry").stderr


def test_resume_of_a_wave_does_not_start_later_waves(run: Path) -> None:
    expect(run, a_fleet(waves={"canary": ["t1"], "rest": ["t2", "t3"]}))
    leave(run, a_result("t1"))

    assert (collect("--resume", "--wave", "canary").code, collect("--resume", "--wave", "canary").stdout) == (0, "")
    assert collect("--resume", "--wave", "canary", "--format", "github").stdout == "any=false\n"
    assert collect("--resume").stdout == "t2\nt3\n"

    leave(run, a_result("t1", 3))
    assert collect("--resume", "--wave", "canary").stdout == "t1\n"


def test_a_github_step_gets_outputs_and_a_summary(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        (run / variable).touch()
        monkeypatch.setenv(variable, str(run / variable))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    leave(run, a_result("t1"))

    collect()

    assert "stopped=true\nexit_code=3\n" in (run / "GITHUB_OUTPUT").read_text()
    assert "1 of 3 applied, 2 unknown" in (run / "GITHUB_STEP_SUMMARY").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "github"], "add --resume"),
        (["--report", "gitlab=a.yml"], "add --resume"),
        (["--resume", "--format", "markdown"], "cannot be combined with --resume"),
        (["--report", "json={tenant}.json"], "one report for all tenants"),
    ],
)
def test_formats_that_do_not_fit_are_refused(arguments: list[str], message: str) -> None:
    ran = collect(*arguments)

    assert (ran.code, ran.stdout) == (1, "")
    assert message in ran.stderr


@pytest.mark.parametrize("arguments", [("fleet.json",), ("missing.json", "results"), ("fleet.json", "missing")])
def test_missing_files_are_errors(arguments: tuple[str, ...]) -> None:
    ran = reconciler("fleet", "collect", *arguments)

    assert (ran.code, ran.stdout) == (1, "")
    assert "Traceback" not in ran.stderr
