"""Each folder under scenarios/ is a behaviour that a user would describe, from grant files to the tenant afterwards.

What a folder holds:

    grants/*.yaml     what is declared
    tenant.yaml       what the tenant holds before (the seed of a sandbox)
    reconciler.yaml   the configuration, where the plain one below does not do
    history/NAME/     the files at an earlier commit, for scenarios with a git history
    scenario.yaml     `history`: its commits, as `files NAME` or `git ARGUMENTS`; `options` of plan and apply, the exit
                      code of `plan` and of `apply` (0 unless said), whether the tenant `converges` (it does unless
                      said), and the exit code of the `rollback` if it cannot restore everything
    plan.txt          what `plan` prints to stdout
    apply.txt         what `apply --yes` prints below the plan, to stdout
    problems.txt      what `plan` prints to stderr
    after.json        the tenant's grants after `apply`, as it would answer them, ids and the tool's own grant aside

A file that is missing is empty. `REMAKE_SCENARIOS=1 pytest tests/test_scenarios.py` writes the last four anew; read
the difference before you commit it. A bug report becomes a folder.
"""

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.commands import CommandResult, enter_clean_folder, grants_of, reconciler
from support.repository import git

from auth0_sandbox.store.documents import Document
from reconciler.contract import stored
from reconciler.files.read import read_yaml

FOLDERS = sorted(path for path in (Path(__file__).parent / "scenarios").iterdir() if path.is_dir())
REMAKE = "REMAKE_SCENARIOS" in os.environ
CONFIG = "default_tenant: test\ntenants:\n  test: {kind: sandbox, seed: tenant.yaml}\n"
SCENARIO = {
    "type": "object",
    "additionalProperties": False,
    "required": ["what"],
    "properties": {
        "what": {"type": "string"},
        "history": {"type": "array", "items": {"type": "string"}},
        "options": {"type": "array", "items": {"type": "string"}},
        "plan": {"type": "integer"},
        "apply": {"type": "integer"},
        "converges": {"type": "boolean"},
        "rollback": {"type": "integer"},
    },
}
SUMMARY = re.compile(
    r"Plan: (?P<create>\d+) to create, (?P<update>\d+) to update, (?P<delete>\d+) to delete"
    r"(, (?P<blocked>\d+) blocked)?(, \d+ grants? no longer declared)?; (?P<unchanged>\d+) unchanged, "
    r"(\d+ left unchanged by --create-only or --only-branch, )?"
    r"(?P<unmanaged>\d+) left alone(, \d+ skipped)?\.\n",
)
WRITES_NOTHING = {1, 4}
MARKS = {"create": "  + ", "update": "  ~ ", "delete": "  - "}


