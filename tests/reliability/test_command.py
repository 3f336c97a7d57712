"""The command over loopback HTTP: exit codes, the tenant's end state, and a secret that shows nowhere."""

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from reliability.fault_runs import GRANT, GRANTS
from reliability.place import BEFORE, GOAL, MANAGEMENT, SEED, Place, a_place
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

WHERE = {"create": ("POST", GRANTS), "update": ("PATCH", GRANT), "delete": ("DELETE", GRANT)}
SURVIVED = {
    "503 before": AnswerFault(status=503),
    "502 of a proxy after": AnswerFault(status=502, when="after", body="html"),
    "reset before": Drop(),
    "reset after": Drop(when="after"),
    "cut off": Damage(how="truncated"),
    "429": RateLimit(),
    "429 without headers": RateLimit(headers=False, retry_after="1"),
    "expired": ExpireToken(),
}


@pytest.mark.parametrize("fault", SURVIVED.values(), ids=SURVIVED)
def test_a_fault_that_each_write_meets_once_is_survived(place: Place, fault: Fault) -> None:
    place.tenant.misbehave(*(Rule(fault, method, path, (1,)) for method, path in WHERE.values()))

    ran = place.apply("--attempts", "5")

    assert (ran.code, place.scopes()) == (0, GOAL)
    assert "Apply: 3 applied; the tenant equals the files." in ran.stdout
    assert 3 <= place.writes() <= 6
    place.assert_settles()


@pytest.mark.parametrize(
    ("fault", "word"),
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
def test_a_fault_that_stays_is_told_and_set_right_by_the_next_apply(place: Place, fault: Fault, word: str) -> None:
    place.tenant.misbehave(Rule(fault, *WHERE["update"]))

    ran = place.apply("--attempts", "2")

    assert ran.code == 3
    assert f"1 {word}" in ran.stdout
    assert place.scopes()["old"] == "a"
    place.assert_settles()


@pytest.mark.parametrize(("seconds", "code"), [(2.0, 0), (60.0, 3)], ids=["under three seconds", "over three seconds"])
def test_a_tenant_that_answers_late_gets_three_seconds(place: Place, seconds: float, code: int) -> None:
    place.tenant.misbehave(Rule(Lag(seconds=seconds), "GET"))

    ran = place.apply()

    assert ran.code == code
    assert ("the tenant equals the files" in ran.stdout) is (code == 0)
    place.assert_settles()


def test_a_scope_that_is_lost_on_the_way_is_no_success(place: Place) -> None:
    place.tenant.misbehave(Rule(LoseScope(), *WHERE["update"]))

    ran = place.apply()

    assert ran.code == 3
    assert "Still differs (1)\n  ~ Old" in ran.stdout
    place.assert_settles()


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
def test_without_a_complete_listing_nothing_is_written(place: Place, fault: Fault) -> None:
    place.tenant.misbehave(Rule(Next(how="extra"), "GET", GRANTS), Rule(fault, "GET", GRANTS, Series(first=1)))

    ran = place.apply()

    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("error: GET ")
    assert (place.writes(), place.scopes()) == (0, BEFORE)
    place.assert_settles()


@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_a_clock_that_is_off_by_hours_holds_nothing_up(place: Place, seconds: float) -> None:
    place.tenant.misbehave(Rule(Clock(seconds=seconds)))

    assert place.apply().code == 0
    place.assert_settles()


def test_two_commands_at_once_come_to_one_tenant(place: Place) -> None:
    running = [
        subprocess.Popen(command_line("apply", "--yes", "--prune"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for each in running:
        each.communicate(timeout=TIMEOUT_SECONDS)

    assert [each.returncode for each in running] == [0, 0]
    assert place.scopes() == GOAL
    place.assert_settles()


KEY = generate_private_key(65537, 2048)
PRIVATE_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
NEEDED = ", ".join(['"read:clients"', *(f'"{each}:client_grants"' for each in ("create", "read", "update", "delete"))])
WITH_KEY = SEED.replace("client_id: own,", f"client_id: own, scope: [{NEEDED}], public_key: {json.dumps(PUBLIC_PEM)},")


def credentials(place: Place, kind: str) -> dict[str, str]:
    match kind:
        case "secret":
            return {}
        case "private key":
            return {"AUTH0_CLIENT_SECRET": "", "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY": PRIVATE_PEM}
        case _:
            token = place.tenant.token()
            return {"AUTH0_CLIENT_ID": "", "AUTH0_CLIENT_SECRET": "", "AUTH0_ACCESS_TOKEN": token}


def own(scope: str) -> str:
    return f'grants: [{{client_id: own, audience: "{MANAGEMENT}", scope: [{scope}]}}]\n'


NO_CHANGE = 'grants: [{client_id: old, audience: "https://api.example.com/invoices", scope: [a]}]\n'


@pytest.mark.parametrize("kind", ["secret", "private key", "ready token"])
@pytest.mark.parametrize(
    ("grants", "code"),
    [
        (own('"read:client_grants"'), 4),
        (own(""), 4),
        (own(f'{NEEDED}, "read:users"'), 4),
        (NO_CHANGE, 0),
    ],
    ids=["narrowed", "emptied", "widened", "pruned"],
)
def test_the_grant_by_which_we_live_is_never_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, grants: str, code: int
) -> None:
    with a_place(tmp_path, monkeypatch, seed=WITH_KEY, grants=grants) as place:
        before = [grant for grant in place.tenant.grants() if grant["client_id"] == "own"]
        for name, value in credentials(place, kind).items():
            monkeypatch.setenv(name, value)

        ran = reconciler("apply", "--yes", *(["--prune"] if code == 0 else []))

        assert ran.code == code, ran.output
        assert place.writes() == (1 if code == 0 else 0)  # the stray goes
        assert [grant for grant in place.tenant.grants() if grant["client_id"] == "own"] == before
