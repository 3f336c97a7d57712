"""The forms that results come in: one to stdout by --format, any number into files by --report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from reconciler.app import ci
from reconciler.app.outputs import OutputFile
from reconciler.artifacts.atomic_files import OWNER_ONLY, write_output
from reconciler.cli.options import format_option
from reconciler.errors import Exit, ReconcilerError
from reconciler.output.markdown.truncate import MOST_BYTES
from reconciler.output.styled import stamped

TENANT = "{tenant}"
"""What stands for the tenant's name in the path of a file; each tenant has a file of its own then."""


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A form, and the file that takes it."""

    form: str
    path: str


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """The form for stdout, the files that take others, and the most bytes of a comment in Markdown."""

    stdout: str
    files: tuple[ReportFile, ...]
    most_bytes: int

    def outputs(self, names: Sequence[str]) -> list[OutputFile]:
        """Return the report files for the tenants of these names. Raises ReconcilerError as `files_for` does."""
        return [
            OutputFile(f"--report {file.form}", path, is_report=True)
            for file in self.files
            for path, _ in files_for(file.path, names)
        ]

    def write(self, names: Sequence[str], render: Callable[[str, Sequence[str]], str]) -> None:
        """Write each report file; `render` gives the text in a form for the tenants of these names.

        Raises:
            ReconcilerError: if some cannot be written; the others are.
        """
        failed = []
        for file in self.files:
            for path, some in files_for(file.path, names):
                try:
                    text = render(file.form, some)
                    _write(path, stamped(text, ci.run_number()) if file.form == "markdown" else text)
                except ReconcilerError as error:
                    failed.append(str(error))
        if failed:
            raise ReconcilerError("; ".join(failed))


def files_for(path: str, names: Sequence[str]) -> list[tuple[Path, Sequence[str]]]:
    """Return the files that a path stands for, and of which tenants each tells.

    Raises:
        ReconcilerError: if the name of a tenant cannot be part of a file's name.
    """
    if TENANT not in path:
        return [(Path(path), names)]
    unfit = [name for name in names if "/" in name or "\\" in name or "\0" in name]
    if unfit:
        raise ReconcilerError(f"a tenant named {unfit[0]!r} cannot have a file of its own: {path}")
    return [(Path(path.replace(TENANT, name)), [name]) for name in names]


class _CommaSeparated(click.types.FuncParamType):  # type: ignore[type-arg] # not generic before click 8.4
    envvar_list_splitter = ","


def report_type(forms: Sequence[str]) -> "click.ParamType[ReportFile]":
    """Return the type of `FORMAT=FILE` with a format of `forms`; commas separate several in a variable."""

    def parse_report(text: str) -> ReportFile:
        form, _, file = text.lstrip().partition("=")
        if form not in forms or not file:
            known = ", ".join(forms)
            raise click.BadParameter(f"{text!r} is not a report; write FORMAT=FILE, with a format of {known}")
        return ReportFile(form, file)

    return _CommaSeparated(parse_report)


Command = Callable[..., Exit]


def forms_options(*forms: str) -> Callable[[Command], Command]:
    """Give a command the options of its Forms; it receives them as `forms`."""
    given = [format_option(*forms), _report_option(forms), *([_most_bytes_option()] * ("markdown" in forms))]

    def with_options(command: Command) -> Command:
        @wraps(command)
        def giving(*, form: str, reports: tuple[ReportFile, ...], max_bytes: int = MOST_BYTES, **others: Any) -> Exit:  # noqa: ANN401 - click's own
            forms = OutputOptions(form, reports, max_bytes)
            return command(forms=forms, **others)

        decorated: Command = giving
        for option in reversed(given):
            decorated = option(decorated)
        return decorated

    return with_options


def _report_option(forms: Sequence[str]) -> Callable[[Command], Command]:
    return click.option(
        "--report",
        "reports",
        type=report_type(("text", "json", *forms)),
        multiple=True,
        metavar="FORMAT=FILE",
        help="Write the result into a file, too; {tenant} in its name stands for the tenant's. Repeatable.",
    )


def _most_bytes_option() -> Callable[[Command], Command]:
    return click.option(
        "--max-bytes",
        type=click.IntRange(min=1000),
        default=MOST_BYTES,
        show_default=True,
        metavar="N",
        help="Leave details out of Markdown, the last first, beyond so many bytes.",
    )


def _write(path: Path, text: str) -> None:
    try:
        write_output(path, text.encode(errors="backslashreplace"), OWNER_ONLY)
    except OSError as error:
        raise ReconcilerError(f"the report {path} cannot be written: {error.strerror}") from error
