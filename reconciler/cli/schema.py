"""`reconciler schema`: print the JSON Schema of grant files, or derive the JSON Schema from an API document."""

import json
from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.app.options import GlobalOptions, RequestOptions
from reconciler.app.outputs import InputFile, OutputFile, refuse_inputs
from reconciler.artifacts.atomic_files import OWNER_ONLY
from reconciler.cli.option_groups import request_options
from reconciler.cli.options import current_options, global_options
from reconciler.contract import stored
from reconciler.contract.compare import api_differences, operation_differences
from reconciler.contract.derive import grants_schema, render
from reconciler.contract.openapi import (
    is_part_of_api,
    render_operations,
    stored_operations,
    write_operations,
)
from reconciler.core.characters import visible
from reconciler.core.problems import Problem
from reconciler.errors import Exit, ReconcilerError
from reconciler.files.discover import name_of, read
from reconciler.output.styled import line

MAX_DOCUMENT_BYTES = 64_000_000


@global_options(
    "config",
    "tenants",
    "allow_unnamed_tenant",
    examples=(
        "reconciler schema > grants.schema.json",
        "reconciler schema --tenant dev --out .reconciler/grants.schema.json",
        "reconciler schema --spec openapi.json --check",
    ),
)
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
    help="Compare --spec with the endpoints and scopes that reconciler knows. List the differences, and exit with 1 if "
    "a difference exists.",
)
@click.option(
    "--operations",
    is_flag=True,
    help="Instead of the schema, print the write requests of the Management API and their scopes.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the schema to FILE.",
)
@request_options
def command(
    *, spec: Path | None, check: bool, operations: bool, out: Path | None, request_options: RequestOptions
) -> Exit:
    """Print the JSON Schema of grant files.

    With --tenant, print a schema for editors. The schema for editors contains the names of the tenant's applications,
    APIs and organizations, and the scopes of each API.
    """
    options = current_options()
    console = Console(options)
    if check and spec is None:
        raise ReconcilerError("--check needs --spec; add --spec with the document to compare")
    if spec is not None and options.tenants:
        raise click.UsageError("--spec and --tenant cannot be combined")
    if check and out is not None:
        raise click.UsageError("--check writes no schema; omit --out")
    if operations and (check or out is not None or options.tenants):
        raise click.UsageError("--operations can only be combined with --spec")
    if out is not None:
        inputs = [InputFile("--spec", spec)] if spec else []
        refuse_inputs(options, OutputFile("--out", out), inputs)
    if options.tenants or out is not None:
        from reconciler.app.scaffold import (
            tenant_schema,
        )  # the module `scaffold` imports the HTTP client

        text = tenant_schema(options, console, request_options) if options.tenants else _generic(spec)
        _output(options, console, text, out)
        return Exit.DONE
    openapi = stored.load(stored.OPENAPI) if spec is None else _document(spec)
    if operations:
        table = stored.load(stored.WRITES)
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
    """Compare the write operations in the API document with the write operations that reconciler knows.

    If the API document describes only a part of the API, return an empty tuple without comparing.
    """
    found, ours = write_operations(openapi), stored_operations(stored.load(stored.WRITES))
    if is_part_of_api(found, ours):
        if current_options().verbose:
            console.note(f"Scopes were not compared: --spec has only {len(found)} of {len(ours)} write requests.")
        return ()
    return operation_differences(found, ours)


def _generic(spec: Path | None) -> str:
    return render(grants_schema(stored.load(stored.OPENAPI) if spec is None else _document(spec)))


def _output(options: GlobalOptions, console: Console, text: str, out: Path | None) -> None:
    if out is None:
        console.text(text)
        return
    from reconciler.app.scaffold import write_schema

    write_schema(options, out, text, OWNER_ONLY if options.tenants else None)
    console.info([line("written  ", name_of(out))])


def _document(path: Path) -> object:
    data = read(path, MAX_DOCUMENT_BYTES)
    if isinstance(data, Problem):
        raise ReconcilerError(f"{path}: {data.what}; {data.fix}")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReconcilerError(f"{path} is not valid JSON: {error}") from error
