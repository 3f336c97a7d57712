"""A fetched token must never appear in the log of a job."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import a_workspace, command_line, served

MASKED = re.compile(r"^::add-mask::(?P<token>[\w.-]+)$", re.MULTILINE)
TENANTS = "tenants: {prod: {domain: '%s'}}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch)


@pytest.mark.parametrize("command", ["plan", "doctor"])
def test_the_fetched_token_is_masked_before_it_is_used(here: Path, command: str) -> None:
    with served(here) as environment:
        (here / "reconciler.yaml").write_text(TENANTS % environment["AUTH0_DOMAIN"], encoding="utf-8")
        complete_environment = {**os.environ, **environment, "GITHUB_ACTIONS": "true"}

        result = subprocess.run(
            command_line(command), env=complete_environment, capture_output=True, text=True, check=False
        )

    assert [token.count(".") for token in MASKED.findall(result.stderr)] == [2], result.stderr
    assert "add-mask" not in result.stdout


def test_the_masking_command_is_not_written_to_a_file(here: Path) -> None:
    with served(here) as environment, (here / "log").open("w+", encoding="utf-8") as log:
        (here / "reconciler.yaml").write_text(TENANTS % environment["AUTH0_DOMAIN"], encoding="utf-8")
        complete_environment = {**os.environ, **environment, "GITHUB_ACTIONS": "true"}
        subprocess.run(command_line("plan"), env=complete_environment, stdout=sys.__stdout__, stderr=log, check=True)
        log.seek(0)

        assert "add-mask" not in log.read()
