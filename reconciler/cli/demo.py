"""`reconciler demo`: write a repository with a local tenant, and validate, plan and apply its grant files."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.app import scaffold
from reconciler.app.console import Console
from reconciler.artifacts.atomic_files import write_new_files
from reconciler.cli.options import current_options, global_options
from reconciler.config.tenants import DEFAULT_FILE
from reconciler.connect import require_sandbox
from reconciler.core.characters import pluralize
from reconciler.errors import Exit, ReconcilerError, reason
from reconciler.files.discover import name_of
from reconciler.output.styled import Span, Style, line

TENANT = "sandbox"
"""The name of the tenant in the configuration of the demo."""
STEPS = (("validate",), ("plan",), ("apply", "--yes"), ("plan",))
ALLOWED_FILES = frozenset({".git"})


@global_options(examples=("reconciler demo", "reconciler demo my-folder"), searches=False)
@click.command("demo")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".", metavar="[FOLDER]")
def command(*, folder: Path) -> Exit:
    """Write a demo into FOLDER, and validate, plan and apply the demo.

    FOLDER must be empty or missing. The default is the current folder. The demo uses a local tenant, and needs no
    account and no network. The demo needs the package extra `sandbox`.
    """
    require_sandbox(TENANT)
    given = current_options()
    console = Console(given)
    _write(folder, console)
    options = ["--config", str(folder / DEFAULT_FILE), "--grants", str(folder / "grants"), "--tenant", TENANT]
    options += ["--color", given.color, *["-q"] * given.quiet, *["-v"] * given.verbose]
    for step in STEPS:
        console.result([line(), line(Span(f"$ reconciler {shlex.join(step)}", Style.STRONG))])
        code = _run([*options, *step])
        if code is not Exit.DONE:
            return code
    enter = "" if folder == Path() else f"cd {shlex.quote(name_of(folder))}, "
    console.result(map(line, ["", f"Next: {enter}edit a file in grants/, and run reconciler plan"]))
    return Exit.DONE


def _write(folder: Path, console: Console) -> None:
    """Write the files of the demo. Raises ReconcilerError if the folder is not empty."""
    try:
        found = [path.name for path in folder.iterdir()] if folder.exists() else []
        if not ALLOWED_FILES.issuperset(found):
            raise ReconcilerError(f"{name_of(folder)} is not an empty folder; use reconciler demo NEW_FOLDER")
        files = {folder / name: text for name, text in scaffold.demo().items()}
        write_new_files(files)
    except OSError as error:
        raise ReconcilerError(f"nothing was written: {error.filename}: {reason(error)}") from error
    console.result([line(f"{pluralize(len(files), 'file')} written to {name_of(folder)}")])


def _run(arguments: Sequence[str]) -> Exit:
    """Run the command line `arguments` without the options of `reconciler demo`.

    Raises every exception that the command in `arguments` raises.
    """
    group = click.get_current_context().find_root().command
    with group.make_context("reconciler", list(arguments)) as context:
        return Exit(group.invoke(context) or Exit.DONE)
