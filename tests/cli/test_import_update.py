"""`import --update` keeps drift: files get the values of the tenant, and the plan is empty afterwards."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.commands import CONFIG, CommandResult, reconciler

from reconciler.app import update_grants

FILE = Path("grants/billing.yaml")
GRANTS = """\
# who may call the invoices
grants:
  # nightly, OPS-7
  - client: Billing
    api: Invoices API
    scope:
      - read:invoices
      - write:invoices  # only the totals

  - {client: Portal, api: Invoices API, scope: ["${verb}:invoices"]}
"""


SPLIT = """\
# who may call the invoices
grants:
  # nightly, OPS-7
  - client: Billing
    api: Invoices API
    tenants:
      - other
    scope:
      - read:invoices
      - write:invoices  # only the totals
  - client: Billing
    api: Invoices API
    tenants:
      - local
    scope:
      - read:invoices

  - {client: Portal, api: Invoices API, scope: ["${verb}:invoices"], tenants: [other]}
"""


@pytest.fixture(autouse=True)
def applied(here: Path) -> Path:
    """The tenant has what the files declare."""
    FILE.write_text(GRANTS)
    (here / "reconciler.yaml").write_text(f"{CONFIG}variables: {{verb: read}}\n")
    assert reconciler("apply", "--yes").code == 0
    return here


def drift(client: str, **values: object) -> None:
    """Change the grant of an application in the tenant. Without values, delete it."""
    with closing(sqlite3.connect(".reconciler/sandbox.db")) as database, database:
        if not values:
            changed = database.execute("DELETE FROM client_grants WHERE client_id = ?", (client,))
        else:
            changed = database.execute(
                "UPDATE client_grants SET body = json_patch(body, ?) WHERE client_id = ?", (json.dumps(values), client)
            )
        assert changed.rowcount == 1


def update(*options: str) -> CommandResult:
    ran = reconciler("import", "--update", *options)
    assert ran.code == 0, ran.output
    return ran


def is_up_to_date() -> bool:
    return reconciler("plan", "--detailed-exitcode").code == 0


def test_scopes_are_added_and_removed_one_by_one() -> None:
    drift("billing", scope=["read:invoices", "void:invoices"])

    ran = update()

    assert FILE.read_text() == GRANTS.replace("write:invoices  # only the totals", "void:invoices")
    assert "Updated: 1 changed and 0 removed in 1 file." in ran.stdout
    assert ran.stdout.endswith("Plan: 0 to create, 0 to update, 0 to delete; 2 unchanged, 1 left alone.\n")
    assert is_up_to_date()


def test_an_update_keeps_a_variable_if_its_value_still_matches() -> None:
    drift("portal", scope=["read:invoices", "write:invoices"])

    update()

    assert '["${verb}:invoices", write:invoices]' in FILE.read_text()
    assert is_up_to_date()


def test_a_declaration_without_a_grant_is_removed() -> None:
    drift("billing")

    update()

    assert FILE.read_text() == (
        '# who may call the invoices\ngrants:\n\n  - {client: Portal, api: Invoices API, scope: ["${verb}:invoices"]}\n'
    )
    assert is_up_to_date()


def test_other_fields_take_the_values_of_the_tenant() -> None:
    drift("billing", organization_usage="allow", allow_any_organization=True)

    update()

    assert "    organization_usage: allow\n" in FILE.read_text()
    assert is_up_to_date()


def test_diff_prints_the_changes_and_writes_nothing() -> None:
    drift("billing", scope=["read:invoices"])

    ran = update("--diff")

    assert "-      - write:invoices  # only the totals\n" in ran.stdout
    assert FILE.read_text() == GRANTS


def test_filters_select_the_grants_to_update() -> None:
    drift("billing", scope=["read:invoices"])
    drift("portal", scope=["void:invoices"])

    update("--client", "Portal")

    assert "write:invoices  # only the totals" in FILE.read_text()
    assert "[void:invoices]" in FILE.read_text()


def test_paths_select_the_files_to_update(here: Path) -> None:
    (here / "grants" / "portal.yaml").write_text("grants:\n  - {client: Portal, api: Invoices API}\n")
    FILE.write_text(GRANTS[: GRANTS.index("\n  - {client: Portal")])
    drift("billing", scope=["read:invoices"])

    update("grants/portal.yaml")

    assert "write:invoices" in FILE.read_text()
    assert "scope: [read:invoices]" in (here / "grants" / "portal.yaml").read_text()


def test_a_declaration_of_several_tenants_is_split(here: Path) -> None:
    other = "  other: {kind: sandbox, seed: tenant.yaml, database: .reconciler/other.db}\n"
    (here / "reconciler.yaml").write_text(f"{CONFIG}{other}variables: {{verb: read}}\n")
    before = reconciler("plan", "--tenant", "other", "--format", "json").data["changes"]
    drift("billing", scope=["read:invoices"])
    drift("portal")

    update()

    assert FILE.read_text() == SPLIT
    after = reconciler("plan", "--tenant", "other", "--format", "json").data["changes"]
    assert [each["after"] for each in after] == [each["after"] for each in before]
    assert is_up_to_date()


def test_a_declaration_of_this_tenant_only_is_changed(here: Path) -> None:
    other = "  other: {kind: sandbox, seed: tenant.yaml, database: .reconciler/other.db}\n"
    (here / "reconciler.yaml").write_text(f"{CONFIG}{other}variables: {{verb: read}}\n")
    FILE.write_text(GRANTS.replace("    scope:\n", "    tenants: [local]\n    scope:\n"))
    drift("billing", scope=["read:invoices"])

    update()

    assert "write:invoices" not in FILE.read_text()


def test_a_layout_that_cannot_be_edited_is_reported() -> None:
    FILE.write_text(GRANTS.replace('["${verb}:invoices"]', '["${verb}:invoices", # why\n      ]'))
    drift("portal", scope=["void:invoices"])

    ran = update()

    assert "a list between brackets contains a comment" in ran.stderr
    assert "# why" in FILE.read_text()


def test_without_drift_nothing_is_written() -> None:
    assert "Updated: 0 changed and 0 removed in 0 files." in update().stdout
    assert FILE.read_text() == GRANTS


@pytest.mark.parametrize(
    "options", [("--update", "--out", "x"), ("--diff",), ("grants",)], ids=["out", "diff alone", "path alone"]
)
def test_options_that_contradict_are_refused(options: tuple[str, ...]) -> None:
    assert reconciler("import", *options).code == 1


@pytest.mark.parametrize("text", [GRANTS, "grants: ["], ids=["still different", "not valid"])
def test_a_wrong_edit_is_found_before_anything_is_written(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program checks its own edit. No known file causes a wrong one, so the test replaces the editor."""
    monkeypatch.setattr(update_grants, "update_text", lambda _text, _updates: text)
    drift("billing", scope=["read:invoices"])

    assert reconciler("import", "--update").code == 1
    assert FILE.read_text() == GRANTS
