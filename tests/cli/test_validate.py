import json
from pathlib import Path

import pytest
from support.commands import GRANTS, reconciler

NO_FILES = "this folder has no grant files (*.yaml, *.yml); add a grant file"


@pytest.fixture
def folder(here: Path) -> Path:
    (here / "grants" / "billing.yaml").unlink()
    return here / "grants"


@pytest.mark.parametrize("arguments", [[], ["grants"], ["grants/"]], ids=str)
@pytest.mark.parametrize("file", ["", "tenant.json", ".hidden.yaml", "a.yaml.bak", "notes.md", ".old/a.yaml"])
def test_a_folder_without_grant_files_is_not_valid(folder: Path, file: str, arguments: list[str]) -> None:
    if file:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(GRANTS, encoding="utf-8")

    ran = reconciler("validate", *arguments)

    assert (ran.code, ran.stdout) == (1, "")
    assert f"grants: {NO_FILES}" in ran.stderr
    assert json.loads(reconciler("validate", "--format", "json").stdout)["valid"] is False


def test_each_given_folder_needs_a_grant_file(here: Path) -> None:
    (here / "more").mkdir()

    ran = reconciler("validate", "grants", "more")

    assert ran.code == 1
    assert ran.stderr.startswith(f"more: {NO_FILES}")


def test_a_file_may_declare_that_there_are_no_grants(folder: Path) -> None:
    (folder / "none.yaml").write_text("grants: []\n", encoding="utf-8")

    ran = reconciler("validate")

    assert (ran.code, ran.output) == (0, "0 grants in 1 file: valid.\n")


@pytest.mark.parametrize("text", ["", "grants:\n", "---\n"])
def test_an_empty_file_is_not_valid(folder: Path, text: str) -> None:
    (folder / "empty.yaml").write_text(text, encoding="utf-8")

    assert reconciler("validate").code == 1


def test_a_given_file_is_read_with_any_name(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps({"grants": [{"client": "A", "api": "B"}]}), encoding="utf-8")

    ran = reconciler("validate", "grants/a.json")

    assert (ran.code, ran.output) == (0, "1 grant in 1 file: valid.\n")


def test_every_command_warns_about_unread_files(here: Path) -> None:
    (here / "grants" / "prod.json").write_text("[]", encoding="utf-8")

    for arguments in (["validate"], ["plan"], ["fmt", "--check"]):
        ran = reconciler(*arguments)
        assert ran.code == 0
        assert "grants/prod.json: warning: this is a JSON file, so it is not read; if the file declares" in ran.stderr


def test_problems_are_workflow_commands_on_stdout(here: Path) -> None:
    (here / "grants" / "odd.yaml").write_text("grants:\n  - client: Billing\n    api: X\n    scop: [a]\n")

    ran = reconciler("validate", "--format", "github")

    assert ran.code == 1
    assert ran.stdout.startswith("::error file=grants/odd.yaml,title=reconciler,line=4,col=5::")
    assert ran.stderr == ""


def test_valid_files_give_no_workflow_command(here: Path) -> None:
    assert (here / "grants").is_dir()

    ran = reconciler("validate", "--format", "github")

    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")
