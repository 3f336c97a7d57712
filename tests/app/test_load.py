"""Grant files that are missing although their grants are still declared, and paths that cannot be read."""

import os
import shutil
from pathlib import Path

import pytest
from support.commands import GRANTS, grants_of, reconciler
from support.repository import commit_all, git

from reconciler.app.load import rollback_of_paths

PORTAL = GRANTS.replace("Billing", "Portal").replace("description: Nightly run", "description: By day")
EMPTY = "grants: []\n"


@pytest.fixture
def sparse_checkout(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a sparse checkout with only one of two grant folders."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for team, text in {"team-a": GRANTS, "team-b": PORTAL}.items():
        (here / "grants" / team).mkdir()
        (here / "grants" / team / "x.yaml").write_text(text)
    (here / "grants" / "billing.yaml").unlink()
    commit_all(here)
    git(here, "sparse-checkout", "set", "--cone", "grants/team-a")
    assert not (here / "grants" / "team-b").exists()
    return here


@pytest.mark.parametrize(
    "command", ["plan --prune", "apply --yes --prune", "plan --base HEAD", "plan --prune --base HEAD"]
)
def test_grants_missing_in_a_sparse_checkout_are_not_deleted(sparse_checkout: Path, command: str) -> None:
    before = grants_of(sparse_checkout)

    ran = reconciler(*command.split())

    assert ran.code == 1
    assert "git tracks 1 grant file that the checkout of this folder lacks: grants/team-b/x.yaml" in ran.stderr
    assert grants_of(sparse_checkout) == before


@pytest.mark.usefixtures("sparse_checkout")
@pytest.mark.parametrize("command", ["plan", "validate", "apply --yes"])
def test_grants_missing_in_a_sparse_checkout_are_a_warning_without_prune(command: str) -> None:
    ran = reconciler(*command.split())

    assert ran.code == 0
    assert "git tracks 1 grant file that the checkout of this folder lacks" in ran.stderr


def test_a_missing_tracked_file_is_an_error_until_git_rm_removes_it(sparse_checkout: Path) -> None:
    git(sparse_checkout, "sparse-checkout", "disable")
    assert reconciler("plan", "--prune").code == 0
    (sparse_checkout / "grants" / "team-b" / "x.yaml").unlink()
    assert reconciler("plan", "--prune").code == 1
    git(sparse_checkout, "rm", "-q", "--cached", "grants/team-b/x.yaml")

    assert reconciler("plan", "--prune").code == 0


def test_a_sparse_checkout_is_not_pruned_if_git_fails(sparse_checkout: Path) -> None:
    (sparse_checkout / ".git" / "HEAD").write_text("broken")

    ran = reconciler("plan", "--prune")

    assert (ran.code, "git cannot use the repository" in ran.stderr) == (1, True)


@pytest.fixture
def submodule(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a submodule that declares a grant of the tenant."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    team = here / "grants" / "team"
    team.mkdir()
    (team / "x.yaml").write_text(PORTAL)
    commit_all(team)
    commit_all(here)
    return team


@pytest.mark.parametrize(
    "command", ["plan --prune", "apply --yes --prune", "apply --yes --prune-removed", "plan --base HEAD"]
)
def test_grants_of_a_submodule_that_is_not_checked_out_are_not_deleted(
    here: Path, submodule: Path, command: str
) -> None:
    assert reconciler(*command.split()).code == 0
    shutil.rmtree(submodule)
    submodule.mkdir()
    before = grants_of(here)

    ran = reconciler(*command.split())

    assert ran.code == 1
    assert "the checkout of this folder lacks 1 submodule: grants/team; check the submodules out" in ran.stderr
    assert grants_of(here) == before
    assert "warning: the checkout of this folder lacks 1 submodule" in reconciler("validate").stderr


@pytest.mark.parametrize("command", ["plan --prune", "apply --yes --prune"])
def test_grants_of_a_submodule_at_another_commit_are_not_deleted(here: Path, submodule: Path, command: str) -> None:
    recorded = commit_all(submodule)
    commit_all(here)
    git(submodule, "checkout", "--quiet", "HEAD~1")
    before = grants_of(here)

    ran = reconciler(*command.split())

    assert ran.code == 1
    assert "the submodule grants/team is checked out at" in ran.stderr
    assert f"but git records {recorded[:10]}; check the recorded commit out (git submodule update)" in ran.stderr
    assert grants_of(here) == before
    assert "warning: the submodule grants/team is checked out at" in reconciler("validate").stderr
    git(here, "add", "--all")
    assert reconciler(*command.split()).code == 0


def test_a_submodule_in_a_hidden_folder_contains_no_grant_files(here: Path, submodule: Path) -> None:
    shutil.move(submodule, here / "grants" / ".team")
    commit_all(here)
    shutil.rmtree(here / "grants" / ".team")
    (here / "grants" / ".team").mkdir()

    ran = reconciler("plan", "--prune")

    assert (ran.code, "submodule" in ran.stderr) == (0, False)


def test_a_file_missing_in_a_submodule_is_reported(submodule: Path) -> None:
    (submodule / "x.yaml").unlink()

    ran = reconciler("plan", "--prune")

    assert ran.code == 1
    assert ran.stderr.startswith("grants/team: git tracks 1 grant file that the checkout of this folder lacks: x.yaml")


def test_names_that_some_file_systems_treat_as_equal_are_reported(here: Path) -> None:
    for name in ("Name.yaml", "name.yaml", "M\u00fcller.yaml", "Mu\u0308ller.yaml"):
        (here / "grants" / name).write_text(EMPTY)
    commit_all(here)

    ran = reconciler("validate")

    assert ran.code == 0
    assert "grants/Name.yaml and grants/name.yaml" in ran.stderr
    assert "grants/Mu\\u0308ller.yaml and grants/M\\xfcller.yaml" in ran.stderr


def test_files_in_a_hidden_folder_are_reported_at_any_depth(here: Path) -> None:
    deep = here / "grants" / ".old" / "deep"
    deep.mkdir(parents=True)
    (deep / "x.yaml").write_text(EMPTY)

    assert "grants/.old/deep/x.yaml: warning: this file is in a hidden folder" in reconciler("validate").stderr


@pytest.fixture
def moved_grants(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    commit_all(here)
    (here / "auth0").mkdir()
    git(here, "mv", "grants", "auth0/grants")
    return here


@pytest.mark.parametrize("form", ["text", "json", "markdown", "sarif"])
@pytest.mark.usefixtures("moved_grants")
def test_every_format_reports_a_base_without_files(form: str) -> None:
    ran = reconciler("--grants", "auth0/grants", "plan", "--base", "HEAD", "--format", form)

    assert ran.code == 0
    assert "HEAD has no grant files in auth0/grants" in ran.output


@pytest.mark.usefixtures("moved_grants")
def test_only_branch_fails_if_the_base_has_no_files() -> None:
    ran = reconciler("--grants", "auth0/grants", "plan", "--base", "HEAD", "--only-branch")

    assert (ran.code, "HEAD has no grant files in auth0/grants" in ran.stderr) == (1, True)


def test_base_fails_if_the_files_belong_to_another_repository(here: Path) -> None:
    commit_all(here)
    commit_all(here / "grants")

    ran = reconciler("plan", "--base", "HEAD")

    assert ran.code == 1
    assert f"grants belongs to the repository {here}/grants" in ran.stderr


def test_an_empty_desired_state_is_valid_without_deletes(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(EMPTY)

    assert [reconciler("plan").code, reconciler("apply", "--yes").code] == [0, 0]


def test_a_folder_without_files_is_reported(here: Path) -> None:
    (here / "grants" / "billing.yaml").unlink()

    ran = reconciler("plan")

    assert (ran.code, "this folder has no grant files" in ran.stderr) == (0, True)


def test_deleting_the_last_grant_needs_the_number_of_deletes(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(EMPTY)
    before = grants_of(here)

    ran = reconciler("apply", "--yes", "--prune")
    assert (ran.code, "--max-deletes 1" in ran.output, grants_of(here)) == (4, True, before)
    assert reconciler("apply", "--yes", "--prune", "--max-deletes", "0").code == 4
    assert grants_of(here) == before

    assert reconciler("apply", "--yes", "--prune", "--max-deletes", "1").code == 0
    assert len(grants_of(here)) == len(before) - 1


def test_a_path_that_cannot_be_read_is_not_a_snapshot() -> None:
    too_long = Path("a" * 300)  # the system refuses to look for a file in this folder

    assert rollback_of_paths([too_long], None) is None
