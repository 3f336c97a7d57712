"""One repository for three tenants. Each tenant has its own ids and gets its own grants."""

from pathlib import Path
from typing import Any

import pytest
from support.commands import GRANTS, reconciler, served

STAGES = ("dev", "staging", "prod")
CONFIG = """
variables: {identifier: https://api.example.com/invoices}
limits: {deletes: 10}
tenants:
  dev: {kind: sandbox, domain: dev.localhost, seed: dev.yaml, database: dev.db}
  staging: {kind: sandbox, domain: staging.localhost, seed: staging.yaml, database: staging.db}
  prod:
    kind: sandbox
    domain: prod.localhost
    seed: prod.yaml
    database: prod.db
    variables: {identifier: https://invoices.example.com, void: void:invoices}
    manage: [{client: Billing}]
"""
SEED = """
tool: {{name: Reconciler, client_id: own}}
applications:
  - {{name: Billing, client_id: {stage}-billing}}
  - {{name: Portal, client_id: {stage}-portal}}
apis:
  - {{name: Invoices API, identifier: "{identifier}", scopes: ["read:invoices", "write:invoices", "void:invoices"]}}
grants:
  - {{client: Portal, api: Invoices API, scope: ["read:invoices"]}}
"""
BILLING = """\
grants:
  - client: Billing
    audience: ${identifier}
    description: Nightly run
    tenants: [dev, staging]
    scope: [read:invoices, write:invoices]
  - client: Billing
    audience: ${identifier}
    tenants: [prod]
    scope: [read:invoices, "${void}"]
"""
TOOLS = """\
tenants: [dev]
grants:
  - client: Portal
    audience: https://${domain}/api/v2/
    scope: [read:stats]
"""


@pytest.fixture(autouse=True)
def repository(here: Path) -> Path:
    (here / "reconciler.yaml").write_text(CONFIG, encoding="utf-8")
    for stage in STAGES:
        identifier = "https://invoices.example.com" if stage == "prod" else "https://api.example.com/invoices"
        (here / f"{stage}.yaml").write_text(SEED.format(stage=stage, identifier=identifier), encoding="utf-8")
    (here / "grants/billing.yaml").write_text(BILLING, encoding="utf-8")
    (here / "grants/tools.yaml").write_text(TOOLS, encoding="utf-8")
    return here


def changes(plan: dict[str, Any]) -> list[tuple[str, str, str, list[str]]]:
    return [
        (each["action"], each["key"]["client_id"], each["key"]["audience"], (each["after"] or {"scope": []})["scope"])
        for each in plan["changes"]
    ]


def test_each_tenant_gets_its_grants_with_its_ids_and_values() -> None:
    plans = {stage: reconciler("plan", "--tenant", stage, "--format", "json") for stage in STAGES}

    both = ["read:invoices", "write:invoices"]
    assert {stage: changes(ran.data) for stage, ran in plans.items()} == {
        "dev": [
            ("create", "dev-billing", "https://api.example.com/invoices", both),
            ("create", "dev-portal", "https://dev.localhost/api/v2/", ["read:stats"]),
        ],
        "staging": [("create", "staging-billing", "https://api.example.com/invoices", both)],
        "prod": [("create", "prod-billing", "https://invoices.example.com", ["read:invoices", "void:invoices"])],
    }


def test_each_tenant_is_pruned_within_its_managed_scope() -> None:
    deletes = {}
    for stage in STAGES:
        assert reconciler("apply", "--tenant", stage, "--prune", "--yes").code == 0
        second_plan = reconciler("plan", "--tenant", stage, "--prune", "--format", "json", "--detailed-exitcode")
        assert second_plan.code == 0
        deletes[stage] = [each["reason"] for each in second_plan.data["unmanaged"]]

    assert deletes == {"dev": ["own"], "staging": ["own"], "prod": ["outside", "own"]}


def test_a_plan_saved_for_one_tenant_is_refused_for_another() -> None:
    assert reconciler("plan", "--tenant", "dev", "--out", "plan.json").code == 0

    assert reconciler("apply", "plan.json", "--tenant", "staging").code == 5
    assert reconciler("apply", "plan.json", "--tenant", "dev").code == 0


