"""A run must not apply a change that was reverted while the run waited for its approval."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import CommandResult, a_workspace, grants_of, reconciler
from support.forges import Azure, Forge, ForgeResponse, GitHub, GitLab, serve_forge
from support.repository import commit_all, git

BRANCH = "release/1.x"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of a commit with an approved plan."""
    folder = a_workspace(tmp_path, monkeypatch)
    (folder / ".gitignore").write_text(".reconciler\nplan.json\n", encoding="utf-8")
    commit_all(folder)
    reconciler("plan", "--out", "plan.json")
    return folder


@pytest.fixture(params=[GitHub, GitLab, Azure])
def forge(request: pytest.FixtureRequest, here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    server: Forge = request.param()
    event = here.parent / f"{here.name}.json"
    event.write_text(json.dumps({"ref": f"refs/heads/{BRANCH}"}), encoding="utf-8")
    with serve_forge(server):
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
        for name, value in server.environment().items():
            if name != "CI_MERGE_REQUEST_IID":
                monkeypatch.setenv(name, value)
        yield server


def apply_with_tip(branch: str = BRANCH) -> CommandResult:
    return reconciler("apply", "plan.json", "--require-tip", branch)


def commit_on_top(here: Path) -> str:
    """Create a commit on top of the checked-out commit and return its hash."""
    return git(here, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Revert")


@pytest.mark.parametrize("branch", [BRANCH, f"refs/heads/{BRANCH}"])
def test_the_commit_at_the_tip_is_applied(here: Path, forge: Forge, branch: str) -> None:
    forge.branches = {BRANCH: git(here, "rev-parse", "HEAD")}
    before = grants_of(here)

    result = apply_with_tip(branch)

    assert result.code == 0, result.output
    assert grants_of(here) != before


def test_a_superseded_commit_is_not_applied_and_the_newer_commit_is_named(here: Path, forge: Forge) -> None:
    forge.branches = {BRANCH: commit_on_top(here)}
    before = grants_of(here)

    result = apply_with_tip()

    assert (result.code, grants_of(here)) == (5, before)
    assert f"superseded by {forge.branches[BRANCH]}, the tip of" in result.stderr


@pytest.mark.parametrize("problem", ["no branch", "refused", "no sense", "tag"])
def test_an_unknown_tip_is_an_error(here: Path, forge: Forge, problem: str) -> None:
    head = git(here, "rev-parse", "HEAD")
    forge.branches = {} if problem == "no branch" else {BRANCH: head[:7] if problem == "tag" else head}
    response = {
        "refused": ForgeResponse(403, {"message": "no"}),
        "no sense": ForgeResponse(200, {"data": {"repository": 7}, "commit": 7}),
    }
    if problem in response:
        forge.faults = [lambda _, __: response[problem]]
    before = grants_of(here)

    result = apply_with_tip()

    assert (result.code, grants_of(here)) == (1, before), result.output
    assert result.stderr.startswith("error: ")


def test_without_a_known_hosting_service_nothing_is_applied(here: Path) -> None:
    before = grants_of(here)

    result = apply_with_tip()

    assert (result.code, grants_of(here)) == (1, before)
    assert "the hosting service is unknown; run `apply --require-tip` in a job of" in result.stderr
    assert "--forge" not in result.stderr


@pytest.mark.usefixtures("here")
def test_the_advice_for_a_repository_on_another_service_names_options_of_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TF_BUILD": "True", "BUILD_REPOSITORY_PROVIDER": "GitHub"}.items():
        monkeypatch.setenv(name, value)

    result = apply_with_tip()

    assert (result.code, "--forge" in result.stderr) == (1, False)
    assert "is not on Azure Repos" in result.stderr


@pytest.mark.usefixtures("here")
def test_an_empty_name_is_an_error() -> None:
    assert "'--require-tip': the value is empty" in apply_with_tip(" ").stderr


def test_a_superseded_run_with_nothing_to_do_succeeds(here: Path, forge: Forge) -> None:
    forge.branches = {BRANCH: git(here, "rev-parse", "HEAD")}
    assert reconciler("apply", "--yes").code == 0
    forge.branches = {BRANCH: commit_on_top(here)}

    assert apply_with_tip().code == 0
