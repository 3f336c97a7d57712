"""Write and read snapshots.

A snapshot is a folder of grant files that declare the changed grants as they were before a run.

Applying the files of a snapshot undoes the run.

A snapshot also contains the JSON file MANIFEST. MANIFEST contains the name of the run, the tenant, the digest of each
grant file, and the grants that the run creates. A folder is accepted as a snapshot only inside the state folder of
reconciler, and only if MANIFEST lists the grant files.
"""

import hashlib
import json
import os
from pathlib import Path

from reconciler.artifacts.atomic_files import BINARY, OWNER_ONLY
from reconciler.artifacts.grant_json import grant_from_json, grant_json
from reconciler.core.directory import Directory
from reconciler.core.outcome import Rollback
from reconciler.core.plan import Create, Plan, grant_before
from reconciler.errors import ReconcilerError
from reconciler.files.discover import MANIFEST
from reconciler.files.write import snapshot_file, split_by_size

FOLDER = "snapshots"


def snapshot_path(folder: Path, run: str) -> Path:
    """Return the path of the folder with the snapshot of the run `run`."""
    return folder / FOLDER / run


def write_snapshot(folder: Path, run: str, plan: Plan, directory: Directory, only_for: str | None = None) -> Path:
    """Write a snapshot to `folder`/snapshots/RUN: the current state of all grants that `plan` updates or deletes.

    Return the path of the snapshot folder.

    `only_for` is the name of a tenant, or None. If `only_for` is set, the grant files of the snapshot declare the
    grants only for the tenant `only_for`.

    Raises:
        ReconcilerError: if the snapshot cannot be written. Without a snapshot, the caller must not apply
            the plan.
    """
    before = [grant for change in plan.changes if (grant := grant_before(change)) is not None]
    title = f"Grants of {plan.tenant} before run {run}; applying this folder undoes the run."
    texts = {
        f"{number:03}.yaml": snapshot_file(part, directory, title, run, only_for)
        for number, part in enumerate(split_by_size(before) if before else [], start=1)
    }
    manifest = {
        "run": run,
        "tenant": plan.tenant.name,
        "domain": plan.tenant.domain,
        "files": {name: _digest(text.encode()) for name, text in texts.items()},
        "created": [grant_json(change.after.grant) for change in plan.changes if isinstance(change, Create)],
    }
    snapshot = snapshot_path(folder, run)
    try:
        snapshot.mkdir(parents=True)
        for name, text in {**texts, MANIFEST: json.dumps(manifest, separators=(",", ":")) + "\n"}.items():
            _write(snapshot / name, text)
    except OSError as error:
        raise ReconcilerError(
            f"the snapshot {snapshot} cannot be written, so nothing was sent: {error.strerror}"
        ) from error
    return snapshot


def rollback_of(folder: Path, state_folder: Path) -> Rollback | None:
    """Return the data for undoing the run whose snapshot is in `folder`.

    Return None if `folder` is not a snapshot in `state_folder`.

    Raises:
        ReconcilerError: if somebody changed, added or removed files of the snapshot after the run.
    """
    if (
        folder.is_symlink()
        or folder.resolve().parent != (state_folder / FOLDER).resolve()
        or not (folder / MANIFEST).is_file()
    ):
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        found = {path.name: _digest(path.read_bytes()) for path in folder.iterdir() if path.name != MANIFEST}
        if found != manifest["files"]:
            raise ReconcilerError(f"the files in {folder} have changed since the run; use another snapshot")
        created = tuple(grant_from_json(each) for each in manifest["created"])
        return Rollback(str(manifest["run"]), str(manifest["tenant"]), str(manifest["domain"]), created)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReconcilerError(f"{folder / MANIFEST} has changed since the run; use another snapshot") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | BINARY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
