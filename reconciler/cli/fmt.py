"""`reconciler fmt`: sort grant files in canonical order. Only the order of bytes changes."""

import os
from collections import Counter
from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.app.load import read_settings, workspace_of
from reconciler.artifacts.atomic_files import write_output
from reconciler.cli.options import also_global_options, options
from reconciler.core.problems import Problem, Source, errors
from reconciler.core.quoting import pluralize
from reconciler.errors import Exit, ReconcilerError
from reconciler.files.discover import find, name_of
from reconciler.files.fmt import canonical
from reconciler.files.read import LoadedGrants, read_grants
from reconciler.output.styled import line

BYTE_ORDER_MARK = "\ufeff"


@also_global_options
@click.command("fmt")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--check", is_flag=True, help="Write nothing. Name unsorted files and exit with 1.")
def command(*, paths: tuple[Path, ...], check: bool) -> Exit:
    """Sort grant files and folders in canonical order. Default: the folder of --grants.

    Grants are sorted by holder, then by API. The keys of a grant and its scopes are sorted, too. Comments move with
    their value. Nothing else changes. A file with problems is not changed.
    """
    given = options()
    console = Console(given)
    wanted = list(paths) or [Path(given.grants)]
    declared = read_grants(wanted, read_settings(given.config).targets(), workspace_of(given.config))
    moved, unusual = _moved(wanted, declared)
    if not check:
        for path, text in moved.items():
            _write(path, text)
    console.problems(sorted([*declared.problems, *unusual]), declared.texts)
    console.result(line(f"{'Not in order' if check else 'Put in order'}: {name_of(path)}") for path in moved)
    failed = bool(errors(declared.problems) or unusual or (check and moved))
    if not moved and not failed:
        console.say([line(f"{pluralize(len(declared.texts), 'file')} in order.")])
    return Exit.FAILED if failed else Exit.DONE


def _moved(wanted: list[Path], declared: LoadedGrants) -> tuple[dict[Path, str], list[Problem]]:
    """Return the new texts of unsorted files, and the problems of files that cannot be sorted."""
    refused = {problem.source.file for problem in errors(declared.problems)}
    moved: dict[Path, str] = {}
    unusual: list[Problem] = []
    paths = find(wanted)[0]
    shown = Counter(map(name_of, paths))
    for path in paths:
        if shown[name_of(path)] > 1:
            what = "several files have this name when shown"
            unusual.append(Problem(Source(name_of(path)), what, "rename them"))
            continue
        text = declared.texts.get(name_of(path), "")
        match canonical(text, name_of(path)) if text and name_of(path) not in refused else text:
            case Problem() as problem:
                unusual.append(problem)
            case ordered if ordered != text:
                moved[path] = ordered
    return moved, unusual


def _write(path: Path, text: str) -> None:
    """Write the file itself, not a link to it. Keep its byte order mark."""
    file = Path(os.path.realpath(path))
    try:
        marked = file.read_bytes().startswith(BYTE_ORDER_MARK.encode())
        write_output(file, f"{BYTE_ORDER_MARK if marked else ''}{text}".encode())
    except OSError as error:
        raise ReconcilerError(f"{name_of(path)} cannot be written: {error.strerror}") from error
