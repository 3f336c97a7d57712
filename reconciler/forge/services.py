"""Give access to the comments and issues on hosting services, and find branches and merged pull requests."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from reconciler.errors import ReconcilerError
from reconciler.forge import azure, bitbucket, github, gitlab
from reconciler.forge.http import ForgeApi
from reconciler.forge.job import Job
from reconciler.forge.report import CommentTarget, IssueTarget
from reconciler.forge.responses import commit_id


@dataclass(frozen=True, slots=True)
class HostingService:
    """The functions of a hosting service. `issues` is None if reconciler cannot post issues there."""

    open_api: Callable[[Job], AbstractContextManager[ForgeApi]]
    comments: Callable[[ForgeApi, Job], CommentTarget]
    tip_of: Callable[[ForgeApi, Job, str], object]
    merged_request: Callable[[ForgeApi, Job, str], int | None]
    issues: Callable[[ForgeApi, Job, str], IssueTarget] | None = None


FORGES: Mapping[str, HostingService] = {
    "github": HostingService(
        github.open_github, github.PullRequestComments, github.tip_of, github.merged_request, github.GitHubIssues
    ),
    "gitlab": HostingService(
        gitlab.open_gitlab, gitlab.MergeRequestNotes, gitlab.tip_of, gitlab.merged_request, gitlab.GitLabIssues
    ),
    "azure": HostingService(azure.open_azure, azure.PullRequestThreads, azure.tip_of, azure.merged_request),
    "bitbucket": HostingService(
        bitbucket.open_bitbucket, bitbucket.PullRequestRemarks, bitbucket.tip_of, bitbucket.merged_request
    ),
}
"""The hosting services, by the name in `Job.service`."""


@contextmanager
def open_comments(job: Job) -> Iterator[CommentTarget]:
    """Open the comments on the pull request or merge request of the job. Raises ReconcilerError."""
    service = FORGES[job.service]
    with service.open_api(job) as api:
        yield service.comments(api, job)


@contextmanager
def open_issues(job: Job, title: str) -> Iterator[IssueTarget]:
    """Give access to the issues of the job's repository. A new issue gets the title `title`. Raises ReconcilerError."""
    service = FORGES[job.service]
    if service.issues is None:
        raise ReconcilerError(
            "--issue and --close work on GitHub and GitLab only; on other services, publish the report as an "
            "artifact, and use `plan --detailed-exitcode`, so that drift fails the job"
        )
    with service.open_api(job) as api:
        yield service.issues(api, job, title)


def tip_of(job: Job, branch: str) -> str:
    """Return the id of the latest commit of a branch. Raises ReconcilerError."""
    service = FORGES[job.service]
    with service.open_api(job) as api:
        return commit_id(service.tip_of(api, job, branch))


def merged_request(job: Job, commit: str) -> Job | None:
    """Return `job` with the number of the pull request whose merge commit is `commit`, or None.

    Raises ReconcilerError.
    """
    service = FORGES[job.service]
    with service.open_api(job) as api:
        number = service.merged_request(api, job, commit)
    return replace(job, number=number) if number else None
