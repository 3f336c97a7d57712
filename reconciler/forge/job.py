"""The CI job that runs reconciler: its API, repository, pull request and token, from environment variables."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.forge.http import ForgeError

COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def commit_id(value: object) -> str:
    """Return a full commit id. Raises ForgeError if `value` is not one."""
    if not isinstance(value, str) or not COMMIT.fullmatch(value):
        raise ForgeError("the response does not contain a commit id")
    return value


TOKEN = re.compile(r"[!-~]+")
REPOSITORY = re.compile(r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)", re.ASCII)
GITHUB_ADVICE = "set GITHUB_TOKEN: ${{ github.token }} in the env of the step"
GITLAB_ADVICE = "store a project access token with the scope api as a masked CI/CD variable of that name"


@dataclass(frozen=True, slots=True)
class GitHubJob:
    """A job of GitHub Actions. `pull_request` is None if the event of the job is not about a pull request."""

    address: str
    owner: str
    name: str
    pull_request: int | None
    run: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GitLabJob:
    """A job of GitLab CI. `merge_request` is its number in the project, or None outside of merge request pipelines."""

    address: str
    project: str
    merge_request: int | None
    run: str
    token: str = field(repr=False)


Job = GitHubJob | GitLabJob


def job_of(environment: Mapping[str, str]) -> Job:
    """Return the job that runs reconciler.

    Raises:
        ReconcilerError: if reconciler does not run in a job, or a variable is missing.
    """
    if environment.get("GITHUB_ACTIONS") == "true":
        return _github(environment)
    if environment.get("GITLAB_CI") == "true":
        return _gitlab(environment)
    raise ReconcilerError(
        "this is not a job of GitHub Actions or GitLab CI (neither GITHUB_ACTIONS nor GITLAB_CI is true), so "
        "the hosting service is unknown",
    )


def _github(environment: Mapping[str, str]) -> GitHubJob:
    repository = REPOSITORY.fullmatch(_require(environment, "GITHUB_REPOSITORY", "the runner sets it: owner/name"))
    if not repository:
        raise ReconcilerError("GITHUB_REPOSITORY does not have the form owner/name")
    return GitHubJob(
        address=_require(environment, "GITHUB_GRAPHQL_URL", "the runner sets it"),
        owner=repository["owner"],
        name=repository["name"],
        pull_request=_pull_request(_require(environment, "GITHUB_EVENT_PATH", "the runner sets it")),
        token=_token(environment, "GITHUB_TOKEN", GITHUB_ADVICE),
        run=_run(environment, "GITHUB_RUN_ID"),
    )


def _gitlab(environment: Mapping[str, str]) -> GitLabJob:
    request = environment.get("CI_MERGE_REQUEST_IID", "")
    return GitLabJob(
        address=_require(environment, "CI_API_V4_URL", "the runner sets it"),
        project=_require(environment, "CI_PROJECT_ID", "the runner sets it"),
        merge_request=int(request) if request.isascii() and request.isdigit() else None,
        token=_token(environment, "GITLAB_TOKEN", GITLAB_ADVICE),
        run=_run(environment, "CI_PIPELINE_ID"),
    )


def _run(environment: Mapping[str, str], name: str) -> str:
    """Return the number of the run or pipeline of the job."""
    number = _require(environment, name, "the runner sets it").strip()
    if not (number.isascii() and number.isdigit()):
        raise ReconcilerError(f"{name} is not a number")
    return number


def _pull_request(path: str) -> int | None:
    """Return the number of the pull request in the event file at `path`, or None."""
    try:
        event = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ReconcilerError(f"GITHUB_EVENT_PATH: {path} cannot be read as the event of this run") from error
    request = event.get("pull_request") if isinstance(event, dict) else None
    number = request.get("number") if isinstance(request, dict) else None
    return number if isinstance(number, int) else None


def _token(environment: Mapping[str, str], name: str, advice: str) -> str:
    token = _require(environment, name, advice).strip()
    if not TOKEN.fullmatch(token):
        raise ReconcilerError(f"{name} is not a valid token (contains whitespace or an illegal character)")
    return token


def _require(environment: Mapping[str, str], name: str, advice: str) -> str:
    value = environment.get(name, "")
    if not value.strip():
        raise ReconcilerError(f"{name} is not set; {advice}")
    return value
