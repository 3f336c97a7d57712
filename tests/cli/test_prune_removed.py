"""`--prune-removed` deletes the grants that an earlier commit declared, and --base reports removals without effect."""

import json
from pathlib import Path

import pytest
from support.commands import GRANTS, CommandResult, grants_of, reconciler
from support.repository import commit_all, git

from reconciler.git.repository import open_repository
from reconciler.git.revision import resolve_revision

PORTAL = "  - {client: Portal, api: Invoices API, scope: ['read:invoices']}\n"
FILE = Path("grants/billing.yaml")


@pytest.fixture(autouse=True)
def removed(here: Path) -> Path:
    """The grants of Billing and Portal are in the tenant. The last commit removes that of Portal from the files."""
    FILE.write_text(GRANTS + PORTAL)
    (here / ".gitignore").write_text(".reconciler/\n*.json\n")
    git(here, "init", "--quiet")
    git(here, "add", ".")
    git(here, "commit", "--quiet", "--message", "declare", "--no-gpg-sign")
    assert reconciler("apply", "--yes").code == 0
    FILE.write_text(GRANTS)
    git(here, "commit", "--quiet", "--all", "--message", "remove", "--no-gpg-sign")
    return here


def clients(here: Path) -> list[str]:
    return sorted(each["client_id"] for each in grants_of(here))


def test_apply_deletes_a_removed_grant_and_nothing_else(removed: Path) -> None:
    ran = reconciler("apply", "--prune-removed", "--yes")

    assert ran.code == 0, ran.output
    assert clients(removed) == ["billing", "own"]


def test_without_prune_removed_a_removed_grant_stays(removed: Path) -> None:
    assert reconciler("apply", "--yes").code == 0
    assert clients(removed) == ["billing", "own", "portal"]


def test_a_removal_without_effect_counts_as_a_difference() -> None:
    ran = reconciler("plan", "--base", "HEAD~1", "--detailed-exitcode")

    assert ran.code == 2
    assert "No longer declared (1): access stays" in ran.stdout
    assert reconciler("plan", "--detailed-exitcode").code == 0


