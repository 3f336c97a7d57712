"""Start reconciler from one file: extract the packages once, and run the command.

Python cannot load compiled modules from an archive, so the files are extracted to a cache folder of the user. The name
of the folder is the digest of the files. Only the user may be able to write there, because the files are code.
"""

import os
import shutil
import stat
import sys
import tempfile
import zipfile
from pathlib import Path

DIGEST = "@DIGEST@"
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def main() -> None:
    """Extract the files if necessary, and run reconciler."""
    version = ".".join(map(str, sys.version_info[:2]))
    if version not in SUPPORTED:
        sys.exit(f"error: this file supports Python {SUPPORTED[0]} to {SUPPORTED[-1]}, not {version}")
    archive = Path(__file__).parent
    folder = cache_folder() / f"{DIGEST[:32]}-{version}"
    if not folder.is_dir():
        extract(archive, folder, version)
    refuse_foreign(folder)
    sys.path[:] = [str(folder), *(path for path in sys.path if Path(path) != archive)]

    from reconciler.__main__ import start  # noqa: PLC0415 - the package exists only after the extraction

    start()


def cache_folder() -> Path:
    """Create and return the user's cache folder for reconciler."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    parent = Path(os.environ.get(variable) or Path.home() / ".cache")
    folder = parent / "reconciler"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"error: {folder} cannot be created ({error.strerror}): set {variable} to your own folder")
    refuse_foreign(folder)
    return folder


def refuse_foreign(folder: Path) -> None:
    """End the program if another user may have written to `folder`."""
    status = folder.lstat()
    if sys.platform != "win32" and (status.st_uid != os.getuid() or status.st_mode & OTHERS_WRITE):
        sys.exit(f"error: other users may have written to {folder}, so it is not used: delete the folder")


def extract(archive: Path, folder: Path, version: str) -> None:
    """Extract the files for a version of Python to `folder`, completely or not at all."""
    draft = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        with zipfile.ZipFile(archive) as content:
            for part in ("all/", f"{version}/"):
                for entry in content.infolist():
                    if entry.filename.startswith(part):
                        file = draft / entry.filename.removeprefix(part)
                        file.parent.mkdir(parents=True, exist_ok=True)
                        file.write_bytes(content.read(entry))
        draft.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # another run may have extracted the files at the same time
            sys.exit(f"error: {folder} cannot be written ({error.strerror})")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


main()
