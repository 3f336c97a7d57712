"""Results of jobs are artifacts, and a pull request can write them. Collecting them must be safe and fail closed."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.builders import a_fleet, a_result, leave_result, run_output
from support.commands import SEED, CommandResult, a_workspace, reconciler
from support.repository import commit_all

from reconciler.artifacts import fleet_files
from reconciler.artifacts.fleet_files import MAX_LEVELS, MAX_RESULT_BYTES
from reconciler.artifacts.fleet_json import fleet_json, result_json
from reconciler.core.outcome import Result

NO_CHANGES: dict[str, Any] = {"counts": dict.fromkeys(map(str, Result), 0), "plan_id": "a" * 64}
GOOD = {**result_json(a_result(**NO_CHANGES)), "output": run_output(a_result(), 0)}
EVIL = "::error::x\n::set-output name=a::b ##[command] <img src=x> [a](http://evil.example) `|\x1b[31m\u202e @everyone"


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that expects t1 and t2. The folder has the result of t2 only."""
    here = a_workspace(tmp_path, monkeypatch)
    (here / "fleet.json").write_text(json.dumps(fleet_json(a_fleet("t1", "t2"))))
    (here / "results").mkdir()
    leave_result(here / "results" / "t2.json", a_result("t2"))
    return here / "results"


def collect(*arguments: str) -> CommandResult:
    return reconciler("fleet", "collect", "fleet.json", "results", *arguments)


def states(ran: CommandResult) -> list[str]:
    return [each["state"] for each in ran.data["tenants"]]


def link(folder: Path) -> None:
    leave_result(folder.parent / "elsewhere.json", a_result())
    (folder / "t1.json").symlink_to(folder.parent / "elsewhere.json")


def link_to_nothing(folder: Path) -> None:
    (folder / "t1.json").symlink_to("/nonexistent")


def device(folder: Path) -> None:
    (folder / "t1.json").symlink_to("/dev/zero")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "t1.json")


def folder_with_the_name(folder: Path) -> None:
    (folder / "t1.json").mkdir()


def linked_folder(folder: Path) -> None:
    (folder.parent / "more").mkdir()
    leave_result(folder.parent / "more" / "t1.json", a_result())
    (folder / "more").symlink_to(folder.parent / "more")


def too_large(folder: Path) -> None:
    with (folder / "t1.json").open("wb") as file:
        file.truncate(MAX_RESULT_BYTES + 1)


def text(content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "t1.json").write_text(content, encoding="utf-8")

    return write


def altered(**fields: object) -> Callable[[Path], None]:
    return text(json.dumps({**GOOD, **fields}))


