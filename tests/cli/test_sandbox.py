import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from support.commands import DATABASE, SECRET, SEED, TIMEOUT_SECONDS, command_line, grants_of, reconciler, run_process


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
        lines_of_output = [process.stdout.readline(), process.stdout.readline()]
        url = lines_of_output[0].split()[-1]
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

    assert lines_of_output[0] == f"Sandbox tenant at {url}\n"
    assert lines_of_output[1] == f"AUTH0_DOMAIN={url.removeprefix('http://')}\n"
    assert len(grants) == 2
    assert SECRET not in "".join((*lines_of_output, stdout, stderr))
    assert (process.returncode, stderr) == (0, "")


def test_an_invalid_seed_does_not_change_the_tenant(here: Path) -> None:
    before = grants_of(here)
    (here / "tenant.yaml").write_text(SEED.replace("client: Portal", "client: Nobody"), encoding="utf-8")
    ran = reconciler("sandbox", "reset")

    assert ran.code == 1
    assert "tenant.yaml:" in ran.stderr
    assert grants_of(here) == before


FAULTS = "faults: [{path: /api/v2/client-grants, answer: {status: 503}}]\n"


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
    with (
        serving(*options, "--set", "retry_after=true") as lines_of_output,
        httpx.Client(base_url=lines_of_output[0].split()[-1]) as client,
    ):
        assert client.get("/api/v2/client-grants").status_code == 503
        responses = [client.get("/api/v2/clients") for _ in range(9)]
        assert {response.status_code for response in responses} >= {401, 429}
        assert responses[-1].headers["x-ratelimit-limit"] == "2"
        assert client.get("/sandbox/faults").json()["counts"] == [{"meant": 1, "struck": 1}]


@pytest.mark.parametrize(("option", "status"), [("--admin", 200), ("--no-admin", 404)])
def test_the_administration_can_be_disabled(option: str, status: int) -> None:
    with serving(option) as lines_of_output:
        assert httpx.get(f"{lines_of_output[0].split()[-1]}/sandbox/statistics").status_code == status


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate-limit", "fre"], 'did you mean "free"'),
        (["--set", "refill"], "use window or continuous"),
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


SYSTEM_API_GRANT = """\
grants:
  - {client: Billing, audience: "https://${domain}/api/v2/", scope: ["read:stats"]}
"""


def test_a_served_sandbox_is_the_same_tenant_as_in_this_process(here: Path) -> None:
    (here / "grants/billing.yaml").write_text(SYSTEM_API_GRANT, encoding="utf-8")
    seed = (here / "tenant.yaml").read_text(encoding="utf-8")
    portal = '  - {client: Portal, audience: "https://${domain}/api/v2/", scope: ["read:users"]}\n'
    (here / "tenant.yaml").write_text(seed + portal, encoding="utf-8")

    assert reconciler("apply", "--yes").code == 0
    with serving() as (_, domain):
        credentials = {
            "AUTH0_CLIENT_ID": "own",
            "AUTH0_CLIENT_SECRET": SECRET,
            "AUTH0_DOMAIN": domain.partition("=")[2],
        }
        unchanged = run_process("plan", "--detailed-exitcode", env={**os.environ, **credentials})
        (here / "grants/billing.yaml").write_text(SYSTEM_API_GRANT.replace("stats", "logs"), encoding="utf-8")
        applied = run_process("apply", "--yes", env={**os.environ, **credentials})

    assert (unchanged.code, applied.code) == (0, 0), unchanged.output + applied.output
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
    ids=["correct", "wrong", "missing"],
)
def test_a_custom_domain_needs_the_canonical_domain(here: Path, canonical: str, code: int, message: str) -> None:
    (here / "grants/billing.yaml").write_text(SYSTEM_API_GRANT, encoding="utf-8")
    with serving("--custom-domain", "localhost") as (address, _):
        domain = f"localhost:{address.rpartition(':')[2]}"
        tenant = f"{{domain: '{domain}'" + (f", canonical_domain: {canonical}}}" if canonical else "}")
        (here / "custom.yaml").write_text(f"tenants:\n  custom: {tenant}\n", encoding="utf-8")
        credentials = {"AUTH0_CLIENT_ID": "own", "AUTH0_CLIENT_SECRET": SECRET, "AUTH0_DOMAIN": domain}
        arguments = ("--config", "custom.yaml", "plan", "--detailed-exitcode", "--format", "json")
        ran = run_process(*arguments, env={**os.environ, **credentials})

    assert ran.code == code, ran.output
    assert message in ran.output


def test_a_changed_seed_is_reported_and_used_after_the_reset(here: Path) -> None:
    assert "tenant.yaml" not in reconciler("plan").stderr
    seed = here / "tenant.yaml"
    seed.write_text(seed.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")

    for command in (["plan"], ["apply", "--yes"], ["list"], ["import"]):
        note = (
            "tenant.yaml has changed since the sandbox in .reconciler/sandbox.db was filled; to use the new seed, run"
        )
        assert f"{note} `reconciler sandbox reset`\n" in reconciler(*command).stderr
    assert reconciler("sandbox", "reset").code == 0
    assert "tenant.yaml" not in reconciler("plan").stderr
    seed.unlink()
    assert (
        "tenant.yaml does not exist; the sandbox in .reconciler/sandbox.db keeps its content"
        in reconciler("plan").stderr
    )
