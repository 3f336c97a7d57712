"""Prepare and check a release.

`python tools/release.py prepare 1.2.3` writes the version and the changelog, commits, and creates the tag v1.2.3. The
tag starts the workflow `.github/workflows/release.yml`. The workflow runs `python tools/release.py check v1.2.3`.
`python tools/release.py notes v1.2.3` prints the section of the changelog.
"""

import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("reconciler/__init__.py")
CHANGELOG = Path("CHANGELOG.md")
PROJECT = Path("pyproject.toml")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)((a|b|rc)\d+)?")
ASSIGNMENT = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)
UNRELEASED = "## [Unreleased]\n"
PLACEHOLDER = "github.com/example/"


def prepare(root: Path, version: str, today: str) -> None:
    """Write the version and the changelog in `root`, create the commit and the tag. Exit with a message on errors."""
    if not VERSION.fullmatch(version):
        sys.exit(f"error: {version!r} is not a version like 1.2.3 or 1.2.3rc1")
    if git(root, "status", "--porcelain"):
        sys.exit("error: the checkout has changes that are not committed: commit or remove them")
    if git(root, "tag", "--list", f"v{version}"):
        sys.exit(f"error: the tag v{version} exists: choose a newer version")
    refuse_placeholder(root)
    text = (root / CHANGELOG).read_text(encoding="utf-8")
    if not section(text, "Unreleased").strip():
        sys.exit("error: the section Unreleased of CHANGELOG.md is empty: describe the changes")
    write(root / CHANGELOG, text.replace(UNRELEASED, f"{UNRELEASED}\n## [{version}] - {today}\n", 1))
    source = (root / PACKAGE).read_text(encoding="utf-8")
    write(root / PACKAGE, ASSIGNMENT.sub(f'__version__ = "{version}"', source))
    git(root, "commit", "--quiet", "--message", f"Release {version}", "--", str(PACKAGE), str(CHANGELOG))
    git(root, "tag", "--annotate", f"v{version}", "--message", f"Release {version}")
    print(f"Created the commit and the tag v{version}. Check both, then publish: git push origin HEAD v{version}")


def check(root: Path, tag: str) -> None:
    """Exit with a message if the version or the changelog in `root` does not agree with the tag."""
    found = ASSIGNMENT.search((root / PACKAGE).read_text(encoding="utf-8"))
    version = found[1] if found else ""
    if tag != f"v{version}":
        sys.exit(f"error: the tag {tag} does not agree with the version {version} of {PACKAGE}")
    if not notes(root, tag).strip():
        sys.exit(f"error: CHANGELOG.md has no section for {version}")
    refuse_placeholder(root)


def notes(root: Path, tag: str) -> str:
    """Return the section of the changelog for a tag."""
    return section((root / CHANGELOG).read_text(encoding="utf-8"), tag.removeprefix("v"))


def section(changelog: str, name: str) -> str:
    """Return the text below the heading of a version, without the heading."""
    parts = re.split(r"^## \[(.+?)\].*\n", changelog, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(name, "").strip() + "\n"


def refuse_placeholder(root: Path) -> None:
    """Exit with a message if a URL in pyproject.toml contains the placeholder."""
    urls = tomllib.loads((root / PROJECT).read_text(encoding="utf-8"))["project"]["urls"]
    if any(PLACEHOLDER in url for url in urls.values()):
        sys.exit(f"error: the URLs of {PROJECT} contain the placeholder {PLACEHOLDER}: write the real URLs")


def write(path: Path, text: str) -> None:
    """Write a text file."""
    path.write_text(text, encoding="utf-8")


def git(root: Path, *arguments: str) -> str:
    """Run git in `root` and return the output."""
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def main(arguments: list[str]) -> None:
    """Run the command in `arguments`."""
    match arguments:
        case ["prepare", version]:
            prepare(ROOT, version, f"{datetime.now(UTC):%Y-%m-%d}")
        case ["check", tag]:
            check(ROOT, tag)
        case ["notes", tag]:
            print(notes(ROOT, tag), end="")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
