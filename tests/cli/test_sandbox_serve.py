import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from support.commands import DATABASE, SECRET, command_line, grants_of, reconciler, run_process

FAULTS = "faults: [{path: /api/v2/client-grants, answer: {status: 503}}]\n"


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


@contextmanager
def serving(*arguments: str, lines: int = 2) -> Iterator[list[str]]:
    """Serve in a separate process. Return its first lines of output."""
    words = command_line("sandbox", "serve", "--port", "0", *arguments)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as server:
        assert server.stdout
        try:
            yield [server.stdout.readline().strip() for _ in range(lines)]
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode == 0


def test_faults_limits_and_settings_come_from_the_command_line(here: Path) -> None:
    (here / "faults.yaml").write_text(FAULTS, encoding="utf-8")
    options = ["--faults", "faults.yaml", "--rate-limit", "free", "--set", "limit_before_token=true"]
    with serving(*options, "--set", "retry_after=true") as said, httpx.Client(base_url=said[0].split()[-1]) as client:
        assert client.get("/api/v2/client-grants").status_code == 503
        answers = [client.get("/api/v2/clients") for _ in range(9)]
        assert {answer.status_code for answer in answers} >= {401, 429}
        assert answers[-1].headers["x-ratelimit-limit"] == "2"
        assert client.get("/sandbox/faults").json()["counts"] == [{"meant": 1, "struck": 1}]


@pytest.mark.parametrize(("option", "status"), [("--admin", 200), ("--no-admin", 404)])
def test_the_administration_can_be_disabled(option: str, status: int) -> None:
    with serving(option) as said:
        assert httpx.get(f"{said[0].split()[-1]}/sandbox/statistics").status_code == status


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate-limit", "fre"], 'did you mean "free"'),
        (["--set", "refill"], "give window or continuous"),
        (["--faults", "faults.yaml"], "faults.yaml does not exist"),
        (["--faults", "tenant.yaml"], "tenant.yaml:2:1: "),
    ],
    ids=["plan", "setting", "missing file", "wrong file"],
)
def test_invalid_options_of_serve_are_errors(options: list[str], message: str) -> None:
    ran = reconciler("sandbox", "serve", "--port", "0", *options)

    assert (ran.code, ran.stdout) == (1, "")
    assert message in ran.stderr


@pytest.mark.slow
def test_with_tls_the_printed_variables_make_programs_trust_the_tenant(here: Path) -> None:
    with serving("--tls", lines=3) as (tenant, domain, trust):
        assert tenant.startswith("Sandbox tenant at https://localhost:")
        assert domain == f"AUTH0_DOMAIN={tenant.split()[-1]}"
        exported = dict(each.split("=") for each in trust.removeprefix("export ").split())
        assert set(exported.values()) == {str(here / DATABASE.with_name("sandbox-ca.pem"))}
        credentials = {"AUTH0_CLIENT_ID": "own", "AUTH0_CLIENT_SECRET": SECRET, "AUTH0_DOMAIN": tenant.split()[-1]}

        strange = run_process("plan", env={**os.environ, **credentials})
        trusted = run_process("plan", env={**os.environ, **credentials, **exported})

    assert strange.code == 1
    assert "certificate verify failed" in strange.stderr
    assert (trusted.code, trusted.stderr.count("error")) == (0, 0)
    assert "Billing" in trusted.stdout


OF_SYSTEM = """\
grants:
  - {client: Billing, audience: "https://${domain}/api/v2/", scope: ["read:stats"]}
"""


def test_a_served_sandbox_is_the_same_tenant_as_the_one_in_this_process(here: Path) -> None:
    (here / "grants/billing.yaml").write_text(OF_SYSTEM, encoding="utf-8")
    seed = (here / "tenant.yaml").read_text(encoding="utf-8")
    portal = '  - {client: Portal, audience: "https://${domain}/api/v2/", scope: ["read:users"]}\n'
    (here / "tenant.yaml").write_text(seed + portal, encoding="utf-8")

    assert reconciler("apply", "--yes").code == 0
    with serving() as said:
        served = {"AUTH0_CLIENT_ID": "own", "AUTH0_CLIENT_SECRET": SECRET, "AUTH0_DOMAIN": said[1].partition("=")[2]}
        same = run_process("plan", "--detailed-exitcode", env={**os.environ, **served})
        (here / "grants/billing.yaml").write_text(OF_SYSTEM.replace("stats", "logs"), encoding="utf-8")
        changed = run_process("apply", "--yes", env={**os.environ, **served})

    assert (same.code, changed.code) == (0, 0), same.output + changed.output
    assert reconciler("plan", "--detailed-exitcode").code == 0
    audiences = [grant["audience"] for grant in grants_of(here)]
    assert audiences.count("https://sandbox.localhost/api/v2/") == 3


@pytest.mark.parametrize(
    ("canonical", "code", "message"),
    [
        ("sandbox.localhost", 2, "https://sandbox.localhost/api/v2/"),
        ("other.eu.auth0.com", 1, "Service not found: https://other.eu.auth0.com/api/v2/"),
        ("", 1, "Service not found: https://localhost"),
    ],
    ids=["right", "wrong", "missing"],
)
def test_a_custom_domain_needs_the_canonical_domain(here: Path, canonical: str, code: int, message: str) -> None:
    (here / "grants/billing.yaml").write_text(OF_SYSTEM, encoding="utf-8")
    with serving("--custom-domain", "localhost") as said:
        domain = f"localhost:{said[0].rpartition(':')[2]}"
        named = f"{{domain: '{domain}'" + (f", canonical_domain: {canonical}}}" if canonical else "}")
        (here / "custom.yaml").write_text(f"tenants:\n  custom: {named}\n", encoding="utf-8")
        secrets = {"AUTH0_CLIENT_ID": "own", "AUTH0_CLIENT_SECRET": SECRET, "AUTH0_DOMAIN": domain}
        arguments = ("--config", "custom.yaml", "plan", "--detailed-exitcode", "--format", "json")
        ran = run_process(*arguments, env={**os.environ, **secrets})

    assert ran.code == code, ran.output
    assert message in ran.output
