"""schemathesis, as it is, sends what the OpenAPI document allows, and what it does not, to a served sandbox."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from peers.answered import answered, successes

from auth0_sandbox.served import ServedSandbox
from reconciler.contract import stored

HERE = Path(__file__).parent
SEED = "20260131"
PHASES = {
    "examples": ("--phases=examples",),
    "coverage": ("--phases=coverage",),
    "fuzzing": ("--phases=fuzzing", "--max-examples=40"),
    "stateful": ("--phases=stateful", "--max-time=15"),  # repeated until then
}


def operations() -> set[tuple[str, str]]:
    """Every operation of the document, as the sandbox counts them."""
    paths = stored.load(stored.OPENAPI)["paths"]
    return {
        (method.upper(), f"/api/v2{path}") for path, item in paths.items() for method in item if method != "parameters"
    }


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_is_found(phase: str, auth0_sandbox: ServedSandbox, tmp_path: Path) -> None:
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
    # where it runs it leaves what it has learnt
    environment = os.environ | {"SCHEMATHESIS_HOOKS": str(HERE / "sensible_grants.py")}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr

    served = answered(auth0_sandbox)
    assert not [statuses for statuses in served.values() if any(status.startswith("5") for status in statuses)]
    if phase == "fuzzing":  # whoever is always refused finds nothing
        assert {called for called, statuses in served.items() if successes(statuses)} >= operations()
