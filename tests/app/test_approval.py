import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from shutil import rmtree

import pytest
from support.commands import GRANTS, SEED, a_workspace, grants_of, reconciler, served

MORE = GRANTS + "  - {client: Portal, api: Invoices API, scope: ['read:invoices', 'void:invoices']}\n"


@pytest.fixture(autouse=True)
def plan_path(here: Path) -> Path:
    assert reconciler("plan", "--out", "plan.json").code == 0
    return here


def holders(here: Path) -> list[str]:
    return [grant["client_id"] for grant in grants_of(here)]


def test_an_approved_plan_is_applied_without_a_question(here: Path) -> None:
    ran = reconciler("apply", "plan.json")

    assert (ran.code, holders(here)) == (0, ["billing", "own", "portal"])


def test_applying_a_plan_twice_without_a_journal_changes_nothing(here: Path) -> None:
    assert reconciler("apply", "plan.json").code == 0
    rmtree(here / ".reconciler" / "journal")

    again = reconciler("apply", "plan.json")

    assert (again.code, holders(here)) == (0, ["billing", "own", "portal"])
    assert "already has all changes of the approved plan" in again.stdout


@pytest.mark.parametrize(
    "grants",
    [MORE, GRANTS.replace("write:invoices", "void:invoices"), GRANTS.replace("      - write:invoices\n", "")],
    ids=["added grant", "other scope", "removed scope"],
)
def test_changed_files_are_not_approved(here: Path, grants: str) -> None:
    (here / "grants" / "billing.yaml").write_text(grants)

    ran = reconciler("apply", "plan.json")

    assert (ran.code, holders(here)) == (5, ["own", "portal"])
    assert "Changes that were not approved (1)" in ran.stdout
    assert ran.stderr == (
        "error: nothing was written: files or tenant changed after the plan was created; plan and review again\n"
    )


