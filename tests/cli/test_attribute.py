"""`plan --attribute` says who changed each differing or undeclared grant last, from the tenant's logs."""

import json
from pathlib import Path

import pytest
from support.commands import GRANTS, SEED, a_workspace, reconciler

FILE = Path("grants/billing.yaml")
DASHBOARD = """
logs:
  - date: "2026-11-25T14:03:10.000Z"
    type: sapi
    description: Update client grant
    client_name: Dashboard
    details:
      request:
        method: PATCH
        path: /api/v2/client-grants/{grant_id}
        channel: "https://manage.auth0.com/"
        auth: {{user: {{email: "{email}"}}}}
      response:
        statusCode: 200
        body: {{client_id: portal, audience: "https://api.example.com/invoices", subject_type: client}}
"""


PERMISSIONS = (
    *("create:client_grants", "read:client_grants", "update:client_grants", "delete:client_grants"),
    *("read:clients", "read:resource_servers"),
)


def seed(*more_permissions: str) -> str:
    """Return a seed whose tool has these permissions in addition to those for plans and writes."""
    listed = ", ".join(f'"{each}"' for each in (*PERMISSIONS, *more_permissions))
    return SEED.replace("client_id: own,", f"client_id: own, scope: [{listed}],")


@pytest.fixture(autouse=True)
def workspace(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded(here, monkeypatch, "")


def seeded(here: Path, monkeypatch: pytest.MonkeyPatch, more: str) -> None:
    a_workspace(here, monkeypatch, tenant=seed("read:logs") + more)


def test_a_change_that_the_pipeline_made_names_its_application() -> None:
    assert reconciler("apply", "--yes").code == 0
    FILE.write_text(GRANTS.replace("      - write:invoices\n", ""))

    shown = reconciler("plan", "--attribute").stdout

    assert "in the tenant: created 20" in shown
    assert " UTC by application Reconciler, API\n" in shown


def test_a_missing_grant_names_who_deleted_it() -> None:
    assert reconciler("apply", "--yes").code == 0
    FILE.write_text(GRANTS.replace("Billing", "Portal"))
    assert reconciler("apply", "--prune", "--max-deletes", "1", "--yes").code == 0
    FILE.write_text(GRANTS)

    shown = reconciler("plan", "--attribute").stdout

    assert "+ Billing -> Invoices API" in shown
    assert "in the tenant: deleted 20" in shown


def test_a_change_in_the_dashboard_names_the_person(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded(here, monkeypatch, DASHBOARD.format(grant_id="cgr_x", email="jane@example.com"))

    shown = reconciler("plan", "--attribute").stdout

    assert "Portal -> Invoices API  [unmanaged]  changed 2026-11-25 14:03 UTC by jane@example.com, dashboard\n" in shown


def test_an_older_change_is_not_known(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded(here, monkeypatch, DASHBOARD.format(grant_id="cgr_x", email="a@example.com").replace("portal", "other"))

    shown = reconciler("plan", "--attribute").stdout

    assert (
        "Portal -> Invoices API  [unmanaged]  not known: the grant changed before the logs begin on 2026-11-25\n"
        in shown
    )


def test_every_format_shows_the_attribution(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded(here, monkeypatch, DASHBOARD.format(grant_id="cgr_x", email="jane@example.com"))
    expected = "changed 2026-11-25 14:03 UTC by jane@example.com, dashboard"

    found = json.loads(reconciler("plan", "--attribute", "--format", "json").stdout)

    assert {each["client_name"]: each.get("attribution") for each in found["unmanaged"]}["Portal"] == expected
    assert f"`{expected}`" in reconciler("plan", "--attribute", "--format", "markdown").stdout
    assert reconciler("plan", "--attribute", "--out", "plan.json").code == 0
    assert f"unverified: {expected}" in reconciler("show", "plan.json").stdout


def test_text_from_the_logs_cannot_control_the_terminal(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded(here, monkeypatch, DASHBOARD.format(grant_id="cgr_x", email="\\e[31m`</details>"))

    for name in ("text", "markdown", "json"):
        assert "\x1b" not in reconciler("plan", "--attribute", "--format", name).stdout


def test_a_missing_permission_to_read_logs_is_one_note(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_workspace(here, monkeypatch, tenant=seed())

    ran = reconciler("plan", "--attribute")

    assert ran.code == 0
    assert (
        "Note: reconciler does not know who changed the grants, because the token lacks the permission read:logs\n"
        in ran.stdout
    )


def test_a_plan_without_differences_does_not_read_the_logs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_workspace(here, monkeypatch, tenant=seed().partition("grants:")[0])
    assert reconciler("apply", "--yes").code == 0

    assert "Note" not in reconciler("plan", "--attribute").stdout
