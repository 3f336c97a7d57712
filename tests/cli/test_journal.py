import json
from pathlib import Path

import pytest
from support.commands import grants_of, reconciler
from support.repository import commit_all


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


def journal_of_apply(here: Path) -> Path:
    assert reconciler("apply", "--yes").code == 0
    (journal,) = (here / ".reconciler" / "journal").iterdir()
    return journal


@pytest.mark.parametrize(
    ("form", "shown"), [("text", "No run has written a journal in this folder.\n"), ("json", '{\n  "runs": []\n}\n')]
)
def test_without_runs_a_message_is_printed(form: str, shown: str) -> None:
    ran = reconciler("journal", "--format", form)

    assert (ran.code, ran.stdout, ran.stderr) == (0, shown, "")


def test_a_run_is_listed_and_shown(here: Path) -> None:
    journal = journal_of_apply(here)
    listed, shown = reconciler("journal"), reconciler("journal", "last")

    assert (listed.code, shown.code) == (0, 0)
    assert listed.stdout.startswith(f"{journal.stem}  ")
    assert " UTC  local SANDBOX (sandbox.localhost)\n  by " in listed.stdout
    assert listed.stdout.endswith("  1 change: 1 applied; converged\n")
    assert shown.stdout.startswith(listed.stdout)
    assert "result  1 applied\n" in shown.stdout
    assert "read:invoices" not in shown.stdout
    assert "read:invoices" in reconciler("journal", "last", "-v").stdout


def test_json_has_the_same_content(here: Path) -> None:
    journal = journal_of_apply(here)
    (listed,) = reconciler("journal", "--format", "json").data["runs"]
    shown = reconciler("journal", journal.stem[:8], "--format", "json").data

    assert (listed["run"], listed["results"], listed["converged"]) == (journal.stem, {"applied": 1}, True)
    assert shown == {**listed, "entries": [json.loads(line) for line in journal.read_text().splitlines()]}


def test_a_killed_run_is_highlighted(here: Path) -> None:
    journal = journal_of_apply(here)
    begin, intent, result, _ = journal.read_text().splitlines()
    journal.write_text(f"{begin}\n{intent}\n{result[:20]}")
    ran = reconciler("journal")

    assert ran.code == 0
    assert "NO RESULT for 1 write" in ran.stdout
    assert "The last line is incomplete" in ran.stdout


def test_the_newest_run_comes_first(here: Path) -> None:
    journal = journal_of_apply(here)
    (journal.parent / "20000101T000000Z-aaaaaa.jsonl").write_bytes(journal.read_bytes())
    runs = reconciler("journal", "--format", "json").data["runs"]

    assert [each["run"] for each in runs] == [journal.stem, "20000101T000000Z-aaaaaa"]


def test_an_unknown_run_is_an_error(here: Path) -> None:
    journal = journal_of_apply(here)
    ran = reconciler("journal", f"{journal.stem}x")

    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr == f'error: the run "{journal.stem}x" does not exist; did you mean "{journal.stem}"?\n'
    assert reconciler("journal", "x\x1b[2J").stderr.startswith(
        'error: the run "x\\x1b[2J" does not exist; existing runs: '
    )


def test_an_unreadable_folder_is_an_error(here: Path) -> None:
    (here / ".reconciler").mkdir()
    (here / ".reconciler" / "journal").touch()
    ran = reconciler("journal")

    assert (ran.code, ran.stderr) == (1, "error: .reconciler/journal cannot be read: Not a directory\n")


