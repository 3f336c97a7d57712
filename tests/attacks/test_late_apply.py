"""A change that was reverted, while its approved run waited, must not be applied by that run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import CommandResult, a_workspace, grants_of, reconciler
from support.forges import Forge, ForgeResponse, GitHub, GitLab, serve_forge
from support.repository import commit_all, git

BRANCH = "release/1.x"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of a commit that has an approved plan."""
    folder = a_workspace(tmp_path, monkeypatch)
    (folder / ".gitignore").write_text(".reconciler\nplan.json\n", encoding="utf-8")
    commit_all(folder)
    reconciler("plan", "--out", "plan.json")
    return folder


@pytest.fixture(params=[GitHub, GitLab])
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


def applied(branch: str = BRANCH) -> CommandResult:
    return reconciler("apply", "plan.json", "--require-tip", branch)


def reverted(here: Path) -> str:
    """Return the id of a commit after the one that stays checked out."""
    return git(here, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Revert")


@pytest.mark.parametrize("branch", [BRANCH, f"refs/heads/{BRANCH}"])
def test_the_commit_at_the_tip_is_applied(here: Path, forge: Forge, branch: str) -> None:
    forge.branches = {BRANCH: git(here, "rev-parse", "HEAD")}
    before = grants_of(here)

    ran = applied(branch)

    assert ran.code == 0, ran.output
    assert grants_of(here) != before


def test_a_superseded_commit_writes_nothing_and_names_the_other(here: Path, forge: Forge) -> None:
    forge.branches = {BRANCH: reverted(here)}
    before = grants_of(here)

    ran = applied()

    assert (ran.code, grants_of(here)) == (5, before)
    assert f"superseded by {forge.branches[BRANCH]}, the tip of" in ran.stderr


@pytest.mark.parametrize("trouble", ["no branch", "refused", "no sense", "tag"])
def test_an_unknown_tip_is_an_error(here: Path, forge: Forge, trouble: str) -> None:
    head = git(here, "rev-parse", "HEAD")
    forge.branches = {} if trouble == "no branch" else {BRANCH: head[:7] if trouble == "tag" else head}
    answer = {
        "refused": ForgeResponse(403, {"message": "no"}),
        "no sense": ForgeResponse(200, {"data": {"repository": 7}, "commit": 7}),
    }
    if trouble in answer:
        forge.faults = [lambda _, __: answer[trouble]]
    before = grants_of(here)

    ran = applied()

    assert (ran.code, grants_of(here)) == (1, before), ran.output
    assert ran.stderr.startswith("error: ")


def test_where_no_hosting_service_is_known_nothing_is_applied(here: Path) -> None:
    before = grants_of(here)

    ran = applied()

    assert (ran.code, grants_of(here)) == (1, before)
    assert "the hosting service is unknown" in ran.stderr


@pytest.mark.usefixtures("here")
def test_an_empty_name_is_an_error() -> None:
    assert "'--require-tip': it is empty" in applied(" ").stderr


def test_a_run_with_nothing_left_to_do_ends_well(here: Path, forge: Forge) -> None:
    forge.branches = {BRANCH: git(here, "rev-parse", "HEAD")}
    assert reconciler("apply", "--yes").code == 0
    forge.branches = {BRANCH: reverted(here)}

    assert applied().code == 0
