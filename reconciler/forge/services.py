"""Give access to the comments and issues on hosting services, and find branches and merged pull requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from reconciler.errors import ReconcilerError
from reconciler.forge import azure, bitbucket, github, gitlab
from reconciler.forge.job import AzureJob, BitbucketJob, GitHubJob, GitLabJob, Job
from reconciler.forge.report import CommentTarget, IssueTarget


@contextmanager
def open_comments(job: Job) -> Iterator[CommentTarget]:
    """Open the comments on the pull request or merge request of the job. Raises ReconcilerError."""
    match job:
        case GitHubJob():
            with github.open_github(job) as api:
                yield github.PullRequestComments(api, job)
        case GitLabJob():
            with gitlab.open_gitlab(job) as api:
                yield gitlab.MergeRequestNotes(api, job)
        case AzureJob():
            with azure.open_azure(job) as api:
                yield azure.PullRequestThreads(api, job)
        case BitbucketJob():
            with bitbucket.open_bitbucket(job) as api:
                yield bitbucket.PullRequestRemarks(api, job)


@contextmanager
def open_issues(job: Job, title: str) -> Iterator[IssueTarget]:
    """Give access to the issues of the job's repository. A new issue gets the title `title`. Raises ReconcilerError."""
    match job:
        case GitHubJob():
            with github.open_github(job) as api:
                yield github.GitHubIssues(api, job, title)
        case GitLabJob():
            with gitlab.open_gitlab(job) as api:
                yield gitlab.GitLabIssues(api, job, title)
        case AzureJob() | BitbucketJob():
            raise ReconcilerError(
                "--issue and --close work on GitHub and GitLab only; on other services, publish the report as an "
                "artifact, and use `plan --detailed-exitcode`, so that drift fails the job"
            )


def tip_of(job: Job, branch: str) -> str:
    """Return the id of the latest commit of a branch. Raises ReconcilerError."""
    match job:
        case GitHubJob():
            with github.open_github(job) as api:
                return github.tip_of(api, job, branch)
        case GitLabJob():
            with gitlab.open_gitlab(job) as api:
                return gitlab.tip_of(api, job, branch)
        case AzureJob():
            with azure.open_azure(job) as api:
                return azure.tip_of(api, job, branch)
        case BitbucketJob():
            with bitbucket.open_bitbucket(job) as api:
                return bitbucket.tip_of(api, job, branch)


def merged_request(job: Job, commit: str) -> Job | None:
    """Return `job` with the number of the pull request whose merge commit is `commit`, or None.

    Raises ReconcilerError.
    """
    match job:
        case GitHubJob():
            with github.open_github(job) as api:
                number = github.merged_request(api, job, commit)
            return replace(job, pull_request=number) if number else None
        case GitLabJob():
            with gitlab.open_gitlab(job) as api:
                number = gitlab.merged_request(api, job, commit)
            return replace(job, merge_request=number) if number else None
        case AzureJob():
            with azure.open_azure(job) as api:
                number = azure.merged_request(api, job, commit)
            return replace(job, pull_request=number) if number else None
        case BitbucketJob():
            with bitbucket.open_bitbucket(job) as api:
                number = bitbucket.merged_request(api, job, commit)
            return replace(job, pull_request=number) if number else None
