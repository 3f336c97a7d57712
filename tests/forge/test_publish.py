"""Failures at every call of a publication: it is done again from its first look on, and never doubles anything."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from support.forges import (
    NAME,
    NUMBER,
    OWNER,
    RUN,
    TOKEN,
    Azure,
    Bitbucket,
    Fault,
    Forge,
    ForgeResponse,
    GitHub,
    GitLab,
    Request,
    serve_forge,
)

from reconciler.forge import azure, bitbucket, github, gitlab
from reconciler.forge.http import ForgeError, TransientForgeError
from reconciler.forge.job import AzureJob, BitbucketJob, GitHubJob, GitLabJob
from reconciler.forge.report import CommentTarget, ForgeReport, IssueTarget, PublishResult, close, publish
from reconciler.forge.services import tip_of
from reconciler.http.retry import RetryPolicy, retry_blocking

MARKER = "<!-- reconciler:prod -->"
REPORT = ForgeReport("plan.md", MARKER, f"{MARKER}\n## Plan: 1 to create\n")


@contextmanager
def places(forge: Forge) -> Iterator[tuple[CommentTarget, IssueTarget]]:
    with serve_forge(forge):
        if isinstance(forge, GitHub):
            github_job = GitHubJob(f"{forge.url}/graphql", OWNER, NAME, NUMBER, RUN, TOKEN)
            with github.open_github(github_job) as api:
                yield github.PullRequestComments(api, github_job), github.GitHubIssues(api, github_job, "Drift")
        else:
            job = GitLabJob(f"{forge.url}/api/v4/", "42", NUMBER, RUN, TOKEN)
            with gitlab.open_gitlab(job) as api:
                yield gitlab.MergeRequestNotes(api, job), gitlab.GitLabIssues(api, job, "Drift")


@contextmanager
def comments_of(forge: Forge) -> Iterator[CommentTarget]:
    match forge:
        case Azure():
            with serve_forge(forge):
                azure_job = AzureJob(f"{forge.url}/org", "my project", "grants", NUMBER, RUN, TOKEN)
                with azure.open_azure(azure_job) as api:
                    yield azure.PullRequestThreads(api, azure_job)
        case Bitbucket():
            with serve_forge(forge):
                job = BitbucketJob(f"{forge.url}/2.0", OWNER, NAME, NUMBER, RUN, TOKEN)
                with bitbucket.open_bitbucket(job) as api:
                    yield bitbucket.PullRequestRemarks(api, job)
        case _:
            with places(forge) as (comments, _):
                yield comments


every_forge = pytest.mark.parametrize("kind", [GitHub, GitLab, Azure, Bitbucket])


def fails(status: int, body: object = None, **headers: str) -> Fault:
    return lambda _, __: ForgeResponse(status, body, headers)


def breaks(_: Request, __: Callable[[], ForgeResponse]) -> None:
    """Close the connection before anything was done."""


def loses_the_answer(_: Request, answer: Callable[[], ForgeResponse]) -> None:
    answer()


def goes_well(_: Request, answer: Callable[[], ForgeResponse]) -> ForgeResponse:
    return answer()


ANYWHERE: dict[str, Fault] = {
    "408": fails(408),
    "429": fails(429),
    "502": fails(502),
    "second-rate-limit": fails(403, **{"Retry-After": "3"}),
    "before": breaks,
    "after": loses_the_answer,
}
IN_GRAPHQL: dict[str, Fault] = {
    "rate-limit-of-graphql": fails(200, {"errors": [{"type": "RATE_LIMITED"}]}),
    "trouble-of-graphql": fails(200, {"errors": [{"message": "Something went wrong"}]}),
}


HIDDEN: dict[type[Forge], str] = {Bitbucket: "[//]: # (reconciler:prod)"}
"""The marker as the service stores it, where that is not an HTML comment."""
STRIKES = [
    pytest.param(kind, fault, calls_before, id=f"{kind.__name__}-{name}-{calls_before}")
    for kind, faults in (
        (GitHub, ANYWHERE | IN_GRAPHQL),
        (GitLab, ANYWHERE),
        (Azure, ANYWHERE),
        (Bitbucket, ANYWHERE),
    )
    for name, fault in faults.items()
    for calls_before in range(3)
]


@pytest.mark.parametrize(("kind", "fault", "calls_before"), STRIKES)
@pytest.mark.parametrize("deed", [PublishResult.ADDED, PublishResult.UPDATED])
def test_one_failure_anywhere_doubles_no_comment_and_loses_none(
    kind: type[Forge], deed: PublishResult, fault: Fault, calls_before: int
) -> None:
    forge = kind()
    forge.faults = [*[goes_well] * calls_before, fault]
    if deed is PublishResult.UPDATED:
        forge.comments = [forge.new_entry(f"{HIDDEN.get(kind, MARKER)}\nold")]
    waits: list[float] = []

    with comments_of(forge) as target:
        retry_blocking(partial(publish, target, REPORT), RetryPolicy(2), (TransientForgeError,), waits.append)

    assert [body.partition("\n")[2] for body in forge.bodies()] == [REPORT.body.partition("\n")[2]]
    assert len(waits) <= 1


@pytest.mark.parametrize(
    ("kind", "fault", "calls_before"), [each for each in STRIKES if each.values[0] in {GitHub, GitLab}]
)
@pytest.mark.parametrize("deed", [PublishResult.ADDED, PublishResult.UPDATED, PublishResult.CLOSED])
def test_one_failure_anywhere_doubles_nothing_and_loses_nothing(
    kind: type[Forge], deed: PublishResult, fault: Fault, calls_before: int
) -> None:
    forge = kind()
    forge.faults = [*[goes_well] * calls_before, fault]
    if deed is not PublishResult.ADDED:
        forge.comments, forge.issues = [forge.new_entry(f"{MARKER}\nold")], [forge.new_entry(f"{MARKER}\nold")]
    waits: list[float] = []

    with places(forge) as (comments, issues):
        work = partial(close, issues, REPORT) if deed is PublishResult.CLOSED else partial(publish, comments, REPORT)
        retry_blocking(work, RetryPolicy(2), (TransientForgeError,), waits.append)

    if deed is PublishResult.CLOSED:
        assert [each.is_open for each in forge.issues] == [False]
    else:
        assert forge.bodies() == [REPORT.body]
    assert len(waits) <= 1


@pytest.mark.parametrize("branch", ["main", "feature/a b"])
def test_the_tip_of_a_branch_on_bitbucket(branch: str) -> None:
    forge = Bitbucket()
    forge.branches = {branch: "a" * 40, "main2": "b" * 40}
    with serve_forge(forge):
        job = BitbucketJob(f"{forge.url}/2.0", OWNER, NAME, NUMBER, RUN, TOKEN)

        assert tip_of(job, branch) == "a" * 40
        with pytest.raises(ForgeError, match="404"):
            tip_of(job, "gone")


@every_forge
def test_the_waits_grow_and_heed_what_the_service_asks_for(kind: type[Forge]) -> None:
    forge = kind()
    forge.faults = [fails(502), fails(429, **{"Retry-After": "30"}), fails(429, **{"Retry-After": "9999"}), fails(502)]
    waits: list[float] = []

    with comments_of(forge) as comments, pytest.raises(TransientForgeError):
        retry_blocking(partial(publish, comments, REPORT), RetryPolicy(4), (TransientForgeError,), waits.append)

    assert 0.5 <= waits[0] <= 2.0
    assert waits[1:] == [30.0, 60.0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [GitHub, GitLab, Bitbucket])
def test_a_listing_without_end_is_left(kind: type[Forge]) -> None:
    forge = kind()
    page = {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "same"}}
    if kind is GitHub:
        endless = ForgeResponse(200, {"data": {"repository": {"owner": {"id": "PR", "listing": page}}}})
        forge.faults = [lambda _, __: endless] * 2000
    elif kind is Bitbucket:
        forge.faults = [goes_well, *[lambda _, __: ForgeResponse(200, {"values": [], "next": "more"})] * 2000]
    else:
        endless = ForgeResponse(200, [], {"Link": f'<{forge.url}/x>; rel="next"'})
        forge.faults = [goes_well, *[lambda _, __: endless] * 2000]

    with comments_of(forge) as comments, pytest.raises(ForgeError, match="listing has no end"):
        publish(comments, REPORT)
