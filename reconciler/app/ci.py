"""Functions for CI jobs: link to source files, write step summaries and step outputs, and hide secrets in logs."""

import getpass
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePath

from reconciler.core.characters import visible
from reconciler.errors import ReconcilerError
from reconciler.output.source_links import COMMIT, DEFAULT_CONFIG, Run, SourceLinks

SUMMARY, OUTPUT = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"
SUMMARY_BYTES = 1_000_000
"""The maximum size of a step summary in bytes. GitHub allows a summary of 1 MiB per step."""


def source_links(config: str | None) -> SourceLinks:
    """Return the links to source files in the repository of the CI job.

    Outside a CI job, the returned SourceLinks object contains the current folder and no URL.

    `config` is the path of the configuration file. If the configuration file is outside the repository, the returned
    SourceLinks object contains only the name of the configuration file.

    Sources: https://docs.github.com/en/actions/reference/variables-reference and
    https://docs.gitlab.com/ci/variables/predefined_variables/
    """
    environ, root, address, commit = os.environ, "", "", ""
    run = Run(run_url(), run_number(), f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", is_pull_request_job())
    if _in_github():
        root = environ.get("GITHUB_WORKSPACE", "")
        address = (
            f"{environ.get('GITHUB_SERVER_URL')}/{environ.get('GITHUB_REPOSITORY')}/blob/{environ.get('GITHUB_SHA')}"
        )
        commit = _head_of_request(environ.get("GITHUB_EVENT_PATH", "")) or environ.get("GITHUB_SHA", "")
    elif environ.get("GITLAB_CI") == "true":
        root = environ.get("CI_PROJECT_DIR", "")
        address = f"{environ.get('CI_PROJECT_URL')}/-/blob/{environ.get('CI_COMMIT_SHA')}"
        commit = environ.get("CI_COMMIT_SHA", "")
    elif environ.get("TF_BUILD"):
        root, commit = environ.get("BUILD_SOURCESDIRECTORY", ""), environ.get("SYSTEM_PULLREQUEST_SOURCECOMMITID", "")
    elif environ.get("BITBUCKET_BUILD_NUMBER"):
        root, commit = environ.get("BITBUCKET_CLONE_DIR", ""), environ.get("BITBUCKET_COMMIT", "")
        origin, sha = environ.get("BITBUCKET_GIT_HTTP_ORIGIN", ""), environ.get("BITBUCKET_COMMIT", "")
        address = f"{origin}/src/{sha}" if origin and sha else ""
    links = SourceLinks(_real_path(root or "."), _real_path("."), address, commit=commit, run=run)
    file = PurePath(config or DEFAULT_CONFIG)
    return links._replace(config=visible(links.inside(file.as_posix()) or file.name))


def _head_of_request(path: str) -> str:
    """Return the head commit of the pull request in the event file at `path`, or an empty string.

    The head commit replaces GITHUB_SHA, which is a merge commit unknown to reviewers.
    """
    try:
        event = json.loads(Path(path).read_bytes()) if path else None
        head = event["pull_request"]["head"]["sha"] if event else ""
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""
    return head if isinstance(head, str) and COMMIT.fullmatch(head) else ""


def run_evidence() -> dict[str, str]:
    """Return the user and the commit of the CI job. Outside a CI job, return the user of the operating system."""
    environ = os.environ
    try:
        user = environ.get("GITHUB_ACTOR") or environ.get("GITLAB_USER_LOGIN") or getpass.getuser()
    except (AttributeError, ImportError, KeyError, OSError):  # the operating system does not know the name of the user
        user = ""
    commit = source_links(None).commit
    return {name: text for name, text in (("user", user), ("commit", commit)) if text}


def write_step_summary(markdown: Callable[[], str]) -> None:
    """Add text in Markdown to the step summary of GitHub Actions.

    The function `markdown` returns the text to add. Outside GitHub Actions, `write_step_summary` does not call
    `markdown`. Raises ReconcilerError if the summary cannot be written.
    """
    _append(SUMMARY, markdown)


def write_step_outputs(values: Callable[[], Mapping[str, str]]) -> None:
    """Set step outputs of GitHub Actions.

    The function `values` returns the outputs by name. Outside GitHub Actions, `values` is not called. Raises
    ReconcilerError.
    """
    _append(OUTPUT, lambda: "".join(f"{name}={value}\n" for name, value in values().items()))


def write_exit_code(code: int) -> None:
    """Set the step output `exit_code` of GitHub Actions. Errors are ignored, because the run has already ended."""
    with suppress(ReconcilerError):
        write_step_outputs(lambda: {"exit_code": str(int(code))})


def step_files() -> Iterator[tuple[str, Path]]:
    """Yield the file of the step summary and the file of the step outputs, each with its GitHub Actions variable."""
    for variable in (SUMMARY, OUTPUT):
        if _in_github() and os.environ.get(variable):
            yield variable, Path(os.environ[variable])


REQUEST_VARIABLES = ("CI_MERGE_REQUEST_IID", "SYSTEM_PULLREQUEST_PULLREQUESTID", "BITBUCKET_PR_ID", "CHANGE_ID")
"""The environment variables with the number of the pull or merge request in GitLab, Azure DevOps, Bitbucket and
Jenkins.
"""
RUN_VARIABLES = (
    ("GITHUB_ACTIONS", "GITHUB_RUN_ID"),
    ("GITLAB_CI", "CI_PIPELINE_ID"),
    ("TF_BUILD", "BUILD_BUILDID"),
    ("BITBUCKET_BUILD_NUMBER", "BITBUCKET_BUILD_NUMBER"),
    ("JENKINS_URL", "BUILD_NUMBER"),
)
"""For each CI service, the variable that identifies the service, and the variable that contains the run number."""


def run_number() -> str:
    """Return the number of the workflow run or pipeline of this CI job, or an empty string outside a CI job."""
    for sign, variable in RUN_VARIABLES:
        if os.environ.get(sign, "").strip():
            number = os.environ.get(variable, "").strip()
            return number if number.isascii() and number.isdigit() else ""
    return ""


ATTEMPT_VARIABLES = (("GITHUB_ACTIONS", "GITHUB_RUN_ATTEMPT"), ("TF_BUILD", "SYSTEM_JOBATTEMPT"))
"""For each CI service, the variable that identifies the service, and the variable that contains the number of the
attempt.
"""


def attempt_number() -> int:
    """Return the number of the attempt of this CI job.

    If the CI service does not provide the attempt number, return 1.
    """
    for sign, variable in ATTEMPT_VARIABLES:
        number = os.environ.get(variable, "").strip()
        if os.environ.get(sign, "").strip() and re.fullmatch("[1-9][0-9]{0,8}", number, re.ASCII):
            return int(number)
    return 1


def run_url() -> str:
    """Return the URL of the web page of this CI run, or an empty string outside a CI job.

    Sources: the documentation of the predefined variables of GitHub Actions, GitLab CI, Azure Pipelines, Bitbucket
    Pipelines and Jenkins.
    """
    environ, number = os.environ, run_number()
    if not number:
        return ""
    if _in_github():
        page = f"{environ.get('GITHUB_SERVER_URL')}/{environ.get('GITHUB_REPOSITORY')}/actions/runs/{number}"
        attempt = environ.get("GITHUB_RUN_ATTEMPT", "")
        return f"{page}/attempts/{attempt}" if attempt.isdigit() else page
    if environ.get("TF_BUILD"):
        project = f"{environ.get('SYSTEM_COLLECTIONURI', '').rstrip('/')}/{environ.get('SYSTEM_TEAMPROJECTID')}"
        return f"{project}/_build/results?buildId={number}"
    if environ.get("BITBUCKET_BUILD_NUMBER"):
        return f"{environ.get('BITBUCKET_GIT_HTTP_ORIGIN')}/pipelines/results/{number}"
    return environ.get("CI_PIPELINE_URL", "") if environ.get("GITLAB_CI") else environ.get("BUILD_URL", "")


def mask(secret: str) -> None:
    """Make GitHub Actions hide a secret in the log of the job.

    The workflow command `::add-mask::` contains the secret, so `mask` does not write the workflow command to a regular
    file.
    """
    if not _in_github() or "\n" in secret or "\r" in secret:
        return
    with suppress(
        OSError, ValueError
    ):  # a test or a calling program may have replaced stderr with an object that has no file descriptor
        if not stat.S_ISREG(os.fstat(sys.stderr.fileno()).st_mode):
            sys.stderr.write(f"::add-mask::{secret.replace('%', '%25')}\n")
            sys.stderr.flush()


def _append(variable: str, text: Callable[[], str]) -> None:
    file = os.environ.get(variable)
    if not _in_github() or not file:
        return
    content = text()
    try:
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(content)
    except OSError as error:
        raise ReconcilerError(f"{variable}: {file} cannot be written: {error.strerror}") from error


def is_pull_request_job() -> bool:
    """Return whether this job runs for a pull or merge request, or for a merge queue of GitHub."""
    if _in_github():
        return os.environ.get("GITHUB_EVENT_NAME", "").startswith(("pull_request", "merge_group"))
    return any(os.environ.get(name, "").strip() for name in REQUEST_VARIABLES)


def _in_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _real_path(folder: str) -> str:
    return Path(os.path.realpath(folder)).as_posix()
