"""Auth0's SDK for Node gets the same results from a served sandbox as Auth0's SDK for Python."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from auth0.management import ManagementClient
from peers.sdk_calls import STEPS, Result, run_in_python

from auth0_sandbox.served import ServedSandbox, served

MODULES = Path(sys.prefix) / "node_modules"
SCRIPT = Path(__file__).with_name("node_sdk.mjs")
pytestmark = [
    pytest.mark.skipif(
        not ((MODULES / "auth0").exists() and shutil.which("node")), reason="no npm here, so no SDK for Node"
    ),
    pytest.mark.filterwarnings("ignore:invalid escape sequence"),  # in the SDK for Python
]
# The newest SDK for Node in the registry lacks two searches that the SDK for Python has.
NOT_IN_NODE = {"clientGrants.search", "clients.search"}
# Values that differ between two tenants.
RANDOM_VALUES = re.compile(r'"(client_secret|created_at|updated_at)":\s*("[^"]*"|\[[^\]]*\])')
RANDOM_IDS = re.compile(r"\b(cgr_|org_|cred_)[A-Za-z0-9]{16,22}\b|\b[A-Za-z0-9]{32}\b|\b[0-9a-f]{24}\b")


@contextmanager
def fresh_sandbox(folder: Path, seed: Path) -> Iterator[ServedSandbox]:
    folder.mkdir()
    with served(folder / "tenant.db", seed, tls=True) as sandbox:
        yield sandbox


def run_in_node(sandbox: ServedSandbox, folder: Path) -> list[Result]:
    shutil.copy(SCRIPT, folder)
    (folder / "node_modules").symlink_to(MODULES)
    options = {
        "domain": sandbox.domain,
        "clientId": sandbox.client_id,
        "clientSecret": sandbox.client_secret,
        "audience": sandbox.audience,
        "steps": STEPS,
    }
    run = subprocess.run(
        ["node", str(folder / SCRIPT.name)],
        input=json.dumps(options),
        env=os.environ | dict(sandbox.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    results: list[Result] = json.loads(run.stdout)
    return results


def comparable(result: Result) -> list[str]:
    """Return a result as texts without random values. Lists are sorted, because their order depends on random ids."""
    value = result.get("value")
    items = value if isinstance(value, list) else [result]
    texts = (json.dumps(each, sort_keys=True) for each in items)
    return sorted(RANDOM_IDS.sub("<id>", RANDOM_VALUES.sub(r'"\1": "random"', text)) for text in texts)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Result], list[Result]]:
    folder, seed = tmp_path_factory.mktemp("sdk"), Path(__file__).with_name("tenant.yaml")
    with fresh_sandbox(folder / "node", seed) as sandbox:
        in_node = run_in_node(sandbox, folder / "node")
    with fresh_sandbox(folder / "python", seed) as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment.items():
            patch.setenv(name, value)
        with httpx.Client() as http:
            client = ManagementClient(
                domain=sandbox.domain,
                audience=sandbox.audience,
                client_id=sandbox.client_id,
                client_secret=sandbox.client_secret,
                httpx_client=http,
            )
            in_python = run_in_python(client, STEPS)
    return in_node, in_python


def test_the_sdk_for_node_has_all_calls_but_two(both: tuple[list[Result], list[Result]]) -> None:
    assert {result["missing"] for result in both[0] if "missing" in result} == NOT_IN_NODE


def test_both_sdks_get_the_same_results(both: tuple[list[Result], list[Result]]) -> None:
    for step, node, python in zip(STEPS, *both, strict=True):
        if step["call"] not in NOT_IN_NODE:
            assert comparable(node) == comparable(python), step


def results_of(call: str, results: list[Result]) -> list[Any]:
    pairs = zip(STEPS, results, strict=True)
    return [result.get("status", result.get("value")) for step, result in pairs if step["call"] == call]


@pytest.mark.parametrize("sdk", [0, 1], ids=["Node", "Python"])
def test_the_results_are_those_of_the_api(both: tuple[list[Result], list[Result]], sdk: int) -> None:
    results = both[sdk]
    created, conflict, missing = results_of("clientGrants.create", results)
    assert (created["scope"], conflict, missing) == (["read:customers"], 409, 404)
    assert len(results_of("clientGrants.list", results)[0]) == 8
    assert results_of("organizations.clientGrants.create", results)[1] == 409
    assert [each["name"] for each in results_of("organizations.search", results)[0]] == ["initech"]
    assert results_of("organizations.search", results)[1] == 400
    assert len(results_of("resourceServers.list", results)[0]) == 5
    assert len(results_of("resourceServers.search", results)[0]) == 4
    types = [event["type"] for event in results_of("logs.list", results)[0]]
    assert types.count("seccft") >= 1
    assert types.count("sapi") == 13
    assert all("status" not in result for result in results[-6:])


def test_the_sdk_for_python_has_the_other_searches(both: tuple[list[Result], list[Result]]) -> None:
    by_audience, defaults, refused = results_of("clientGrants.search", both[1])
    assert len(by_audience) == 4
    assert [list(each) for each in defaults] == [["id", "default_for"]]
    assert refused == 400
    assert [each["name"] for each in results_of("clients.search", both[1])[0]] == ["New", "One"]
