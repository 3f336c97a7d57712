"""The seed of the tenant, and a summary of the clients that tested the sandbox."""

from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PEERS = {
    "test_auth0_python.py": f"auth0-python {version('auth0-python')}",
    "test_node_auth0.py": "auth0 (Node)",
    "test_deploy_cli.py": "auth0-deploy-cli",
    "test_deploy_cli_import.py": "auth0-deploy-cli, files for an import",
    "test_editor.py": "yaml-language-server",
    "test_schemathesis.py": f"schemathesis {version('schemathesis')}",
}


@pytest.fixture
def auth0_sandbox_seed() -> Path:
    return HERE / "tenant.yaml"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the test results of each client."""
    terminalreporter.section("clients that tested the sandbox")
    for file, peer in PEERS.items():
        counts = Counter(
            outcome
            for outcome in ("passed", "failed", "error", "skipped")
            for report in terminalreporter.getreports(outcome)
            if Path(report.fspath).name == file
        )
        results = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "not run"
        terminalreporter.write_line(f"{peer}: {results.upper() if 'skipped' in counts else results}")
