"""`reconciler schema`: print the JSON Schema of grant files, or derive it from another API document."""

import json
from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.cli.options import current_options, global_options
from reconciler.contract import stored
from reconciler.contract.compare import api_differences
from reconciler.contract.derive import grants_schema, render
from reconciler.core.characters import visible
from reconciler.core.problems import Problem
from reconciler.errors import Exit, ReconcilerError
from reconciler.files.discover import read
from reconciler.output.styled import line

MAX_DOCUMENT_BYTES = 64_000_000


@global_options(examples=("reconciler schema > grants.schema.json", "reconciler schema --spec openapi.json --check"))
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
    help="List how the endpoints for client grants in --spec differ from ours. Exit with 1 if they do.",
)
def command(*, spec: Path | None, check: bool) -> Exit:
    """Print the JSON Schema of grant files."""
    console = Console(current_options())
    if check and spec is None:
        raise ReconcilerError("--check needs --spec, the document to compare")
    openapi = stored.load(stored.OPENAPI) if spec is None else _document(spec)
    if not check:
        console.text(render(grants_schema(openapi)))
        return Exit.DONE
    found = api_differences(openapi, stored.load(stored.OPENAPI))
    console.result(line(visible(difference)) for difference in found)
    return Exit.FAILED if found else Exit.DONE


def _document(path: Path) -> object:
    data = read(path, MAX_DOCUMENT_BYTES)
    if isinstance(data, Problem):
        raise ReconcilerError(f"{path}: {data.what}; {data.fix}")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReconcilerError(f"{path} is not valid JSON: {error}") from error
