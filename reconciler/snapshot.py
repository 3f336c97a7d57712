"""What the tenant had before something is taken from it, as grant files: applying them rolls back."""

import os
from pathlib import Path

from reconciler.core.guards import Untouchable
from reconciler.core.plan import Plan, takes_access
from reconciler.core.planner import Observation
from reconciler.errors import ReconcilerError
from reconciler.journal import OWNER_ONLY
from reconciler.render.grant_file import portions, snapshot_file

FOLDER = "snapshots"


def write_snapshot(  # noqa: PLR0913, PLR0917 - where, of what, and for whom
    folder: Path,
    run: str,
    plan: Plan,
    observation: Observation,
    untouchable: Untouchable,
    only_for: str | None = None,
) -> Path | None:
    """Write the tenant's grants into the folder `folder`/snapshots/RUN if `plan` takes something away; return it.

    With `only_for`, the name of a tenant of the configuration, the files apply to no other. Left out is what no run can
    change: grants that Auth0 made, the tool's own, and what lies beyond the border.

    Raises:
        ReconcilerError: if it cannot be written; nothing may be sent then.
    """
    if not any(takes_access(change) for change in plan.changes):
        return None
    inside, directory = untouchable.border.surrounds, observation.directory
    changeable = [
        each.grant
        for each in observation.grants
        if not each.is_system and untouchable.why_own(each.key, each) is None and inside(each.key, directory)
    ]
    title = f"Grants of {plan.tenant.name} ({plan.tenant.domain}) before run {run}; applying this folder rolls back."
    place = folder / FOLDER / run
    try:
        place.mkdir(parents=True)
        for number, some in enumerate(portions(changeable), start=1):
            _write(place / f"{number:03}.yaml", snapshot_file(some, observation.directory, title, run, only_for))
    except OSError as error:
        raise ReconcilerError(
            f"the snapshot {place} cannot be written, so nothing was sent: {error.strerror}"
        ) from error
    return place


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
