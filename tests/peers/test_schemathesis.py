"""schemathesis sends valid and invalid requests according to the OpenAPI document to a served sandbox."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from peers.responses import response_counts, successes

from auth0_sandbox.served import ServedSandbox
from reconciler.contract import stored

HERE = Path(__file__).parent
SEED = "20260131"
PHASES = {
    "examples": ("--phases=examples",),
    "coverage": ("--phases=coverage",),
    "fuzzing": ("--phases=fuzzing", "--max-examples=12"),
    "stateful": ("--phases=stateful", "--max-time=8"),  # it repeats until the time is over
}


def operations() -> set[tuple[str, str]]:
    """Return the method and path of every operation of the document."""
    paths = stored.load(stored.OPENAPI)["paths"]
    return {
        (method.upper(), f"/api/v2{path}") for path, item in paths.items() for method in item if method != "parameters"
    }


@pytest.mark.parametrize("phase", PHASES)
def test_schemathesis_finds_no_failure(phase: str, auth0_sandbox: ServedSandbox, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={HERE / 'schemathesis.toml'}",
        "run",
        str(stored.folder() / stored.OPENAPI),
        f"--url={auth0_sandbox.url}/api/v2",
        f"--header=Authorization: Bearer {auth0_sandbox.token()}",
        f"--seed={SEED}",
        "--no-color",
        *PHASES[phase],
    ]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": str(HERE / "valid_grants.py")}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr

    counts = response_counts(auth0_sandbox)
    assert not [statuses for statuses in counts.values() if any(status.startswith("5") for status in statuses)]
    if phase == "fuzzing":  # schemathesis would find nothing if every request were refused
        assert {operation for operation, statuses in counts.items() if successes(statuses)} >= operations()
