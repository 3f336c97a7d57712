"""plan --base separates the changes of a pull request from drift."""

import os
import shutil
from pathlib import Path

import pytest
from support.commands import GRANTS, grants_of, reconciler, served
from support.repository import commit_all

PORTAL = "  - {client: Portal, api: Invoices API, scope: ['read:invoices']}\n"
WIDER = PORTAL.replace("'read:invoices'", "'read:invoices', 'void:invoices'")


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    """The grant of Billing is declared but missing in the tenant (drift). This branch adds scopes for Portal."""
    declare(here, GRANTS + PORTAL)
    commit_all(here)
    declare(here, GRANTS + WIDER)
    return here


def declare(here: Path, text: str) -> None:
    (here / "grants" / "billing.yaml").write_text(text)


def test_sections_separate_branch_changes_from_drift() -> None:
    shown = reconciler("plan", "--base", "main").stdout

    branch, _, drift = shown.partition("Drift: the tenant changed, but the files did not (1)")
    assert "From this branch (1)" in branch
    assert "~ Portal -> Invoices API" in branch
    assert "+ Billing -> Invoices API" in drift
    assert "Origin: 1 from this branch, 1 drift, 0 from both.\n" in drift


def test_without_a_base_changes_have_no_origin() -> None:
    ran = reconciler("plan")

    assert "branch" not in ran.stdout
    assert "Origin" not in ran.stdout


def test_a_value_that_this_branch_changes_is_not_drift(here: Path) -> None:
    config = (here / "reconciler.yaml").read_text()
    (here / "reconciler.yaml").write_text(config + "variables: {verb: read}\n")
    declare(here, "grants: [{client: Portal, api: Invoices API, scope: ['${verb}:invoices']}]")
    commit_all(here)
    (here / "reconciler.yaml").write_text(config + "variables: {verb: write}\n")

    shown = reconciler("plan", "--base", "main").stdout

    assert "From this branch (1)" in shown
    assert "Origin: 1 from this branch, 0 drift, 0 from both.\n" in shown


@pytest.mark.parametrize("config", [None, "tenants: ["], ids=["missing", "not valid"])
def test_the_current_configuration_applies_if_the_base_has_none(here: Path, config: str | None) -> None:
    today = (here / "reconciler.yaml").read_text()
    (here / "reconciler.yaml").unlink()
    if config:
        (here / "reconciler.yaml").write_text(config)
    commit_all(here)
    (here / "reconciler.yaml").write_text(today)

    assert reconciler("plan", "--base", "main").code == 0


def test_only_branch_excludes_drift(here: Path) -> None:
    assert reconciler("plan", "--base", "HEAD", "--only-branch", "--out", "plan.json").code == 0

    ran = reconciler("apply", "plan.json", "--base", "HEAD", "--only-branch")

    assert ran.code == 0
    assert "1 left unchanged by --only-branch" in ran.stdout
    assert ran.stdout.endswith("Apply: 1 applied; the tenant has the requested changes.\n")
    assert [(each["client_id"], len(each["scope"])) for each in grants_of(here)[1:]] == [("portal", 2)]


def test_a_saved_plan_keeps_origins() -> None:
    made = reconciler("plan", "--base", "HEAD", "--out", "plan.json")

    shown = reconciler("show", "plan.json").stdout
    sections = [line for line in made.stdout.splitlines() if line.startswith(("Drift", "From", "Origin"))]
    assert len(sections) > 1
    assert [line for line in shown.splitlines() if line.startswith(("Drift", "From", "Origin"))] == sections


def test_a_plan_of_the_branch_alone_does_not_approve_drift(here: Path) -> None:
    reconciler("plan", "--base", "HEAD", "--only-branch", "--out", "plan.json")

    ran = reconciler("apply", "plan.json")

    assert ran.code == 5
    assert "the saved plan was created with --only-branch; use the same options" in ran.stderr
    assert len(grants_of(here)) == 2


def test_only_branch_needs_base() -> None:
    ran = reconciler("plan", "--only-branch")

    assert (ran.code, ran.stderr) == (
        1,
        "error: --only-branch needs --base; add --base with the revision where the branch started\n",
    )


def test_problems_at_the_base_name_the_revision(here: Path) -> None:
    declare(here, "grants:\n  - client: Portal\n")
    commit_all(here)
    declare(here, GRANTS + WIDER)

    ran = reconciler("plan", "--base", "HEAD")

    assert ran.code == 0
    assert ran.stderr.startswith('grants/billing.yaml in HEAD:2:5: warning: "api" and "audience" are missing')
    assert reconciler("plan", "--base", "HEAD", "--only-branch").code == 1


def test_a_blocked_change_shows_its_origin(here: Path) -> None:
    config = here / "reconciler.yaml"
    config.write_text(config.read_text() + "protect: [{client: Portal}]\n")

    ran = reconciler("plan", "--base", "HEAD")

    assert ran.code == 4
    assert "~ Portal -> Invoices API  [branch]\n" in ran.stdout


TWO_TENANTS = """
variables: {scope: "read:invoices"}
tenants:
  local: {kind: sandbox, seed: tenant.yaml}
"""


def test_a_new_tenant_has_no_grants_at_the_base(here: Path) -> None:
    declare(here, GRANTS)
    (here / "reconciler.yaml").write_text(TWO_TENANTS)
    commit_all(here)
    (here / "reconciler.yaml").write_text(TWO_TENANTS + "  new: {kind: sandbox, seed: tenant.yaml, database: n.db}\n")

    ran = reconciler("plan", "--tenant", "new", "--base", "HEAD", "--only-branch")

    assert "From this branch (1)" in ran.stdout
    assert "Origin: 1 from this branch, 0 drift, 0 from both." in ran.stdout


