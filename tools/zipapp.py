"""Write reconciler and all required packages into one file: `python tools/zipapp.py dist/reconciler.pyz`.

The file runs with Python 3.11 to 3.14 on the platform of the build. Packages come from requirements.lock, and pip
checks their hashes. Equal inputs give equal bytes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STARTER = ROOT / "tools" / "zipapp_start.py"
LOCK = ROOT / "requirements.lock"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
COMMON = "all"
SHEBANG = b"#!/usr/bin/env -S python3 -I\n"
IGNORED = shutil.ignore_patterns("__pycache__")
EPOCH = (1980, 1, 1, 0, 0, 0)
FILE_MODE = 0o644 << 16
Files = dict[str, bytes]


def main(target: Path) -> None:
    """Write the archive to the file `target`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        by_version = {version: read_files(install_packages(folder / version, version)) for version in VERSIONS}
        files = merge(by_version) | {f"{COMMON}/{path}": data for path, data in own_files(folder / "own").items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    write_archive(target, files)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}")


def install_packages(folder: Path, version: str) -> Path:
    """Install the locked packages for a version of Python into `folder`."""
    options = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile", "--python-version", version]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(folder)]
    subprocess.run([*pip, *options, "--requirement", str(LOCK)], check=True)
    return folder


def own_files(folder: Path) -> Files:
    """Return reconciler's own files, with the layout of the wheel."""
    shutil.copytree(ROOT / "reconciler", folder / "reconciler", ignore=IGNORED)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for source, target in project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].items():
        if target.startswith("reconciler/"):
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copyfile
            copy(ROOT / source, folder / target)
    return read_files(folder)


def read_files(folder: Path) -> Files:
    """Return the content of the files in `folder`, without scripts and compiled files."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {path: data for path, data in files.items() if not path.startswith("bin/") and "__pycache__" not in path}


def merge(by_version: Mapping[str, Files]) -> Files:
    """Return the files of all versions. A file that is equal in all versions is stored once, in the folder COMMON."""
    first = by_version[VERSIONS[0]]
    common = {path for path in first if all(files.get(path) == first[path] for files in by_version.values())}
    merged = {f"{COMMON}/{path}": first[path] for path in common}
    for version, files in by_version.items():
        merged |= {f"{version}/{path}": data for path, data in files.items() if path not in common}
    return merged


def write_archive(target: Path, files: Files) -> None:
    """Write an executable archive.

    The starter extracts the files to a folder with the digest of the files as its name.
    """
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path}\0{hashlib.sha256(files[path]).hexdigest()}\n".encode())
    starter = STARTER.read_text(encoding="utf-8").replace('"@DIGEST@"', f'"{digest.hexdigest()}"')
    content = {"__main__.py": starter.encode(), **files}
    with target.open("wb") as stream:
        stream.write(SHEBANG)
        with zipfile.ZipFile(stream, "w") as archive:
            for path in sorted(content):
                entry = zipfile.ZipInfo(path, EPOCH)
                entry.external_attr = FILE_MODE
                archive.writestr(entry, content[path], zipfile.ZIP_DEFLATED)
    os.chmod(target, 0o755)  # noqa: PTH101, S103 - an executable


if __name__ == "__main__":
    main(Path(sys.argv[1]))