def test_approved_and_new_changes_are_both_shown(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(GRANTS.replace("write:invoices", "void:invoices"))

    shown = reconciler("apply", "plan.json").stdout

    _, _, difference = shown.partition("Changes that were not approved (1)")
    now, _, approved = difference.partition("Changes of the approved plan (1)")
    assert "+ void:invoices" in now
    assert "+ write:invoices" in approved


def test_a_changed_tenant_is_not_approved(here: Path) -> None:
    (here / "tenant.yaml").write_text(SEED + "  - {client: Billing, api: Invoices API, scope: ['read:invoices']}\n")
    reconciler("sandbox", "reset")

    assert reconciler("apply", "plan.json").code == 5


@pytest.mark.parametrize("content", ["{}", "no JSON", '{"format_version": "999", "saved": {}}', "[]"])
def test_a_file_that_is_not_a_plan_approves_nothing_and_is_a_file_error_for_show(here: Path, content: str) -> None:
    (here / "plan.json").write_text(content)

    assert [reconciler(command, "plan.json").code for command in ("apply", "show")] == [5, 1]


def test_a_plan_for_another_tenant_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        ran = reconciler("apply", "plan.json")

    assert (ran.code, holders(here)) == (5, ["own", "portal"])
    assert "the plan was made for local SANDBOX (sandbox.localhost), not for 127.0.0.1:" in ran.stderr


def test_an_old_plan_is_refused() -> None:
    assert reconciler("apply", "plan.json", "--max-plan-age", "0.001s").code == 5


def test_an_altered_plan_is_refused(here: Path) -> None:
    file = here / "plan.json"
    file.write_text(file.read_text().replace("write:invoices", "void:invoices"))

    assert reconciler("apply", "plan.json").code == 5


@pytest.mark.parametrize(
    ("plan_options", "apply_options", "how"),
    [
        ([], ["--prune"], "without --prune"),
        (["--prune"], [], "with --prune"),
        (
            ["--prune"],
            ["--create-only"],
            "without --create-only and with --prune",
        ),
    ],
    ids=["without", "with", "both"],
)
def test_apply_needs_the_options_of_the_saved_plan(plan_options: list[str], apply_options: list[str], how: str) -> None:
    reconciler("plan", "--out", "plan.json", *plan_options)

    ran = reconciler("apply", "plan.json", *apply_options)

    assert (ran.code, ran.stderr) == (5, f"error: the saved plan was created {how}; use the same options\n")


def test_a_saved_plan_is_shown_offline(here: Path) -> None:
    printed = reconciler("plan")
    (here / ".reconciler" / "sandbox.db").unlink()

    shown = reconciler("show", "plan.json").stdout
    assert (
        '+ billing (unverified: "Billing") -> https://api.example.com/invoices (unverified: "Invoices API")\n' in shown
    )
    assert shown.splitlines()[0] == printed.stdout.splitlines()[0]
    assert shown.splitlines()[-1] == printed.stdout.splitlines()[-1]
    assert reconciler("show", "plan.json", "--format", "json").data["plan_id"][:10] in printed.stdout


def test_guards_apply_to_approved_plans(here: Path) -> None:
    (here / "reconciler.yaml").write_text(
        "protect: [{client: Billing}]\ndefault_tenant: local\ntenants: {local: {kind: sandbox, seed: tenant.yaml}}\n",
    )

    assert (reconciler("apply", "plan.json").code, holders(here)) == (4, ["own", "portal"])


def test_a_plan_cannot_be_saved_into_a_full_disk() -> None:
    ran = reconciler("plan", "--out", "nowhere/plan.json")

    assert (ran.code, ran.stdout) == (1, "")
    assert "cannot be written" in ran.stderr


def test_a_saved_plan_contains_no_secret(here: Path) -> None:
    text = (here / "plan.json").read_text()

    assert "canary" not in text
    assert json.loads(text)["saved"]["options"] == dict.fromkeys(
        ("prune", "prune_removed", "create_only", "skip_missing", "only_branch", "only_expired"), False
    )


OF_ORGANIZATIONS = SEED.replace("grants:", "organizations: [{name: acme}, {name: globex}]\ngrants:")
FOR_ACME = GRANTS + "    organization_usage: require\n    organizations: [acme]\n"


def test_an_approval_covers_organizations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = a_workspace(tmp_path, monkeypatch, tenant=OF_ORGANIZATIONS, **{"grants/billing": FOR_ACME})
    saved = here / "plan.json"
    reconciler("sandbox", "reset")
    assert reconciler("plan", "--out", saved).code == 0
    assert re.search(r'\+ organization org_\w+ \(unverified: "acme"\)\n', reconciler("show", saved).stdout)

    (here / "grants" / "billing.yaml").write_text(FOR_ACME.replace("[acme]", "[acme, globex]"), encoding="utf-8")
    refused = reconciler("apply", saved)
    (here / "grants" / "billing.yaml").write_text(FOR_ACME, encoding="utf-8")
    taken = reconciler("apply", saved)

    assert (refused.code, taken.code) == (5, 0)
    assert "+ organization globex" in refused.stdout
    assert [grant.get("organizations") for grant in grants_of(here) if grant["client_id"] == "billing"] == [["acme"]]


@pytest.mark.parametrize(
    ("broken", "options"),
    [
        ("grants: 1\n", []),
        (GRANTS.replace("Billing", "Nobody"), []),
        (GRANTS, ["--base", "no-such-revision"]),
        (GRANTS, ["--tenant", "nobody"]),
        (GRANTS, ["--config", "tenant.yaml"]),
    ],
    ids=["files", "names", "revision", "tenant", "configuration"],
)
def test_a_failed_plan_removes_the_older_saved_plan(here: Path, broken: str, options: list[str]) -> None:
    (here / "grants" / "billing.yaml").write_text(broken)

    ran = reconciler("plan", "--out", "plan.json", *options)

    assert (ran.code, (here / "plan.json").exists()) == (1, False)
    assert ran.stderr.startswith("plan.json: the plan of an earlier run was removed\n")


def test_with_several_tenants_only_the_failed_plan_is_removed(here: Path) -> None:
    two = "tenants: {local: {kind: sandbox, seed: tenant.yaml}, broken: {domain: example.eu.auth0.com}}\n"
    (here / "reconciler.yaml").write_text(two)
    older = (here / "plan.json").read_bytes()
    for name in ("local", "broken"):
        (here / f"{name}.json").write_bytes(older)

    assert reconciler("plan", "--all-tenants", "--out", "{tenant}.json").code == 1

    assert (here / "local.json").exists()
    assert not (here / "broken.json").exists()


@pytest.mark.parametrize(
    "content", [GRANTS, '{"x": {"format_version": "1"}}', "\0"], ids=["a grant file", "other JSON", "bytes"]
)
def test_a_file_that_is_not_a_plan_is_never_overwritten(here: Path, content: str) -> None:
    (here / "other").write_text(content)

    ran = reconciler("plan", "--out", "other")

    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr == "error: other is not a saved plan and would be overwritten; use another name for --out\n"
    assert (here / "other").read_text() == content


@pytest.mark.parametrize(("command", "code"), [("show", 1), ("apply", 5)])
def test_a_file_that_is_not_a_plan_approves_nothing(command: str, code: int) -> None:
    Path("report.json").write_text("{}")

    ran = reconciler(command, "report.json")

    assert ran.code == code
    assert ran.stderr == "error: report.json is not a saved plan; create a saved plan with `plan --out`\n"


def test_an_empty_file_and_a_truncated_plan_are_overwritten(here: Path) -> None:
    (here / "empty").touch()
    (here / "half").write_text((here / "plan.json").read_text()[:50])

    for name in ("empty", "half"):
        assert reconciler("plan", "--out", name).code == 0
        assert reconciler("show", name).code == 0


def test_a_folder_is_never_overwritten(here: Path) -> None:
    (here / "folder").mkdir()

    ran = reconciler("plan", "--out", "folder")

    assert (ran.code, "Is a directory" in ran.stderr) == (1, True)
    assert (here / "folder").is_dir()


def change_in_tenant(here: Path, statement: str) -> None:
    """Change the database of the sandbox, as somebody with the dashboard would change the tenant."""
    with closing(sqlite3.connect(here / ".reconciler" / "sandbox.db")) as database, database:
        assert database.execute(statement).rowcount


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (
            "UPDATE clients SET body = json_set(body, '$.is_first_party', json('false')) WHERE id = 'billing'",
            "the approved plan does not show all risks",
        ),
        (
            "UPDATE clients SET body = json_set(body, '$.app_type', 'spa') WHERE id = 'billing'",
            "Billing -> Invoices API: the type of the application was non_interactive and is now spa",
        ),
        (
            "UPDATE resource_servers SET body = json_insert(body, '$.scopes[#]', json_object('value', 'pay:all'))",
            "Billing -> Invoices API: the setting allow_all_scopes now also gives the scopes pay:all",
        ),
    ],
    ids=["third party", "application type", "scopes of the API"],
)
def test_an_approval_covers_the_facts_that_the_reviewer_saw(here: Path, statement: str, reason: str) -> None:
    (here / "grants" / "billing.yaml").write_text(
        "grants: [{client: Billing, api: Invoices API, allow_all_scopes: true}]"
    )
    seed = (here / "tenant.yaml").read_text()
    (here / "tenant.yaml").write_text(
        seed.replace("client_id: billing", "client_id: billing, app_type: non_interactive")
    )
    reconciler("sandbox", "reset")
    assert reconciler("plan", "--out", "plan.json").code == 0
    change_in_tenant(here, statement)

    ran = reconciler("apply", "plan.json")

    assert ran.code == 5
    assert reason in ran.stderr
    assert [each["client_id"] for each in grants_of(here)] == ["own", "portal"]


def test_fewer_scopes_of_the_api_need_no_new_approval(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(
        "grants: [{client: Billing, api: Invoices API, allow_all_scopes: true}]"
    )
    assert reconciler("plan", "--out", "plan.json").code == 0
    change_in_tenant(here, "UPDATE resource_servers SET body = json_remove(body, '$.scopes[2]')")

    assert reconciler("apply", "plan.json").code == 0
