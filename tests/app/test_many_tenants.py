"""Many tenants in one process: each runs on its own, within the limits of the whole run."""

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from starlette.types import Scope
from support.commands import reconciler
from support.http_tenants import HttpTenants, http_tenants

NAMES = ("t1", "t2", "t3", "t4", "t5")
GRANTS = "grants: [{client: Billing, api: Invoices API, scope: ['read:invoices']}]\n"
WAVES = """\
waves:
  - {name: canary, tenants: [t1]}
  - {name: next, tenants: [t2, t3]}
  - {name: rest, tenants: ["*"]}
"""


@pytest.fixture
def tenants(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpTenants]:
    (here / "grants" / "billing.yaml").write_text(GRANTS)
    with http_tenants(here, NAMES, here / "tenant.yaml") as served:
        (here / "reconciler.yaml").write_text(served.config)
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


def use_waves(here: Path, text: str = WAVES) -> None:
    with (here / "reconciler.yaml").open("a") as file:
        file.write(text)


async def never_respond() -> bool:
    await asyncio.sleep(60)
    return False


def test_a_hanging_tenant_delays_no_other(tenants: HttpTenants) -> None:
    """The tenant t2 responds only when all others have been applied and read again."""
    others = {"t1", "t3", "t4", "t5"}

    async def behaviour(name: str, _: Scope) -> bool:
        while name == "t2" and not others <= tenants.read_after_a_write():  # noqa: ASYNC110 - nothing sets an event
            await asyncio.sleep(0.01)
        return True

    tenants.behaviour = behaviour

    ran = reconciler("apply", "--all-tenants", "--yes", "--at-once", "2")

    assert ran.code == 0
    assert ran.stdout.startswith("5 of 5 applied; 5 with changes: 5 changes applied.\n")
    assert tenants.tenants_with("POST") == ["t1", "t3", "t4", "t5", "t2"]
    assert [line.partition(": ")[0] for line in ran.stderr.splitlines()[:5]] == [
        "[1/5] t1",
        "[2/5] t3",
        "[3/5] t4",
        "[4/5] t5",
        "[5/5] t2",
    ]


def test_only_the_hanging_tenant_exceeds_the_time_limit(tenants: HttpTenants) -> None:
    async def behaviour(name: str, _: Scope) -> bool:
        return await never_respond() if name == "t2" else True

    tenants.behaviour = behaviour

    ran = reconciler("plan", "--all-tenants", "--timeout", "4s", "--attempts", "1")

    assert ran.code == 1
    assert ran.stdout.startswith(
        "4 of 5 planned, 1 failed; 4 with changes: 4 to create.\n\nFailed (1) t2\n  time limit exceeded (--timeout)\n"
    )


@pytest.mark.parametrize("at_once", [1, 2])
def test_at_once_limits_the_tenants_in_progress(tenants: HttpTenants, at_once: int) -> None:
    async def behaviour(_: str, __: Scope) -> bool:
        await asyncio.sleep(0.02)
        return True

    tenants.behaviour = behaviour
    ran = reconciler("plan", "--all-tenants", "--at-once", str(at_once), "--format", "json")

    assert (ran.code, len(ran.data["plans"])) == (0, len(NAMES))
    ends = {name: when for when, name, _, _ in tenants.requests}
    starts = {name: when for when, name, _, _ in reversed(tenants.requests)}
    assert max(sum(starts[each] <= when <= ends[each] for each in NAMES) for when, *_ in tenants.requests) == at_once


def test_the_time_limit_starts_with_each_tenant(tenants: HttpTenants) -> None:
    async def behaviour(_: str, request: Scope) -> bool:
        await asyncio.sleep(0.8 if request["path"] == "/oauth/token" else 0)
        return True

    tenants.behaviour = behaviour
    started = monotonic()

    ran = reconciler("plan", "--all-tenants", "--at-once", "1", "--timeout", "3.5s", "--attempts", "1")

    assert monotonic() - started > 4.0
    assert (ran.code, ran.stdout.partition(";")[0]) == (0, "5 of 5 planned")


