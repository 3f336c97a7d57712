"""`reconciler schema`: print the JSON Schema of grant files, or derive it from another API document."""

import json
from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.cli.options import also_global_options, options
from reconciler.contract import stored
from reconciler.contract.derive import differences, grants_schema, render
from reconciler.contract.openapi import create_request
from reconciler.core.problems import Problem
from reconciler.core.quoting import visible
from reconciler.errors import Exit, ReconcilerError
from reconciler.files.discover import read
from reconciler.output.styled import line

LARGEST_DOCUMENT_BYTES = 64_000_000


@also_global_options
@click.command("schema")
@click.option(
    "--spec",
    type=click.Path(path_type=Path),
    metavar="OPENAPI.json",
    help="Derive the schema from this OpenAPI document of the Management API.",
)
@click.option(
    "--check",
    is_flag=True,
    help="List the differences between its create request and ours. Exits with 1 if there are any.",
)
def command(*, spec: Path | None, check: bool) -> Exit:
    """Print the JSON Schema of grant files."""
    console = Console(options())
    if check and spec is None:
        raise ReconcilerError("--check compares another document with ours: set it with --spec")
    openapi = stored.load(stored.OPENAPI) if spec is None else _document(spec)
    if not check:
        console.text(render(grants_schema(openapi)))
        return Exit.DONE
    found = differences(create_request(openapi), create_request(stored.load(stored.OPENAPI)))
    console.result(line(visible(difference)) for difference in found)
    return Exit.FAILED if found else Exit.DONE


def _document(path: Path) -> object:
    data = read(path, LARGEST_DOCUMENT_BYTES)
    if isinstance(data, Problem):
        raise ReconcilerError(f"{path}: {data.what}; {data.fix}")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReconcilerError(f"{path} is not valid JSON: {error}") from error
