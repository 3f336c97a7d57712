"""Read the API address, the repository, the pull request and the token of a CI job from environment variables.

Outside of a CI job, the options --forge, --repository and --number select the repository and the pull request.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from reconciler.core.characters import quote_text
from reconciler.errors import ReconcilerError

TOKEN = re.compile(r"[!-~]+")
REPOSITORY = re.compile(r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)", re.ASCII)
GITHUB_ADVICE = "set GITHUB_TOKEN: ${{ github.token }} in the env of the step"
GITLAB_ADVICE = "store a project access token with the scope api as a masked CI/CD variable named GITLAB_TOKEN"
AZURE_ADVICE = "set AZURE_DEVOPS_TOKEN: $(System.AccessToken) in the env of the step"
BITBUCKET_ADVICE = (
    "store a token with the permission to write pull requests as a secured repository variable named BITBUCKET_TOKEN"
)
TOKENS = {
    "github": ("GITHUB_TOKEN", GITHUB_ADVICE),
    "gitlab": ("GITLAB_TOKEN", GITLAB_ADVICE),
    "azure": ("AZURE_DEVOPS_TOKEN", AZURE_ADVICE),
    "bitbucket": ("BITBUCKET_TOKEN", BITBUCKET_ADVICE),
}
"""The environment variable that contains the token for each hosting service, and the advice if it is not set."""
IN_A_JOB = "run the command in a CI job, which sets the variable"
REPOSITORY_FORMS = {
    "github": "OWNER/NAME",
    "azure": "ORGANIZATION/PROJECT/REPOSITORY",
    "bitbucket": "WORKSPACE/REPOSITORY",
}
"""The form of the option --repository. A GitLab project may have any path."""
ADDRESSES = {
    "github": "https://api.github.com/graphql",
    "gitlab": "https://gitlab.com/api/v4",
    "azure": "https://dev.azure.com",
    "bitbucket": "https://api.bitbucket.org/2.0",
}
"""The default API address of each hosting service."""
ADDRESS_VARIABLES = {"github": "GITHUB_GRAPHQL_URL", "gitlab": "CI_API_V4_URL"}
"""The environment variables that contain the API address of a self-hosted service.

The CI service sets the environment variables in each job.
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A CI job, and the repository and the pull or merge request to which the job posts its reports.

    `service` is the name of the hosting service. `address` is the URL of the API. For Azure DevOps, `address` is the
    URL of the organization or collection. `repository` is the owner and name (GitHub), the project (GitLab), the
    project and repository (Azure DevOps), or the workspace and repository (Bitbucket). `number` is None if no pull or
    merge request started the job.

    Only Bitbucket needs `email` and `user`. `email` is the email address of the user if the token is an API token of a
    user, otherwise empty. `user` is the UUID of the user that owns the token, or empty if reconciler must request the
    UUID from Bitbucket.
    """

    service: str
    address: str
    repository: tuple[str, ...]
    number: int | None
    run: str
    token: str = field(repr=False)
    email: str = ""
    user: str = ""


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
    form = REPOSITORY_FORMS.get(target.forge)
    repository = _parts(target.repository, form) if form else [target.repository]
    if target.forge == "azure":
        organization, *repository = repository
        address = f"{address.rstrip('/')}/{quote(organization, safe='')}"
    return _job(environment, target.forge, address, repository, target.number, target.run)


def _parts(repository: str, form: str) -> list[str]:
    parts = repository.split("/")
    if len(parts) != len(form.split("/")) or not all(parts) or not {".", ".."}.isdisjoint(parts):
        raise ReconcilerError(f"--repository {quote_text(repository)} does not have the form {form}")
    return parts


def _github(environment: Mapping[str, str]) -> Job:
    text = _require(environment, "GITHUB_REPOSITORY", "run the command in a job of GitHub Actions")
    repository = REPOSITORY.fullmatch(text)
    if not repository:
        raise ReconcilerError("GITHUB_REPOSITORY does not have the form owner/name")
    address = _require(environment, "GITHUB_GRAPHQL_URL")
    number = _pull_request(_require(environment, "GITHUB_EVENT_PATH"))
    return _job(environment, "github", address, repository.groups(), number, _run(environment, "GITHUB_RUN_ID"))


def _gitlab(environment: Mapping[str, str]) -> Job:
    address, project = _require(environment, "CI_API_V4_URL"), _require(environment, "CI_PROJECT_ID")
    number = _number(environment, "CI_MERGE_REQUEST_IID")
    return _job(environment, "gitlab", address, [project], number, _run(environment, "CI_PIPELINE_ID"))


def _azure(environment: Mapping[str, str], advice: str) -> Job:
    """Return the current job of Azure Pipelines.

    Source: https://learn.microsoft.com/en-us/azure/devops/pipelines/build/variables
    """
    provider = environment.get("BUILD_REPOSITORY_PROVIDER", "TfsGit")
    if provider != "TfsGit":
        raise ReconcilerError(f"the repository of this job is not on Azure Repos ({quote_text(provider)}); {advice}")
    address = _require(environment, "SYSTEM_COLLECTIONURI").rstrip("/")
    repository = [_require(environment, name) for name in ("SYSTEM_TEAMPROJECTID", "BUILD_REPOSITORY_ID")]
    number = _number(environment, "SYSTEM_PULLREQUEST_PULLREQUESTID")
    return _job(environment, "azure", address, repository, number, _run(environment, "BUILD_BUILDID"))


def _bitbucket(environment: Mapping[str, str]) -> Job:
    """Return the current job of Bitbucket Pipelines.

    Source: https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/
    """
    repository = [_require(environment, name) for name in ("BITBUCKET_WORKSPACE", "BITBUCKET_REPO_SLUG")]
    number, run = _number(environment, "BITBUCKET_PR_ID"), _run(environment, "BITBUCKET_BUILD_NUMBER")
    return _job(environment, "bitbucket", ADDRESSES["bitbucket"], repository, number, run)


def _job(  # noqa: PLR0913, PLR0917 - the parameters are the parts of a job
    environment: Mapping[str, str], service: str, address: str, repository: Iterable[str], number: int | None, run: str
) -> Job:
    """Return a job with the token for `service`."""
    name, advice = TOKENS[service]
    token = _require(environment, name, advice).strip()
    if not TOKEN.fullmatch(token):
        raise ReconcilerError(f"{name} is not a valid token (contains whitespace or an illegal character)")
    email, user = (environment.get(name, "").strip() for name in ("BITBUCKET_EMAIL", "BITBUCKET_USER_UUID"))
    return Job(service, address, tuple(repository), number, run, token, email, user)


def _number(environment: Mapping[str, str], name: str) -> int | None:
    """Return the number in the environment variable `name`, or None if the variable contains no number."""
    text = environment.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _run(environment: Mapping[str, str], name: str) -> str:
    """Return the number of the current pipeline run from the environment variable `name`."""
    number = _require(environment, name).strip()
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


def _require(environment: Mapping[str, str], name: str, advice: str = IN_A_JOB) -> str:
    value = environment.get(name, "")
    if not value.strip():
        raise ReconcilerError(f"{name} is not set; {advice}")
    return value
