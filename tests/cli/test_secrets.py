"""Secrets are put into every input and must not appear in any output."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import SECRET, reconciler, served

COMMANDS = [
    ["validate", "-v"],
    ["plan", "-v"],
    ["plan", "-v", "--format", "json", "--prune"],
    ["apply", "-v", "--yes", "--prune"],
    ["apply", "-v", "--yes", "--format", "json"],
    ["risks", "-v"],
    ["schema", "-v"],
    ["doctor", "-v"],
    ["doctor", "-v", "--format", "json"],
    ["journal", "-v"],
    ["journal", "-v", "--format", "json"],
]


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


@pytest.fixture
def tenant(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A served tenant, with its credentials in the environment."""
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield monkeypatch


@pytest.mark.parametrize("command", [*COMMANDS, ["sandbox", "reset", "-v"]], ids=" ".join)
@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_no_output_contains_the_secrets_of_a_sandbox(*, command: list[str], terminal: bool) -> None:
    ran = reconciler(*command, terminal=terminal)

    assert ran.code == 0
    assert SECRET not in ran.output


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("tenant")
def test_no_output_contains_the_secrets_of_the_environment(command: list[str]) -> None:
    ran = reconciler(*command)

    assert ran.code == 0
    assert SECRET not in ran.output


SPOILT = {
    "wrong-secret": {"AUTH0_CLIENT_SECRET": f"{SECRET}-wrong"},
    "secret-not-ascii": {"AUTH0_CLIENT_SECRET": f"{SECRET}-é"},
    "wrong-id": {"AUTH0_CLIENT_ID": "nobody"},
    "secret-no-unicode": {"AUTH0_CLIENT_SECRET": f"{SECRET}\udc80"},
    "private-key-that-is-none": {"AUTH0_CLIENT_ASSERTION_PRIVATE_KEY": SECRET},
    "socks": {"AUTH0_DOMAIN": "unknown.invalid", "HTTPS_PROXY": f"socks5://user:{SECRET}@127.0.0.1:1"},
    "no-such-proxy": {"AUTH0_DOMAIN": "unknown.invalid", "HTTPS_PROXY": f"foo://user:{SECRET}@127.0.0.1:1"},
    "token-no-jwt": {"AUTH0_ACCESS_TOKEN": SECRET},
    "token-in-three-parts": {"AUTH0_ACCESS_TOKEN": f"{SECRET}.{SECRET}.{SECRET}"},
    "token-with-blank": {"AUTH0_API_TOKEN": f"{SECRET} {SECRET}"},
    "token-of-two-lines": {"AUTH0_ACCESS_TOKEN": f"{SECRET}\n{SECRET}"},
    "token-no-unicode": {"AUTH0_ACCESS_TOKEN": f"{SECRET}\udc80"},
    "unknown-host": {"AUTH0_DOMAIN": "unknown.invalid"},
    "proxy": {"AUTH0_DOMAIN": "unknown.invalid", "HTTPS_PROXY": f"http://user:{SECRET}@127.0.0.1:1"},
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("command", [["plan", "-v"], ["apply", "-v", "--yes"]], ids=" ".join)
def test_no_error_contains_a_secret(tenant: pytest.MonkeyPatch, command: list[str], spoilt: dict[str, str]) -> None:
    for name, value in spoilt.items():
        tenant.setenv(name, value)
    ran = reconciler(*command)

    assert ran.code == 1
    assert len(ran.stderr.splitlines()) == 1
    assert SECRET not in ran.output


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("command", [["doctor"], ["doctor", "--format", "json"]], ids=" ".join)
def test_no_finding_of_doctor_contains_a_secret(
    tenant: pytest.MonkeyPatch, command: list[str], spoilt: dict[str, str]
) -> None:
    for name, value in spoilt.items():
        tenant.setenv(name, value)
    ran = reconciler(*command)

    assert (ran.code, ran.stderr) == (1, "")
    assert SECRET not in ran.output
