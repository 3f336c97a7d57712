"""The fleet pipeline of examples/gitlab, run by gitlab-ci-local against forty tenants."""

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
from pipeline.gitlab_runner import NEEDS_NODE, GitLabRunner
from pipeline.project import a_source_repository
from support.commands import SECRET
from support.forges import GitLab, serve_forge

pytestmark = NEEDS_NODE


@pytest.fixture
def server_and_runner(tmp_path: Path) -> Iterator[tuple[FleetServer, GitLabRunner]]:
    forge = GitLab()
    with fleet_project(tmp_path, "gitlab/fleet") as (project, server), serve_forge(forge):
        yield server, GitLabRunner(project, forge, tmp_path / "home", a_source_repository(tmp_path))


def test_a_merge_request_plans_the_affected_tenants_in_a_child_pipeline_with_one_note(
    server_and_runner: tuple[FleetServer, GitLabRunner],
) -> None:
    server, runner = server_and_runner
    runner.project.write(some=f"tenants: [t03, t04]\n{GRANTS.replace('Billing', 'Portal')}")

    code, log = runner.merge_request()

    assert code == 0, log
    assert set(server.requests) == {"t03", "t04"}
    (body,) = runner.forge.bodies()
    assert "2 of 2 planned" in body
    assert SECRET not in log


def test_a_failing_wave_stops_the_next(server_and_runner: tuple[FleetServer, GitLabRunner]) -> None:
    server, runner = server_and_runner
    runner = replace(runner, project=replace(runner.project, credentials=server.credentials("t00")))
    runner.forge.branches = {"main": runner.project.git("rev-parse", "main")}

    code, log = runner.run("--manual", "apply:canary", "--manual", "apply:rest")

    assert code != 0
    assert dict(server.writes) == {"t01": 1}, log
    assert "40 tenants: 1 applied, 1 refused, 38 not started." in log


def test_faults_are_reported_and_a_second_run_does_only_what_remains(
    server_and_runner: tuple[FleetServer, GitLabRunner],
) -> None:
    server, runner = server_and_runner
    server.hanging.add("t00")
    with_fault = replace(runner, project=replace(runner.project, credentials=server.credentials("t01")))
    python = killing_python(runner.home.parent)
    write_result_of_another_run(runner.project.folder / "results" / "old")
    runner.project.git("add", "--force", "results/old")
    runner.project.commit("Commit a result")

    code, log = with_fault.run(
        CI_PIPELINE_SOURCE="schedule", PROGRAMS=f"{python.parent}:/usr/local/bin:/usr/bin:/bin", **SHORT
    )

    assert code != 0
    (issue,) = runner.forge.issues
    assert FAULTS in issue.body, log
    assert "results/old/t05.json" in issue.body
    assert "instead of" in issue.body
    assert re.search(r"^collect:drift .* FAIL 3", log, re.MULTILINE), log

    server.hanging.clear()
    server.requests.clear()
    code, log = runner.run("remaining:drift", CI_PIPELINE_SOURCE="schedule", **SHORT)

    assert code == 0, log
    assert set(server.requests) == REMAINING
    assert RECOVERED in runner.forge.issues[0].body
