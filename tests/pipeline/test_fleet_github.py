"""The fleet workflows of examples/github, run by act against forty tenants: faults, a second attempt, and waves."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pipeline.fleet import (
    FAULTS,
    GRANTS,
    RECOVERED,
    REMAINING,
    SHORT,
    FleetServer,
    fleet_project,
    killing_python,
    write_result_of_another_run,
)
from pipeline.workflow_runner import Runner, WorkflowRun
from support.commands import SECRET
from support.forges import GitHub, serve_forge


@pytest.fixture
def server_and_runner(tmp_path: Path) -> Iterator[tuple[FleetServer, Runner]]:
    forge, artifacts = GitHub(), tmp_path / "artifacts"
    artifacts.mkdir()
    with fleet_project(tmp_path, "github") as (project, server), serve_forge(forge):
        yield server, Runner(project, forge, artifacts, tmp_path, tenant=None)


def exit_codes(acted: WorkflowRun, job: str) -> set[str]:
    """Return the exit codes of the failed steps of a job."""
    return set(re.findall(rf"^\[[^]]*/{re.escape(job)} *\] exit status (\d+)$", acted.log, re.MULTILINE))


def test_faults_are_reported_and_a_second_attempt_does_only_what_remains(
    server_and_runner: tuple[FleetServer, Runner],
) -> None:
    server, runner = server_and_runner
    server.hanging.add("t00")
    write_result_of_another_run(runner.artifacts / "result-old")
    with_fault = replace(runner, project=replace(runner.project, credentials=server.credentials("t01")))

    acted = with_fault.run("schedule", "fleet-drift.yml", {}, PYTHON=str(killing_python(runner.folder)), **SHORT)

    assert exit_codes(acted, "Collect") == {"3"}, acted.log
    (issue,) = runner.forge.issues
    assert FAULTS in issue.body
    assert "result-old/t05.json" in issue.body
    assert "instead of" in issue.body
    assert SECRET not in acted.log

    server.hanging.clear()
    server.requests.clear()
    again = runner.run("schedule", "fleet-drift.yml", {}, GITHUB_RUN_ATTEMPT="2", **SHORT)

    assert again.code == 0, again.log
    assert set(server.requests) == REMAINING
    assert RECOVERED in runner.forge.issues[0].body


def test_a_failing_wave_stops_the_next(server_and_runner: tuple[FleetServer, Runner]) -> None:
    server, runner = server_and_runner
    runner = replace(runner, project=replace(runner.project, credentials=server.credentials("t00")))
    runner.forge.branches = {"main": runner.project.git("rev-parse", "main")}

    acted = runner.run("push", "fleet-apply.yml", {"ref": "refs/heads/main"})

    assert acted.code != 0
    assert dict(server.writes) == {"t01": 1}, acted.log
    assert not acted.ran("Apply the wave rest"), acted.log
    assert "40 tenants: 1 applied, 1 refused, 38 not started." in acted.log
    assert exit_codes(acted, "Collect all waves") == {"5"}


def test_a_pull_request_plans_the_affected_tenants_with_one_comment(
    server_and_runner: tuple[FleetServer, Runner],
) -> None:
    server, runner = server_and_runner
    runner.project.write(some=f"tenants: [t03, t04]\n{GRANTS.replace('Billing', 'Portal')}")

    acted = runner.pull_request("fleet-pull-request.yml")

    assert acted.code == 0, acted.log
    assert set(server.requests) == {"t03", "t04"}
    (body,) = runner.forge.bodies()
    assert "2 of 2 planned" in body

    runner.project.git("checkout", "--quiet", "change")
    runner.project.write(some="grants: [{client: Portal}]\n")
    runner.project.commit("Break it")
    broken = runner.pull_request_of_branch("fleet-pull-request.yml")

    assert broken.code != 0
    (body,) = runner.forge.bodies()
    assert ": no report" in body
    assert set(server.requests) == {"t03", "t04"}
