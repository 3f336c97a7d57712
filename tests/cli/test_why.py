"""`reconciler why`: one grant with its lines, commits and runs."""

from pathlib import Path

import pytest
from support.commands import reconciler
from support.repository import commit_all, git


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    (here / ".gitignore").write_text(".reconciler/\n")
    commit_all(here)
    return here


def test_the_lines_the_commits_and_the_runs_of_a_grant_are_shown(here: Path) -> None:
    assert reconciler("apply", "--yes").code == 0

    ran = reconciler("why", "Billing", "Invoices API")

    assert ran.code == 0
    assert "Billing -> Invoices API  [as-declared]" in ran.stdout
    assert "2:   - client: Billing\n" in ran.stdout
    assert git(here, "rev-parse", "HEAD")[:10] in ran.stdout
    assert "create, applied" in ran.stdout
    assert "access tokens are valid for 1 day" in ran.stdout


def test_json_has_each_line_with_its_commit(here: Path) -> None:
    file = here / "grants/billing.yaml"
    file.write_text(file.read_text().replace("Nightly run", "Daily run"))
    git(here, "commit", "--quiet", "--all", "--message", "Run by day (#5)", "--no-gpg-sign")

    (found,) = reconciler("why", "Billing", "Invoices*", "--format", "json").data["grants"]

    subjects = {each["text"].strip(): each["commit"]["subject"] for each in found["lines"]}
    assert subjects["description: Daily run"] == "Run by day (#5)"
    assert subjects["- client: Billing"] == "state"
    assert found["grant"]["declaration"]["pull_request"]["number"] == "#5"
    assert found["writes"] == []


def test_an_undeclared_grant_has_no_lines() -> None:
    text = reconciler("why", "Portal", "Invoices API").stdout

    assert "[undeclared]" in text
    assert "No file declares this grant." in text


def test_an_uncommitted_line_has_no_commit(here: Path) -> None:
    file = here / "grants/billing.yaml"
    file.write_text(file.read_text().replace("Nightly run", "Daily run"))

    (found,) = reconciler("why", "Billing", "Invoices*", "--format", "json").data["grants"]

    unknown = [each["text"].strip() for each in found["lines"] if each["commit"] == "unknown"]
    assert unknown == ["description: Daily run"]


def test_a_grant_that_does_not_exist_is_an_error() -> None:
    ran = reconciler("why", "Portal", "Auth0 Management API")

    assert (ran.code, ran.stdout) == (1, "")
    assert 'neither the tenant nor the files have a grant of "Portal" on "Auth0 Management API"' in ran.stderr
    assert 'no API matches "Payments API"' in reconciler("why", "Portal", "Payments API").stderr


def test_offline_says_that_runs_cannot_be_found() -> None:
    text = reconciler("why", "Billing", "Invoices API", "--offline").stdout

    assert "journals contain ids but files contain names" in text


def test_a_damaged_journal_is_a_note(here: Path) -> None:
    folder = here / ".reconciler/journal"
    folder.mkdir(parents=True)
    (folder / "20260101T000000Z-abcdef.jsonl").mkdir()

    ran = reconciler("why", "Billing", "Invoices API")

    assert (ran.code, "it is not a regular file" in ran.stdout) == (0, True)
