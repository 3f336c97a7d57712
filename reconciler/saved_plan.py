"""Plans on disk: approvals, never instructions. Whoever applies one plans afresh and may do no more than it says."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler import __version__
from reconciler.contract import stored
from reconciler.core.plan import Change, Plan, TenantName
from reconciler.core.problems import Problem, errors
from reconciler.core.spec import GrantSpec
from reconciler.disk import replace_file
from reconciler.errors import ReconcilerError, StalePlanError
from reconciler.files.discover import read
from reconciler.files.schema import violations
from reconciler.render.data import json_by_items
from reconciler.render.plan_json import FORMAT_VERSION, deed, digest, plan_from_json, plan_json

OWNER_ONLY = 0o600
LARGEST_FILE_BYTES = 500_000_000
BEGINNING = re.compile(rb'\s*\{\s*"format_version"\s*:')
BEGINNING_BYTES = 100
PLACES = frozenset({"file", "places", "description", "tenants"})
"""Of a spec what changes nothing."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as it was approved, when, and with which options it was made."""

    plan: Plan
    created_at: datetime
    options: Mapping[str, bool]


def desired_digest(specs: Iterable[GrantSpec]) -> str:
    """Return the digest of what files declare, wherever in them it stands."""
    names = [name for name in GrantSpec._fields if name not in PLACES]
    return digest(sorted(([getattr(spec, name) for name in names] for spec in specs), key=str))


def write_plan(path: Path, plan: Plan, specs: Iterable[GrantSpec], options: Mapping[str, bool], now: datetime) -> None:
    """Write `plan` to `path`, whole or not at all, readable by its owner only. Same inputs, same bytes but for `now`.

    Raises:
        ReconcilerError: if it cannot be written.
    """
    content = plan_json(plan)
    content["saved"] = {
        "tool_version": __version__,
        "created_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "desired_digest": desired_digest(specs),
        "options": dict(options),
    }
    content["digest"] = digest(content)
    try:
        replace_file(path, json_by_items(content), OWNER_ONLY)
    except OSError as error:
        raise ReconcilerError(f"the plan {path} cannot be written: {error.strerror}") from error


def discard_plan(path: Path) -> bool:
    """Remove the plan that `path` holds, so that nobody applies it any more; return whether there was one.

    Raises:
        ReconcilerError: if something else is there, which stays, or what is there cannot be removed.
    """
    try:
        if not path.exists() or _is_empty(path):
            return False
        if not _begins_as_a_plan(path):
            raise ReconcilerError(f"{path} is no saved plan, so it is not replaced by one; give --out another name")
        path.unlink()
    except OSError as error:
        raise ReconcilerError(f"the plan {path} cannot be written: {error.strerror}") from error
    return True


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def _begins_as_a_plan(path: Path) -> bool:
    """Return whether a file begins as plans of every format do, whatever became of the rest."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return BEGINNING.match(file.read(BEGINNING_BYTES)) is not None


def read_plan(path: Path) -> SavedPlan:
    """Return the plan in `path`.

    Raises:
        ReconcilerError: if the file cannot be read.
        StalePlanError: if it is no plan, is of a newer format, or was altered.
    """
    content = _content(path)
    if isinstance(content, dict) and content.get("format_version") != FORMAT_VERSION:
        raise StalePlanError(
            f"{path} has the format {content.get('format_version')!r}; this version knows {FORMAT_VERSION}"
        )
    if not isinstance(content, dict) or "saved" not in content:
        raise StalePlanError(f"{path} is no saved plan; make one with plan --out")
    without = {name: value for name, value in content.items() if name != "digest"}
    if content.get("digest") != digest(without) or errors(
        violations(content, stored.load(stored.PLAN), file=str(path))
    ):
        raise StalePlanError(f"{path} was altered after it was made; plan and review again")
    saved = content["saved"]
    return SavedPlan(plan_from_json(content), datetime.fromisoformat(saved["created_at"]), saved["options"])


def refuse_unless_current(saved: SavedPlan, tenant: TenantName, oldest: timedelta, now: datetime) -> None:
    """Raise StalePlanError if the plan is not for `tenant`, older than `oldest`, or from the future."""
    if saved.plan.tenant != tenant:
        raise StalePlanError(f"the plan was made for {saved.plan.tenant}, not for {tenant}")
    age = now - saved.created_at
    if not timedelta(minutes=-5) <= age <= oldest:
        raise StalePlanError(
            f"the plan was made {saved.created_at:%Y-%m-%d %H:%M} UTC, too long ago; plan and review again"
        )


def unapproved(fresh: Plan, approved: Plan) -> tuple[Change, ...]:
    """Return the changes of `fresh` that do not stand in `approved` with the same before and after."""
    known = {digest(deed(change)) for change in approved.changes}
    return tuple(change for change in fresh.changes if digest(deed(change)) not in known)


def _content(path: Path) -> Any:  # noqa: ANN401 - JSON; the schema says what it is
    data = read(path, LARGEST_FILE_BYTES)
    if isinstance(data, Problem):
        raise ReconcilerError(f"{data.source}: {data.what}")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StalePlanError(f"{path} is no saved plan: it is no JSON") from error
