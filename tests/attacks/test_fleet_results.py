"""Results of jobs are artifacts, and a pull request can write them. Collecting them must be safe and fail closed."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import a_fleet, a_result
from support.commands import CommandResult, a_workspace, reconciler

from reconciler.artifacts import fleet_files
from reconciler.artifacts.fleet_files import MAX_LEVELS, MAX_RESULT_BYTES, write_result
from reconciler.artifacts.fleet_json import fleet_json, result_json

GOOD = {**result_json(a_result()), "output": None}
EVIL = "::error::x\n::set-output name=a::b ##[command] <img src=x> [a](http://evil.example) `|\x1b[31m\u202e @everyone"


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that expects t1 and t2. The folder has the result of t2 only."""
    here = a_workspace(tmp_path, monkeypatch)
    (here / "fleet.json").write_text(json.dumps(fleet_json(a_fleet("t1", "t2"))))
    (here / "results").mkdir()
    write_result(here / "results" / "t2.json", a_result("t2"), None)
    return here / "results"


def collect(*arguments: str) -> CommandResult:
    return reconciler("fleet", "collect", "fleet.json", "results", *arguments)


def states(ran: CommandResult) -> list[str]:
    return [each["state"] for each in ran.data["tenants"]]


def link(folder: Path) -> None:
    write_result(folder.parent / "elsewhere.json", a_result(), None)
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
    write_result(folder.parent / "more" / "t1.json", a_result(), None)
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
    "long error": altered(errors=["x" * 3_000]),
    "many errors": altered(errors=["x"] * 1_000),
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
    write_result(run.parent / "results" / "t1.json", a_result(), None)
    (run / "first").mkdir()
    (run / "t1.json").rename(run / "first" / "t1.json")
    HOSTILE[kind](run)

    ran = collect("--format", "json")

    assert (ran.code, states(ran)) == (3, ["unknown", "applied"])
    assert [each["file"] for each in ran.data["refused"]] == ["results/t1.json"]


def test_every_text_of_a_result_is_escaped(run: Path) -> None:
    (run / "t1.json").write_text(json.dumps({**GOOD, "exit_code": 1, "status": "failed", "errors": [EVIL]}))
    (run / f"{EVIL.replace('/', '')[:60]}.json").write_text("{}")

    shown = collect().stdout
    markdown = collect("--format", "markdown").stdout

    for line in (*shown.splitlines(), *markdown.splitlines()):
        assert line.isprintable()
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
    outside_code = re.sub(r"<code>.*?</code>|(`+) ?.*?\1", "", markdown)
    assert all(part not in outside_code for part in ("<img", "](http", "@everyone", "evil.example"))


def test_results_cannot_fill_the_comment(run: Path) -> None:
    fleet = a_fleet(*(f"t{number}" for number in range(1, 400)))
    (run.parent / "fleet.json").write_text(json.dumps(fleet_json(fleet)))
    for number in range(1, 400):
        result = a_result(f"t{number}", 1, errors=("x" * 1_800,) * 100)
        write_result(run / f"t{number}.json", result, None)

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
