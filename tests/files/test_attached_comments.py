"""Values that lack their end, because YAML reads it as a comment."""

from pathlib import Path

import pytest
from support.commands import a_workspace, reconciler


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("  - client: Billing #1\n    api: Invoices API\n", 21),
        ("  - client: Billing #team/x\n    api: Invoices API\n", 21),
        ("  - client: Billing ##ENV##\n    api: Invoices API\n", 21),
    ],
)
def test_the_end_of_a_name_after_a_number_sign_is_a_warning(here: Path, line: str, column: int) -> None:
    (here / "grants/billing.yaml").write_text(f'grants:\n{line}    scope: ["read:invoices"]\n')

    ran = reconciler("validate")

    assert (ran.code, ran.stdout) == (0, "1 grant in 1 file: valid.\n")
    assert ran.stderr.startswith(f"grants/billing.yaml:2:{column}: warning: ")
    assert "is a comment in YAML" in ran.stderr


@pytest.mark.parametrize(
    "line",
    [
        "  - client: Billing # the worker\n",
        '  - client: "Billing #1"\n',
        "  - client: Billing#1\n",
        "  - client: Billing\n    #note\n",
    ],
)
def test_other_comments_and_names_have_no_warning(here: Path, line: str) -> None:
    (here / "grants/billing.yaml").write_text(f'grants:\n{line}    api: Invoices API\n    scope: ["read:invoices"]\n')

    assert (reconciler("validate").code, reconciler("validate").stderr) == (0, "")


def test_a_grant_with_a_warning_is_still_declared(here: Path) -> None:
    text = 'grants:\n  - client: Portal #1\n    api: Invoices API\n    scope: ["read:invoices"]\n'
    (here / "grants/billing.yaml").write_text(text)

    ran = reconciler("plan", "--prune", "--max-deletes", "9")

    assert "0 to delete; 1 unchanged" in ran.stdout
