"""Check and write report files, and find the path of the report for each tenant.

The paths of all report files are checked before reconciler sends the first request to a tenant, so that a wrong path
does not lose the result.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.app import ci
from reconciler.app.load import data_folder, workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.artifacts.atomic_files import OWNER_ONLY, check_new_folder, check_output, empty_output, write_output
from reconciler.core.characters import quote_text
from reconciler.errors import ReconcilerError
from reconciler.files.discover import name_of
from reconciler.output.styled import DEFAULT_MAX_BYTES, add_run_number


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that a run will write.

    `option` is the command-line option or environment variable that messages mention.
    """

    option: str
    path: Path
    is_report: bool = False


def check_outputs(options: GlobalOptions, outputs: Iterable[OutputFile], *, journal: bool = False) -> None:
    """Check that a run can write its output files.

    If `journal` is true, also check that the run can write the journal and the snapshots.

    The output files are the files in `outputs`, and the files for the step summary and step outputs of GitHub Actions.
    The function empties existing report files.

    Raises:
        ReconcilerError: if a file cannot be written or is in the grant folder, or if two options name the same file.
            Also raised if the path of a file contains a symbolic link that may be committed to the repository.
    """
    workspace = workspace_of(options.config)
    from_options = list(outputs)
    all_outputs = [*from_options, *(OutputFile(variable, path) for variable, path in ci.step_files())]
    for output in all_outputs:
        workspace.refuse_checkout_links(output.path, output.option)
    _refuse_duplicates(from_options)
    for output in from_options:
        _refuse_in_grant_folder(output, Path(options.grants))
    for output in all_outputs:
        _check(output)
    for output in from_options:
        if output.is_report:
            empty_output(output.path)  # if the current run fails, the report of an earlier run must not remain
    if journal:
        folder = data_folder(options.config)
        for name in ("journal", "snapshots"):
            workspace.refuse_checkout_links(folder / name, "the journal and snapshots")
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


def _refuse_duplicates(outputs: Iterable[OutputFile]) -> None:
    options_by_path: dict[str, str] = {}
    for output in outputs:
        if output.path.exists() and not output.path.is_file():
            continue  # several outputs may use the same device, for example /dev/null
        real_path = os.path.realpath(output.path)
        if real_path in options_by_path:
            raise ReconcilerError(
                f"{options_by_path[real_path]} and {output.option} use the same file "
                f"{quote_text(name_of(output.path))}; use one file per option"
            )
        options_by_path[real_path] = output.option


def _refuse_in_grant_folder(output: OutputFile, grants: Path) -> None:
    real_path = Path(os.path.realpath(output.path))
    if real_path.is_relative_to(os.path.realpath(grants)):
        raise ReconcilerError(
            f"{output.option}: {quote_text(name_of(output.path))} is in the grant folder "
            f"{quote_text(name_of(grants))}; use another folder"
        )


TENANT = "{tenant}"
"""The placeholder for the tenant's name in a path, so that each tenant has its own file."""


@dataclass(frozen=True, slots=True)
class ReportFile:
    """The format and the path in one value of the option --report."""

    format: str
    path: str


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """The format of stdout, the report files, and the maximum size of a Markdown report in bytes.

    If `summary` is true, text output shows only the number of changes, and every critical, blocked or failed change.
    """

    stdout_format: str = "text"
    reports: tuple[ReportFile, ...] = ()
    max_bytes: int = DEFAULT_MAX_BYTES
    summary: bool = False

    @property
    def per_tenant(self) -> "OutputOptions":
        """A copy of the options without the report files that describe several tenants."""
        return replace(self, reports=tuple(file for file in self.reports if TENANT in file.path))

    @property
    def joint(self) -> "OutputOptions":
        """A copy of the options without the report files that describe only one tenant."""
        return replace(self, reports=tuple(file for file in self.reports if TENANT not in file.path))

    def outputs(self, names: Sequence[str]) -> list[OutputFile]:
        """Return the report files for the tenants in `names`.

        Raises ReconcilerError if a name cannot be part of a file name.
        """
        return [
            OutputFile(f"--report {file.format}", path, is_report=True)
            for file in self.reports
            for path, _ in files_for(file.path, names)
        ]

    def write(self, names: Sequence[str], render: Callable[[str, Sequence[str]], str]) -> None:
        """Write all report files. The call `render(format, names)` returns the report about the tenants in `names`.

        Raises:
            ReconcilerError: if a file cannot be written. If a file cannot be written, the remaining files are still
                written.
        """
        errors = []
        for file in self.reports:
            for path, tenants in files_for(file.path, names):
                try:
                    text = render(file.format, tenants)
                    write_text(path, add_run_number(text, ci.run_number()) if file.format == "markdown" else text)
                except ReconcilerError as error:
                    errors.append(str(error))
        if errors:
            raise ReconcilerError("; ".join(errors))


def files_for(path: str, names: Sequence[str]) -> list[tuple[Path, Sequence[str]]]:
    """Return the paths of the report files for the option value `path`, and the names of the tenants in each file.

    If `path` contains {tenant}, each tenant has its own report file.

    Raises:
        ReconcilerError: if a tenant's name cannot be part of a file name.
    """
    if TENANT not in path:
        return [(Path(path), names)]
    invalid = [name for name in names if name in {".", ".."} or "/" in name or "\\" in name or "\0" in name]
    if invalid:
        raise ReconcilerError(f"the tenant name {quote_text(invalid[0])} cannot be part of a file name: {path}")
    return [(Path(path.replace(TENANT, name)), [name]) for name in names]


def write_text(path: Path, text: str) -> None:
    """Write a report that only the owner of the file can read. Raises ReconcilerError if the file cannot be written."""
    try:
        write_output(path, text.encode(errors="backslashreplace"), OWNER_ONLY)
    except OSError as error:
        raise ReconcilerError(f"the report {path} cannot be written: {error.strerror}") from error
