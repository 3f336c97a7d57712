"""What a pipeline tells of itself, and what is told to it: links to files, the summary of a step, its outputs."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from urllib.parse import quote

from reconciler.errors import ReconcilerError

SUMMARY_BYTES = 1_000_000
"""GitHub takes a mebibyte per step."""


def links() -> str:
    """Return the address below which the files of the current folder are shown; nothing outside of a pipeline.

    https://docs.github.com/en/actions/reference/variables-reference and
    https://docs.gitlab.com/ci/variables/predefined_variables/
    """
    told = os.environ
    if _in_github():
        root, place = f"{told.get('GITHUB_SERVER_URL')}/{told.get('GITHUB_REPOSITORY')}/blob", "GITHUB_WORKSPACE"
        return f"{root}/{told.get('GITHUB_SHA')}{_below(told.get(place))}"
    if told.get("GITLAB_CI") == "true":
        root = f"{told.get('CI_PROJECT_URL')}/-/blob"
        return f"{root}/{told.get('CI_COMMIT_SHA')}{_below(told.get('CI_PROJECT_DIR'))}"
    return ""


def tell_summary(markdown: str) -> None:
    """Add to the summary of a step of GitHub Actions; elsewhere do nothing. Raises ReconcilerError."""
    _append("GITHUB_STEP_SUMMARY", markdown)


def tell_outputs(values: Mapping[str, str]) -> None:
    """Set outputs of a step of GitHub Actions, to words of ours; elsewhere do nothing. Raises ReconcilerError."""
    _append("GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in values.items()))


def tell_exit_code(code: int) -> None:
    """Set the output `exit_code` of a step of GitHub Actions; elsewhere, or if that fails, do nothing."""
    with suppress(ReconcilerError):
        tell_outputs({"exit_code": str(int(code))})


def _append(variable: str, text: str) -> None:
    file = os.environ.get(variable)
    if not _in_github() or not file:
        return
    try:
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise ReconcilerError(f"{variable}: {file} cannot be written: {error.strerror}") from error


def _in_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _below(root: str | None) -> str:
    """Return the current folder as the path below `root`, with a slash before it; nothing where it is not below."""
    here = PurePath(os.path.realpath(Path.cwd()))
    top = PurePath(os.path.realpath(root or here))
    inside = here.relative_to(top).as_posix() if here.is_relative_to(top) else "."
    return "" if inside == "." else f"/{quote(inside)}"
