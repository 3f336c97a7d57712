"""Scope sets and declarations with several clients, in commands."""

from pathlib import Path

import pytest
from support.commands import a_workspace, reconciler
from support.repository import git

CONFIG = """\
default_tenant: local
scope_sets:
  readers: [read:invoices]
  all: [read:invoices, write:invoices, void:invoices]
tenants:
  local: {kind: sandbox, seed: tenant.yaml}
"""
GRANTS = """\
grants:
  - clients:
      - Billing
      - Portal
    api: Invoices API
    scope: ["@readers"]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch, reconciler=CONFIG, **{"grants/billing": GRANTS})


def test_an_unused_set_is_a_warning_at_its_line(here: Path) -> None:
    message = 'reconciler.yaml:4:3: warning: no grant uses the scope set "all"; remove it\n'

    assert (reconciler("validate").code, reconciler("validate").stderr) == (0, message)
    assert reconciler("plan").stderr == message
    part = reconciler("validate", "grants/billing.yaml")
    assert (part.code, part.stderr) == (0, "")
    (here / "grants" / "all.yaml").write_text("grants: [{client: Billing, audience: urn:x, scope: ['@all']}]\n")
    assert reconciler("validate").stderr == ""


@pytest.mark.parametrize("command", ["validate", "plan", "list", "access --offline"])
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("all.yaml", "grants: [{client: Billing, audience: urn:x, scop: ['@all']}]\n"),
        ("all.yaml", "grants: [{client: Billing, audience: urn:x, scope: ['@all']\n"),
        ("all.json", '{"grants": [{"client": "Billing", "audience": "urn:x", "scope": ["@all"]}]}\n'),
    ],
)
def test_a_set_is_not_called_unused_if_a_file_is_invalid_or_not_read(
    here: Path, file: str, text: str, command: str
) -> None:
    (here / "grants" / file).write_text(text)

    assert "no grant uses" not in reconciler(*command.split()).output


def test_a_set_is_not_called_unused_if_the_checkout_lacks_a_file(here: Path) -> None:
    (here / "grants" / "all.yaml").write_text("grants: [{client: Billing, audience: urn:x, scope: ['@all']}]\n")
    git(here, "init", "--quiet")
    git(here, "add", ".")
    (here / "grants" / "all.yaml").unlink()

    ran = reconciler("plan")

    assert "git tracks 1 grant file that the checkout of this folder lacks" in ran.stderr
    assert "no grant uses" not in ran.stderr


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ("{1a: [x]}", "reconciler.yaml:2:14: this is not a valid name of a scope set; start with a letter"),
        ("{a: []}", '"a" is an empty list'),
        ("{a: ['@b']}", "a scope set cannot contain a scope set; list the scopes instead"),
        ("{a: [x, x]}", '"x" is listed twice'),
        ("{a: ['x${']}", 'invalid variable after "${"'),
        ("{a: x}", '"a" is text, not a list'),
    ],
)
def test_invalid_sets_are_problems(here: Path, sets: str, message: str) -> None:
    (here / "reconciler.yaml").write_text(f"default_tenant: local\nscope_sets: {sets}\ntenants: {{}}\n")

    ran = reconciler("validate")

    assert (ran.code, message in ran.stderr) == (1, True), ran.stderr


@pytest.mark.usefixtures("here")
def test_a_saved_plan_names_the_sets() -> None:
    assert reconciler("plan", "--out", "plan.json").code == 0

    shown = reconciler("show", "plan.json").stdout

    assert "      + read:invoices  (@readers)\n" in shown
    data = reconciler("plan", "--format", "json").data
    assert data["changes"][0]["scope_sets"] == {"readers": ["read:invoices"]}


@pytest.mark.usefixtures("here")
def test_markdown_names_the_sets() -> None:
    assert "<code>+read:invoices (@readers)</code>" in reconciler("plan", "--format", "markdown").stdout


def test_a_changed_set_is_a_change_of_the_branch(here: Path) -> None:
    assert reconciler("apply", "--yes").code == 0
    git(here, "init", "--quiet")
    git(here, "add", "reconciler.yaml", "grants")
    git(here, "commit", "--quiet", "--message", "before", "--no-gpg-sign")
    (here / "reconciler.yaml").write_text(
        CONFIG.replace("readers: [read:invoices]", "readers: [read:invoices, void:invoices]")
    )

    ran = reconciler("plan", "--base", "HEAD")

    assert ran.code == 0, ran.output
    assert "From this branch (2)" in ran.stdout
    assert ran.stdout.count("      + void:invoices  (@readers)\n") == 2


def test_an_update_keeps_matching_scope_sets_and_replaces_the_others(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(
        "grants:\n  - client: Portal\n    api: Invoices API\n    scope:\n      - '@all'\n      - '@readers'\n"
    )

    ran = reconciler("import", "--update")

    assert ran.code == 0, ran.output
    assert (here / "grants" / "billing.yaml").read_text().endswith("    scope:\n      - '@readers'\n")
    assert "No changes" in ran.stdout


def test_an_update_of_a_removed_set_lists_its_other_scopes(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(
        "grants:\n  - client: Portal\n    api: Invoices API\n    scope: ['@all']\n"
    )

    assert reconciler("import", "--update").code == 0

    assert (here / "grants" / "billing.yaml").read_text().endswith("    scope: [read:invoices]\n")


def test_an_update_leaves_declarations_with_several_clients_alone(here: Path) -> None:
    ran = reconciler("import", "--update")

    assert (here / "grants" / "billing.yaml").read_text() == GRANTS
    assert (
        "billing.yaml:3:9: warning: not updated: this declaration has several clients; edit the declaration by hand"
        in ran.stderr
    )


def test_duplicate_clients_are_found_at_their_line(here: Path) -> None:
    with (here / "grants" / "billing.yaml").open("a") as file:
        file.write("  - {client: Portal, api: Invoices API}\n")

    ran = reconciler("validate")

    assert 'billing.yaml:7:5: the grant of "Portal" for "Invoices API" (client) is already declared at' in ran.stderr
    assert "grants/billing.yaml:4:9; remove one of the two declarations" in ran.stderr


def test_an_unknown_client_is_reported_at_its_line(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(GRANTS.replace("Portal", "Portl"))

    assert "grants/billing.yaml:4:9: " in reconciler("plan").stderr


def test_variables_in_clients_are_checked(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(GRANTS.replace("Portal", "Portal ${x}"))
    (here / "reconciler.yaml").write_text(CONFIG.replace("seed: tenant.yaml", "seed: tenant.yaml, variables: {x: y}"))

    assert reconciler("validate").code == 0
    assert "grants/billing.yaml:4:9: " in reconciler("plan").stderr


def test_formatting_sorts_declarations_with_several_clients(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(
        "grants:\n  - {client: B, api: X}\n  - scope: ['@readers', '@all']\n    clients: [A, C]\n    api: X\n"
    )

    assert reconciler("fmt").code == 0

    assert (here / "grants" / "billing.yaml").read_text() == (
        "grants:\n  - clients: [A, C]\n    api: X\n    scope: ['@all', '@readers']\n  - {client: B, api: X}\n"
    )
