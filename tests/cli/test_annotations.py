from pathlib import Path

from support.commands import reconciler


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
