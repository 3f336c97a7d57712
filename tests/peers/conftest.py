"""The tenant that all clients find, and a word at the end on which of them have judged it."""

from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PEERS = {
    "test_auth0_python.py": f"auth0-python {version('auth0-python')}",
    "test_node_auth0.py": "auth0 (Node)",
    "test_deploy_cli.py": "auth0-deploy-cli",
    "test_schemathesis.py": f"schemathesis {version('schemathesis')}",
}


@pytest.fixture
def auth0_sandbox_seed() -> Path:
    return HERE / "tenant.yaml"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say of each client whether it ran."""
    terminalreporter.section("who has judged the sandbox")
    for file, peer in PEERS.items():
        counts = Counter(
            outcome
            for outcome in ("passed", "failed", "error", "skipped")
            for report in terminalreporter.getreports(outcome)
            if Path(report.fspath).name == file
        )
        said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "not asked"
        terminalreporter.write_line(f"{peer}: {said.upper() if 'skipped' in counts else said}")
