"""Find reconciler.yaml in the working folder or a parent folder of the same repository."""

import os
from pathlib import Path

from reconciler.config.tenants import DEFAULT_FILE
from reconciler.errors import ReconcilerError


def find_config_file(start: Path) -> str | None:
    """Return the path of the nearest reconciler.yaml above `start`, relative to `start`, or None.

    The search ends at the root of the repository, which is the first folder that contains `.git`. Outside a repository,
    there is no search. A reconciler.yaml in `start` itself needs no search, so the result is None.

    Raises:
        ReconcilerError: if another user owns the file. The configuration decides where credentials are sent.
    """
    if os.path.lexists(start / DEFAULT_FILE):
        return None
    folder = Path(os.path.realpath(start))
    for levels, each in enumerate((folder, *folder.parents)):
        file = each / DEFAULT_FILE
        if levels and os.path.lexists(file):
            if not _is_in_repository(each):
                return None
            _refuse_other_owner(file)
            return str(Path(*[os.pardir] * levels, DEFAULT_FILE))
        if os.path.lexists(each / ".git"):
            return None
    return None


def _is_in_repository(folder: Path) -> bool:
    return any(os.path.lexists(each / ".git") for each in (folder, *folder.parents))


def _refuse_other_owner(file: Path) -> None:
    """Raise ReconcilerError if another user owns the file or its folder. root may use the files of its own user."""
    if not hasattr(os, "geteuid"):
        return
    user, sudo_user = os.geteuid(), os.environ.get("SUDO_UID", "")
    allowed = {user, int(sudo_user)} if user == 0 and sudo_user.isdecimal() else {user}
    for each in (file, file.parent):
        if each.lstat().st_uid not in allowed:
            raise ReconcilerError(
                f"{each} belongs to another user, and the configuration decides where credentials are sent; "
                f"to use it nevertheless, name it with --config {file}"
            )