def test_max_rps_applies_to_all_tenants_together_and_to_token_requests(tenants: HttpTenants) -> None:
    ran = reconciler("plan", "--all-tenants", "--max-rps", "25")

    moments = [when for when, *_ in tenants.requests]
    assert ran.code == 0
    assert sum(path == "/oauth/token" for *_, path in tenants.requests) == len(NAMES)
    assert moments[-1] - moments[0] >= (len(moments) - 1) / 25 - 0.05


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reports_what_is_known_of_each_tenant(tenants: HttpTenants, number: signal.Signals) -> None:
    async def behaviour(name: str, request: Scope) -> bool:
        if name == "t3" and request["path"] == "/oauth/token":
            os.kill(os.getpid(), number)
            return await never_respond()
        return True

    tenants.behaviour = behaviour

    ran = reconciler("plan", "--all-tenants", "--at-once", "1")

    assert ran.code == 128 + number
    assert ran.stdout.startswith("2 of 5 planned, 3 not started; 2 with changes: 2 to create.\n")
    reason = "interrupted before the tenant was planned, so nothing was written"
    assert f"\nNot started (3) t3, t4, t5\n  {reason}\n" in ran.stdout


def test_after_a_signal_changes_in_progress_are_finished(tenants: HttpTenants) -> None:
    async def behaviour(name: str, request: Scope) -> bool:
        if name == "t2" and request["method"] == "POST" and "/api/" in request["path"]:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.1)
        return True

    tenants.behaviour = behaviour

    ran = reconciler("apply", "--all-tenants", "--yes", "--at-once", "1", "--format", "json")

    assert ran.code == 130
    assert [(each["tenant"], each["summary"]["applied"]) for each in ran.data["tenants"]] == [("t1", 1), ("t2", 1)]
    assert [each["tenant"] for each in ran.data["failed"]] == ["t3", "t4", "t5"]
    states = ran.data["summary"]["states"]
    assert {state: count for state, count in states.items() if count} == {"applied": 1, "partial": 1, "not started": 3}
    assert [name for name in NAMES if "billing" in tenants.granted(name)] == ["t1", "t2"]


def test_waves_after_an_interrupted_one_are_interrupted_too(here: Path, tenants: HttpTenants) -> None:
    use_waves(here)

    async def behaviour(_: str, __: Scope) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return await never_respond()

    tenants.behaviour = behaviour

    ran = reconciler("apply", "--all-tenants", "--yes")

    assert ran.code == 130
    assert (
        "\nNot started (5) t1, t2, t3, t4, t5\n  interrupted before the tenant was planned, so nothing was"
        in ran.stdout
    )


def test_saved_plans_approve_each_tenant_for_itself(here: Path, tenants: HttpTenants) -> None:
    assert reconciler("plan", "--all-tenants", "--out", "{tenant}.json").code == 0
    (here / "t2.json").unlink()
    (here / "t3.json").write_text((here / "t4.json").read_text())
    (here / "t5.json").write_text("{}")

    ran = reconciler("apply", "--all-tenants", "{tenant}.json")

    assert ran.code == 3
    assert ran.stdout.startswith("2 of 5 applied, 3 refused; 2 with changes: 2 changes applied.\n")
    assert "Refused (1) t2\n  nothing was written: the saved plan t2.json does not exist" in ran.stdout
    assert "Refused (1) t3\n  the plan was made for t4 (" in ran.stdout
    assert "Refused (1) t5\n  t5.json is not a saved plan" in ran.stdout
    assert [name for name in NAMES if "billing" in tenants.granted(name)] == ["t1", "t4"]
    assert sorted(tenants.tenants_with("POST")) == ["t1", "t4"]

    again = reconciler("apply", "--all-tenants", "{tenant}.json", "--tenant", "t1")
    assert (again.code, "use either --all-tenants or --tenant" in again.stderr) == (1, True)


def test_a_stale_saved_plan_refuses_only_its_tenant(here: Path, tenants: HttpTenants) -> None:
    reconciler("plan", "--all-tenants", "--out", "{tenant}.json")
    (here / "grants" / "more.yaml").write_text(
        "tenants: [t3]\ngrants: [{client: Portal, api: Invoices API, scope: ['void:invoices']}]\n"
    )

    ran = reconciler("apply", "--all-tenants", "{tenant}.json", "--format", "json")

    assert ran.code == 3
    assert [each["tenant"] for each in ran.data["failed"]] == ["t3"]
    assert "files or tenant changed after the plan was created" in ran.data["failed"][0]["errors"][0]
    assert [name for name in NAMES if "billing" in tenants.granted(name)] == ["t1", "t2", "t4", "t5"]


def test_waves_run_one_after_the_other(here: Path, tenants: HttpTenants) -> None:
    use_waves(here)

    ran = reconciler("apply", "--all-tenants", "--yes")

    assert ran.code == 0
    assert ran.stdout.splitlines()[:4] == [
        "5 of 5 applied; 5 with changes: 5 changes applied.",
        "Wave canary: 1 of 1 applied.",
        "Wave next: 2 of 2 applied.",
        "Wave rest: 2 of 2 applied.",
    ]
    seen = [name for _, name, _, _ in tenants.requests]
    waves = {"t1": 0, "t2": 1, "t3": 1, "t4": 2, "t5": 2}
    assert [waves[name] for name in seen] == sorted(waves[name] for name in seen)


