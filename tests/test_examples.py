"""The example pipelines: pinned actions, no access for forks, and options that exist."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from reconciler.cli.main import COMMANDS, commands

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / "examples" / "github").glob("*.yml"))
ACTION = ROOT / "action.yml"
GITLAB_FLEET = [
    ROOT / "examples" / "gitlab" / "fleet" / name
    for name in (".gitlab-ci.yml", ".gitlab/install.yml", ".gitlab/tenants.yml")
]
KUBERNETES = sorted((ROOT / "examples" / "kubernetes").glob("*.yaml"))
GITLAB = ROOT / "examples" / "gitlab" / ".gitlab-ci.yml"
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")

every_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
every_file = pytest.mark.parametrize("file", [ACTION, *WORKFLOWS], ids=lambda file: file.name)


def read(file: Path) -> Any:
    """Parse a YAML file. All scalars are strings, because `on` would be a boolean."""
    return yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader)


def steps(file: Path) -> list[dict[str, Any]]:
    said = read(file)
    jobs = [said["runs"]] if "runs" in said else said["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def known_options(name: str) -> set[str]:
    command: click.Command | None = commands
    for word in name.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(commands), word)
    assert command is not None
    return {option for parameter in command.params for option in parameter.opts if option.startswith("--")}


@every_file
def test_every_action_is_pinned_to_a_full_commit_id(file: Path) -> None:
    assert [step["uses"] for step in steps(file) if "uses" in step and not PINNED.fullmatch(step["uses"])] == []


@every_file
def test_no_script_contains_an_expression(file: Path) -> None:
    assert [step["run"] for step in steps(file) if "${{" in step.get("run", "")] == []


@every_workflow
def test_a_workflow_has_no_permissions_and_each_job_declares_its_own(file: Path) -> None:
    said = read(file)

    assert said["permissions"] == {}
    assert all(job["permissions"] for job in said["jobs"].values())


@every_workflow
def test_no_workflow_runs_on_an_event_that_exposes_secrets_to_forks(file: Path) -> None:
    assert {"pull_request_target", "workflow_run", "issue_comment"}.isdisjoint(read(file)["on"])


@every_workflow
def test_a_workflow_uses_only_existing_inputs_of_the_action(file: Path) -> None:
    ours = [step for step in steps(file) if step.get("uses", "").startswith("example/reconciler@")]

    assert ours
    assert {name for step in ours for name in step["with"]} <= set(read(ACTION)["inputs"])
    known = {"validate", "plan", "apply", "import", "fleet list", "fleet collect"}
    assert {step["with"]["command"] for step in ours} <= known


@every_workflow
def test_only_jobs_that_write_to_a_tenant_create_a_deployment(file: Path) -> None:
    for name, job in read(file)["jobs"].items():
        if "environment" in job:
            writes = name.startswith("apply")
            assert isinstance(job["environment"], str) is writes
            assert writes or job["environment"]["deployment"] == "false"
            assert writes or job["environment"]["name"].endswith("-plan")


def test_nothing_is_applied_without_an_approval() -> None:
    (apply,) = (file for file in WORKFLOWS if file.name == "apply.yml")
    jobs = read(apply)["jobs"]

    assert "vars.REQUIRED_REVIEWERS == 'true'" in jobs["apply"]["if"]
    assert jobs["apply-approved"]["if"].startswith("github.event_name == 'workflow_dispatch' && ")
    for name in ("apply", "apply-approved"):
        (step,) = (each for each in jobs[name]["steps"] if each["uses"].startswith("example/reconciler@"))
        assert ("plan-file" in step["with"]) is not ("approval-id" in step["with"])
        assert "--yes" not in str(jobs)


@every_workflow
def test_a_job_with_secrets_has_an_environment(file: Path) -> None:
    for job in read(file)["jobs"].values():
        assert "secrets." not in str(job) or "environment" in job


def test_jobs_with_secrets_do_not_run_for_forks() -> None:
    (pull_request,) = (file for file in WORKFLOWS if file.name == "pull-request.yml")
    jobs = read(pull_request)["jobs"]

    assert "secrets." not in str(jobs["validate"])
    own_branch = "github.event.pull_request.head.repo.full_name == github.repository"
    assert jobs["plan"]["if"] == f"github.event_name == 'merge_group' || {own_branch}"


def test_no_wave_is_applied_without_an_approval() -> None:
    (apply,) = (file for file in WORKFLOWS if file.name == "fleet-apply.yml")

    for name in ("apply-canary", "apply-rest"):
        job = read(apply)["jobs"][name]
        assert "vars.REQUIRED_REVIEWERS == 'true'" in job["if"]
        (step,) = (each for each in job["steps"] if each["uses"].startswith("example/reconciler@"))
        assert step["with"]["plan-file"].endswith("/{tenant}.json")
        assert "--yes" not in str(step)


def test_jobs_for_many_tenants_do_not_run_for_forks() -> None:
    (pull_request,) = (file for file in WORKFLOWS if file.name == "fleet-pull-request.yml")
    jobs = read(pull_request)["jobs"]

    assert jobs["list"]["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert jobs["plan"]["needs"] == "list"
    assert "needs.list.result == 'success'" in jobs["collect"]["if"]
    assert "secrets." not in str([jobs[name] for name in ("validate", "list", "collect")])


def test_a_fleet_is_always_collected() -> None:
    for file in (each for each in WORKFLOWS if each.name.startswith("fleet-")):
        assert read(file)["jobs"]["collect"]["if"].startswith("always()")


def test_apply_jobs_of_a_tenant_run_one_at_a_time_and_are_not_cancelled() -> None:
    (apply,) = (file for file in WORKFLOWS if file.name == "apply.yml")

    assert read(apply)["jobs"]["apply"]["concurrency"] == {
        "group": "apply-to-${{ matrix.tenant }}",
        "cancel-in-progress": "false",
    }
    assert read(GITLAB)["apply"]["resource_group"] == "$TENANT"


@pytest.mark.parametrize("job", ["plan", "drift"])
def test_jobs_that_report_problems_run_even_if_files_are_invalid(job: str) -> None:
    said = read(GITLAB)
    own = said[job].get("needs", said[".reconciler"]["needs"])
    assert own == ["install"]


@pytest.mark.parametrize("file", [ACTION, GITLAB, *GITLAB_FLEET, *KUBERNETES], ids=lambda file: file.name)
def test_called_commands_have_the_options_that_are_used(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for call in re.finditer(
        r"\breconciler (validate|plan|apply|access|comment|fleet list|fleet collect)\b([^|&>\n]*)",
        text.replace("\n      --", " --").replace("\\\n", ""),
    ):
        options = {word for word in shlex.split(call[2].replace("}", " ").split(";")[0]) if word.startswith("--")}
        assert options <= known_options(call[1])
    for arguments in re.findall(r"args:\n((?: +- .*\n)+)", text):
        command, *words = re.findall(r"- (\S+)", arguments)
        if command in COMMANDS:
            assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known_options(command)
    added = set(re.findall(r"add (--[\w-]+)", text))
    assert added <= known_options("plan") | known_options("apply")


def test_the_hook_calls_an_existing_command() -> None:
    (hook,) = read(ROOT / ".pre-commit-hooks.yaml")

    assert hook["entry"].split() == ["python", "-I", "-m", "reconciler", hook["id"]]
    assert hook["id"] in COMMANDS
    assert hook["always_run"] == "true"