@dataclass(frozen=True)
class Scenario:
    """A scenario's folder, and a copy of its input that is the current folder."""

    folder: Path
    said: dict[str, Any]

    def run(self, command: str, *options: str) -> CommandResult:
        return reconciler(command, *self.said.get("options", ()), *options)

    def expects(self, name: str, found: str) -> None:
        file = self.folder / name
        if REMAKE:
            file.write_text(found, encoding="utf-8") if found else file.unlink(missing_ok=True)
        assert found == (file.read_text(encoding="utf-8") if file.exists() else "")


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    folder: Path = request.param
    read = read_yaml(folder / "scenario.yaml", SCENARIO)
    assert not read.problems
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    if not (folder / "reconciler.yaml").exists():
        (tmp_path / "reconciler.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "grants").mkdir(exist_ok=True)  # git keeps no empty folder
    enter_clean_folder(tmp_path, monkeypatch)
    make_history(tmp_path, read.data.get("history", ()), monkeypatch)
    return Scenario(folder, dict(read.data))


def make_history(folder: Path, steps: Iterable[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the git history of a scenario. Its commits have fixed dates, so that their hashes are always the same."""
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(name, "2026-03-01T12:00:00Z")
    for number, step in enumerate(steps):
        if number == 0:
            git(folder, "init", "--quiet")
        command, _, rest = step.partition(" ")
        if command == "git":
            git(folder, *shlex.split(rest))
            continue
        shutil.rmtree(folder / "grants", ignore_errors=True)
        shutil.copytree(folder / "history" / rest, folder, dirs_exist_ok=True)
        git(folder, "add", "--all", "grants", "reconciler.yaml")
        git(folder, "commit", "--quiet", "--message", rest, "--no-gpg-sign")


def test_the_plan_says_what_is_expected(scenario: Scenario) -> None:
    ran = scenario.run("plan")

    scenario.expects("plan.txt", ran.stdout)
    scenario.expects("problems.txt", ran.stderr)
    assert ran.code == scenario.said.get("plan", 0)


def without_notes(said: str) -> str:
    """Leave out what the text of a plan says itself."""
    return "".join(each for each in said.splitlines(keepends=True) if not each.startswith("Note: "))


def test_the_plan_as_data_fits_its_schema_and_agrees_with_the_text(scenario: Scenario) -> None:
    text, ran = scenario.run("plan"), scenario.run("plan", "--format", "json")

    assert (ran.code, without_notes(ran.stderr)) == (text.code, text.stderr)
    if not ran.stdout:
        assert not text.stdout
        return
    Draft202012Validator(stored.load(stored.PLAN)).validate(ran.data)
    said = SUMMARY.search(text.stdout)
    assert said
    assert {name: int(number or 0) for name, number in said.groupdict().items()} == ran.data["summary"]
    for action, mark in MARKS.items():
        listed = [change for change in ran.data["changes"] if change["action"] == action]
        assert len(listed) == sum(line.startswith(mark) for line in text.stdout.splitlines())


def test_apply_leaves_the_tenant_as_expected(scenario: Scenario) -> None:
    plan = scenario.run("plan")
    before = grants_of(Path())

    ran = scenario.run("apply", "--yes")

    assert ran.code == scenario.said.get("apply", 0)
    assert ran.stdout.startswith(plan.stdout)
    scenario.expects("apply.txt", ran.stdout.removeprefix(plan.stdout).lstrip("\n"))
    after = grants_of(Path())
    scenario.expects("after.json", _listed(grant for grant in after if grant not in _own(after)))
    assert _own(after) == _own(before) != []
    if ran.code in WRITES_NOTHING:
        assert after == before


def test_a_second_plan_finds_nothing_left_to_do(scenario: Scenario) -> None:
    scenario.run("apply", "--yes")

    ran = scenario.run("plan", "--detailed-exitcode")

    if scenario.said.get("converges", True):
        assert ran.code == 0
        assert "0 to create, 0 to update, 0 to delete;" in ran.stdout
    else:
        assert ran.code


ROLLING_BACK = re.compile(r"To roll back: reconciler (.*)")


def test_the_printed_command_restores_what_the_run_wrote(scenario: Scenario) -> None:
    before = _comparable(grants_of(Path()))
    ran = scenario.run("apply", "--yes")
    printed = ROLLING_BACK.search(ran.stderr)
    if printed is None:
        assert _comparable(grants_of(Path())) == before
        return

    back = reconciler(*shlex.split(printed.group(1)), "--yes")

    assert back.code == scenario.said.get("rollback", 0), back.output
    assert (_comparable(grants_of(Path())) == before) == ("rollback" not in scenario.said)


def _comparable(grants: Iterable[Document]) -> list[str]:
    """Return grants without their ids and the order of their lists; a default is as good as nothing said."""
    return sorted(
        json.dumps(
            {
                name: sorted(value) if isinstance(value, list) else value
                for name, value in grant.items()
                if name != "id" and value not in (False, "deny")
            },
            sort_keys=True,
        )
        for grant in grants
    )


def _own(grants: list[Document]) -> list[Document]:
    """Return the tool's own grant; every seed gives its application the id `own`."""
    return [grant for grant in grants if grant.get("client_id") == "own"]


def _listed(grants: Iterable[Document]) -> str:
    lines = [json.dumps(grant) for grant in grants]
    return "[\n " + ",\n ".join(lines) + "\n]\n" if lines else ""