@pytest.mark.parametrize(
    ("stop_after", "failing", "applied"),
    [
        (1, ["t1"], []),
        (1, ["t2"], ["t1", "t3"]),
        (2, ["t1"], ["t2", "t3", "t4", "t5"]),
        (2, ["t1", "t3"], ["t2"]),
        (3, ["t1", "t3"], ["t2", "t4", "t5"]),
    ],
)
def test_failed_tenants_are_counted_over_all_waves(  # noqa: PLR0917 - one parameter per fixture
    here: Path,
    tenants: HttpTenants,
    monkeypatch: pytest.MonkeyPatch,
    stop_after: int,
    failing: list[str],
    applied: list[str],
) -> None:
    use_waves(here, f"{WAVES}stop_after: {stop_after}\n")
    for name in failing:
        monkeypatch.setenv(f"AUTH0_{name.upper()}_CLIENT_SECRET", "wrong-secret-of-nobody")

    ran = reconciler("apply", "--all-tenants", "--yes", "--format", "json")

    assert ran.code == (3 if applied else 1)
    assert [each["tenant"] for each in ran.data["tenants"]] == applied
    not_started = [name for name in NAMES if name not in {*applied, *failing}]
    states = ran.data["summary"]["states"]
    assert (states["failed"], states["not started"], states["applied"]) == (
        len(failing),
        len(not_started),
        len(applied),
    )
    reasons = {each["tenant"]: each["errors"][0] for each in ran.data["failed"]}
    assert all(
        re.match(r"the wave \w+ did not start, because \d tenants? of the earlier rollout waves", reasons[each])
        for each in not_started
    )
    assert {name for _, name, _, _ in tenants.requests} == {*applied, *failing}


PORTAL = "tenants: [{}]\ngrants: [{{client: Portal, api: Invoices API, scope: ['void:invoices']}}]\n"


@pytest.mark.parametrize(
    ("tenants_with_portal", "lines", "exit_code"),
    [
        (
            "t1, t4",
            [
                "2 of 5 applied, 3 not selected",
                "Wave canary: 1 of 1 applied.",
                "Wave next: 0 of 2 applied, 2 not selected.",
            ],
            0,
        ),
        (
            "t4",
            ["0 of 5 applied, 4 not started, 1 not selected", "Wave canary: 0 of 1 applied, 1 not selected."],
            1,
        ),
    ],
)
def test_a_wave_without_a_selected_grant_is_not_done(
    here: Path, tenants: HttpTenants, tenants_with_portal: str, lines: list[str], exit_code: int
) -> None:
    """The application Portal has a grant in each tenant of the seed, so another one is selected by its file."""
    use_waves(here)
    (here / "grants" / "portal.yaml").write_text(PORTAL.format(tenants_with_portal))

    ran = reconciler("apply", "--all-tenants", "--yes", "grants/portal.yaml")

    assert ran.code == exit_code, ran.output
    assert ran.stdout.startswith(lines[0]), ran.stdout
    assert ran.stdout.splitlines()[1 : len(lines)] == lines[1:]
    assert "[1/5] t1: " in ran.stderr
    assert tenants.tenants_with("POST") + tenants.tenants_with("PATCH") == (["t1", "t4"] if exit_code == 0 else [])
    reason = "because no tenant of the earlier rollout waves has received the selected grants; "
    assert (f"{reason}to apply this wave alone, use --wave next\n" in ran.stdout) is (exit_code == 1)