FAILED = {"status": "failed", "exit_code": 1, "counts": {}, "plan_id": None, "output": None}
HOSTILE = {
    "link": link,
    "link to nothing": link_to_nothing,
    "device": device,
    "pipe": pipe,
    "folder": folder_with_the_name,
    "linked folder": linked_folder,
    "too large": too_large,
    "empty": text(""),
    "truncated": text(json.dumps(GOOD)[:-5]),
    "not UTF-8": lambda folder: (folder / "t1.json").write_bytes(b"\xff\xfe\x00"),
    "nested": text("[" * 100_000),
    "many lists": text(f"[{'[],' * 1_000_000}[]]"),
    "many keys": text("{" + ",".join(f'"{number}":1' for number in range(200_000)) + "}"),
    "repeated key": text(json.dumps(GOOD).replace('"tenant": "t1"', '"tenant": "t1", "tenant": "t1"')),
    "huge number": altered(attempt=10**400),
    "fraction": text(json.dumps(GOOD).replace('"attempt": 1', '"attempt": 1.5')),
    "NaN": text(json.dumps(GOOD).replace('"attempt": 1', '"attempt": NaN')),
    "surrogate": text(json.dumps({**GOOD, "errors": ["\ud800"]})),
    "another version": altered(format_version="2"),
    "more keys": altered(evil=True),
    "unknown status": altered(status="fine"),
    "unknown command": altered(command="destroy"),
    "applied despite a failure": altered(exit_code=1),
    "begun and ended": altered(status="begun"),
    "planned by apply": altered(status="planned"),
    "a time that sorts last": altered(started_at="9999"),
    "negative attempt": altered(attempt=-1),
    "negative count": altered(counts={"create": -1}),
    "evil name of a count": altered(counts={EVIL: 1}),
    "long error": altered(**FAILED, errors=["x" * 3_000]),
    "many errors": altered(**FAILED, errors=["x"] * 1_000),
    "applied without an output": altered(output=None),
    "applied with an empty output": altered(output={}),
    "applied with an error": altered(errors=["boom"]),
    "planned without a plan": altered(**FAILED | {"command": "plan", "status": "planned", "exit_code": 0}),
    "failed change": altered(counts={**NO_CHANGES["counts"], "create": 1, "failed": 1}),
    "end before the start": altered(ended_at="2026-11-28T02:59:59.999Z"),
    "another tenant": altered(tenant="t2", domain="t2.eu.auth0.com"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_leaves_its_tenant_unknown(run: Path, kind: str) -> None:
    HOSTILE[kind](run)
    started = time.process_time()

    ran = collect("--format", "json")

    assert (ran.code, ran.stderr) == (3, "")
    assert states(ran) == ["unknown", "applied"]
    assert time.process_time() - started < 5


@pytest.mark.parametrize("kind", sorted(set(HOSTILE) - {"folder", "linked folder"}))
def test_a_hostile_file_is_named_and_makes_an_earlier_result_doubtful(run: Path, kind: str) -> None:
    leave_result(run.parent / "results" / "t1.json", a_result())
    (run / "first").mkdir()
    (run / "t1.json").rename(run / "first" / "t1.json")
    HOSTILE[kind](run)

    ran = collect("--format", "json")

    assert (ran.code, states(ran)) == (3, ["unknown", "applied"])
    assert [each["file"] for each in ran.data["refused"]] == ["results/t1.json"]


def test_every_text_of_a_result_is_escaped(run: Path) -> None:
    (run / "t1.json").write_text(
        json.dumps({**result_json(a_result(exit_code=1, errors=("",))), "errors": [EVIL], "output": None})
    )
    (run / f"{EVIL.replace('/', '')[:60]}.json").write_text("{}")

    shown = collect().stdout
    markdown = collect("--format", "markdown").stdout

    for line in (*shown.splitlines(), *markdown.splitlines()):
        assert line.isprintable()
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
    outside_code = re.sub(r"<code>.*?</code>|(`+) ?.*?\1", "", markdown)
    assert all(part not in outside_code for part in ("<img", "](http", "@everyone", "evil.example"))


def blocked_plan(here: Path) -> None:
    """Write the result of a plan that creates a protected grant."""
    (here / "reconciler.yaml").write_text("tenants:\n  t1: {kind: sandbox, seed: tenant.yaml, protect: [{api: '*'}]}\n")
    options = ("--tenant", "t1", "--run", "7")
    assert reconciler("fleet", "list", *options, "--report", "json=fleet.json").code == 0
    assert reconciler("plan", *options, "--result", "results").code == 4


def test_a_blocked_plan_cannot_be_called_planned(run: Path) -> None:
    (run / "t2.json").unlink()
    blocked_plan(run.parent)
    assert states(collect("--format", "json")) == ["refused"]
    result = json.loads((run / "t1.json").read_text())
    changed = {"status": "planned", "exit_code": 0, "errors": []}

    (run / "t1.json").write_text(json.dumps({**result, **changed}))

    ran = collect("--format", "json")
    assert (ran.code, states(ran)) == (3, ["unknown"])
    assert ran.data["refused"][0]["reason"] == "has an exit code that contradicts the plan"
    assert collect("--resume").stdout == "t1\n"


NAMES = [f"App {number}" for number in range(210)]
LONG = f"description: {chr(0x1F600) * 8_000}"


def a_pull_request(here: Path) -> None:
    """Commit a branch that removes a protection, and that declares one long description for 210 applications."""
    applications = [{"name": name} for name in NAMES]
    seed = {**yaml.safe_load(SEED), "applications": applications, "grants": []}
    (here / "tenant.yaml").write_text(json.dumps(seed))
    config = "tenants: {t1: {kind: sandbox, seed: tenant.yaml%s}}\n"
    (here / "reconciler.yaml").write_text(config % ", protect: [{client: App 1}]")
    (here / "grants" / "billing.yaml").write_text("grants: []\n")
    commit_all(here)
    (here / "reconciler.yaml").write_text(config % "")
    many = f"clients: {json.dumps(NAMES)}, api: Invoices API, scope: ['read:invoices'], {LONG}"
    takeover = "client: App 7, audience: 'https://${domain}/api/v2/', scope: ['update:clients']"
    (here / "grants" / "billing.yaml").write_text(f"grants: [{{{many}}}, {{{takeover}}}]\n", encoding="utf-8")
    commit_all(here)


def plan_of_a_pull_request(run: Path) -> None:
    (run / "t2.json").unlink()
    a_pull_request(run.parent)
    options = ("--tenant", "t1", "--run", "7")
    assert reconciler("fleet", "list", *options, "--report", "json=fleet.json").code == 0
    assert reconciler("plan", *options, "--base", "HEAD~1", "--result", "results").code == 0


def test_a_long_description_cannot_empty_the_comment(run: Path) -> None:
    plan_of_a_pull_request(run)

    ran = collect("--format", "markdown")

    assert (run / "t1.json").stat().st_size < MAX_RESULT_BYTES / 10
    assert ran.code == 0
    for expected in (
        "211 to create, 3 critical.",
        "- `App 7 -> Auth0 Management API`: `can take over the tenant: update:clients`",
        '- **critical** ``t1: `protect` no longer contains: client "App 1"``',
        "**From this branch (211)**",
        "<b>SANDBOX</b>",
    ):
        assert expected in ran.stdout


def test_a_plan_that_is_too_large_keeps_totals_and_critical_risks(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_files, "MAX_RESULT_BYTES", 200_000)
    plan_of_a_pull_request(run)

    ran = collect("--format", "markdown")

    assert (ran.code, states(collect("--format", "json"))) == (0, ["planned"])
    omitted = json.loads((run / "t1.json").read_text())["omitted"]
    assert omitted > 100
    for expected in (
        f"211 to create, 3 critical, {omitted} grants only in the log of the job.",
        f"3 critical, {omitted} grants only in the log of the job</td>",
        "- `App 7 -> Auth0 Management API`: `can take over the tenant: update:clients`",
        '- **critical** ``t1: `protect` no longer contains: client "App 1"``',
    ):
        assert expected in ran.stdout
    assert f"3 critical, {omitted} grants only in the log of the job\n" in collect().stdout


def test_omitted_critical_risks_are_counted(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_files, "MAX_RESULT_BYTES", 3_500)
    plan_of_a_pull_request(run)

    ran = collect("--format", "markdown")

    assert ran.code == 0
    assert "> **Critical (1)**\n>\n> - and 1 critical risk only in the log of the job\n" in ran.stdout
    assert "211 to create, 3 critical, 212 grants only in the log of the job" in ran.stdout


def test_a_result_without_space_for_any_plan_is_unknown(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_files, "MAX_RESULT_BYTES", 1_500)
    plan_of_a_pull_request(run)

    ran = collect("--format", "json")

    assert (ran.code, states(ran)) == (3, ["unknown"])
    assert "too large" in ran.data["refused"][0]["reason"]


def test_results_cannot_fill_the_comment(run: Path) -> None:
    fleet = a_fleet(*(f"t{number}" for number in range(1, 400)))
    (run.parent / "fleet.json").write_text(json.dumps(fleet_json(fleet)))
    for number in range(1, 400):
        result = a_result(f"t{number}", 1, errors=("x" * 1_800,) * 100)
        leave_result(run / f"t{number}.json", result)

    body = collect("--format", "markdown", "--max-bytes", "60000").stdout

    assert len(body.encode()) <= 60_000
    assert "399 failed" in body
    assert "not shown here" in body


def test_the_number_of_files_and_levels_is_limited(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "/".join("d" * MAX_LEVELS)).mkdir(parents=True)
    assert "levels deep" in collect().stderr

    monkeypatch.setattr(fleet_files, "MAX_LEVELS", 10)
    monkeypatch.setattr(fleet_files, "MAX_FILES", 5)
    for number in range(6):
        (run / f"{number}.json").write_text("{}")
    ran = collect()
    assert (ran.code, ran.stdout) == (1, "")
    assert "more than 5 files" in ran.stderr


def test_a_tenant_of_the_run_cannot_inject_jobs(run: Path) -> None:
    fleet = a_fleet("t1", f"{EVIL[:40]}: {{script: [x]}}")
    (run.parent / "fleet.json").write_text(json.dumps(fleet_json(fleet)))

    ran = collect("--resume", "--format", "github")

    assert len(ran.stdout.splitlines()) == 2
    assert json.loads(ran.stdout.splitlines()[1].removeprefix("matrix="))
