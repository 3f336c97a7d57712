"""Check all output files before the first request, so that no result is lost."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.app import ci
from reconciler.app.load import own_folder, workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.artifacts.atomic_files import check_new_folder, check_output, empty_output
from reconciler.core.quoting import quote_text
from reconciler.errors import ReconcilerError
from reconciler.files.discover import name_of


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that a run will write. `option` names it in messages."""

    option: str
    path: Path
    is_report: bool = False


def check_outputs(given: GlobalOptions, outputs: Iterable[OutputFile], *, journal: bool = False) -> None:
    """Check the files of options and of a GitHub Actions step, and with `journal` the folder of journals.

    Reports of an earlier run are emptied.

    Raises:
        ReconcilerError: if a file cannot be written, is inside the grant folder, contains a link from the checkout,
            or is named twice.
    """
    workspace = workspace_of(given.config)
    of_options = list(outputs)
    every = [*of_options, *(OutputFile(variable, path) for variable, path in ci.files())]
    for output in every:
        workspace.refuse_brought_links(output.path, output.option)
    _refuse_same(of_options)
    for output in of_options:
        _refuse_among_grants(output, Path(given.grants))
    for output in every:
        _check(output)
    for output in of_options:
        if output.is_report:
            empty_output(output.path)  # if this run fails, the report of an earlier run must not remain
    if journal:
        folder = own_folder(given.config)
        for name in ("journal", "snapshots"):
            workspace.refuse_brought_links(folder / name, "the journal and snapshots")
        try:
            check_new_folder(folder / "journal")
        except OSError as error:
            raise ReconcilerError(
                f"the journal cannot be created in {error.filename}, so nothing was sent: {error.strerror}"
            ) from error


def _check(output: OutputFile) -> None:
    try:
        check_output(output.path)
    except OSError as error:
        raise ReconcilerError(
            f"{output.option}: {quote_text(name_of(output.path))} cannot be written: {error.strerror}; nothing was sent"
        ) from error


def _refuse_same(outputs: Iterable[OutputFile]) -> None:
    seen: dict[str, str] = {}
    for output in outputs:
        if output.path.exists() and not output.path.is_file():
            continue  # several results may be written to one device
        real = os.path.realpath(output.path)
        if real in seen:
            raise ReconcilerError(
                f"{seen[real]} and {output.option} both name the file {quote_text(name_of(output.path))}; give "
                "each its own file"
            )
        seen[real] = output.option


def _refuse_among_grants(output: OutputFile, grants: Path) -> None:
    real = Path(os.path.realpath(output.path))
    if real.is_relative_to(os.path.realpath(grants)):
        raise ReconcilerError(
            f"{output.option}: {quote_text(name_of(output.path))} is in the grant folder "
            f"{quote_text(name_of(grants))}; use another folder"
        )