def test_a_removal_without_effect_is_in_every_format(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = here / "outputs"
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    results = {
        name: reconciler("plan", "--base", "HEAD~1", "--format", name).stdout
        for name in ("json", "markdown", "sarif", "github")
    }

    (stays,) = json.loads(results["json"])["no_longer_declared"]
    assert (stays["client_name"], stays["source"], stays["moved_to"]) == (
        "Portal",
        {"file": "grants/billing.yaml in HEAD~1", "line": 8},
        None,
    )
    assert "<td>! access stays</td><td><code>Portal -&gt; Invoices API</code></td>" in results["markdown"]
    assert "removal-without-effect" in results["sarif"]
    assert results["github"].startswith("::warning ")
    assert "no_longer_declared=1" in outputs.read_text()
    assert "has_changes=true" in outputs.read_text()


def test_a_grant_that_no_commit_declares_stays(removed: Path) -> None:
    reconciler("apply", "--prune-removed", "--yes")
    FILE.write_text(GRANTS + PORTAL)
    reconciler("apply", "--yes")  # applied from a working tree that is never committed
    FILE.write_text(GRANTS)
    git(removed, "checkout", "--quiet", "--orphan", "new")
    commit_all(removed)

    assert "unmanaged" in reconciler("plan", "--prune-removed").stdout
    assert reconciler("plan", "--prune-removed", "--detailed-exitcode").code == 0


def test_a_refused_removal_is_carried_out_by_the_next_run(removed: Path) -> None:
    refused = reconciler("apply", "--prune-removed", "--max-deletes", "0", "--yes")
    FILE.write_text("grants: []\n")
    git(removed, "commit", "--quiet", "--all", "--message", "remove the other", "--no-gpg-sign")

    ran = reconciler("apply", "--prune-removed", "--max-deletes", "2", "--yes")

    assert (refused.code, ran.code) == (4, 0)
    assert "remove the other" in ran.stdout
    assert clients(removed) == ["own"]


def test_since_limits_the_history() -> None:
    assert "1 to delete" in reconciler("plan", "--prune-removed", "--since", "HEAD~1").stdout
    assert "0 to delete" in reconciler("plan", "--prune-removed", "--since", "HEAD").stdout


def test_a_configuration_that_was_a_link_is_unknown(removed: Path) -> None:
    text = Path("reconciler.yaml").read_text()
    Path("reconciler.yaml").rename("shared.yaml")
    Path("reconciler.yaml").symlink_to("shared.yaml")
    git(removed, "checkout", "--quiet", "--orphan", "new")
    FILE.write_text(GRANTS + PORTAL)
    commit_all(removed)
    Path("reconciler.yaml").unlink()
    Path("reconciler.yaml").write_text(text)
    FILE.write_text(GRANTS)
    commit_all(removed)

    ran = reconciler("plan", "--prune-removed")

    assert "0 to delete" in ran.stdout
    assert "1 removed declaration could not be compared, because the reconciler.yaml of the same commit" in ran.stdout
    assert "1 earlier declaration could not be assigned to a tenant" in reconciler("access").stdout


def test_the_variables_of_the_commit_count_with_since_too(removed: Path) -> None:
    config = Path("reconciler.yaml")
    before = config.read_text()
    config.write_text(f"{before}variables: {{app: Portal}}\n")
    FILE.write_text(GRANTS + PORTAL.replace("Portal", '"${app}"'))
    commit_all(removed)
    config.write_text(f"{before}variables: {{app: Billing}}\n")
    FILE.write_text(GRANTS)
    commit_all(removed)

    ran = reconciler("plan", "--prune-removed", "--since", "HEAD~1")

    assert "1 to delete" in ran.stdout
    assert "- Portal -> Invoices API" in ran.stdout


def test_a_saved_plan_approves_the_deletion_and_keeps_its_commits(removed: Path) -> None:
    assert reconciler("plan", "--prune-removed", "--out", "plan.json").code == 0
    assert "removed by" in reconciler("show", "plan.json").stdout

    without = reconciler("apply", "plan.json")
    ran = reconciler("apply", "plan.json", "--prune-removed")

    assert (without.code, ran.code) == (5, 0)
    assert "the saved plan was created with --prune-removed; use the same options" in without.stderr
    assert clients(removed) == ["billing", "own"]


def test_a_rollback_restores_the_removed_grant(removed: Path) -> None:
    ran = reconciler("apply", "--prune-removed", "--yes")
    command = ran.stderr.partition("To roll back: reconciler ")[2].splitlines()[0].split()

    assert reconciler(*command, "--yes").code == 0
    assert clients(removed) == ["billing", "own", "portal"]


def test_protect_keeps_a_removed_grant(removed: Path) -> None:
    with (removed / "reconciler.yaml").open("a") as config:
        config.write("protect: [{client: Portal, reason: needed}]\n")

    ran = reconciler("apply", "--prune-removed", "--yes")

    assert ran.code == 0
    assert clients(removed) == ["billing", "own", "portal"]


def failure(ran: CommandResult) -> str:
    assert ran.code == 1, ran.output
    assert not ran.stdout
    return ran.stderr


def test_in_a_repository_without_a_commit_nothing_was_removed(removed: Path) -> None:
    git(removed, "checkout", "--quiet", "--orphan", "new")

    ran = reconciler("plan", "--prune-removed")

    assert ran.code == 0, ran.output
    assert "0 to delete" in ran.stdout


def test_a_shallow_clone_is_an_error_with_the_fix(removed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = removed / "clone"
    clone.mkdir()
    git(clone, "clone", "--quiet", "--depth=1", f"file://{removed}", ".")
    monkeypatch.chdir(clone)

    assert "fetch-depth: 0" in failure(reconciler("plan", "--prune-removed"))


def test_a_clone_without_old_files_is_an_error_with_the_fix(removed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(removed, "config", "uploadpack.allowFilter", "true")
    clone = removed / "clone"
    clone.mkdir()
    git(clone, "clone", "--quiet", "--filter=blob:none", f"file://{removed}", ".")
    monkeypatch.chdir(clone)

    assert "fetch the whole history" in failure(reconciler("plan", "--prune-removed"))


def test_a_folder_outside_git_is_an_error(removed: Path) -> None:
    (removed / ".git").rename(removed / "not-git")

    assert "is not in a git repository" in failure(reconciler("plan", "--prune-removed"))


@pytest.mark.parametrize("options", [["--base", "HEAD~1"], ["--base", "HEAD~1", "--prune"], ["--prune-removed"]])
@pytest.mark.parametrize("folder", ["", "grants"], ids=["root", "sub-folder"])
def test_the_comment_links_the_removed_line(
    options: list[str], folder: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_SHA": resolve_revision(open_repository(here), "HEAD").commit,
        "GITHUB_WORKSPACE": str(here),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(here / folder)
    files = ["--config", str(here / "reconciler.yaml"), "--grants", str(here / "grants")]

    markdown = reconciler("plan", *options, *files, "--max-deletes", "9", "--format", "markdown").stdout

    (row,) = (line for line in markdown.splitlines() if "Portal -&gt;" in line)
    before = resolve_revision(open_repository(here), "HEAD~1").commit
    assert f'href="https://github.example/o/r/blob/{before}/grants/billing.yaml#L8"' in row


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--prune"], "--prune and --prune-removed cannot be combined"),
        (["--create-only"], "--prune-removed cannot be combined with --create-only"),
        (["--skip-missing"], "--prune-removed cannot be combined with --skip-missing"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_options_that_contradict_are_refused(options: list[str], reason: str) -> None:
    assert reason in failure(reconciler("plan", "--prune-removed", *options))


def test_since_needs_prune_removed() -> None:
    assert "add --prune-removed, or remove --since" in failure(reconciler("plan", "--since", "HEAD~1"))


def test_text_from_commits_cannot_control_the_output(removed: Path) -> None:
    evil = "\x1b[2J</td>|`::error::@everyone"
    FILE.write_text("grants: []\n")
    git(removed, "-c", f"user.name={evil}", "commit", "--quiet", "--all", "--message", evil, "--no-gpg-sign")
    options = ("plan", "--prune-removed", "--max-deletes", "9", "--format")

    for name in ("text", "json", "markdown", "sarif", "github"):
        assert "\x1b" not in reconciler(*options, name).stdout
    _, _, table = reconciler(*options, "markdown").stdout.partition("<table>")
    assert "removed by" in table
    assert "</td>|" not in table.partition("</table>")[0]


@pytest.mark.parametrize("committed", [True, False])
def test_a_grant_that_only_the_branch_declared_and_removed_is_not_drift(
    removed: Path,
    committed: bool,  # noqa: FBT001
) -> None:
    base = commit_all(removed)
    before = FILE.read_text()
    FILE.write_text("grants: [{client: Portal, api: Invoices API, scope: ['read:invoices']}]\n")
    commit_all(removed)
    FILE.write_text(before)
    if committed:
        commit_all(removed)
    options = ("plan", "--prune-removed", "--max-deletes", "9", "--format", "json", "--base")

    changes = [reconciler(*options, *more).data["changes"] for more in ((base,), (base, "--only-branch"))]

    assert [[each["origin"] for each in found if each["action"] == "delete"] for found in changes] == [["both"]] * 2


def moved_note(*options: str) -> str:
    ran = reconciler("plan", "--prune-removed", "--format", "json", *options)
    return " ".join(ran.data["notes"])


@pytest.mark.parametrize("target", ["access", "access/team"])
def test_a_removal_in_the_commit_that_moves_the_folder_is_listed(removed: Path, target: str) -> None:
    git(removed, "reset", "--quiet", "--hard", "HEAD~1")
    (removed / target).parent.mkdir(exist_ok=True)
    git(removed, "mv", "grants", target)
    (removed / target / "billing.yaml").write_text(GRANTS)
    git(removed, "commit", "--quiet", "--all", "--message", "move and remove", "--no-gpg-sign")

    note = moved_note("--grants", target)

    assert "1 removed declaration could not be compared" in note
    assert "Portal -> Invoices API (grants/billing.yaml:8 in " in note
    assert "Portal" in moved_note("--grants", target, "--since", "HEAD~1")
    assert reconciler("apply", "--prune-removed", "--grants", target, "--yes").code == 0
    assert clients(removed) == ["billing", "own", "portal"]


def test_a_removal_before_two_moves_of_the_folder_is_listed(removed: Path) -> None:
    for before, after in (("grants", "access"), ("access", "live")):
        git(removed, "mv", before, after)
        git(removed, "commit", "--quiet", "--all", "--message", "move", "--no-gpg-sign")

    assert "Portal -> Invoices API (grants/billing.yaml:8 in " in moved_note("--grants", "live")


def test_a_removal_on_a_mainline_that_is_the_second_parent_is_listed(removed: Path) -> None:
    git(removed, "checkout", "--quiet", "--orphan", "start")
    git(removed, "add", "--all")
    git(removed, "commit", "--quiet", "--message", "start", "--no-gpg-sign")
    git(removed, "branch", "topic")
    for content in (GRANTS + PORTAL, GRANTS):
        FILE.write_text(content)
        git(removed, "commit", "--quiet", "--all", "--message", "mainline", "--no-gpg-sign")
    git(removed, "checkout", "--quiet", "topic")
    (removed / "other").write_text("work")
    commit_all(removed)
    git(removed, "merge", "--quiet", "--no-ff", "--message", "foxtrot", "--no-gpg-sign", "start")

    assert "Portal -> Invoices API (grants/billing.yaml:8 in " in moved_note()


def test_a_declaration_of_a_merged_branch_is_listed_only_if_the_grant_exists(removed: Path) -> None:
    assert reconciler("apply", "--prune-removed", "--yes").code == 0
    git(removed, "checkout", "--quiet", "--orphan", "start")
    commit_all(removed)
    git(removed, "checkout", "--quiet", "-b", "topic")
    for content in (GRANTS + PORTAL, GRANTS + "# done\n"):
        FILE.write_text(content)
        git(removed, "commit", "--quiet", "--all", "--message", "work", "--no-gpg-sign")
    git(removed, "checkout", "--quiet", "start")
    git(removed, "merge", "--quiet", "--no-ff", "--message", "merge", "--no-gpg-sign", "topic")

    assert "Portal" not in moved_note()
