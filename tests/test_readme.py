"""The README shows what the program says; `REMAKE_README=1 pytest tests/test_readme.py` writes it anew.

A block ```console that starts with `$ reconciler … --help` holds that command's output at 80 columns.
"""

import os
import re
from pathlib import Path

import pytest
from support.commands import reconciler

from reconciler.cli.main import COMMANDS

README = Path(__file__).parent.parent / "README.md"
HELP = re.compile(r"```console\n\$ reconciler (?P<command>[^\n]*)--help\n(?P<output>.*?)```\n", re.DOTALL)
REMAKE = "REMAKE_README" in os.environ


def the_help(command: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    ran = reconciler(*command.split(), "--help")
    assert ran.code == 0
    return ran.stdout


def test_the_readme_shows_the_real_help(monkeypatch: pytest.MonkeyPatch) -> None:
    text = README.read_text(encoding="utf-8")

    real = HELP.sub(
        lambda block: (
            f"```console\n$ reconciler {block['command']}--help\n{the_help(block['command'], monkeypatch)}```\n"
        ),
        text,
    )

    if REMAKE:
        README.write_text(real, encoding="utf-8")
    assert text == real or REMAKE


def test_the_readme_shows_every_command() -> None:
    shown = {block["command"].split(" ")[0] for block in HELP.finditer(README.read_text(encoding="utf-8"))}

    assert shown == {"", *COMMANDS}


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8"))

    assert [link for link in links if not (README.parent / link).exists()] == []
