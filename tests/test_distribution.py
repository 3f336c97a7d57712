"""The distribution: its name, its metadata, and the lock files."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from reconciler import DISTRIBUTION

ROOT = Path(__file__).parent.parent
LOCKS = ["requirements.lock", "requirements-release.lock"]
FOLDERS = ("auth0_sandbox", "benchmarks", "docs", "examples", "reconciler", "tests", "tools", ".github")
TEXT = {".cfg", ".in", ".json", ".lock", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}
INSTALLS_OTHER_PACKAGE = re.compile(
    r"""(?:\b(?:pip|pipx|uv|poetry|pdm)\s+(?:pip\s+|tool\s+)?(?:install|add|upgrade)\s[^\n]*?|uvx\s+|pipx\s+run\s+)
    (?<![\w./@-])reconciler(?:\[[\w,]+\])?(?![\w/.-])""",
    re.VERBOSE,
)
"""Commands that install the distribution `reconciler`, which is another package."""


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return content


def texts() -> Iterator[Path]:
    """Yield all text files of the project."""
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT)
    for folder in FOLDERS:
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        yield from (path for path in files if path.suffix in TEXT)


def test_nothing_advises_to_install_the_unrelated_package() -> None:
    own = Path(__file__).resolve()
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in texts()
        if path.resolve() != own
        for match in INSTALLS_OTHER_PACKAGE.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


@pytest.mark.parametrize(
    "command",
    [
        "pip install reconciler",
        'pip install "reconciler[jwt]"',
        "python -m pip install -U reconciler",
        "uv tool install reconciler",
        "uvx reconciler plan",
        "pipx run reconciler",
    ],
)
def test_advice_to_install_the_unrelated_package_is_found(command: str) -> None:
    assert INSTALLS_OTHER_PACKAGE.search(command)


@pytest.mark.parametrize("command", ["uvx --from auth0-grants reconciler plan", "pip install auth0-grants"])
def test_advice_to_install_this_distribution_is_allowed(command: str) -> None:
    assert not INSTALLS_OTHER_PACKAGE.search(command)


def test_the_name_of_the_distribution_is_auth0_grants(project: dict[str, Any]) -> None:
    assert project["name"] == DISTRIBUTION == "auth0-grants"
    assert project["scripts"] == {"reconciler": "reconciler.__main__:start"}


def test_the_metadata_has_classifiers_and_urls(project: dict[str, Any]) -> None:
    minors = [each for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]

    assert [each.rpartition(".")[2] for each in minors] == ["11", "12", "13", "14"]
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= set(project["urls"])


def locked(file: str) -> dict[str, tuple[Version, list[str]]]:
    """Return the version and the hashes of each package in a lock file."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    entries = {}
    for line in text.replace("\\\n", " ").splitlines():
        pinned, *hashes = re.split(r"\s+--hash=", line.strip())
        name, version = re.split("==", pinned.partition(";")[0].strip())
        entries[name] = (Version(version), hashes)
    return entries


@pytest.mark.parametrize("file", LOCKS)
def test_every_locked_package_has_hashes(file: str) -> None:
    for name, (_, hashes) in locked(file).items():
        assert hashes, name
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes), name


def test_the_lock_satisfies_every_dependency(project: dict[str, Any]) -> None:
    versions = locked("requirements.lock")
    needs = [*project["dependencies"], *project["optional-dependencies"]["jwt"]]
    for each in map(Requirement, needs):
        version, _ = versions[each.name.lower()]
        assert each.specifier.contains(version), each


def test_the_lock_of_the_release_tools_satisfies_their_list() -> None:
    versions = locked("requirements-release.lock")
    lines = (ROOT / "tools" / "release.in").read_text(encoding="utf-8").splitlines()
    for each in (Requirement(line) for line in lines if not line.startswith("#")):
        assert each.specifier.contains(versions[each.name][0]), each


def test_the_lock_names_no_index() -> None:
    for file in LOCKS:
        assert not re.search(r"^-|://", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
