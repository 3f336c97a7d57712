"""The documentation agrees with the program. `REMAKE_DOCS=1 pytest tests/test_docs.py` writes docs/cli.md again."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import reconciler

from reconciler.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CLI = ROOT / "docs" / "cli.md"
PAGES = [README, *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md"))]
PAGES += [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
BEGIN, END = "<!-- help: made by tests/test_docs.py -->\n", "<!-- end of help -->\n"
LONGEST_README = 13_000
REMAKE = "REMAKE_DOCS" in os.environ
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def help_of(*command: str) -> str:
    ran = reconciler(*command, "--help")
    assert ran.code == 0
    return ran.stdout


def subcommands() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and subcommand."""
    yield ()
    for name in COMMANDS:
        yield (name,)
    for group in ("fleet", "sandbox", "usage"):
        listed = help_of(group).partition("Commands:\n")[2].partition("\n\n")[0]
        yield from ((group, line.split()[0]) for line in listed.splitlines())


def test_the_page_on_the_command_line_shows_the_real_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = CLI.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    parts = [f"## {' '.join(['reconciler', *words])}\n\n```text\n{help_of(*words)}```\n" for words in subcommands()]
    real = f"{before}{BEGIN}\n" + "\n".join(parts) + f"\n{end}{after}"

    if REMAKE:
        CLI.write_text(real, encoding="utf-8")
    assert text == real or REMAKE


def test_the_readme_is_short_and_names_every_command() -> None:
    text = README.read_text(encoding="utf-8")

    assert len(text.encode()) <= LONGEST_README
    assert set(re.findall(r"^\| `([a-z]+)` \|", text, re.MULTILINE)) == set(COMMANDS)


def anchors(page: Path) -> set[str]:
    """Return the fragments of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^):]+)\)", page.read_text(encoding="utf-8")):
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link
