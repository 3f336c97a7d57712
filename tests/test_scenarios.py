"""Each folder in scenarios/ is a test of the commands: grant files and a tenant, the plan, and the tenant after apply.

Files of a folder:

    grants/*.yaml     the grant files
    tenant.yaml       the tenant before the run, as the seed of a sandbox
    reconciler.yaml   the configuration, if it differs from CONFIG
    history/NAME/     the files at an earlier commit, for scenarios with a git history
    scenario.yaml     a description, the commits of the `history` as `files NAME` or `git ARGUMENTS`, the `options`
                      of plan and apply, the exit codes of `plan` and `apply` (default 0), whether the tenant
                      `converges` (default true), and the exit code of the `rollback` if it cannot restore everything
    plan.txt          stdout of `plan`
    apply.txt         stdout of `apply --yes` after the plan
    problems.txt      stderr of `plan`
    after.json        the tenant's grants after `apply`, without ids and without reconciler's own grant

A missing file counts as empty. `REMAKE_SCENARIOS=1 pytest tests/test_scenarios.py` writes the last four files. Read the
diff before you commit it. Add a folder for each bug report.
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
    r"(\d+ left unchanged by --[a-z-]+( and --[a-z-]+)?, )?"
    r"(?P<unmanaged>\d+) left alone(, \d+ skipped)?(, \d+ expired and possibly still in the tenant)?\.\n",
)
WRITES_NOTHING = {1, 4}
PREFIXES = {"create": "  + ", "update": "  ~ ", "delete": "  - "}


@dataclass(frozen=True)
class Scenario:
    """A scenario's folder, and a copy of its input that is the current folder."""

    folder: Path
    settings: dict[str, Any]

    def run(self, command: str, *options: str) -> CommandResult:
        return reconciler(command, *self.settings.get("options", ()), *options)

    def expected(self, name: str) -> str:
        file = self.folder / name
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def assert_file_equals(self, name: str, found: str) -> None:
        if REMAKE:
            file = self.folder / name
            file.write_text(found, encoding="utf-8") if found else file.unlink(missing_ok=True)
        assert found == self.expected(name)


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    folder: Path = request.param
    read = read_yaml(folder / "scenario.yaml", SCENARIO)
    assert not read.problems
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    if not (folder / "reconciler.yaml").exists():
        (tmp_path / "reconciler.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "grants").mkdir(exist_ok=True)  # git does not store empty folders
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


def test_the_output_of_plan_is_as_expected(scenario: Scenario) -> None:
    ran = scenario.run("plan")

    scenario.assert_file_equals("plan.txt", ran.stdout)
    scenario.assert_file_equals("problems.txt", ran.stderr)
    assert ran.code == scenario.settings.get("plan", 0)


def without_notes(stderr: str) -> str:
    """Return stderr without the notes, which the text of a plan contains."""
    return "".join(each for each in stderr.splitlines(keepends=True) if not each.startswith("Note: "))


def test_the_plan_in_json_is_valid_and_equals_the_text(scenario: Scenario) -> None:
    text, ran = scenario.expected("plan.txt"), scenario.run("plan", "--format", "json")

    assert ran.code == scenario.settings.get("plan", 0)
    assert without_notes(ran.stderr) == scenario.expected("problems.txt")
    if not ran.stdout:
        assert not text
        return
    Draft202012Validator(stored.load(stored.PLAN)).validate(ran.data)
    summary = SUMMARY.search(text)
    assert summary
    assert {name: int(number or 0) for name, number in summary.groupdict().items()} == ran.data["summary"]
    for action, prefix in PREFIXES.items():
        listed = [change for change in ran.data["changes"] if change["action"] == action]
        assert len(listed) == sum(line.startswith(prefix) for line in text.splitlines())


def test_apply_leaves_the_tenant_as_expected(scenario: Scenario) -> None:
    plan = scenario.expected("plan.txt")
    before = grants_of(Path())

    ran = scenario.run("apply", "--yes")

    assert ran.code == scenario.settings.get("apply", 0)
    assert ran.stdout.startswith(plan)
    scenario.assert_file_equals("apply.txt", ran.stdout.removeprefix(plan).lstrip("\n"))
    after = grants_of(Path())
    scenario.assert_file_equals("after.json", _listed(grant for grant in after if grant not in _own(after)))
    assert _own(after) == _own(before) != []
    if ran.code in WRITES_NOTHING:
        assert after == before


def test_a_second_plan_has_no_changes(scenario: Scenario) -> None:
    scenario.run("apply", "--yes")

    ran = scenario.run("plan", "--detailed-exitcode")

    if scenario.settings.get("converges", True):
        assert ran.code == 0
        assert "0 to create, 0 to update, 0 to delete;" in ran.stdout
    else:
        assert ran.code


ROLLING_BACK = re.compile(r"To roll back: reconciler (.*)")


def test_the_printed_rollback_command_restores_the_tenant(scenario: Scenario) -> None:
    before = _comparable(grants_of(Path()))
    ran = scenario.run("apply", "--yes")
    printed = ROLLING_BACK.search(ran.stderr)
    if printed is None:
        assert _comparable(grants_of(Path())) == before
        return

    rollback = reconciler(*shlex.split(printed.group(1)), "--yes")

    assert rollback.code == scenario.settings.get("rollback", 0), rollback.output
    assert (_comparable(grants_of(Path())) == before) == ("rollback" not in scenario.settings)


def _comparable(grants: Iterable[Document]) -> list[str]:
    """Return grants in a comparable form: without ids and defaults, and with sorted lists."""
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
    """Return reconciler's own grant. In every seed, its application has the id `own`."""
    return [grant for grant in grants if grant.get("client_id") == "own"]


def _listed(grants: Iterable[Document]) -> str:
    lines = [json.dumps(grant) for grant in grants]
    return "[\n " + ",\n ".join(lines) + "\n]\n" if lines else ""
