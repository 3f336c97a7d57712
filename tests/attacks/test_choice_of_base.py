"""A pull request must not choose the commit or the file of the policy that judges it."""

import os
from pathlib import Path

import pytest
from support.commands import CONFIG, CommandResult, a_workspace, reconciler
from support.repository import commit_all, git

DANGEROUS = "grants: [{client: Billing, api: Auth0 Management API, scope: ['create:client_grants']}]\n"
POLICY = "policy: {rules: [{rule: management-api-takeover, verdict: deny, reason: ask the security team}]}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a policy, and an uncommitted change that violates the policy and removes it."""
    folder = a_workspace(tmp_path, monkeypatch, reconciler=CONFIG + POLICY)
    commit_all(folder)
    (folder / "reconciler.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "grants" / "more.yaml").write_text(DANGEROUS, encoding="utf-8")
    return folder


def plan(revision: str = "HEAD", *more: str) -> CommandResult:
    return reconciler("plan", "--policy-at", revision, *more)


@pytest.mark.usefixtures("here")
def test_the_policy_of_the_revision_decides() -> None:
    assert reconciler("plan").code == 0

    result = plan()

    assert result.code == 4
    assert "ask the security team" in result.stdout


@pytest.mark.parametrize("kind", ["link", "dangling link", "missing"])
def test_the_kind_of_the_file_in_the_checkout_does_not_matter(here: Path, kind: str) -> None:
    (here / "reconciler.yaml").rename(here / "other.yaml")
    if kind != "missing":
        (here / "reconciler.yaml").symlink_to("other.yaml" if kind == "link" else "nowhere.yaml")

    result = plan("HEAD", "--base", "HEAD")

    assert result.code != 0
    assert kind != "link" or "ask the security team" in result.stdout


@pytest.mark.parametrize(
    "config", ["grants/../reconciler.yaml", "{here}/reconciler.yaml", "./reconciler.yaml"], ids=["around", "whole", "."]
)
def test_the_policy_is_found_for_any_spelling_of_the_path(here: Path, config: str) -> None:
    assert reconciler("--config", config.format(here=here), "plan", "--policy-at", "HEAD").code == 4


def test_an_invalid_policy_or_a_link_out_of_the_repository_is_an_error(here: Path) -> None:
    (here / "reconciler.yaml").write_text("policy: [", encoding="utf-8")
    commit_all(here)
    (here / "reconciler.yaml").unlink()
    (here / "reconciler.yaml").symlink_to("/etc/hostname")
    commit_all(here)
    (here / "reconciler.yaml").unlink()
    (here / "reconciler.yaml").write_text(CONFIG, encoding="utf-8")

    for revision in ("HEAD^", "HEAD"):
        result = plan(revision)
        assert result.code == 1, result.output
        assert f"reconciler.yaml in {revision}" in result.stderr


def test_a_revision_without_the_file_is_noted(here: Path) -> None:
    (here / "reconciler.yaml").rename(here / "new.yaml")

    result = reconciler("--config", "new.yaml", "plan", "--policy-at", "HEAD")

    assert result.code == 0
    assert 'new.yaml does not exist in "HEAD", so the policy of the checkout applies' in result.output


MOVED = "the configuration is {}, but in HEAD it is {}; review the whole file"


def test_a_configuration_in_a_nearer_folder_does_not_replace_the_policy(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "job").mkdir()
    (here / "reconciler.yaml").rename(here / "job" / "reconciler.yaml")
    (here / "tenant.yaml").rename(here / "job" / "tenant.yaml")
    (here / "grants").rename(here / "job" / "grants")
    monkeypatch.chdir(here / "job")

    result = plan("HEAD", "--base", "HEAD")

    assert result.code == 4
    assert "ask the security team" in result.stdout
    assert "policy: no longer denies management-api-takeover for all grants" in result.stdout
    assert MOVED.format("reconciler.yaml", "../reconciler.yaml") in result.stdout


@pytest.mark.parametrize("remains", [True, False])
def test_a_removed_configuration_in_the_nearest_folder_is_found_in_the_base(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    remains: bool,  # noqa: FBT001
) -> None:
    git(here, "checkout", "--quiet", "reconciler.yaml")
    (here / "job" / "grants").mkdir(parents=True)
    (here / "job" / "reconciler.yaml").write_text(CONFIG + POLICY, encoding="utf-8")
    (here / "reconciler.yaml").unlink()
    commit_all(here)
    (here / "job" / "reconciler.yaml").unlink()
    (here / "job" / "grants").rmdir()
    if remains:
        (here / "reconciler.yaml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(here / "job")

    result = plan("HEAD", "--base", "HEAD")

    assert result.code == (4 if remains else 1)
    assert not remains or MOVED.format("../reconciler.yaml", "reconciler.yaml") in result.stdout


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--policy-at", ""], "the value is empty"),
        (["--policy-at", "nowhere"], 'does not know the revision "nowhere"'),
        (["--policy-at", "HEAD", "--policy", "reconciler.yaml"], "use one of them"),
        (["--config", "/nowhere/reconciler.yaml", "--policy-at", "HEAD"], ""),
    ],
)
def test_a_policy_that_cannot_be_read_is_an_error(more: list[str], message: str) -> None:
    result = reconciler("plan", *more)

    assert result.code == 1
    assert message in result.stderr


REQUESTS = [
    {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request"},
    {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "7"},
]


@pytest.mark.parametrize("request_of", REQUESTS, ids=["GitHub", "GitLab"])
def test_in_a_job_for_a_request_the_base_must_be_an_ancestor(
    here: Path, monkeypatch: pytest.MonkeyPatch, request_of: dict[str, str]
) -> None:
    base = git(here, "rev-parse", "HEAD")
    beside = git(here, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Beside")
    commit_all(here)
    elsewhere = reconciler("plan", "--base", beside)
    for name, value in request_of.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_OUTPUT", os.devnull)

    refused = reconciler("plan", "--base", beside)

    assert (elsewhere.code, refused.code) == (0, 1)
    assert "is not an ancestor of HEAD" in refused.stderr
    for ancestor in (base, "HEAD", "HEAD^"):
        assert reconciler("plan", "--base", ancestor).code == 0