def test_a_failed_tenant_does_not_test_the_selected_grants(
    here: Path, tenants: HttpTenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canaries are t1, which fails, and t2, which has no selected grant."""
    use_waves(here, "waves: [{name: canary, tenants: [t1, t2]}, {name: next, tenants: ['*']}]\nstop_after: 2\n")
    monkeypatch.setenv("AUTH0_T1_CLIENT_SECRET", "wrong-secret-of-nobody")
    (here / "grants" / "portal.yaml").write_text(PORTAL.format("t1, t4"))

    ran = reconciler("apply", "--all-tenants", "--yes", "grants/portal.yaml")

    assert ran.code == 1, ran.output
    assert ran.stdout.startswith("0 of 5 applied, 1 failed, 3 not started, 1 not selected")
    assert not tenants.tenants_with("POST")


def test_tenants_without_a_selected_grant_are_not_planned(here: Path, tenants: HttpTenants) -> None:
    (here / "grants" / "portal.yaml").write_text(PORTAL.format("t4"))

    ran = reconciler("plan", "--all-tenants", "grants/portal.yaml", "--format", "json")

    assert tenants.tenants_with("GET")
    assert ran.code == 0
    states = ran.data["summary"]["states"]
    assert {state: count for state, count in states.items() if count} == {"planned": 1, "not selected": 4}


def test_reports_of_tenants_that_were_not_started_say_so(
    here: Path, tenants: HttpTenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_waves(here)
    monkeypatch.setenv("AUTH0_T1_CLIENT_SECRET", "wrong-secret-of-nobody")

    reconciler("apply", "--all-tenants", "--yes", "--report", "markdown={tenant}.md", "--report", "text={tenant}.txt")

    assert len(tenants.requests) > 0
    titles = [(here / f"{name}.md").read_text().splitlines()[1].partition(": ")[2] for name in NAMES[:2]]
    assert titles == ["failed", "not started"]
    assert (here / "t2.txt").read_text().startswith("Tenant t2: not started\n  the wave next did not start, because")


def test_one_wave_can_be_selected(here: Path, tenants: HttpTenants) -> None:
    use_waves(here)

    planned = reconciler("plan", "--wave", "next", "--format", "json")
    ran = reconciler("apply", "--wave", "next", "--yes")

    assert [each["tenant"]["name"] for each in planned.data["plans"]] == ["t2", "t3"]
    assert ran.stdout.splitlines()[:2] == [
        "2 of 2 applied; 2 with changes: 2 changes applied.",
        "Wave next: 2 of 2 applied.",
    ]
    assert sorted(tenants.tenants_with("POST")) == ["t2", "t3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--wave", "nxt"], '--wave: reconciler.yaml does not declare the wave "nxt"; did you mean "next"?'),
        (["--wave", "next", "--tenant", "t1"], "use either --wave or --tenant"),
    ],
    ids=["unknown", "with-tenant"],
)
def test_wrong_waves_are_reported(here: Path, tenants: HttpTenants, arguments: list[str], message: str) -> None:
    use_waves(here)

    ran = reconciler("plan", *arguments)

    assert (ran.code, ran.stderr) == (1, f"error: {message}\n")
    assert not tenants.requests


def test_questions_are_asked_in_groups(tenants: HttpTenants) -> None:
    ran = reconciler("apply", "--all-tenants", "--at-once", "2", terminal=True, typed="yes\nno\nyes\nyes\nyes\n")

    assert ran.code == 3
    assert "4 of 5 applied, 1 failed" in ran.stdout
    first_write = next(
        number for number, each in enumerate(tenants.requests) if each[2] == "POST" and "/api/" in each[3]
    )
    assert {name for _, name, _, _ in tenants.requests[:first_write]} == {"t1", "t2"}
    assert sorted(tenants.tenants_with("POST")) == ["t1", "t3", "t4", "t5"]


@pytest.fixture
def aliased(here: Path, tenants: HttpTenants, monkeypatch: pytest.MonkeyPatch) -> HttpTenants:
    """The tenants t3 and t4 are the same tenant. The configuration does not contain the identity of either."""
    tenants.sandboxes = {**tenants.sandboxes, "t4": tenants.sandboxes["t3"]}
    config = (here / "reconciler.yaml").read_text()
    (here / "reconciler.yaml").write_text(re.sub(r"canonical_domain: t[34][.]localhost, ", "", config))
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"AUTH0_T4_{name}", os.environ[f"AUTH0_T3_{name}"])
    return tenants


SAME = "the tenants t3 and t4 are the same tenant"


@pytest.mark.usefixtures("aliased")
def test_two_names_of_one_tenant_get_no_plan(here: Path) -> None:
    ran = reconciler("plan", "--all-tenants", "--at-once", "1", "--out", "{tenant}.json")

    assert ran.code == 1
    assert ran.stdout.startswith("3 of 5 planned, 2 failed; 3 with changes")
    assert f"\nFailed (2) t3, t4\n  {SAME}" in ran.stdout
    assert sorted(file.name for file in here.glob("t?.json")) == ["t1.json", "t2.json", "t5.json"]


def test_two_names_of_one_tenant_are_both_refused_before_anything_is_written(aliased: HttpTenants) -> None:
    ran = reconciler("apply", "--all-tenants", "--yes", "--at-once", "1", "--format", "json")

    assert ran.code == 3
    assert [each["tenant"] for each in ran.data["tenants"]] == ["t1", "t2", "t5"]
    assert [(each["tenant"], SAME in each["errors"][0]) for each in ran.data["failed"]] == [("t3", True), ("t4", True)]
    assert sorted(aliased.tenants_with("POST")) == ["t1", "t2", "t5"]
