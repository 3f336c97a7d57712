"""The text of `reconciler --version`."""

import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from reconciler import DISTRIBUTION, __version__

PACKAGES = (
    *("click", "deepdiff", "httpx", "jsonschema", "jsonschema-rs", "PyYAML", "sniffio"),
    *("PyJWT", "cryptography", "starlette", "uvicorn"),
)
"""The packages in `dependencies` and `optional-dependencies` of pyproject.toml, without the development tools."""


def version_lines(*, verbose: bool) -> Iterator[str]:
    """Yield the version of reconciler. With `verbose`, also yield the versions of Python, git and the packages."""
    yield f"reconciler {__version__}"
    if not verbose:
        return
    yield f"distribution {DISTRIBUTION}"
    yield f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    yield f"platform {platform.platform()}"
    for name in PACKAGES:
        yield f"{name} {_version_of(name)}"
    yield f"git {_git_version()}"


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _git_version() -> str:
    """Return the version of git, or the reason why reconciler cannot run git."""
    from reconciler.git.repository import GitError, program_version

    try:
        return program_version(Path.cwd())
    except GitError as error:
        return f"not usable: {error}"
