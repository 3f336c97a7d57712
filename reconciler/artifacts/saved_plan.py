"""Saved plans. A saved plan is an approval: `apply` plans again and applies only what the saved plan shows.

The checksum of a saved plan detects accidents. It does not prove who wrote the file, because anybody can compute it.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler import __version__
from reconciler.artifacts.atomic_files import OWNER_ONLY, write_output
from reconciler.artifacts.serialization import FORMAT_VERSION, Json, digest, json_by_items, plan_from_json, plan_json
from reconciler.contract import stored
from reconciler.core.plan import Plan, TenantName
from reconciler.core.problems import Problem, errors
from reconciler.core.quoting import quoted
from reconciler.errors import ReconcilerError, StalePlanError
from reconciler.files.discover import read
from reconciler.files.schema import violations

LARGEST_FILE_BYTES = 500_000_000
MOST_SKEW = timedelta(minutes=5)
"""The allowed difference between the clocks of the machines that plan and apply."""
BEGINNING = re.compile(rb'\s*\{\s*"format_version"\s*:')
BEGINNING_BYTES = 100
BYTES_PER_BRACKET = 8
"""A real saved plan has many more bytes per list and object. A file with fewer only fills memory."""
MOST_EXACT = 2**53
"""Readers of JSON do not agree on larger numbers."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """An approved plan with its time and options. `checksum` identifies the file."""

    plan: Plan
    created_at: datetime
    options: Mapping[str, bool]
    checksum: str


def write_plan(path: Path, plan: Plan, options: Mapping[str, bool], now: datetime) -> None:
    """Write `plan` to `path`, completely or not at all, readable by its owner only.

    Only `now` makes the bytes differ.

    Raises:
        ReconcilerError: if the file cannot be written.
    """
    content = plan_json(plan)
    content["saved"] = {
        "tool_version": __version__,
        "created_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "options": dict(options),
    }
    content["checksum"] = digest(content)
    try:
        write_output(path, json_by_items(content).encode(errors="backslashreplace"), OWNER_ONLY)
    except OSError as error:
        raise ReconcilerError(f"the plan {path} cannot be written: {error.strerror}") from error


def discard_plan(path: Path) -> bool:
    """Remove the saved plan at `path`, so that nobody applies it later. Return whether there was one.

    Devices and pipes contain no plan.

    Raises:
        ReconcilerError: if the file is not a saved plan, which is kept, or cannot be removed.
    """
    try:
        if not path.exists() or _is_empty(path) or not (path.is_file() or path.is_dir()):
            return False
        if not _begins_as_a_plan(path):
            raise ReconcilerError(f"{path} is not a saved plan and would be overwritten; give --out another name")
        Path(os.path.realpath(path)).unlink()  # a link to the plan is kept
    except OSError as error:
        raise ReconcilerError(f"the plan {path} cannot be written: {error.strerror}") from error
    return True


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def _begins_as_a_plan(path: Path) -> bool:
    """Return whether a file starts like a saved plan of any format version. The rest may be damaged."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return BEGINNING.match(file.read(BEGINNING_BYTES)) is not None


def read_plan(path: Path) -> SavedPlan:
    """Read the saved plan at `path`.

    Raises:
        ReconcilerError: if the file cannot be read.
        StalePlanError: if it is not a saved plan, has another format version, or was altered.
    """
    content = _content(path)
    if isinstance(content, dict) and content.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        version = quoted(str(content["format_version"]))
        raise StalePlanError(f"{path} has the format {version}; this version knows {quoted(FORMAT_VERSION)}")
    if not isinstance(content, dict) or "saved" not in content:
        raise StalePlanError(f"{path} is not a saved plan; create one with plan --out")
    try:
        saved = _saved(content, path)
    except RecursionError:
        saved = None
    if saved is None:
        raise StalePlanError(f"{path} was altered after it was created; plan and review again")
    return saved


def _saved(content: Mapping[str, Any], path: Path) -> SavedPlan | None:
    """Return the saved plan with this content, or None if `write_plan` would not write it."""
    without = {name: value for name, value in content.items() if name != "checksum"}
    checksum = digest(without)
    if content.get("checksum") != checksum or errors(violations(content, stored.load(stored.PLAN), file=str(path))):
        return None
    saved, plan = content["saved"], plan_from_json(content)
    try:
        created_at = datetime.fromisoformat(saved["created_at"])
    except ValueError:
        return None
    if {**plan_json(plan), "saved": saved} != without:
        return None
    return SavedPlan(plan, created_at, saved["options"], checksum)


def refuse_unless_current(saved: SavedPlan, tenant: TenantName, oldest: timedelta, now: datetime) -> None:
    """Raise StalePlanError if the plan is for another tenant, older than `oldest`, or from the future."""
    if saved.plan.tenant != tenant:
        raise StalePlanError(f"the plan was made for {saved.plan.tenant}, not for {tenant}")
    age = now - saved.created_at
    if age < -MOST_SKEW:
        raise StalePlanError(
            f"the plan was created at {saved.created_at:%Y-%m-%d %H:%M} UTC, but this machine's time is "
            f"{now:%Y-%m-%d %H:%M} UTC: the clocks of the two machines differ; correct them, then plan and "
            "review again"
        )
    if age > oldest:
        raise StalePlanError(
            f"the plan was created at {saved.created_at:%Y-%m-%d %H:%M} UTC and is too old; plan and review again"
        )


def _content(path: Path) -> Any:  # noqa: ANN401 - JSON; the schema says what it is
    data = read(path, LARGEST_FILE_BYTES)
    if isinstance(data, Problem):
        raise ReconcilerError(f"{data.source}: {data.what}")
    try:
        return _parsed(data)
    except (ValueError, RecursionError) as error:
        raise StalePlanError(f"{path} is not a saved plan; create one with plan --out") from error


def _parsed(data: bytes) -> Any:  # noqa: ANN401 - JSON; the schema says what it is
    """Parse JSON. Raises ValueError or RecursionError for content that no saved plan has."""
    if (data.count(b"[") + data.count(b"{")) * BYTES_PER_BRACKET > len(data) + BEGINNING_BYTES:
        raise ValueError("more lists and objects than a plan has")
    content = json.loads(
        data, object_pairs_hook=_object, parse_int=_integer, parse_float=_refuse, parse_constant=_refuse
    )
    json.dumps(content, ensure_ascii=False).encode()  # fails for single surrogates
    return content


def _object(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is repeated")
    return found


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) > MOST_EXACT:
        raise ValueError("a number is too large")
    return number


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is not in any plan")
