"""The command over loopback HTTP: exit codes, the resulting tenant, and no secret in any output."""

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from reliability.fault_runs import GRANT, GRANTS
from reliability.served_workspace import BEFORE, EXPECTED, MANAGEMENT, SEED, ServedWorkspace, served_workspace
from support.commands import TIMEOUT_SECONDS, command_line, reconciler

from auth0_sandbox.faults.plan import (
    AnswerFault,
    Clock,
    Damage,
    Drop,
    ExpireToken,
    Fault,
    Lag,
    LoseScope,
    Next,
    Page,
    RateLimit,
    Rule,
    Series,
)

pytestmark = pytest.mark.slow

ENDPOINTS = {"create": ("POST", GRANTS), "update": ("PATCH", GRANT), "delete": ("DELETE", GRANT)}
TEMPORARY_FAULTS = {
    "503 before the effect": AnswerFault(status=503),
    "502 of a proxy after the effect": AnswerFault(status=502, when="after", body="html"),
    "reset before the effect": Drop(),
    "reset after the effect": Drop(when="after"),
    "truncated response": Damage(how="truncated"),
    "429": RateLimit(),
    "429 without headers": RateLimit(headers=False, retry_after="1"),
    "expired token": ExpireToken(),
}


@pytest.mark.parametrize("fault", TEMPORARY_FAULTS.values(), ids=TEMPORARY_FAULTS)
def test_one_fault_of_each_write_is_survived(workspace: ServedWorkspace, fault: Fault) -> None:
    workspace.tenant.set_faults(*(Rule(fault, method, path, (1,)) for method, path in ENDPOINTS.values()))

    ran = workspace.apply("--attempts", "5")

    assert (ran.code, workspace.scopes()) == (0, EXPECTED)
    assert "Apply: 3 applied; the tenant matches the files." in ran.stdout
    assert 3 <= workspace.writes() <= 6
    workspace.assert_next_apply_converges()


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (AnswerFault(status=503), "failed"),
        (Drop(), "failed"),
        (RateLimit(headers=False), "failed"),
        (AnswerFault(status=403), "failed"),
        (ExpireToken(), "failed"),
        (AnswerFault(status=404), "failed"),
    ],
    ids=repr,
)
def test_a_lasting_fault_is_reported_and_the_next_apply_completes_the_change(
    workspace: ServedWorkspace, fault: Fault, result: str
) -> None:
    workspace.tenant.set_faults(Rule(fault, *ENDPOINTS["update"]))

    ran = workspace.apply("--attempts", "2")

    assert ran.code == 3
    assert f"1 {result}" in ran.stdout
    assert workspace.scopes()["old"] == "a"
    workspace.assert_next_apply_converges()


@pytest.mark.parametrize(("seconds", "code"), [(2.0, 0), (60.0, 3)], ids=["under three seconds", "over three seconds"])
def test_reads_after_writes_may_lag_by_three_seconds(workspace: ServedWorkspace, seconds: float, code: int) -> None:
    workspace.tenant.set_faults(Rule(Lag(seconds=seconds), "GET"))

    ran = workspace.apply()

    assert ran.code == code
    assert ("the tenant matches the files" in ran.stdout) is (code == 0)
    workspace.assert_next_apply_converges()


def test_a_lost_scope_is_reported_as_a_difference(workspace: ServedWorkspace) -> None:
    workspace.tenant.set_faults(Rule(LoseScope(), *ENDPOINTS["update"]))

    ran = workspace.apply()

    assert ran.code == 3
    assert "Still differs (1)\n  ~ Old" in ran.stdout
    workspace.assert_next_apply_converges()


@pytest.mark.parametrize(
    "fault",
    [
        Next(how="looping"),
        Page(how="contradicting"),
        Page(how="bare"),
        AnswerFault(status=503),
        AnswerFault(status=400),
        AnswerFault(status=200, body="html"),
        Damage(how="garbled"),
        Drop(),
    ],
    ids=repr,
)
def test_nothing_is_written_without_a_complete_listing(workspace: ServedWorkspace, fault: Fault) -> None:
    workspace.tenant.set_faults(Rule(Next(how="extra"), "GET", GRANTS), Rule(fault, "GET", GRANTS, Series(first=1)))

    ran = workspace.apply()

    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("error: GET ")
    assert (workspace.writes(), workspace.scopes()) == (0, BEFORE)
    workspace.assert_next_apply_converges()


@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_a_wrong_clock_of_the_tenant_causes_no_delay(workspace: ServedWorkspace, seconds: float) -> None:
    workspace.tenant.set_faults(Rule(Clock(seconds=seconds)))

    assert workspace.apply().code == 0
    workspace.assert_next_apply_converges()


def test_two_concurrent_applies_converge(workspace: ServedWorkspace) -> None:
    running = [
        subprocess.Popen(command_line("apply", "--yes", "--prune"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for each in running:
        each.communicate(timeout=TIMEOUT_SECONDS)

    assert [each.returncode for each in running] == [0, 0]
    assert workspace.scopes() == EXPECTED
    workspace.assert_next_apply_converges()


KEY = generate_private_key(65537, 2048)
PRIVATE_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
NEEDED = ", ".join(['"read:clients"', *(f'"{each}:client_grants"' for each in ("create", "read", "update", "delete"))])
WITH_KEY = SEED.replace("client_id: own,", f"client_id: own, scope: [{NEEDED}], public_key: {json.dumps(PUBLIC_PEM)},")


def credentials(workspace: ServedWorkspace, kind: str) -> dict[str, str]:
    match kind:
        case "secret":
            return {}
        case "private key":
            return {"AUTH0_CLIENT_SECRET": "", "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY": PRIVATE_PEM}
        case _:
            token = workspace.tenant.token()
            return {"AUTH0_CLIENT_ID": "", "AUTH0_CLIENT_SECRET": "", "AUTH0_ACCESS_TOKEN": token}


def own_grant_file(scope: str) -> str:
    return f'grants: [{{client_id: own, audience: "{MANAGEMENT}", scope: [{scope}]}}]\n'


WITHOUT_OWN_GRANT = 'grants: [{client_id: old, audience: "https://api.example.com/invoices", scope: [a]}]\n'


@pytest.mark.parametrize("kind", ["secret", "private key", "ready token"])
@pytest.mark.parametrize(
    ("grants", "code"),
    [
        (own_grant_file('"read:client_grants"'), 4),
        (own_grant_file(""), 4),
        (own_grant_file(f'{NEEDED}, "read:users"'), 4),
        (WITHOUT_OWN_GRANT, 0),
    ],
    ids=["narrowed", "without scopes", "widened", "pruned"],
)
def test_the_own_grant_is_never_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, grants: str, code: int
) -> None:
    with served_workspace(tmp_path, monkeypatch, seed=WITH_KEY, grants=grants) as workspace:
        before = [grant for grant in workspace.tenant.grants() if grant["client_id"] == "own"]
        for name, value in credentials(workspace, kind).items():
            monkeypatch.setenv(name, value)

        ran = reconciler("apply", "--yes", *(["--prune"] if code == 0 else []))

        assert ran.code == code, ran.output
        assert workspace.writes() == (1 if code == 0 else 0)  # prune deletes the undeclared grant
        assert [grant for grant in workspace.tenant.grants() if grant["client_id"] == "own"] == before
