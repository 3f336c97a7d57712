"""Collect the pages of the documentation site: README.md as the start page, docs/, and other pages of the repository.

Usage: site.py FOLDER. Links between pages lead to the copies. Links to other files of the repository become plain text,
because the site does not contain these files.
"""

import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = {
    ROOT / "README.md": "index.md",
    ROOT / "CHANGELOG.md": "changelog.md",
    ROOT / "CONTRIBUTING.md": "contributing.md",
    ROOT / "SECURITY.md": "reporting.md",
    ROOT / "benchmarks" / "README.md": "benchmarks.md",
    ROOT / "examples" / "README.md": "examples.md",
    **{path: path.name for path in sorted((ROOT / "docs").glob("*.md"))},
    **{path: path.name for path in sorted((ROOT / "docs").glob("*.[ps][nv]g"))},
}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<path>[^)#:]*)(?P<fragment>#[^)]*)?\)")


def with_links(page: Path) -> str:
    """Return the text of a page, with links that work on the site."""

    def convert(link: re.Match[str]) -> str:
        if not link["path"]:
            return link[0]
        target = Path(os.path.normpath(page.parent / link["path"]))
        name = PAGES.get(target) or PAGES.get(target / "README.md")
        return f"{link['image']}[{link['text']}]({name}{link['fragment'] or ''})" if name else link["text"]

    return LINK.sub(convert, page.read_text(encoding="utf-8"))


def main(folder: Path) -> None:
    """Empty `folder` and write all pages and pictures into it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source, name in PAGES.items():
        if source.suffix == ".md":
            (folder / name).write_text(with_links(source), encoding="utf-8")
        else:
            shutil.copyfile(source, folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
