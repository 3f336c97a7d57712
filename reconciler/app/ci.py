"""What a pipeline tells of itself, and what is told to it: where files are, the summary of a step, its outputs."""

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
from reconciler.output.source_links import USUAL_CONFIG, SourceLinks

COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
SUMMARY, OUTPUT = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"
SUMMARY_BYTES = 1_000_000
"""GitHub takes a mebibyte per step."""


def checkout(config: str | None) -> SourceLinks:
    """Return where the files of a run with that configuration stand: in the pipeline's repository, or just here.

    A configuration outside of the repository, which may be anywhere, goes by its name alone.

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
    file = PurePath(config or USUAL_CONFIG)
    return replace(here, config=visible(here.inside(file.as_posix()) or file.name))


def _head_of_request(path: str) -> str:
    """Return the last commit of the pull request that the event in the file at `path` is about; nothing for others.

    The runner checks out a merge of it, whose id reviewers see nowhere.
    """
    try:
        event = json.loads(Path(path).read_bytes()) if path else None
        head = event["pull_request"]["head"]["sha"] if event else ""
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""
    return head if isinstance(head, str) and COMMIT.fullmatch(head) else ""


def tell_summary(markdown: Callable[[], str]) -> None:
    """Add to the summary of a step of GitHub Actions; elsewhere it is not even made. Raises ReconcilerError."""
    _append(SUMMARY, markdown)


def tell_outputs(values: Callable[[], Mapping[str, str]]) -> None:
    """Set outputs of a step of GitHub Actions, to words of ours; elsewhere do not even ask. Raises ReconcilerError."""
    _append(OUTPUT, lambda: "".join(f"{name}={value}\n" for name, value in values().items()))


def tell_exit_code(code: int) -> None:
    """Set the output `exit_code` of a step of GitHub Actions; elsewhere, or if that fails, do nothing."""
    with suppress(ReconcilerError):
        tell_outputs(lambda: {"exit_code": str(int(code))})


def files() -> Iterator[tuple[str, Path]]:
    """Yield the variables of GitHub Actions that name a file to write to, with the file."""
    for variable in (SUMMARY, OUTPUT):
        if _in_github() and os.environ.get(variable):
            yield variable, Path(os.environ[variable])


def run_number() -> str:
    """Return the number of the run of a workflow, or of the pipeline, that this job is part of; "" outside of one."""
    variable = "GITHUB_RUN_ID" if _in_github() else "CI_PIPELINE_ID" if os.environ.get("GITLAB_CI") == "true" else ""
    return os.environ.get(variable, "").strip()


def mask(secret: str) -> None:
    """Let GitHub Actions hide a secret in the log of the job; the job's own secrets are hidden already.

    The command for it contains the secret, so it goes only where the runner reads it: not into a file.
    """
    if not _in_github() or "\n" in secret or "\r" in secret:
        return
    with suppress(OSError, ValueError):  # a stream without a descriptor has no runner behind it
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
    """Return whether this is a job about a pull request of GitHub or a merge request of GitLab."""
    if _in_github():
        return os.environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request")
    return os.environ.get("GITLAB_CI") == "true" and bool(os.environ.get("CI_MERGE_REQUEST_IID"))


def _in_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _real(folder: str) -> str:
    return Path(os.path.realpath(folder)).as_posix()
