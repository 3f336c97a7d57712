"""What pipelines are offered, as files: pinned, without a way in for strangers, and fitting the program they call."""

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
GITLAB = ROOT / "examples" / "gitlab" / ".gitlab-ci.yml"
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")

every_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
every_file = pytest.mark.parametrize("file", [ACTION, *WORKFLOWS], ids=lambda file: file.name)


def read(file: Path) -> Any:
    """Return what a file says, with texts for all scalars: `on` is no truth value."""
    return yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader)


def steps(file: Path) -> list[dict[str, Any]]:
    said = read(file)
    jobs = [said["runs"]] if "runs" in said else said["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def known_options(name: str) -> set[str]:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    return {option for parameter in command.params for option in parameter.opts if option.startswith("--")}


@every_file
def test_every_action_is_pinned_by_its_whole_hash(file: Path) -> None:
    assert [step["uses"] for step in steps(file) if "uses" in step and not PINNED.fullmatch(step["uses"])] == []


@every_file
def test_no_script_has_anything_put_into_it(file: Path) -> None:
    assert [step["run"] for step in steps(file) if "${{" in step.get("run", "")] == []


@every_workflow
def test_a_workflow_starts_without_permissions_and_each_job_names_its_own(file: Path) -> None:
    said = read(file)

    assert said["permissions"] == {}
    assert all(job["permissions"] for job in said["jobs"].values())


@every_workflow
def test_no_workflow_runs_on_an_event_that_gives_secrets_to_strangers(file: Path) -> None:
    assert {"pull_request_target", "workflow_run", "issue_comment"}.isdisjoint(read(file)["on"])


@every_workflow
def test_a_workflow_gives_the_action_what_it_takes(file: Path) -> None:
    ours = [step for step in steps(file) if step.get("uses", "").startswith("example/reconciler@")]

    assert ours
    assert {name for step in ours for name in step["with"]} <= set(read(ACTION)["inputs"])
    assert {step["with"]["command"] for step in ours} <= {"validate", "plan", "apply"}


@every_workflow
def test_a_job_with_secrets_has_an_environment(file: Path) -> None:
    for job in read(file)["jobs"].values():
        assert "secrets." not in str(job) or "environment" in job


def test_secrets_are_out_of_reach_of_a_fork() -> None:
    (pull_request,) = (file for file in WORKFLOWS if file.name == "pull-request.yml")
    jobs = read(pull_request)["jobs"]

    assert "secrets." not in str(jobs["validate"])
    assert jobs["plan"]["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


def test_one_run_at_a_time_applies_to_a_tenant_and_none_is_cut_off() -> None:
    (apply,) = (file for file in WORKFLOWS if file.name == "apply.yml")

    assert read(apply)["jobs"]["apply"]["concurrency"] == {
        "group": "apply-to-${{ matrix.tenant }}",
        "cancel-in-progress": "false",
    }
    assert read(GITLAB)["apply"]["resource_group"] == "$TENANT"


@pytest.mark.parametrize("job", ["plan", "drift"])
def test_what_tells_of_wrong_files_does_not_wait_until_they_are_right(job: str) -> None:
    said = read(GITLAB)
    own = said[job].get("needs", said[".reconciler"]["needs"])
    assert own == ["install"]


@pytest.mark.parametrize("file", [ACTION, GITLAB], ids=lambda file: file.name)
def test_the_commands_that_are_called_know_their_options(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for call in re.finditer(
        r"\breconciler (validate|plan|apply|comment)\b([^|\n]*)", text.replace("\n      --", " --")
    ):
        options = {word for word in shlex.split(call[2].replace("}", " ").split(";")[0]) if word.startswith("--")}
        assert options <= known_options(call[1])
    added = set(re.findall(r"add (--[\w-]+)", text))
    assert added <= known_options("plan") | known_options("apply")


def test_the_hook_calls_a_command_that_there_is() -> None:
    (hook,) = read(ROOT / ".pre-commit-hooks.yaml")

    assert hook["entry"].split() == ["python", "-I", "-m", "reconciler", hook["id"]]
    assert hook["id"] in COMMANDS
    assert hook["always_run"] == "true"
