"""--result writes the result of each tenant at its start and its end."""

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.commands import CommandResult, command_line, reconciler
from support.repository import commit_all

from reconciler.app.result_files import ResultFiles
from reconciler.contract import stored
from reconciler.errors import ReconcilerError

SEED = """
tool: {name: Reconciler, client_id: own}
applications: [{name: Billing, client_id: billing}]
apis: [{name: Invoices API, identifier: https://api.example.com/invoices, scopes: ["read:invoices"]}]
"""
GRANTS = "grants: [{client: Billing, api: Invoices API, scope: ['read:invoices']}]\n"
CONFIG = """
waves: [{name: canary, tenants: [t1]}, {name: rest, tenants: ["*"]}]
tenants:
  t1: {kind: sandbox, domain: t1.localhost, seed: s.yaml, database: t1.db}
  t2: {kind: sandbox, domain: t2.localhost, seed: s.yaml, database: t2.db}
  t3: {domain: t3.eu.auth0.com, credentials: AUTH0_T3_}
"""


@pytest.fixture(autouse=True)
def workspace(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sandboxes that lack a grant, and a tenant without credentials."""
    (here / "reconciler.yaml").write_text(CONFIG, encoding="utf-8")
    (here / "s.yaml").write_text(SEED, encoding="utf-8")
    (here / "grants" / "billing.yaml").write_text(GRANTS, encoding="utf-8")
    monkeypatch.setenv("RECONCILER_RUN", "7")
    return here


def result_of(here: Path, tenant: str, folder: str = "results") -> Any:
    data = json.loads((here / folder / f"{tenant}.json").read_text())
    Draft202012Validator(stored.load(stored.FLEET_RESULT)).validate(data)
    return data


def collect(*names: str) -> CommandResult:
    selected = [word for name in names for word in ("--tenant", name)]
    reconciler("fleet", "list", *selected, "--report", "json=fleet.json")
    return reconciler("fleet", "collect", "fleet.json", "results", "--format", "json")


def test_plan_writes_the_result_of_each_tenant(here: Path) -> None:
    commit = commit_all(here)

    ran = reconciler("plan", "--all-tenants", "--result", "results", "--detailed-exitcode", "--format", "json")

    assert ran.code == 1
    planned, failed = result_of(here, "t1"), result_of(here, "t3")
    assert (planned["run"], planned["commit"], planned["attempt"]) == ("7", commit, 1)
    assert (planned["wave"], planned["shard"], planned["command"]) == ("canary", None, "plan")
    assert (planned["status"], planned["exit_code"], planned["errors"]) == ("planned", 2, [])
    assert planned["counts"] == {
        "create": 1,
        "update": 0,
        "delete": 0,
        "blocked": 0,
        "no_longer_declared": 0,
        "critical": 0,
        "high": 0,
    }
    assert planned["output"]["plan_id"] == planned["plan_id"]
    assert planned["started_at"] <= planned["ended_at"]
    assert (failed["status"], failed["exit_code"], failed["plan_id"], failed["output"]) == ("failed", 1, None, None)
    assert "AUTH0_T3_" in failed["errors"][0]


def test_collect_reads_the_results_of_plan() -> None:
    reconciler("plan", "--all-tenants", "--result", "results")

    ran = collect()

    assert [each["state"] for each in ran.data["tenants"]] == ["planned", "planned", "failed"]
    assert (ran.code, ran.data["refused"]) == (1, [])


def test_the_comment_of_the_collection_shows_each_plan_once() -> None:
    reconciler("plan", "--all-tenants", "--result", "results")
    collect()

    body = reconciler("fleet", "collect", "fleet.json", "results", "--format", "markdown").stdout

    assert body.startswith("<!-- reconciler:all-tenants -->\n### Auth0 grants · 3 tenants: 2 of 3 planned, 1 failed\n")
    assert "Plan 1: 2 tenants (<code>t1</code>, <code>t2</code>): 1 to create" in body
    assert body.count("<details><summary>Plan ") == 1
    assert "Billing" in body
    assert "AUTH0_T3_" in body


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("plan_id", "0" * 64),
        ("counts", {"create": 0}),
        ("output", {}),
        ("domain", "t9.localhost"),
    ],
)
def test_a_result_that_contradicts_its_plan_is_refused(here: Path, key: str, value: object) -> None:
    reconciler("plan", "--tenant", "t1", "--result", "results")
    data = result_of(here, "t1")
    (here / "results" / "t1.json").write_text(json.dumps({**data, key: value}))

    ran = collect("t1")

    assert (ran.code, ran.data["tenants"][0]["state"], len(ran.data["refused"])) == (3, "unknown", 1)


def test_apply_writes_the_outcomes(here: Path) -> None:
    assert reconciler("apply", "--tenant", "t1", "--yes", "--result", "results").code == 0

    result = result_of(here, "t1")
    assert (result["status"], result["exit_code"], result["counts"]["applied"]) == ("applied", 0, 1)
    assert result["output"]["outcomes"][0]["outcome"] == "applied"


def test_the_comment_of_applied_tenants_is_a_result() -> None:
    reconciler("apply", "--tenant", "t1", "--tenant", "t2", "--yes", "--result", "results")
    collect("t1", "t2")

    body = reconciler("fleet", "collect", "fleet.json", "results", "--format", "markdown").stdout

    assert "2 of 2 applied; 2 with changes: 2 changes applied." in body
    assert "Result of all tenants" in body


def test_nothing_left_to_do_is_applied(here: Path) -> None:
    reconciler("apply", "--tenant", "t1", "--tenant", "t2", "--yes")

    assert reconciler("apply", "--tenant", "t1", "--tenant", "t2", "--yes", "--result", "results").code == 0
    assert result_of(here, "t2")["status"] == "applied"


def test_a_refused_plan_has_its_reason(here: Path) -> None:
    deny = "\npolicy: {rules: [{rule: all-scopes, verdict: deny, reason: never}]}\n"
    (here / "reconciler.yaml").write_text(CONFIG + deny, encoding="utf-8")
    (here / "grants" / "billing.yaml").write_text(
        "grants: [{client: Billing, api: Invoices API, allow_all_scopes: true}]", encoding="utf-8"
    )

    assert reconciler("apply", "--tenant", "t1", "--yes", "--result", "results").code == 4

    result = result_of(here, "t1")
    assert (result["status"], result["exit_code"]) == ("refused", 4)
    assert result["errors"]


def test_a_stopped_wave_is_not_started(here: Path) -> None:
    (here / "reconciler.yaml").write_text(CONFIG.replace("[t1]", "[t3]"), encoding="utf-8")

    assert reconciler("apply", "--all-tenants", "--yes", "--result", "results").code == 1

    assert [result_of(here, name)["status"] for name in ("t3", "t1", "t2")] == ["failed", "not started", "not started"]
    assert collect().data["summary"]["not started"] == 2


@pytest.mark.parametrize("tenants", [["t1"], ["t1", "t2"]])
@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"]])
def test_invalid_files_fail_every_tenant(here: Path, tenants: list[str], command: list[str]) -> None:
    (here / "grants" / "billing.yaml").write_text("grants: [{client: Billing}]", encoding="utf-8")
    selected = [word for name in tenants for word in ("--tenant", name)]

    assert reconciler(*command, *selected, "--result", "results").code == 1

    for name in tenants:
        assert result_of(here, name)["status"] == "failed"
        assert "grants/billing.yaml:1:" in result_of(here, name)["errors"][0]


@pytest.mark.parametrize("command", [["plan"], ["plan", "--out", "{tenant}.json"], ["apply", "--yes"]])
def test_a_domain_of_another_tenant_in_the_environment_fails(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("AUTH0_T3_DOMAIN", "another.eu.auth0.com")

    assert reconciler(*command, "--tenant", "t3", "--result", "results").code == 1

    assert result_of(here, "t3")["status"] == "failed"
    assert "AUTH0_T3_DOMAIN" in result_of(here, "t3")["errors"][0]


def test_a_saved_plan_that_was_applied_before_is_refused(here: Path) -> None:
    reconciler("plan", "--tenant", "t1", "--out", "plan.json")
    reconciler("apply", "--tenant", "t1", "plan.json")

    assert reconciler("apply", "--tenant", "t1", "plan.json", "--result", "results").code == 5

    assert (result_of(here, "t1")["status"], result_of(here, "t1")["exit_code"]) == ("refused", 5)


def test_the_shard_and_the_attempt_are_recorded(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "3")

    reconciler("plan", "--all-tenants", "--shard", "1/3", "--result", "results")

    assert {each.name for each in (here / "results").iterdir()} == {"t2.json"}
    assert (result_of(here, "t2")["shard"], result_of(here, "t2")["attempt"]) == ("1/3", 3)


def test_the_run_of_the_ci_service_is_the_default(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECONCILER_RUN")
    assert "the run has no name" in reconciler("plan", "--tenant", "t1", "--result", "results").stderr
    assert not (here / "results").exists()

    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("CI_PIPELINE_ID", "42")
    reconciler("plan", "--tenant", "t1", "--result", "results")
    assert result_of(here, "t1")["run"] == "42"

    reconciler("plan", "--tenant", "t1", "--result", "results", "--run", "job/nightly-1")
    assert result_of(here, "t1")["run"] == "job/nightly-1"


def test_a_part_of_the_grants_has_no_result(here: Path) -> None:
    ran = reconciler("apply", "--tenant", "t1", "--yes", "--client", "Billing", "--result", "results")

    assert (ran.code, (here / "results").exists()) == (1, False)
    assert "remove PATH, --client and --api" in ran.stderr


def test_a_saved_plan_of_a_part_of_the_grants_has_a_partial_result(here: Path) -> None:
    reconciler("plan", "--tenant", "t1", "--client", "Billing", "--out", "plan.json")

    assert reconciler("apply", "--tenant", "t1", "plan.json", "--result", "results").code == 0

    result = result_of(here, "t1")
    assert (result["status"], result["exit_code"]) == ("partial", 3)
    assert result["errors"] == ['the saved plan selects only some of the grants: client "Billing"']


def test_a_tenant_without_a_selected_grant_is_not_applied(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(f"tenants: [t2]\n{GRANTS}", encoding="utf-8")
    both = ("--tenant", "t1", "--tenant", "t2")
    reconciler("plan", *both, "grants/billing.yaml", "--out", "{tenant}.json")

    ran = reconciler("apply", *both, "{tenant}.json", "--result", "results")

    assert ran.code == 1
    assert ran.stdout.startswith("0 of 2 applied, 1 not started, 1 not selected.\n")
    assert [result_of(here, name)["status"] for name in ("t1", "t2")] == ["partial", "not started"]
    (error,) = result_of(here, "t1")["errors"]
    assert error.endswith('some of the grants: file "grants/billing.yaml", which selects no grant of this tenant')
    collected = collect("t1", "t2")
    assert (collected.code, collected.data["remaining"], collected.data["stopped"]) == (3, ["t1", "t2"], True)


@pytest.mark.parametrize("folder", ["grants", "file", "file/results"])
def test_a_folder_that_cannot_be_used_is_an_error_before_any_request(here: Path, folder: str) -> None:
    (here / "file").touch()

    ran = reconciler("apply", "--tenant", "t1", "--yes", "--result", folder)

    assert ran.code == 1
    assert "--result" in ran.stderr
    assert not (here / "t1.db").exists()


def test_a_folder_that_is_a_link_of_the_checkout_is_refused(here: Path) -> None:
    (here / "elsewhere").mkdir()
    (here / "results").symlink_to("elsewhere")
    commit_all(here)

    assert "contains the link" in reconciler("plan", "--tenant", "t1", "--result", "results").stderr
    assert list((here / "elsewhere").iterdir()) == []


@pytest.mark.slow
def test_a_killed_run_is_unknown(here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        domain = f"127.0.0.1:{silent.getsockname()[1]}"
        (here / "reconciler.yaml").write_text(f"tenants:\n  t1: {{domain: '{domain}'}}\n", encoding="utf-8")
        credentials = {"AUTH0_DOMAIN": domain, "AUTH0_CLIENT_ID": "own", "AUTH0_CLIENT_SECRET": "secret"}
        command = command_line("apply", "--all-tenants", "--yes", "--result", "results")
        with subprocess.Popen(command, env={**os.environ, **credentials}, stderr=subprocess.PIPE) as process:
            silent.accept()[0].close()
            process.kill()

    assert (result_of(here, "t1")["status"], result_of(here, "t1")["ended_at"]) == ("begun", None)
    ran = collect()
    assert (ran.code, ran.data["tenants"][0]["state"]) == (3, "unknown")
    assert "did not report its end" in ran.data["tenants"][0]["reason"]


def test_an_interrupted_write_leaves_the_beginning(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ResultFiles, "end", fail_to_write)

    ran = reconciler("plan", "--tenant", "t1", "--result", "results")

    assert ran.code == 1
    assert "no space left" in ran.stderr
    assert result_of(here, "t1")["status"] in {"begun", "failed"}


def fail_to_write(*_: object) -> None:
    raise ReconcilerError("no space left")