def test_an_unnamed_tenant_has_the_shared_values_of_the_base(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(here, GRANTS.replace("write:invoices", "${scope}"))
    (here / "reconciler.yaml").write_text(TWO_TENANTS.replace("read:", "write:"))
    commit_all(here)
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert reconciler("apply", "--yes").code == 0
        (here / "reconciler.yaml").write_text(TWO_TENANTS.replace("read:", "void:"))

        ran = reconciler("plan", "--base", "HEAD", "--only-branch")

    assert "Origin: 1 from this branch, 0 drift, 0 from both." in ran.stdout


OF_OLD = "grants: [{client: Portal, api: Invoices API, scope: ['read:invoices'], tenants: [old]}]\n"


def test_the_domain_identifies_a_tenant_at_the_base(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        domain = environment["AUTH0_DOMAIN"]
        at_base = f"tenants: {{old: {{domain: '{domain}'}}, prod: {{domain: other.eu.auth0.com}}}}\n"
        (here / "reconciler.yaml").write_text(at_base)
        declare(here, OF_OLD)
        commit_all(here)
        (here / "reconciler.yaml").write_text(f"tenants: {{prod: {{domain: '{domain}'}}}}\n")
        declare(here, GRANTS)

        ran = reconciler("plan", "--tenant", "prod", "--base", "HEAD")

    assert "No longer declared (1): access stays" in ran.stdout
    assert "Origin: 1 from this branch, 0 drift, 0 from both." in ran.stdout


def test_a_tenant_with_another_domain_at_the_base_is_unknown(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        (here / "reconciler.yaml").write_text("tenants: {prod: {domain: login.example.com}}\n")
        declare(here, GRANTS)
        commit_all(here)
        (here / "reconciler.yaml").write_text(f"tenants: {{prod: {{domain: '{environment['AUTH0_DOMAIN']}'}}}}\n")

        ran = reconciler("plan", "--base", "HEAD")
        only_branch = reconciler("plan", "--base", "HEAD", "--only-branch")

    assert 'does not show whether "prod" is the same tenant' in ran.stdout
    assert "Origin: 1 from this branch, 0 drift, 0 from both." in ran.stdout
    assert (only_branch.code, "--only-branch cannot recognize drift" in only_branch.stderr) == (1, True)


def test_a_new_domain_does_not_hide_the_grants_that_a_guard_no_longer_matches(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        (here / "reconciler.yaml").write_text(
            "tenants: {prod: {domain: login.example.com, protect: [{client: Portal}]}}\n"
        )
        commit_all(here)
        (here / "reconciler.yaml").write_text(f"tenants: {{prod: {{domain: '{environment['AUTH0_DOMAIN']}'}}}}\n")

        ran = reconciler("plan", "--base", "HEAD")

    assert "critical: prod: `protect` no longer matches 1 grant: Portal -> Invoices API" in ran.stdout


def test_a_note_on_an_unknown_tenant_names_the_configuration_of_the_base(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        (here / "job").mkdir()
        (here / "job" / "reconciler.yaml").write_text("tenants: {prod: {domain: login.example.com}}\n")
        commit_all(here)
        (here / "job" / "reconciler.yaml").unlink()
        (here / "reconciler.yaml").write_text(f"tenants: {{prod: {{domain: '{environment['AUTH0_DOMAIN']}'}}}}\n")
        monkeypatch.chdir(here / "job")

        ran = reconciler("plan", "--base", "HEAD")

    assert 'Note: the reconciler.yaml in HEAD does not show whether "prod" is the same tenant' in ran.stdout


@pytest.mark.parametrize("name", [".reconciler.yaml", "settings.conf"])
def test_a_configuration_with_another_file_name_is_read_at_the_base(here: Path, name: str) -> None:
    declare(here, GRANTS.replace("write:invoices", "${scope}"))
    (here / name).write_text(TWO_TENANTS.replace("read:", "write:"))
    commit_all(here)
    assert reconciler("--config", name, "apply", "--yes").code == 0
    (here / name).write_text(TWO_TENANTS.replace("read:", "void:"))

    ran = reconciler("--config", name, "plan", "--base", "HEAD", "--only-branch")

    assert "Origin: 1 from this branch, 0 drift, 0 from both." in ran.stdout


def test_variables_that_git_sets_for_hooks_are_ignored(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = reconciler("plan", "--base", "HEAD").stdout
    monkeypatch.setenv("GIT_DIR", str(here / ".git"))

    assert reconciler("plan", "--base", "HEAD").stdout == expected


@pytest.mark.parametrize("option", ["--base", "--policy-at"])
def test_outside_of_a_repository_the_error_gives_only_the_reason(here: Path, option: str) -> None:
    shutil.rmtree(here / ".git")

    ran = reconciler("plan", option, "main")

    assert ran.code == 1
    assert "is not in a git repository" in ran.stderr
    assert "fetch" not in ran.stderr


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="NOT CHECKED: only root can give files away"
)
@pytest.mark.parametrize("option", ["--base", "--policy-at"])
def test_a_repository_of_another_user_is_refused_with_the_reason_of_git(here: Path, option: str) -> None:
    os.chown(here, 12345, 12345)
    os.chown(here / ".git", 12345, 12345)

    ran = reconciler("plan", option, "main")

    assert ran.code == 1
    advice = "if you trust the repository: git config --global --add safe.directory"
    assert f"another user owns it; {advice}" in ran.stderr
    assert "fetch" not in ran.stderr
