"""`apply --approval-id` applies exactly the plan that somebody reviewed in a report, without a saved plan."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.commands import GRANTS, grants_of, reconciler

ID = re.compile(r"`reconciler apply --approval-id ([0-9a-f]{64})`")


def reviewed(*options: str) -> str:
    """Return the approval id in the report of a plan."""
    (found,) = ID.findall(reconciler("plan", *options, "--format", "markdown").stdout)
    return str(found)


def holders(here: Path) -> list[str]:
    return [grant["client_id"] for grant in grants_of(here)]


def change_in_tenant(here: Path, statement: str) -> None:
    """Change the database of the sandbox, as somebody with the dashboard would change the tenant."""
    with closing(sqlite3.connect(here / ".reconciler" / "sandbox.db")) as database, database:
        assert database.execute(statement).rowcount


def test_the_reviewed_plan_is_applied_without_a_question_and_only_once(here: Path) -> None:
    approved = reviewed()

    ran = reconciler("apply", "--approval-id", approved)

    assert (ran.code, holders(here)) == (0, ["billing", "own", "portal"])
    assert '"approval": "approval id"' in next((here / ".reconciler" / "journal").iterdir()).read_text()
    again = reconciler("apply", "--approval-id", approved)
    assert (again.code, "the tenant matches the files" in again.stdout) == (0, True)


def test_deletes_need_no_further_question(here: Path) -> None:
    assert reconciler("apply", "--prune", "--approval-id", reviewed("--prune"), "--max-deletes", "9").code == 0
    assert holders(here) == ["billing", "own"]


@pytest.mark.parametrize(
    "grants",
    [
        GRANTS.replace("write:invoices", "void:invoices"),
        GRANTS + "  - {client: Portal, api: Invoices API, scope: ['read:invoices', 'void:invoices']}\n",
    ],
    ids=["other scope", "one more change"],
)
def test_another_plan_is_stale(here: Path, grants: str) -> None:
    approved = reviewed()
    (here / "grants" / "billing.yaml").write_text(grants)

    ran = reconciler("apply", "--approval-id", approved)

    assert (ran.code, holders(here)) == (5, ["own", "portal"])
    assert f"so the approval id is now {reviewed()}; plan and review again" in ran.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE clients SET body = json_set(body, '$.name', 'Harmless') WHERE id = 'billing'",
        "UPDATE clients SET body = json_set(body, '$.is_first_party', json('false')) WHERE id = 'billing'",
        "UPDATE clients SET body = json_set(body, '$.app_type', 'spa') WHERE id = 'billing'",
        "UPDATE resource_servers SET body = json_insert(body, '$.scopes[#]', json_object('value', 'pay:all'))",
        "UPDATE resource_servers SET body = json_set(body, '$.name', 'Other API') WHERE body LIKE '%/invoices%'",
    ],
    ids=["name", "third party", "application type", "scopes of the API", "name of the API"],
)
def test_an_approval_id_covers_names_risks_and_facts(here: Path, statement: str) -> None:
    (here / "grants" / "billing.yaml").write_text(
        "grants: [{client_id: billing, audience: 'https://api.example.com/invoices', allow_all_scopes: true}]"
    )
    (here / "reconciler.yaml").write_text(
        "protect: [{client: Nothing, api: Nothing}]\n" + (here / "reconciler.yaml").read_text()
    )
    approved = reviewed()
    change_in_tenant(here, statement)

    ran = reconciler("apply", "--approval-id", approved)

    assert (ran.code, holders(here)) == (5, ["own", "portal"]), ran.output


def test_the_id_does_not_depend_on_comments_and_order_in_the_files(here: Path) -> None:
    approved = reviewed()
    file = here / "grants" / "billing.yaml"
    file.write_text("# first\n" + GRANTS.replace("Nightly run", "Weekly run"))

    assert reviewed() == approved


def test_guards_apply(here: Path) -> None:
    approved = reviewed()
    (here / "reconciler.yaml").write_text(
        "protect: [{client: Billing}]\n" + (here / "reconciler.yaml").read_text(), encoding="utf-8"
    )

    assert (reconciler("apply", "--approval-id", approved).code, holders(here)) == (4, ["own", "portal"])
    assert ID.search(reconciler("plan", "--format", "markdown").stdout) is None


@pytest.mark.parametrize("part", [slice(10), slice(63)], ids=["short id", "one too short"])
def test_only_a_whole_id_is_accepted(here: Path, part: slice) -> None:
    ran = reconciler("apply", "--approval-id", reviewed()[part])

    assert (ran.code, holders(here)) == (1, ["own", "portal"])
    assert "--approval-id needs all 64 characters" in ran.stderr


def test_a_saved_plan_and_an_id_cannot_be_combined(here: Path) -> None:
    reconciler("plan", "--out", "plan.json")

    ran = reconciler("apply", "plan.json", "--approval-id", reviewed())

    assert (ran.code, holders(here)) == (1, ["own", "portal"])
    assert "a saved plan is already an approval" in ran.stderr


def test_an_approval_id_is_valid_for_one_tenant_only(here: Path) -> None:
    approved = reviewed()
    other = "  other: {kind: sandbox, seed: tenant.yaml, database: .reconciler/other.db}\n"
    (here / "reconciler.yaml").write_text((here / "reconciler.yaml").read_text() + other, encoding="utf-8")

    ran = reconciler("apply", "--all-tenants", "--approval-id", approved)

    assert (ran.code, holders(here)) == (1, ["own", "portal"])
    assert "an approval id is for one tenant" in ran.stderr
    assert reconciler("apply", "--tenant", "other", "--approval-id", approved).code == 5
