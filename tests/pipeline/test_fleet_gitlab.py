"""The fleet pipeline of examples/gitlab, run by gitlab-ci-local against forty tenants."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pipeline.fleet import GRANTS, SHORT, FleetServer, fleet_project, killing_python
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


def test_faults_of_shards_are_collected(server_and_runner: tuple[FleetServer, GitLabRunner]) -> None:
    server, runner = server_and_runner
    server.hanging.add("t00")
    runner = replace(runner, project=replace(runner.project, credentials=server.credentials("t01")))
    python = killing_python(runner.home.parent)

    code, log = runner.run(
        CI_PIPELINE_SOURCE="schedule", PROGRAMS=f"{python.parent}:/usr/local/bin:/usr/bin:/bin", **SHORT
    )

    assert code != 0
    (issue,) = runner.forge.issues
    assert "28 of 40 planned, 2 failed, 10 unknown" in issue.body, log
    assert re.search(r"^collect:drift .* FAIL 3", log, re.MULTILINE), log
