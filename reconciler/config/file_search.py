"""Find reconciler.yaml, and refuse configuration files that the search does not accept."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from reconciler.config.tenants import DEFAULT_FILE
from reconciler.errors import ReconcilerError

SIMILAR_NAME = re.compile(r"\.?reconciler\.ya?ml", re.IGNORECASE | re.ASCII)
"""The file names that users write instead of reconciler.yaml, such as reconciler.yml."""
GRANTS_KEY = re.compile(rb"^grants:", re.MULTILINE)
MAX_BYTES_BEFORE_GRANTS = 65_536
"""The number of bytes in which `_is_grant_file` searches the key `grants`."""


def find_config_file(start: Path) -> str | None:
    """Return the path of the nearest reconciler.yaml above `start`, relative to `start`, or None.

    The search ends at the root of the repository, which is the first folder that contains `.git`. Outside a repository,
    the function returns None. If `start` contains reconciler.yaml, return None, because no search is needed. If a
    nearer folder contains a file with a similar name, return None, so that `refuse_ignored_config` reports the file.

    Raises:
        ReconcilerError: if a different user owns reconciler.yaml, because the configuration decides where credentials
            are sent.
    """
    here = Path(os.path.realpath(start))
    file = _first_config(_searched_folders(here))
    if file is None or file.parent == here or file.name != DEFAULT_FILE:
        return None
    _refuse_other_owner(file)
    return os.path.relpath(file, here)


def refuse_ignored_config(start: Path, grants: Path | None = None) -> None:
    """Refuse to run without a configuration if a file looks like the configuration of the folder `start`.

    Call the function only if `find_config_file` found no file, and `start` contains no reconciler.yaml.

    A file looks like the configuration if the file has a similar name, or if the file is a reconciler.yaml in a parent
    folder outside a repository. The function also checks the parent folders of the grant folder `grants`, because a
    reconciler.yaml there may contain the guards for these grants. Outside a repository, the function ignores files of
    other users, because everybody can write files into some folders, such as /tmp.

    Raises:
        ReconcilerError: if such a file exists.
    """
    here = Path(os.path.realpath(start))
    _refuse_similar_name(_first_config(_searched_folders(here)), here)
    for folder in (here, *([Path(os.path.realpath(start / grants)).parent] if grants else [])):
        searched = _searched_folders(folder)
        in_repository = os.path.lexists(searched[-1] / ".git")
        folders = searched if in_repository else (folder, *folder.parents)
        file = _first_config(folders, only_own=not in_repository)
        _refuse_similar_name(file, here)
        if file:
            _refuse_other_owner(file)
            path = os.path.relpath(file, here)
            raise ReconcilerError(
                f"{path} exists, but reconciler searches only the current folder and, inside a git repository, its "
                f"parent folders: run the command there, or set --config {path}"
            )


def refuse_second_config(start: Path) -> None:
    """Refuse to write a new reconciler.yaml into the folder `start` if the folder has a configuration.

    The configuration may be in a parent folder of the same repository. If `start` itself contains reconciler.yaml,
    the function returns.

    Raises:
        ReconcilerError: if such a file exists, or if a file in these folders has a similar name.
    """
    here = Path(os.path.realpath(start))
    file = _first_config(_searched_folders(here))
    _refuse_similar_name(file, here)
    if file and file.parent != here:
        raise ReconcilerError(
            f"{os.path.relpath(file, here)} exists: run reconciler init in that folder. To write another "
            "configuration, set --config FILE"
        )


def _refuse_similar_name(file: Path | None, here: Path) -> None:
    """Raise ReconcilerError if the name of `file` is not reconciler.yaml. Messages show the path relative to `here`."""
    if file and file.name != DEFAULT_FILE:
        path = os.path.relpath(file, here)
        raise ReconcilerError(
            f"{path} is not read, because the configuration must have the name {DEFAULT_FILE}: rename the file, or set "
            f"--config {path}"
        )


def _searched_folders(here: Path) -> tuple[Path, ...]:
    """Return the folder `here` and its parent folders up to the root of the repository.

    Outside a repository, return only `here`.
    """
    folders = (here, *here.parents)
    for number, folder in enumerate(folders, 1):
        if os.path.lexists(folder / ".git"):
            return folders[:number]
    return (here,)


def _first_config(folders: Sequence[Path], *, only_own: bool = False) -> Path | None:
    """Return the configuration file in the first of `folders` that contains one, or None.

    If a folder has no reconciler.yaml, a file with a similar name counts. If `only_own` is true, files of other users
    do not count.
    """
    for folder in folders:
        for name in [DEFAULT_FILE] if os.path.lexists(folder / DEFAULT_FILE) else _similar_names(folder):
            if not (only_own and _has_other_owner(folder / name)):
                return folder / name
    return None


def _similar_names(folder: Path) -> list[str]:
    """Return the sorted names in `folder` that are similar to reconciler.yaml, except the names of grant files.

    For an unreadable folder, return an empty list.
    """
    try:
        names = sorted(file.name for file in folder.iterdir() if SIMILAR_NAME.fullmatch(file.name))
    except OSError:
        return []
    return [name for name in names if not _is_grant_file(folder / name)]


def _is_grant_file(file: Path) -> bool:
    """Return whether a file starts like a grant file. `import` names grant files after applications."""
    try:
        with file.open("rb") as opened:
            return GRANTS_KEY.search(opened.read(MAX_BYTES_BEFORE_GRANTS)) is not None
    except OSError:
        return False


def _refuse_other_owner(file: Path) -> None:
    """Raise ReconcilerError if a different user owns the file or the folder of the file."""
    for each in (file, file.parent):
        if _has_other_owner(each):
            raise ReconcilerError(
                f"{each} belongs to another user, and the configuration decides where credentials are sent; "
                f"if you trust the file, use --config {file}"
            )


def _has_other_owner(path: Path) -> bool:
    """Return whether a different user owns the file, the folder or the link at `path`.

    If reconciler runs as root through sudo, the owner may also be the user who ran sudo.
    """
    if not hasattr(os, "geteuid"):
        return False
    user, sudo_user = os.geteuid(), os.environ.get("SUDO_UID", "")
    allowed = {user, int(sudo_user)} if user == 0 and sudo_user.isdecimal() else {user}
    return path.lstat().st_uid not in allowed
