"""`reconciler fmt`: sort the grants, fields and scopes in grant files, without other changes."""

from collections import Counter
from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.app.load import load_config, workspace_of
from reconciler.artifacts.atomic_files import rewrite_text
from reconciler.cli.options import current_options, global_options
from reconciler.core.characters import pluralize
from reconciler.core.problems import Problem, Source, errors
from reconciler.errors import Exit, ReconcilerError
from reconciler.files.discover import find, name_of
from reconciler.files.fmt import sort_file
from reconciler.files.read import LoadedGrants, read_grants
from reconciler.output.styled import line


@global_options("config", "grants", examples=("reconciler fmt", "reconciler fmt --check"))
@click.command("fmt")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--check", is_flag=True, help="Write nothing. List unsorted files, and exit with 1 if any file is unsorted."
)
def command(*, paths: tuple[Path, ...], check: bool) -> Exit:
    """Sort grant files and folders in canonical order. Default: the folder of --grants.

    Grants are sorted by application, then by API. The keys and scopes of each grant are sorted too. Comments stay with
    their grant, key or scope. All other text in the files stays unchanged. Files with problems are not changed.
    """
    options = current_options()
    console = Console(options)
    selected = list(paths) or [Path(options.grants)]
    grants = read_grants(selected, load_config(options.config).targets(), workspace_of(options.config))
    sorted_texts, unsortable = _sort_files(selected, grants)
    if not check:
        for path, text in sorted_texts.items():
            try:
                rewrite_text(path, text)
            except OSError as error:
                raise ReconcilerError(f"{name_of(path)} cannot be written: {error.strerror}") from error
    console.problems(sorted([*grants.problems, *unsortable]), grants.texts)
    console.result(line(f"{'Not in order' if check else 'Put in order'}: {name_of(path)}") for path in sorted_texts)
    failed = bool(errors(grants.problems) or unsortable or (check and sorted_texts))
    if not sorted_texts and not failed:
        console.info([line(f"{pluralize(len(grants.texts), 'file')} already sorted.")])
    return Exit.FAILED if failed else Exit.DONE


def _sort_files(selected: list[Path], grants: LoadedGrants) -> tuple[dict[Path, str], list[Problem]]:
    """Return the new content of each unsorted grant file, and the problems of the files that cannot be sorted."""
    invalid = {problem.source.file for problem in errors(grants.problems)}
    sorted_texts: dict[Path, str] = {}
    unsortable: list[Problem] = []
    paths = find(selected)[0]
    name_counts = Counter(map(name_of, paths))
    for path in paths:
        if name_counts[name_of(path)] > 1:
            what = "the output shows several files with this name"
            unsortable.append(Problem(Source(name_of(path)), what, "rename the files"))
            continue
        text = grants.texts.get(name_of(path), "")
        match sort_file(text, name_of(path)) if text and name_of(path) not in invalid else text:
            case Problem() as problem:
                unsortable.append(problem)
            case ordered if ordered != text:
                sorted_texts[path] = ordered
    return sorted_texts, unsortable
