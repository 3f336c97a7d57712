"""docs/sandbox.md matches the sandbox."""

import re
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path

import pytest

from auth0_sandbox.faults.plan import KINDS, parse_faults
from auth0_sandbox.requests.rate_limits import PROFILES, Rate
from auth0_sandbox.settings import DEFAULT_SETTINGS, Settings
from auth0_sandbox.tenant import open_sandbox

TEXT = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def cells(*, of: str) -> dict[str, list[str]]:
    """Return the rows of the table under a heading, by the code in the first cell."""
    section = TEXT.split(f"\n## {of}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {name: row for row in rows for name in re.findall(r"`([a-zA-Z0-9_/ -]+?)[:`]", row[0])}


def described(rate: Rate) -> str:
    return f"{rate.burst}, {rate.tokens}/{'s' if rate.seconds == 1 else 'min'}"


def test_every_setting_is_described_with_its_default() -> None:
    rows = cells(of="Assumptions") | cells(of="Features")
    assert set(rows) == {field.name for field in fields(Settings)}
    for name, row in rows.items():
        value = getattr(DEFAULT_SETTINGS, name)
        text = str(int(value)) if isinstance(value, HTTPStatus) else str(value).lower()
        assert row[1] == f"`{text}`"


def test_every_rate_limit_plan_is_described_with_its_limits() -> None:
    rows = cells(of="Rate limits")
    assert set(rows) == set(PROFILES)
    for name, limits in PROFILES.items():
        for limit in (each for each in limits if each.path in {"/api/v2/*", "/oauth/token"}):
            assert described(limit.rate) in " ".join(rows[name])


def test_every_fault_is_described_with_its_fields() -> None:
    rows = cells(of="Faults")
    assert set(rows) == set(KINDS)
    for name, row in rows.items():
        assert all(field.name in row[0] for field in fields(KINDS[name]))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.startswith("faults:")])
def test_the_fault_plans_in_the_documentation_are_valid(block: str) -> None:
    assert parse_faults(block.encode()).rules


def test_the_seed_in_the_documentation_is_valid(tmp_path: Path) -> None:
    (block,) = (block for block in BLOCKS if block.startswith("tool:"))
    seed = tmp_path / "seed.yaml"
    seed.write_text(block, encoding="utf-8")
    with open_sandbox(tmp_path / "tenant.db", seed, "acme.eu.auth0.com") as sandbox:
        assert sandbox.credentials.client_id == "my-tool"
