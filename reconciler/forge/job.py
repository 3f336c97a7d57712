"""Read the API address, the repository, the pull request and the token of a CI job from environment variables.

Outside of a CI job, the options --forge, --repository and --number select the repository and the pull request.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from reconciler.core.characters import quote_text
from reconciler.errors import ReconcilerError
from reconciler.forge.http import ForgeError

COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def commit_id(value: object) -> str:
    """Return `value`. Raise ForgeError if `value` is not a complete commit id."""
    if not isinstance(value, str) or not COMMIT.fullmatch(value):
        raise ForgeError("the response does not contain a commit id")
    return value


def request_number(value: object) -> int:
    """Return `value`. Raise ForgeError if `value` is not a valid number of a pull request or merge request."""
    if type(value) is not int or value < 1:
        raise ForgeError("the response does not contain the number of a pull or merge request")
    return value


TOKEN = re.compile(r"[!-~]+")
REPOSITORY = re.compile(r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)", re.ASCII)
GITHUB_ADVICE = "set GITHUB_TOKEN: ${{ github.token }} in the env of the step"
GITLAB_ADVICE = "store a project access token with the scope api as a masked CI/CD variable named GITLAB_TOKEN"
AZURE_ADVICE = "set AZURE_DEVOPS_TOKEN: $(System.AccessToken) in the env of the step"
BITBUCKET_ADVICE = (
    "store a token with the permission to write pull requests as a secured repository variable named BITBUCKET_TOKEN"
)
ADDRESSES = {
    "github": "https://api.github.com/graphql",
    "gitlab": "https://gitlab.com/api/v4",
    "azure": "https://dev.azure.com",
    "bitbucket": "https://api.bitbucket.org/2.0",
}
"""The default API address of each hosting service."""
FORGES = tuple(ADDRESSES)
ADDRESS_VARIABLES = {"github": "GITHUB_GRAPHQL_URL", "gitlab": "CI_API_V4_URL"}
"""The environment variables that contain the API address of a self-hosted service.

