"""Report files: paths, formats and writing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.app import ci
from reconciler.app.outputs import OutputFile
from reconciler.artifacts.atomic_files import OWNER_ONLY, write_output
from reconciler.errors import ReconcilerError
from reconciler.output.markdown.truncate import DEFAULT_MAX_BYTES
from reconciler.output.styled import add_run_number

TENANT = "{tenant}"
"""A placeholder for the tenant's name in a path, so that each tenant has its own file."""


@dataclass(frozen=True, slots=True)
class ReportFile:
    """The format and the path of one --report."""

    format: str
    path: str


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """The format of stdout, the report files, and the maximum size of Markdown in bytes."""

    stdout_format: str = "text"
    reports: tuple[ReportFile, ...] = ()
    max_bytes: int = DEFAULT_MAX_BYTES

    def outputs(self, names: Sequence[str]) -> list[OutputFile]:
        """Return the report files for the tenants in `names`. Raises ReconcilerError like `files_for`."""
        return [
            OutputFile(f"--report {file.format}", path, is_report=True)
            for file in self.reports
            for path, _ in files_for(file.path, names)
        ]

    def write(self, names: Sequence[str], render: Callable[[str, Sequence[str]], str]) -> None:
        """Write all report files. `render` returns the text for a format and names of tenants.

        Raises:
            ReconcilerError: if a file cannot be written. The other files are still written.
        """
        errors = []
        for file in self.reports:
            for path, tenants in files_for(file.path, names):
                try:
                    text = render(file.format, tenants)
                    _write(path, add_run_number(text, ci.run_number()) if file.format == "markdown" else text)
                except ReconcilerError as error:
                    errors.append(str(error))
        if errors:
            raise ReconcilerError("; ".join(errors))


def files_for(path: str, names: Sequence[str]) -> list[tuple[Path, Sequence[str]]]:
    """Return each file for `path`, with the names of the tenants in it. `path` may contain {tenant}.

    Raises:
        ReconcilerError: if a tenant's name cannot be part of a file name.
    """
    if TENANT not in path:
        return [(Path(path), names)]
    invalid = [name for name in names if "/" in name or "\\" in name or "\0" in name]
    if invalid:
        raise ReconcilerError(f"the tenant name {invalid[0]!r} cannot be part of a file name: {path}")
    return [(Path(path.replace(TENANT, name)), [name]) for name in names]


def _write(path: Path, text: str) -> None:
    try:
        write_output(path, text.encode(errors="backslashreplace"), OWNER_ONLY)
    except OSError as error:
        raise ReconcilerError(f"the report {path} cannot be written: {error.strerror}") from error
