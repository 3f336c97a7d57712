"""Write and read the files of a fleet run: fleet.json, and one result file per tenant.

A result may come from the job of an untrusted pull request, so reconciler checks every result file. A result file must
be a small regular file with strict JSON that matches the schema. Symbolic links to result files are not followed.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from reconciler.artifacts.atomic_files import OWNER_ONLY, write_output
from reconciler.artifacts.fleet_json import fleet_from_json, result_from_json, result_json
from reconciler.artifacts.grant_json import json_text
from reconciler.artifacts.result_check import check_result
from reconciler.artifacts.result_output import reduced_outputs
from reconciler.artifacts.saved_plan import parse_untrusted_json
from reconciler.contract import stored
from reconciler.core.fleet.report import ResultFile
from reconciler.core.fleet.run import Fleet, FleetResult
from reconciler.core.problems import Problem
from reconciler.errors import ReconcilerError, reason
from reconciler.files.discover import name_of, read
from reconciler.files.validity import validity_check

MAX_FLEET_BYTES = 50_000_000
MAX_RESULT_BYTES = 20_000_000
MAX_FILES = 50_000
"""The maximum total number of files and folders in the result folders."""
MAX_LEVELS = 4
"""The maximum depth of nested result folders. A download of CI artifacts contains one folder per artifact."""
SUFFIX = ".json"
CREATE_FLEET = "create the file with `reconciler fleet list --format json`"


def read_fleet(path: Path) -> Fleet:
    """Read a file that lists the tenants of a fleet run (a run of many tenants in several CI jobs).

    Raises ReconcilerError.
    """
    data = _read_json(path, MAX_FLEET_BYTES, stored.FLEET)
    if isinstance(data, str):
        raise ReconcilerError(f"{name_of(path)} {data}; {CREATE_FLEET}")
    fleet = fleet_from_json(data)
    if len({each.name for each in fleet.tenants}) < len(fleet.tenants):
        raise ReconcilerError(f"{name_of(path)} contains a tenant twice; {CREATE_FLEET}")
    return fleet


def result_file(folder: Path, tenant: str) -> Path:
    """Return the path of a tenant's result file.

    If a character of the tenant name is not safe in file names, the file name contains the character as %XX.
    """
    name = quote(tenant, safe="")
    return folder / f"{f'%2E{name[1:]}' if name.startswith('.') else name}{SUFFIX}"


def write_result(path: Path, result: FleetResult, output: Mapping[str, object] | None) -> None:
    """Write the result file of a tenant, completely or not at all. Only the owner of the result file may read the file.

    `output` is the JSON output of the command. If the result file would be too large for `read_results`, the result
    file contains a reduced output, and the number of omitted grants.

    Raises:
        ReconcilerError: if the result file cannot be written.
    """
    text = _result_text(result, output)
    try:
        write_output(path, text.encode(), OWNER_ONLY)
    except OSError as error:
        raise ReconcilerError(f"the result {name_of(path)} cannot be written: {reason(error)}") from error


def _result_text(result: FleetResult, output: Mapping[str, object] | None) -> str:
    """Return the text of a result file with `output`, or with the largest reduced output that fits into the file.

    If no reduced output fits, the result file contains no output, so `fleet collect` reports the state unknown.
    """
    outputs = [] if output is None else chain([(output, 0)], reduced_outputs(result.command, output))
    for each, omitted in outputs:
        content = {**result_json(replace(result, omitted=omitted)), "output": each}
        if (
            len(json.dumps(content)) > MAX_RESULT_BYTES
        ):  # compact JSON is a lower bound, and ten times faster to create than indented JSON
            continue
        text = json_text(content)
        if len(text) <= MAX_RESULT_BYTES:  # the text is ASCII: one byte for each character
            return text
    return json_text({**result_json(result), "output": None})


def read_results(folders: Iterable[Path], fleet_file: Path) -> Iterator[ResultFile]:
    """Yield every JSON file in the folders and their subfolders once, except `fleet_file`.

    Raises:
        ReconcilerError: if a folder cannot be read, or if the folders contain too many files.
    """
    seen = {os.path.realpath(fleet_file)}
    for count, path in enumerate((path for folder in folders for path in _json_files(folder, 1)), start=1):
        if count > MAX_FILES:
            raise ReconcilerError(f"the result folders have more than {MAX_FILES:,} files; use fewer folders")
        place = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - the file itself may be a symbolic link
        if place not in seen:
            seen.add(place)
            yield ResultFile(name_of(path), unquote(path.name.removesuffix(SUFFIX)), _read_result(path))


def _json_files(folder: Path, level: int) -> Iterator[Path]:
    """Yield the JSON files and the symbolic links in a folder and its subfolders.

    Do not follow symbolic links to folders.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise ReconcilerError(f"the result folder {name_of(folder)} cannot be read: {reason(error)}") from error
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            if level >= MAX_LEVELS:
                raise ReconcilerError(f"the result folder {name_of(path)} is more than {MAX_LEVELS} levels deep")
            yield from _json_files(path, level + 1)
        elif entry.name.endswith(SUFFIX):
            yield path


def _read_result(path: Path) -> FleetResult | str:
    """Return the result that a file contains, or the reason why the file cannot be used."""
    if path.is_symlink():
        return "is a link, and links are not followed"
    data = _read_json(path, MAX_RESULT_BYTES, stored.FLEET_RESULT)
    if isinstance(data, str):
        return data
    return check_result(result_from_json(data), data["output"])


def _read_json(path: Path, max_bytes: int, schema: str) -> Any:  # noqa: ANN401 - JSON that the schema has checked
    """Return the content of a JSON file that matches a schema, or the reason why the file is not usable."""
    data = read(path, max_bytes)
    if isinstance(data, Problem):
        return f"cannot be used: {data.what}"
    try:
        content = parse_untrusted_json(data)
    except (ValueError, RecursionError):
        return "is not valid JSON"
    return content if validity_check(stored.load(schema))(content) else f"does not match {schema}"