The CI service sets the environment variables in each job.
"""


@dataclass(frozen=True, slots=True)
class GitHubJob:
    """A job of GitHub Actions. `pull_request` is None if no pull request started the job."""

    address: str
    owner: str
    name: str
    pull_request: int | None
    run: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GitLabJob:
    """A job of GitLab CI.

    `merge_request` is the number of the merge request in the project, or None if no merge request started the job.
    """

    address: str
    project: str
    merge_request: int | None
    run: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AzureJob:
    """A job of Azure Pipelines. `address` is the URL of the Azure DevOps organization or collection."""

    address: str
    project: str
    repository: str
    pull_request: int | None
    run: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BitbucketJob:
    """A job of Bitbucket Pipelines.

    `email` is the email address of the user if the token is an API token of a user. If the token belongs to a
    repository, project or workspace, `email` is empty. `user` is the UUID of the user that owns the token, or empty if
    reconciler must request the UUID from Bitbucket.
    """

    address: str
    workspace: str
    repository: str
    pull_request: int | None
    run: str
    token: str = field(repr=False)
    email: str = ""
    user: str = ""


Job = GitHubJob | GitLabJob | AzureJob | BitbucketJob


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTarget:
    """The pull request, merge request or repository that the options --forge, --repository and --number select.

    `run` is the number of the pipeline run that must have written the reports, or an empty string for any run. If
    `number` is None, reconciler finds the pull request by its merge commit.
    """

    forge: str
    repository: str
    number: int | None
    run: str = ""


NAME_TARGET = "name the service with --forge, --repository and --number"


def job_of(environment: Mapping[str, str], target: NamedTarget | None = None, advice: str = NAME_TARGET) -> Job:
    """Return the CI job that runs reconciler.

    If `target` is given, return a job for the repository and the pull request number in `target`. If the hosting
    service is unknown, the error ends with `advice`.

    Raises:
        ReconcilerError: if reconciler does not run in a CI job, or if an environment variable is missing.
    """
    if target is not None:
        return _named(environment, target)
    if environment.get("GITHUB_ACTIONS") == "true":
        return _github(environment)
    if environment.get("GITLAB_CI") == "true":
        return _gitlab(environment)
    if environment.get("TF_BUILD", "").casefold() == "true":
        return _azure(environment, advice)
    if environment.get("BITBUCKET_BUILD_NUMBER"):
        return _bitbucket(environment)
    raise ReconcilerError(
        "this is not a job of GitHub Actions, GitLab CI, Azure Pipelines or Bitbucket Pipelines, so the hosting "
        f"service is unknown; {advice}",
    )


def _named(environment: Mapping[str, str], target: NamedTarget) -> Job:
    """Return a job for the repository and the pull request number that the command line specifies.

    The token and an optional API address come from environment variables.
    """
    variable = ADDRESS_VARIABLES.get(target.forge, "")
    address = environment.get(variable, "").strip() or ADDRESSES[target.forge]
    match target.forge:
        case "github":
            owner, name = _parts(target.repository, "OWNER/NAME")
            return GitHubJob(address, owner, name, target.number, target.run, _github_token(environment))
        case "gitlab":
            return GitLabJob(address, target.repository, target.number, target.run, _gitlab_token(environment))
        case "azure":
            organization, project, name = _parts(target.repository, "ORGANIZATION/PROJECT/REPOSITORY")
            collection = f"{address.rstrip('/')}/{quote(organization, safe='')}"
            return AzureJob(collection, project, name, target.number, target.run, _azure_token(environment))
        case _:
            workspace, name = _parts(target.repository, "WORKSPACE/REPOSITORY")
            return _bitbucket_job(environment, address, (workspace, name), target.number, target.run)


def _parts(repository: str, form: str) -> list[str]:
    parts = repository.split("/")
    if len(parts) != len(form.split("/")) or not all(parts) or not {".", ".."}.isdisjoint(parts):
        raise ReconcilerError(f"--repository {quote_text(repository)} does not have the form {form}")
    return parts


def _github(environment: Mapping[str, str]) -> GitHubJob:
    repository = REPOSITORY.fullmatch(
        _require(environment, "GITHUB_REPOSITORY", "run the command in a job of GitHub Actions")
    )
    if not repository:
        raise ReconcilerError("GITHUB_REPOSITORY does not have the form owner/name")
    return GitHubJob(
        address=_require(environment, "GITHUB_GRAPHQL_URL", "run the command in a CI job, which sets the variable"),
        owner=repository["owner"],
        name=repository["name"],
        pull_request=_pull_request(
            _require(environment, "GITHUB_EVENT_PATH", "run the command in a CI job, which sets the variable")
        ),
        token=_github_token(environment),
        run=_run(environment, "GITHUB_RUN_ID"),
    )


def _gitlab(environment: Mapping[str, str]) -> GitLabJob:
    return GitLabJob(
        address=_require(environment, "CI_API_V4_URL", "run the command in a CI job, which sets the variable"),
        project=_require(environment, "CI_PROJECT_ID", "run the command in a CI job, which sets the variable"),
        merge_request=_number(environment, "CI_MERGE_REQUEST_IID"),
        token=_gitlab_token(environment),
        run=_run(environment, "CI_PIPELINE_ID"),
    )


def _azure(environment: Mapping[str, str], advice: str) -> AzureJob:
    """Return the current job of Azure Pipelines.

    Source: https://learn.microsoft.com/en-us/azure/devops/pipelines/build/variables
    """
    provider = environment.get("BUILD_REPOSITORY_PROVIDER", "TfsGit")
    if provider != "TfsGit":
        raise ReconcilerError(f"the repository of this job is not on Azure Repos ({quote_text(provider)}); {advice}")
    return AzureJob(
        address=_require(
            environment, "SYSTEM_COLLECTIONURI", "run the command in a CI job, which sets the variable"
        ).rstrip("/"),
        project=_require(environment, "SYSTEM_TEAMPROJECTID", "run the command in a CI job, which sets the variable"),
        repository=_require(environment, "BUILD_REPOSITORY_ID", "run the command in a CI job, which sets the variable"),
        pull_request=_number(environment, "SYSTEM_PULLREQUEST_PULLREQUESTID"),
        run=_run(environment, "BUILD_BUILDID"),
        token=_azure_token(environment),
    )


def _bitbucket(environment: Mapping[str, str]) -> BitbucketJob:
    """Return the current job of Bitbucket Pipelines.

    Source: https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/
    """
    workspace = _require(environment, "BITBUCKET_WORKSPACE", "run the command in a CI job, which sets the variable")
    name = _require(environment, "BITBUCKET_REPO_SLUG", "run the command in a CI job, which sets the variable")
    number = _number(environment, "BITBUCKET_PR_ID")
    run = _run(environment, "BITBUCKET_BUILD_NUMBER")
    return _bitbucket_job(environment, ADDRESSES["bitbucket"], (workspace, name), number, run)


def _bitbucket_job(
    environment: Mapping[str, str], address: str, repository: tuple[str, str], number: int | None, run: str
) -> BitbucketJob:
    return BitbucketJob(
        address,
        *repository,
        number,
        run,
        _token(environment, "BITBUCKET_TOKEN", BITBUCKET_ADVICE),
        email=environment.get("BITBUCKET_EMAIL", "").strip(),
        user=environment.get("BITBUCKET_USER_UUID", "").strip(),
    )


def _number(environment: Mapping[str, str], name: str) -> int | None:
    """Return the number in the environment variable `name`, or None if the variable contains no number."""
    text = environment.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _github_token(environment: Mapping[str, str]) -> str:
    return _token(environment, "GITHUB_TOKEN", GITHUB_ADVICE)


def _gitlab_token(environment: Mapping[str, str]) -> str:
    return _token(environment, "GITLAB_TOKEN", GITLAB_ADVICE)


def _azure_token(environment: Mapping[str, str]) -> str:
    return _token(environment, "AZURE_DEVOPS_TOKEN", AZURE_ADVICE)


def _run(environment: Mapping[str, str], name: str) -> str:
    """Return the number of the current pipeline run from the environment variable `name`."""
    number = _require(environment, name, "run the command in a CI job, which sets the variable").strip()
    if not (number.isascii() and number.isdigit()):
        raise ReconcilerError(f"{name} is not a number")
    return number


def _pull_request(path: str) -> int | None:
    """Return the number of the pull request in the JSON file `path`, or None if the file describes no pull request."""
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
