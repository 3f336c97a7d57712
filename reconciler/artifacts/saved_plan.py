"""Read and write saved plans.

`apply PLANFILE` computes a new plan, and executes the new plan only if the saved plan contains every change of the new
plan.

The checksum of a saved plan detects accidental damage. The checksum does not prove the author of the file, because
anybody can compute a checksum.
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
from reconciler.artifacts.deserialization import plan_from_json
from reconciler.artifacts.grant_json import json_by_items
from reconciler.artifacts.serialization import FORMAT_VERSION, Json, digest, plan_json
from reconciler.contract import stored
from reconciler.core.characters import quote_text
from reconciler.core.identity import TenantName
from reconciler.core.plan import Plan
from reconciler.core.problems import Problem, errors
from reconciler.errors import ReconcilerError, StalePlanError
from reconciler.files.discover import read
from reconciler.files.schema import violations

MAX_FILE_BYTES = 500_000_000
MAX_CLOCK_SKEW = timedelta(minutes=5)
"""The maximum accepted clock difference between the machine that ran `plan` and the machine that runs `apply`."""
PLAN_START = re.compile(rb'\s*\{\s*"format_version"\s*:')
PLAN_START_BYTES = 100
BYTES_PER_BRACKET = 8
"""The minimum average number of bytes per list or object in a saved plan.

A file with a very large number of small lists and objects is refused, because parsing the file could fill the memory.

reconciler itself writes more bytes per list or object.
"""
MAX_EXACT_INTEGER = 2**53
"""The largest integer that every JSON parser reads exactly. JSON parsers may round integers above MAX_EXACT_INTEGER."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan that was read from a file, with the creation time of the plan and the options of the command `plan`.

    `checksum` is the checksum that the plan file contains.
    """

    plan: Plan
    created_at: datetime
    options: Mapping[str, bool]
    checksum: str


def write_plan(path: Path, plan: Plan, options: Mapping[str, bool], now: datetime) -> str:
    """Write `plan` to the file `path`, completely or not at all. Return the plan id.

    Only the owner may read the file. Two calls with equal arguments and the same version of
    reconciler write equal file content.

    Raises:
        ReconcilerError: if the file cannot be written.
    """
    content = plan_json(plan)
    identity = str(content["plan_id"])
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
    return identity


def discard_plan(path: Path) -> bool:
    """Delete the saved plan at `path`, so that nobody applies the plan later. Return whether a saved plan was deleted.

    Leave devices, pipes and empty files unchanged.

    Raises:
        ReconcilerError: if the file is not a saved plan, or cannot be deleted.
    """
    try:
        is_empty = path.is_file() and path.stat().st_size == 0
        if not path.exists() or is_empty or not (path.is_file() or path.is_dir()):
            return False
        if not _starts_like_plan(path):
            raise ReconcilerError(f"{path} is not a saved plan and would be overwritten; use another name for --out")
        Path(os.path.realpath(path)).unlink()  # if `path` is a symbolic link, the link remains
    except OSError as error:
        raise ReconcilerError(f"the plan {path} cannot be written: {error.strerror}") from error
    return True


def _starts_like_plan(path: Path) -> bool:
    """Return whether the first bytes of a file look like a saved plan of any format version.

    Do not read the rest of the file.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return PLAN_START.match(file.read(PLAN_START_BYTES)) is not None


def read_plan(path: Path) -> SavedPlan:
    """Read the saved plan at `path`.

    Raises:
        ReconcilerError: if the file cannot be read.
        StalePlanError: if the file is not a saved plan, has an unsupported format version, or was changed after `plan`
            wrote the file.
    """
    content = _content(path)
    if isinstance(content, dict) and content.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        version = quote_text(str(content["format_version"]))
        raise StalePlanError(
            f"{path} has format version {version}; this reconciler reads only {quote_text(FORMAT_VERSION)}"
        )
    if not isinstance(content, dict) or "saved" not in content:
        raise StalePlanError(f"{path} is not a saved plan; create a saved plan with `plan --out`")
    try:
        saved = _saved(content, path)
    except RecursionError:
        saved = None
    if saved is None:
        raise StalePlanError(f"{path} was altered after it was created; plan and review again")
    return saved


def _saved(content: Mapping[str, Any], path: Path) -> SavedPlan | None:
    """Return the saved plan in `content`, or None if the content differs from the content that `write_plan` wrote."""
    unsigned = {name: value for name, value in content.items() if name != "checksum"}
    checksum = digest(unsigned)
    if content.get("checksum") != checksum or errors(violations(content, stored.load(stored.PLAN), file=str(path))):
        return None
    saved, plan = content["saved"], plan_from_json(content)
    if plan.selection and plan.selection.selection.folder and not plan.selection.selection.is_inside:
        return None
    try:
        created_at = datetime.fromisoformat(saved["created_at"])
    except ValueError:
        return None
    if {**plan_json(plan), "saved": saved} != unsigned:
        return None
    return SavedPlan(plan, created_at, saved["options"], checksum)


def refuse_unless_current(saved: SavedPlan, tenant: TenantName, max_age: timedelta, now: datetime) -> None:
    """Raise StalePlanError if the saved plan must not be applied to `tenant`.

    The saved plan must be for `tenant`. The saved plan must not be older than `max_age`. The creation time of the saved
    plan must not be more than MAX_CLOCK_SKEW in the future.
    """
    if saved.plan.tenant != tenant:
        raise StalePlanError(f"the plan was made for {saved.plan.tenant}, not for {tenant}")
    age = now - saved.created_at
    if age < -MAX_CLOCK_SKEW:
        raise StalePlanError(
            f"the plan was created at {saved.created_at:%Y-%m-%d %H:%M} UTC, but this machine's time is "
            f"{now:%Y-%m-%d %H:%M} UTC: the clocks of the two machines differ; correct them, then plan and "
            "review again"
        )
    if age > max_age:
        raise StalePlanError(
            f"the plan was created at {saved.created_at:%Y-%m-%d %H:%M} UTC and is too old; plan and review again"
        )


def _content(path: Path) -> Any:  # noqa: ANN401 - JSON data that the schema checks later
    data = read(path, MAX_FILE_BYTES)
    if isinstance(data, Problem):
        raise ReconcilerError(f"{data.source}: {data.what}")
    try:
        return parse_untrusted_json(data)
    except (ValueError, RecursionError) as error:
        raise StalePlanError(f"{path} is not a saved plan; create a saved plan with `plan --out`") from error


def parse_untrusted_json(data: bytes) -> Any:  # noqa: ANN401 - JSON data that the schema checks later
    """Parse JSON from an untrusted source.

    Accept only integers up to 2**53 as numbers. Do not accept an object that repeats a field.

    Raise ValueError or RecursionError for invalid JSON, and for JSON that would fill the memory.
    """
    if (data.count(b"[") + data.count(b"{")) * BYTES_PER_BRACKET > len(data) + PLAN_START_BYTES:
        raise ValueError("too many lists and objects")
    content = json.loads(
        data, object_pairs_hook=_object, parse_int=_integer, parse_float=_refuse, parse_constant=_refuse
    )
    json.dumps(content, ensure_ascii=False).encode()  # raises an error if a string contains half of a surrogate pair
    return content


def _object(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is repeated")
    return found


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) > MAX_EXACT_INTEGER:
        raise ValueError("a number is too large")
    return number


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is not an integer")