def test_validate_checks_every_tenant(repository: Path) -> None:
    assert reconciler("validate").stdout == "3 grants in 2 files: valid.\n"
    (repository / "grants/billing.yaml").write_text(BILLING.replace(", staging]", ", staging, prod]"))

    ran = reconciler("validate")

    assert ran.code == 1
    assert ran.stderr == (
        'grants/billing.yaml:7:5: the grant of "Billing" for "https://invoices.example.com" (client) is already '
        "declared at grants/billing.yaml:2:5; remove one of the two declarations, or merge the scopes\n"
    )
    assert reconciler("validate", "--tenant", "dev").code == 0


def test_validate_names_the_tenants_that_lack_a_variable(repository: Path) -> None:
    (repository / "grants/billing.yaml").write_text(BILLING.replace("[prod]", "['*']").replace("dev, staging", "none"))

    assert reconciler("validate").stderr == (
        'grants/billing.yaml:5:15: the configuration does not declare the tenant "none"; '
        "declared tenants: dev, staging and prod\n"
        'grants/billing.yaml:10:28: dev and staging have no variable "void"; '
        "define the variable under `variables` in reconciler.yaml\n"
    )
    assert reconciler("validate", "--tenant", "prod").stderr == (
        'grants/billing.yaml:5:15: the configuration does not declare the tenant "none"; '
        "declared tenants: dev, staging and prod\n"
    )


def test_validate_also_reports_problems_of_the_configuration(repository: Path) -> None:
    (repository / "reconciler.yaml").write_text("default_tenant: x\n")
    (repository / "grants/tools.yaml").write_text("grants: [{client: a}, {client: b, api: c}, {client: b, api: c}]")

    ran = reconciler("validate")

    assert (ran.code, ran.stderr) == (
        1,
        (
            'grants/tools.yaml:1:10: "api" and "audience" are missing; '
            "give exactly one of api and audience to name the API\n"
            'grants/tools.yaml:1:44: the grant of "b" for "c" (client) is already declared at grants/tools.yaml:1:23; '
            "remove one of the two declarations, or merge the scopes\n"
            'reconciler.yaml:1:17: this file does not declare the tenant "x"; declared tenants: none\n'
        ),
    )


def test_validate_accepts_only_declared_tenants() -> None:
    ran = reconciler("validate", "--tenant", "pord")

    assert (ran.code, ran.stderr) == (
        1,
        'error: reconciler.yaml does not declare the tenant "pord"; did you mean "prod"?\n',
    )


def test_doctor_checks_the_files_for_the_selected_tenant(repository: Path) -> None:
    (repository / "grants/billing.yaml").write_text(
        BILLING.replace("[dev, staging]", "[staging]").replace("[prod]", "[prod, dev]")
    )

    dev, prod = (reconciler("doctor", "--tenant", stage, "--format", "json").data for stage in ("dev", "prod"))

    found = [each["found"] for plan in (dev, prod) for each in plan["checks"] if each["check"] == "grants"]
    assert found == [
        (
            'grants/billing.yaml:10:28: dev has no variable "void"; '
            "define the variable under `variables` in reconciler.yaml"
        ),
        "1 grant in 2 files",
    ]


def test_credentials_come_from_the_variables_of_the_tenants_prefix(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "grants/tools.yaml").unlink()
    (repository / "grants/billing.yaml").write_text(GRANTS)
    with served(repository) as environment:
        address = environment["AUTH0_DOMAIN"]
        (repository / "reconciler.yaml").write_text(
            f"tenants: {{prod: {{domain: '{address}', credentials: AUTH0_PROD_}}}}\n"
        )
        monkeypatch.setenv("AUTH0_CLIENT_ID", "another-tenants")
        monkeypatch.setenv("AUTH0_CLIENT_SECRET", "another-tenants")
        monkeypatch.setenv("AUTH0_DOMAIN", address)
        refused = reconciler("plan")
        for name, value in environment.items():
            monkeypatch.setenv(name.replace("AUTH0_", "AUTH0_PROD_"), value)
        planned = reconciler("plan")

    assert refused.stderr == (
        f"error: tenant prod: {address} is not a host of Auth0; to send credentials there nevertheless, "
        f"set AUTH0_PROD_DOMAIN={address} in the environment\n"
    )
    assert (planned.code, planned.stderr) == (0, "")
    assert planned.stdout.startswith(f"Tenant prod ({address})")
