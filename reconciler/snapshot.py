"""What the tenant had before something is taken from it, as a grant file: applying that file rolls back."""

import os
from pathlib import Path

from reconciler.core.guards import Untouchable
from reconciler.core.plan import Plan, takes_access
from reconciler.core.planner import Observation
from reconciler.errors import ReconcilerError
from reconciler.journal import OWNER_ONLY
from reconciler.render.grant_file import grant_file

FOLDER = "snapshots"


def write_snapshot(
    folder: Path, run: str, plan: Plan, observation: Observation, untouchable: Untouchable
) -> Path | None:
    """Write the tenant's grants to `folder`/snapshots/RUN.yaml if `plan` takes something away; return the path.

    Left out is what no run can change: grants that Auth0 made, and the tool's own.

    Raises:
        ReconcilerError: if it cannot be written; nothing may be sent then.
    """
    if not any(takes_access(change) for change in plan.changes):
        return None
    changeable = (each.grant for each in observation.grants if not each.is_system and each.key != untouchable.own)
    title = f"Grants of {plan.tenant.name} ({plan.tenant.domain}) before run {run}; applying this file rolls back."
    path = folder / FOLDER / f"{run}.yaml"
    data = grant_file(changeable, observation.directory, title).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ReconcilerError(
            f"the snapshot {path} cannot be written, so nothing was sent: {error.strerror}"
        ) from error
    return path
