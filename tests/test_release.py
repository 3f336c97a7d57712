"""tools/release.py: version, changelog and tag of a release."""

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from support.repository import commit_all

ROOT = Path(__file__).parent.parent
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-01-01\n\n- The first.\n"
PROJECT = '[project.urls]\nHomepage = "https://github.com/real/reconciler"\n'


@pytest.fixture(scope="module")
def release() -> ModuleType:
    specification = importlib.util.spec_from_file_location("release", ROOT / "tools" / "release.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the files that a release changes."""
    (tmp_path / "reconciler").mkdir()
    (tmp_path / "reconciler" / "__init__.py").write_text('"""Doc."""\n\n__version__ = "0.1.0"\n', encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    commit_all(tmp_path)
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "a")
        monkeypatch.setenv(f"{name}_EMAIL", "a@example.com")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_release_has_a_version_a_changelog_a_commit_and_a_tag(release: ModuleType, checkout: Path) -> None:
    release.prepare(checkout, "1.2.3", "2026-12-01")

    assert '__version__ = "1.2.3"\n' in (checkout / "reconciler" / "__init__.py").read_text(encoding="utf-8")
    changelog = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n\n### Added\n\n- A thing.\n" in changelog
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "rev-parse", "v1.2.3^{commit}") == git(checkout, "rev-parse", "HEAD")
    release.check(checkout, "v1.2.3")
    assert release.notes(checkout, "v1.2.3") == "### Added\n\n- A thing.\n"


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "01.2.3", "1.2.3 ", "$(id)"])
def test_a_wrong_version_is_refused(release: ModuleType, checkout: Path, version: str) -> None:
    with pytest.raises(SystemExit, match="is not a version like"):
        release.prepare(checkout, version, "2026-12-01")


def test_a_release_without_changes_is_refused(release: ModuleType, checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text(CHANGELOG.replace("### Added\n\n- A thing.\n", ""), encoding="utf-8")
    commit_all(checkout)

    with pytest.raises(SystemExit, match="Unreleased"):
        release.prepare(checkout, "1.2.3", "2026-12-01")


def test_uncommitted_changes_are_refused(release: ModuleType, checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text(f"{CHANGELOG}more\n", encoding="utf-8")

    with pytest.raises(SystemExit, match="not committed"):
        release.prepare(checkout, "1.2.3", "2026-12-01")


def test_a_placeholder_in_the_urls_is_refused(release: ModuleType, checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text(PROJECT.replace("real", "example"), encoding="utf-8")
    commit_all(checkout)

    with pytest.raises(SystemExit, match="placeholder"):
        release.prepare(checkout, "1.2.3", "2026-12-01")


@pytest.mark.parametrize(("tag", "message"), [("v9.9.9", "does not agree"), ("0.1.0", "does not agree")])
def test_a_tag_that_does_not_agree_is_refused(release: ModuleType, checkout: Path, tag: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        release.check(checkout, tag)


def test_the_changelog_of_the_project_has_a_section_for_the_next_release(release: ModuleType) -> None:
    assert release.notes(ROOT, "Unreleased").strip()
