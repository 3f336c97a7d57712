"""`reconciler schema`: print the JSON Schema of grant files, or derive it from another API document."""

import json
from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.cli.options import current_options, global_options
from reconciler.contract import stored
from reconciler.contract.compare import api_differences
from reconciler.contract.derive import grants_schema, render
from reconciler.contract.operations import (
    is_part_of_api,
    operation_differences,
    render_operations,
    stored_operations,
    write_operations,
)
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
    help="List how the endpoints for client grants and the scopes of writes in --spec differ from ours. "
    "Exit with 1 if they do.",
)
@click.option("--operations", is_flag=True, help="Print the writes of the Management API with their scopes instead.")
def command(*, spec: Path | None, check: bool, operations: bool) -> Exit:
    """Print the JSON Schema of grant files."""
    console = Console(current_options())
    if check and spec is None:
        raise ReconcilerError("--check needs --spec, the document to compare")
    openapi = stored.load(stored.OPENAPI) if spec is None else _document(spec)
    table = stored.load(stored.WRITES)
    if operations:
        found_operations = stored_operations(table) if spec is None else write_operations(openapi)
        console.text(render_operations(table, found_operations))
        return Exit.DONE
    if not check:
        console.text(render(grants_schema(openapi)))
        return Exit.DONE
    found = (*api_differences(openapi, stored.load(stored.OPENAPI)), *_operation_differences(openapi, console))
    console.result(line(visible(difference)) for difference in found)
    return Exit.FAILED if found else Exit.DONE


def _operation_differences(openapi: object, console: Console) -> tuple[str, ...]:
    """Compare the writes with the stored table. A document that describes only a part of the API is not compared."""
    found, ours = write_operations(openapi), stored_operations(stored.load(stored.WRITES))
    if is_part_of_api(found, ours):
        if current_options().verbose:
            console.note(f"The document has {len(found)} of {len(ours)} writes, so their scopes were not compared.")
        return ()
    return operation_differences(found, ours)


def _document(path: Path) -> object:
    data = read(path, MAX_DOCUMENT_BYTES)
    if isinstance(data, Problem):
        raise ReconcilerError(f"{path}: {data.what}; {data.fix}")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReconcilerError(f"{path} is not valid JSON: {error}") from error