def test_journals_are_stored_next_to_the_configuration(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_of_apply(here)
    (here / "reconciler.yaml").write_text("not: [read", encoding="utf-8")
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")

    assert reconciler("journal", "--config", "../reconciler.yaml").stdout.startswith(journal.stem)
    assert "No run" in reconciler("journal").stdout


def test_a_run_records_who_ran_it_and_how_it_was_approved(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "jane")
    journal = journal_of_apply(here)
    begin, intent, *_ = map(json.loads, journal.read_text().splitlines())

    assert (begin["user"], begin["approval"]) == ("jane", "--yes")
    assert len(begin["plan_id"]) == 64
    assert (intent["client_name"], intent["api_name"]) == ("Billing", "Invoices API")
    assert "by jane, approved by --yes, version " in reconciler("journal").stdout
    assert "create Billing -> Invoices API" in reconciler("journal", "last").stdout


TWO_TENANTS = """
default_tenant: local
tenants:
  local: {kind: sandbox, seed: tenant.yaml}
  other: {kind: sandbox, seed: tenant.yaml, database: .reconciler/other.db}
  unused: {kind: sandbox, seed: tenant.yaml, database: .reconciler/unused.db}
"""


def runs_of_two_tenants(here: Path) -> tuple[Path, Path]:
    """Return the journal of a run of the tenant local, and the journal of a later run of the tenant other."""
    (here / "reconciler.yaml").write_text(TWO_TENANTS, encoding="utf-8")
    local = journal_of_apply(here)
    local = local.rename(local.with_name("20000101T000000Z-aaaaaa.jsonl"))
    assert reconciler("apply", "--yes", "--tenant", "other").code == 0
    (other,) = set(local.parent.iterdir()) - {local}
    return local, other


def test_runs_are_listed_by_tenant(here: Path) -> None:
    journal_of_apply(here)
    (here / "reconciler.yaml").write_text(TWO_TENANTS, encoding="utf-8")

    assert "local" in reconciler("journal", "--tenant", "local").stdout
    assert reconciler("journal", "--tenant", "other").stdout == (
        'No run of "other" has written a journal in this folder.\n'
    )


def test_a_run_is_selected_among_the_runs_of_the_tenant(here: Path) -> None:
    local, other = runs_of_two_tenants(here)

    assert reconciler("journal", "last").stdout.startswith(other.stem)
    assert reconciler("journal", "last", "--tenant", "local").stdout.startswith(local.stem)
    assert reconciler("journal", "20", "--tenant", "local").stdout.startswith(local.stem)
    assert reconciler("journal", other.stem, "--tenant", "local").stderr.startswith(
        f'error: the run "{other.stem}" of "local" does not exist; '
    )
    assert reconciler("journal", "last", "--tenant", "unused").stderr == (
        'error: the run "last" does not exist, because no journals of "unused" were found\n'
    )


@pytest.mark.parametrize("run", [(), ("last",)])
def test_an_unknown_tenant_is_an_error(here: Path, run: tuple[str, ...]) -> None:
    journal = journal_of_apply(here)
    ran = reconciler("journal", *run, "--tenant", "locall")

    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr == ('error: reconciler.yaml does not declare the tenant "locall"; did you mean "local"?\n')
    (here / "reconciler.yaml").unlink()
    assert reconciler("journal", *run, "--tenant", "local").stdout.startswith(journal.stem)


def test_a_journal_whose_tenant_is_unknown_may_be_of_any_tenant(here: Path) -> None:
    _, other = runs_of_two_tenants(here)
    other.write_text("")

    assert reconciler("journal", "last", "--tenant", "local").stdout.startswith(other.stem)


def test_a_run_shows_how_to_roll_back_because_a_killed_run_could_not_print_it(here: Path) -> None:
    journal_of_apply(here)
    command = reconciler("journal", "last").stdout.splitlines()[-1].removeprefix("To roll back: reconciler ")

    assert command.startswith("--tenant local --grants .reconciler/snapshots/")
    assert reconciler(*command.split(), "--yes").code == 0
    assert "billing" not in [each["client_id"] for each in grants_of(here)]


def test_the_command_to_roll_back_works_in_a_folder_of_another_repository(
    here: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    commit_all(other)
    monkeypatch.chdir(other)
    config = ("--config", str(here / "reconciler.yaml"))
    ran = reconciler(*config, "--grants", str(here / "grants"), "apply", "--yes")
    command = ran.stderr.partition("To roll back: reconciler ")[2].splitlines()[0]

    assert reconciler(*command.split(), "--yes").code == 0
    assert "billing" not in [each["client_id"] for each in grants_of(here)]
