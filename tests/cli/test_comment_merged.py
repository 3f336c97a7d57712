"""`reconciler comment --merged` reports the result of apply on the merged pull or merge request."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import CommandResult, reconciler
from support.forges import (
    NAME,
    NUMBER,
    OWNER,
    TOKEN,
    Azure,
    Bitbucket,
    Forge,
    ForgeResponse,
    GitHub,
    GitLab,
    serve_forge,
)
from support.repository import commit_all

from reconciler.git.repository import open_repository
from reconciler.git.revision import resolve_revision

REQUEST_VARIABLES = ("CI_MERGE_REQUEST_IID", "SYSTEM_PULLREQUEST_PULLREQUESTID", "BITBUCKET_PR_ID")


@pytest.fixture(params=[GitHub, GitLab, Azure, Bitbucket])
def forge(request: pytest.FixtureRequest, here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    """A hosting service, and a job after the merge of the request 7, which created HEAD."""
    commit_all(here)
    (here / "event.json").write_text('{"ref": "refs/heads/main"}', encoding="utf-8")
    stand_in: Forge = request.param()
    with serve_forge(stand_in):
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(here / "event.json"))
        for name, value in stand_in.environment().items():
            monkeypatch.setenv(name, value)
        for name in REQUEST_VARIABLES:
            monkeypatch.delenv(name, raising=False)
        stand_in.merged = {resolve_revision(open_repository(here), "HEAD").commit: NUMBER}
        yield stand_in


def comment(forge: Forge, *options: str) -> CommandResult:
    api = ("--api", f"{forge.url}/2.0") if isinstance(forge, Bitbucket) else ()
    ran = reconciler("comment", "--merged", "done.md", *api, *options)
    assert TOKEN not in ran.output
    return ran


def test_the_result_is_posted_next_to_the_plan_and_updated(forge: Forge) -> None:
    hidden = "[//]: # (reconciler:local)" if isinstance(forge, Bitbucket) else "<!-- reconciler:local -->"
    forge.comments = [forge.new_entry(f"{hidden}\nthe plan that reviewers saw")]
    assert reconciler("apply", "--yes", "--report", "markdown=done.md").code == 0

    assert comment(forge).stdout == "done.md: added\n"
    assert comment(forge).stdout == "done.md: unchanged\n"

    plan, result = forge.bodies()
    assert plan == f"{hidden}\nthe plan that reviewers saw"
    assert "### Auth0 grants · `local` **SANDBOX**: 1 applied" in result
    assert reconciler("apply", "--yes", "--report", "markdown=done.md").code == 0
    assert comment(forge).stdout == "done.md: updated\n"
    assert len(forge.comments) == 2


def test_a_commit_without_a_merged_request_is_not_an_error(forge: Forge) -> None:
    reconciler("apply", "--yes", "--report", "markdown=done.md")
    (commit,) = forge.merged
    forge.merged = {}

    ran = comment(forge)

    message = f"nothing was posted: no merged pull or merge request created the commit {commit}\n"
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", message)
    assert forge.writes() == []


def test_a_missing_result_is_reported(forge: Forge) -> None:
    ran = comment(forge, "--tenant", "local")

    assert (ran.code, ran.stdout) == (1, "tenant local: added, without a report\n")
    (body,) = forge.bodies()
    assert "reconciler-result:local" in body.splitlines()[0]
    assert "### Auth0 grants · `local`: no report" in body


def test_a_refused_apply_is_reported(forge: Forge, here: Path) -> None:
    (here / "reconciler.yaml").write_text(
        "protect: [{client: Billing}]\n" + (here / "reconciler.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    assert reconciler("apply", "--yes", "--report", "markdown=done.md").code == 4

    assert comment(forge).code == 0
    assert ": refused" in forge.bodies()[0]


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"7", b"{}", b"[]", b"[7]", b'{"data": {"repository": {"object": {}}}}', b'{"results": 7}'],
    ids=str,
)
def test_an_invalid_response_is_an_error_and_nothing_is_posted(forge: Forge, body: bytes) -> None:
    reconciler("apply", "--yes", "--report", "markdown=done.md")
    forge.faults = [lambda _, __: ForgeResponse(200, body)]

    ran = comment(forge, "--attempts", "1")

    is_empty_list = isinstance(forge, GitLab) and body == b"[]"
    assert ran.code == (0 if is_empty_list else 1)
    assert is_empty_list or ran.stderr.startswith("error: ")
    assert forge.writes() == []


def test_a_transient_error_is_retried(forge: Forge) -> None:
    reconciler("apply", "--yes", "--report", "markdown=done.md")
    forge.faults = [lambda _, __: ForgeResponse(502, {"message": "no"})]

    assert comment(forge, "--attempts", "2").code == 0
    assert len(forge.comments) == 1


@pytest.mark.parametrize("forge", [GitHub], indirect=True)
def test_other_jobs_name_the_repository_but_no_number(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    reconciler("apply", "--yes", "--report", "markdown=done.md")
    monkeypatch.delenv("GITHUB_ACTIONS")
    named = ("--forge", "github", "--repository", f"{OWNER}/{NAME}", "--api", f"{forge.url}/graphql")

    assert comment(forge, *named, "--number", "7").code == 1
    assert comment(forge, *named).stdout == "done.md: added\n"


@pytest.mark.parametrize("forge", [GitHub], indirect=True)
@pytest.mark.parametrize("options", [("--issue", "Drift"), ("--close",)], ids=str)
def test_merged_cannot_be_combined_with_issues(forge: Forge, options: tuple[str, ...]) -> None:
    assert "cannot be combined" in comment(forge, *options).stderr
    assert forge.requests == []
