"""The CI job: the paths of files, the summary and the outputs of a step, masked secrets."""

import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath

from reconciler.core.quoting import visible
from reconciler.errors import ReconcilerError
from reconciler.output.source_links import DEFAULT_CONFIG, SourceLinks

COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
SUMMARY, OUTPUT = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"
SUMMARY_BYTES = 1_000_000
"""GitHub's limit is a mebibyte per step."""


def source_links(config: str | None) -> SourceLinks:
    """Return the source links of a run with that configuration, in the repository of the job or in the current folder.

    A configuration outside the repository is shown by its name only.

    https://docs.github.com/en/actions/reference/variables-reference and
    https://docs.gitlab.com/ci/variables/predefined_variables/
    """
    told, root, address, commit = os.environ, "", "", ""
    if _in_github():
        root = told.get("GITHUB_WORKSPACE", "")
        address = f"{told.get('GITHUB_SERVER_URL')}/{told.get('GITHUB_REPOSITORY')}/blob/{told.get('GITHUB_SHA')}"
        commit = _head_of_request(told.get("GITHUB_EVENT_PATH", "")) or told.get("GITHUB_SHA", "")
    elif told.get("GITLAB_CI") == "true":
        root = told.get("CI_PROJECT_DIR", "")
        address = f"{told.get('CI_PROJECT_URL')}/-/blob/{told.get('CI_COMMIT_SHA')}"
        commit = told.get("CI_COMMIT_SHA", "")
    here = SourceLinks(_real(root or "."), _real("."), address, commit=commit)
    file = PurePath(config or DEFAULT_CONFIG)
    return replace(here, config=visible(here.inside(file.as_posix()) or file.name))


def _head_of_request(path: str) -> str:
    """Return the head commit of the pull request in the event file at `path`, or an empty text.

    The runner checks out a merge commit that reviewers never see.
    """
    try:
        event = json.loads(Path(path).read_bytes()) if path else None
        head = event["pull_request"]["head"]["sha"] if event else ""
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""
    return head if isinstance(head, str) and COMMIT.fullmatch(head) else ""


def tell_summary(markdown: Callable[[], str]) -> None:
    """Add Markdown to the step summary of GitHub Actions.

    Elsewhere, `markdown` is not called. Raises ReconcilerError.
    """
    _append(SUMMARY, markdown)


def tell_outputs(values: Callable[[], Mapping[str, str]]) -> None:
    """Set step outputs of GitHub Actions. Elsewhere, `values` is not called. Raises ReconcilerError."""
    _append(OUTPUT, lambda: "".join(f"{name}={value}\n" for name, value in values().items()))


def tell_exit_code(code: int) -> None:
    """Set the step output `exit_code` of GitHub Actions. Errors are ignored."""
    with suppress(ReconcilerError):
        tell_outputs(lambda: {"exit_code": str(int(code))})


def files() -> Iterator[tuple[str, Path]]:
    """Yield the variables of GitHub Actions that contain the path of an output file, with the path."""
    for variable in (SUMMARY, OUTPUT):
        if _in_github() and os.environ.get(variable):
            yield variable, Path(os.environ[variable])


def run_number() -> str:
    """Return the number of the workflow run or pipeline of this job, or ""."""
    variable = "GITHUB_RUN_ID" if _in_github() else "CI_PIPELINE_ID" if os.environ.get("GITLAB_CI") == "true" else ""
    return os.environ.get(variable, "").strip()


def mask(secret: str) -> None:
    """Let GitHub Actions hide a secret in the log of the job. The secrets of the job itself are hidden already.

    The command contains the secret, so it is written only to the runner and not into a file.
    """
    if not _in_github() or "\n" in secret or "\r" in secret:
        return
    with suppress(OSError, ValueError):  # a stream without a descriptor is not read by a runner
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


def is_about_request() -> bool:
    """Return whether this job concerns a pull request of GitHub or a merge request of GitLab."""
    if _in_github():
        return os.environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request")
    return os.environ.get("GITLAB_CI") == "true" and bool(os.environ.get("CI_MERGE_REQUEST_IID"))


def _in_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _real(folder: str) -> str:
    return Path(os.path.realpath(folder)).as_posix()
