"""--shard runs a part of the selected tenants."""

from pathlib import Path

import pytest
from support.commands import reconciler

SEED = """
tool: {name: Reconciler, client_id: own}
applications: [{name: Billing, client_id: billing}]
apis: [{name: Invoices API, identifier: https://api.example.com/invoices, scopes: ["read:invoices"]}]
"""
GRANTS = "grants: [{client: Billing, api: Invoices API, scope: ['read:invoices']}]"
NAMES = ("t1", "t2", "t3", "t4", "t5")


@pytest.fixture(autouse=True)
def tenants(here: Path) -> None:
    lines = (
        f"  {name}: {{kind: sandbox, domain: {name}.localhost, seed: s.yaml, database: {name}.db}}\n" for name in NAMES
    )
    (here / "reconciler.yaml").write_text(f"tenants:\n{''.join(lines)}", encoding="utf-8")
    (here / "s.yaml").write_text(SEED, encoding="utf-8")
    (here / "grants" / "billing.yaml").write_text(
        "grants: [{client: Billing, api: Invoices API, scope: ['read:invoices']}]"
    )


def planned(*arguments: str) -> list[str]:
    data = reconciler("plan", "--format", "json", *arguments).data
    return [plan["tenant"]["name"] for plan in data.get("plans", [data])]


def test_the_shards_plan_every_tenant_once() -> None:
    parts = [planned("--all-tenants", "--shard", f"{index}/3") for index in range(3)]

    assert parts == [["t1", "t4"], ["t2", "t5"], ["t3"]]


def test_a_shard_of_named_tenants() -> None:
    assert planned("--tenant", "t5", "--tenant", "t1", "--tenant", "t3", "--shard", "0/2") == ["t1", "t5"]


def test_only_the_tenants_of_a_shard_are_applied() -> None:
    assert reconciler("apply", "--all-tenants", "--shard", "1/2", "--yes").code == 0

    plans = reconciler("plan", "--all-tenants", "--format", "json").data["plans"]
    left = {each["tenant"]["name"]: len(each["changes"]) for each in plans}
    assert left == {"t1": 1, "t2": 0, "t3": 1, "t4": 0, "t5": 1}


def test_shards_of_several_waves_are_not_applied(here: Path) -> None:
    with (here / "reconciler.yaml").open("a", encoding="utf-8") as file:
        file.write("waves: [{name: canary, tenants: [t1, t2]}, {name: rest, tenants: ['*']}]\n")

    for selected in (["--all-tenants"], ["--tenant", "t2", "--tenant", "t3"]):
        ran = reconciler("apply", *selected, "--shard", "1/2", "--yes", "--result", "results", "--run", "7")
        assert ran.code == 1
        assert "--shard: the selected tenants belong to the waves canary and rest" in ran.stderr
        assert "with --wave NAME" in ran.stderr
    assert '"status": "failed"' in (here / "results" / "t3.json").read_text(encoding="utf-8")
    assert planned("--all-tenants", "--shard", "1/2") == ["t2", "t4"]
    assert reconciler("apply", "--wave", "rest", "--shard", "1/2", "--yes").code == 0
    assert reconciler("apply", "--tenant", "t3", "--tenant", "t5", "--shard", "1/2", "--yes").code == 0


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"], ["doctor"], ["validate"]])
def test_an_empty_shard_succeeds(command: list[str]) -> None:
    ran = reconciler(*command, "--all-tenants", "--shard", "5/6")

    assert ran.code == 0
    assert "The shard 5/6 has no tenants." in ran.stderr or command == ["validate"]


def test_the_doctor_checks_the_tenants_of_a_shard() -> None:
    ran = reconciler("doctor", "--all-tenants", "--shard", "2/3", "--format", "json")

    assert [each["tenant"] for each in ran.data["tenants"]] == ["t3"]
    assert ran.data["tenants"][0]["checks"][0]["check"] == "configuration"


def test_the_doctor_shows_each_tenant() -> None:
    shown = reconciler("doctor", "--tenant", "t2", "--tenant", "t1").stdout

    assert [line for line in shown.splitlines() if line.startswith("Tenant ")] == ["Tenant t2", "Tenant t1"]


def test_validate_checks_files_for_the_tenants_of_a_shard(here: Path) -> None:
    (here / "grants" / "more.yaml").write_text("tenants: [t2]\ngrants: [{client: '${missing}', api: Invoices API}]\n")

    assert [reconciler("validate", "--shard", f"{index}/2").code for index in range(2)] == [0, 1]


@pytest.mark.parametrize("command", ["plan", "apply", "doctor"])
def test_a_shard_needs_selected_tenants(command: str) -> None:
    ran = reconciler(command, "--shard", "0/1")

    assert ran.code == 1
    assert "add --all-tenants or --wave, or --tenant" in ran.stderr


@pytest.mark.parametrize("shard", ["3/3", "a", "1"])
def test_a_shard_that_does_not_exist_is_a_usage_error(shard: str) -> None:
    assert reconciler("plan", "--all-tenants", "--shard", shard).code == 1


def test_a_variable_can_name_the_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_PLAN_SHARD", "4/5")

    assert planned("--all-tenants") == ["t5"]
