import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from support.commands import DATABASE, SECRET, SEED, TIMEOUT_SECONDS, command_line, grants_of, reconciler


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


def test_reset_restores_the_seed(here: Path) -> None:
    seeded = grants_of(here)
    reconciler("apply", "--yes", "--prune")
    assert grants_of(here) != seeded

    ran = reconciler("sandbox", "reset")

    assert (ran.code, ran.stdout) == (0, "")
    assert ran.stderr == f"{DATABASE} was reset to its seed\n"
    assert grants_of(here) == seeded


def test_reset_works_without_a_configuration(here: Path) -> None:
    (here / "reconciler.yaml").unlink()
    ran = reconciler("sandbox", "reset", "--database", DATABASE, "--seed", "tenant.yaml", "-q")

    assert (ran.code, ran.output) == (0, "")
    assert [grant["client_id"] for grant in grants_of(here)] == ["own", "portal"]


@pytest.mark.parametrize("arguments", [["reset"], ["serve"]], ids=" ".join)
def test_a_sandbox_must_be_selected(here: Path, arguments: list[str]) -> None:
    (here / "reconciler.yaml").write_text("tenants: {live: {domain: live.eu.auth0.com}}\n", encoding="utf-8")

    for given in ([], ["--tenant", "live"], ["--tenant", "nobody"]):
        ran = reconciler("sandbox", *arguments, *given)
        assert (ran.code, ran.stdout) == (1, "")
        assert ran.stderr.startswith("error: no sandbox is selected")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_its_address_and_ends_on_a_signal(number: signal.Signals) -> None:
    process = subprocess.Popen(
        command_line("sandbox", "serve", "--port", "0", "-v"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AUTH0_DOMAIN": "127.0.0.1:1"},
    )
    with process:
        assert process.stdout
        said = [process.stdout.readline(), process.stdout.readline()]
        url = said[0].split()[-1]
        form = {
            "grant_type": "client_credentials",
            "client_id": "own",
            "client_secret": SECRET,
            "audience": f"{url}/api/v2/",
        }
        token = httpx.post(f"{url}/oauth/token", data=form).json()["access_token"]
        grants = httpx.get(f"{url}/api/v2/client-grants", headers={"Authorization": f"Bearer {token}"}).json()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)

    assert said[0] == f"Sandbox tenant at {url}\n"
    assert said[1] == f"AUTH0_DOMAIN={url.removeprefix('http://')}\n"
    assert len(grants) == 2
    assert SECRET not in "".join((*said, stdout, stderr))
    assert (process.returncode, stderr) == (0, "")


def test_an_invalid_seed_does_not_change_the_tenant(here: Path) -> None:
    before = grants_of(here)
    (here / "tenant.yaml").write_text(SEED.replace("client: Portal", "client: Nobody"), encoding="utf-8")
    ran = reconciler("sandbox", "reset")

    assert ran.code == 1
    assert "tenant.yaml:" in ran.stderr
    assert grants_of(here) == before
