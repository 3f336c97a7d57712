"""`reconciler validate`: every problem of every grant file, offline and without credentials."""

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import also_global_options, format_option, options
from reconciler.core.problems import errors
from reconciler.errors import Exit
from reconciler.files.read import Declared, read_grants
from reconciler.render.annotations import annotations
from reconciler.render.problem_text import problem_json
from reconciler.render.styled import line


@also_global_options
@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@format_option("validate", "github")
def command(*, paths: tuple[Path, ...], form: str) -> Exit:
    """Check grant files and folders of them, offline: every problem, with its line. Default: the folder of --grants.

    The format github gives commands by which a workflow on GitHub shows each problem on its line of the pull request.
    """
    given = options()
    console = Console(given)
    declared = read_grants(list(paths) or [Path(given.grants)])
    failed = bool(errors(declared.problems))
    if form == "json":
        console.data(_report(declared, valid=not failed))
    elif form == "github":
        console.text("".join(f"{command}\n" for command in annotations(declared.problems)))
    else:
        console.problems(declared.problems, declared.texts)
        if not failed:
            console.result([line(f"{_grants(declared)} valid.")])
    return Exit.FAILED if failed else Exit.DONE


def _report(declared: Declared, *, valid: bool) -> dict[str, object]:
    return {
        "valid": valid,
        "files": len(declared.texts),
        "grants": len(declared.specs),
        "problems": [problem_json(problem) for problem in declared.problems],
    }


def _grants(declared: Declared) -> str:
    grants, files = len(declared.specs), len(declared.texts)
    return f"{grants} grant{'s' * (grants != 1)} in {files} file{'s' * (files != 1)}:"
