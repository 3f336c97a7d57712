"""Give access to the comments and issues on hosting services, and find branches and merged pull requests."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.errors import ReconcilerError
from reconciler.forge import azure, bitbucket, github, gitlab
from reconciler.forge.http import ForgeApi, open_api
from reconciler.forge.job import Job
from reconciler.forge.report import CommentTarget, IssueTarget
from reconciler.forge.responses import commit_id


class ForgeModule(Protocol):
    """A module with the functions for one hosting service, such as `reconciler.forge.github`."""

    def headers(self, job: Job, /) -> Mapping[str, str]:
        """Return the headers with the token of the job."""

    def advice(self, status: int, /) -> str:
        """Return the advice for a request that failed with `status`, or an empty string."""

    def tip_of(self, api: ForgeApi, job: Job, branch: str, /) -> object:
        """Return the id of the latest commit of a branch. Raises ForgeError."""

    def merged_request(self, api: ForgeApi, job: Job, commit: str, /) -> int | None:
        """Return the number of the pull request whose merge commit is `commit`, or None. Raises ForgeError."""


@dataclass(frozen=True, slots=True)
class HostingService:
    """A hosting service. `issues` is None if reconciler cannot post issues on this service."""

    module: ForgeModule
    comments: Callable[[ForgeApi, Job], CommentTarget]
    issues: Callable[[ForgeApi, Job, str], IssueTarget] | None = None


FORGES: Mapping[str, HostingService] = {
    "github": HostingService(github, github.PullRequestComments, github.GitHubIssues),
    "gitlab": HostingService(gitlab, gitlab.MergeRequestNotes, gitlab.GitLabIssues),
    "azure": HostingService(azure, azure.PullRequestThreads),
    "bitbucket": HostingService(bitbucket, bitbucket.PullRequestRemarks),
}
"""The hosting services, by the name in `Job.service`."""


@contextmanager
def _open(job: Job) -> Iterator[tuple[HostingService, ForgeApi]]:
    service = FORGES[job.service]
    with open_api(job, service.module.headers(job), service.module.advice) as api:
        yield service, api


@contextmanager
def open_comments(job: Job) -> Iterator[CommentTarget]:
    """Open the comments on the pull request or merge request of the job. Raises ReconcilerError."""
    with _open(job) as (service, api):
        yield service.comments(api, job)


@contextmanager
def open_issues(job: Job, title: str) -> Iterator[IssueTarget]:
    """Give access to the issues of the job's repository. A new issue gets the title `title`. Raises ReconcilerError."""
    issues = FORGES[job.service].issues
    if issues is None:
        raise ReconcilerError(
            "--issue and --close work on GitHub and GitLab only; on other services, publish the report as an "
            "artifact, and use `plan --detailed-exitcode`, so that drift fails the job"
        )
    with _open(job) as (_, api):
        yield issues(api, job, title)


def tip_of(job: Job, branch: str) -> str:
    """Return the id of the latest commit of a branch. Raises ReconcilerError."""
    with _open(job) as (service, api):
        return commit_id(service.module.tip_of(api, job, branch))


def merged_request(job: Job, commit: str) -> Job | None:
    """Return `job` with the number of the pull request whose merge commit is `commit`, or None.

    Raises ReconcilerError.
    """
    with _open(job) as (service, api):
        number = service.module.merged_request(api, job, commit)
    return replace(job, number=number) if number else None
