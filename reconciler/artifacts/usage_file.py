"""Read and write usage files. The JSON Schema of usage files is schemas/usage.schema.json.

A usage file stores when the grants of a tenant were used.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.artifacts.atomic_files import OWNER_ONLY, write_output
from reconciler.artifacts.grant_json import json_by_items
from reconciler.artifacts.serialization import Json
from reconciler.contract import stored
from reconciler.core.problems import Problem, errors
from reconciler.core.usage.records import (
    Checkpoint,
    Period,
    Usage,
    Use,
    UsedGrant,
    UsedOperation,
    UsedScope,
    moment,
    union,
)
from reconciler.errors import ReconcilerError
from reconciler.files.discover import name_of, read
from reconciler.files.schema import violations

FORMAT_VERSION = "2"
"""Files of version 1 lack uses, because reconciler did not count all types of log events."""
MAX_FILE_BYTES = 200_000_000


def read_usage(path: Path) -> Usage:
    """Read a usage file.

    If the usage file does not exist, return an empty usage record. Raises ReconcilerError.
    """
    if not path.exists():
        return Usage()
    content = read(path, MAX_FILE_BYTES)
    if isinstance(content, Problem):
        raise ReconcilerError(f"{content.source}: {content.what}; {content.fix}")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _invalid(path, "the content is not valid JSON") from error
    if isinstance(data, dict) and data.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        raise _invalid(path, f"this version of reconciler reads only the format {FORMAT_VERSION}")
    found = errors(violations(data, stored.load(stored.USAGE), file=name_of(path)))
    if found:
        raise _invalid(path, found[0].what)
    try:
        usage = _usage_from(data)
        for text in _times(usage):
            moment(text)
    except ValueError as error:
        raise _invalid(path, "the file contains an invalid time") from error
    return usage


def _invalid(path: Path, why: str) -> ReconcilerError:
    return ReconcilerError(f"{name_of(path)} is not a usage file: {why}; restore or remove the file")


def write_usage(path: Path, usage: Usage) -> None:
    """Write a usage file completely or not at all.

    Only the owner of the file may read the file. Raises ReconcilerError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, json_by_items(_json(usage)).encode(), OWNER_ONLY)
    except OSError as error:
        raise ReconcilerError(f"the usage file {name_of(path)} cannot be written: {error.strerror}") from error


def _json(usage: Usage) -> Json:
    return {
        "format_version": FORMAT_VERSION,
        "tenant": usage.tenant,
        "checkpoint": usage.checkpoint and usage.checkpoint._asdict(),
        "periods": [list(each) for each in usage.periods],
        "grants": [{**key._asdict(), **_use(use)} for key, use in sorted(usage.grants.items())],
        "writes": [{**key._asdict(), **_use(use)} for key, use in sorted(usage.writes.items())],
        "scopes": [{**key._asdict(), "last": last} for key, last in sorted(usage.scopes.items())],
    }


def _use(use: Use) -> Json:
    return {"first": use.first, "last": use.last, "days": dict(use.days)}


def _usage_from(data: Mapping[str, Any]) -> Usage:
    checkpoint = data["checkpoint"]
    return Usage(
        tenant=data["tenant"],
        grants={
            UsedGrant(each["client_id"], each["audience"], each["subject_type"]): _use_from(each)
            for each in data["grants"]
        },
        writes={UsedOperation(each["client_id"], each["operation"]): _use_from(each) for each in data["writes"]},
        scopes={UsedScope(each["client_id"], each["audience"], each["scope"]): each["last"] for each in data["scopes"]},
        periods=union(Period(*each) for each in data["periods"]),
        checkpoint=checkpoint and Checkpoint(checkpoint["until"], checkpoint["log_id"]),
    )


def _use_from(data: Mapping[str, Any]) -> Use:
    return Use(data["first"], data["last"], data["days"])


def _times(usage: Usage) -> Iterator[str]:
    for period in usage.periods:
        yield from period
    if usage.checkpoint:
        yield usage.checkpoint.until
    for use in (*usage.grants.values(), *usage.writes.values()):
        yield use.first
        yield use.last
        yield from (f"{day}T00:00:00Z" for day in use.days)
    yield from usage.scopes.values()
