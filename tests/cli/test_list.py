from pathlib import Path

import pytest
from support.commands import SEED, reconciler

GRANTS = """\
grants:
  - client: Portal
    audience: https://api.example.com/invoices
    subject_type: user
    description: People see their own invoices, and those of everybody in their household who agreed to it
    scope: [read:invoices]
  - client_id: ${billing}
    api: Invoices API
    scope: [write:invoices, read:invoices]
    organization_usage: allow
    allow_any_organization: true
  - default_for: third_party_clients
    api: Invoices API
    allow_all_scopes: true
"""
BY_NAME = "  - {client: Billing, audience: https://elsewhere}\n"
CONFIG = "tenants: {local: {kind: sandbox, seed: tenant.yaml, variables: {billing: billing}}}\n"


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    (here / "reconciler.yaml").write_text(CONFIG)
    (here / "grants/billing.yaml").write_text(GRANTS)
    return here


def test_grants_are_listed_with_ids_and_sources() -> None:
    ran = reconciler("list")

    assert (ran.code, ran.stderr) == (0, "")
    assert (
        ran.stdout
        == """\
Tenant local SANDBOX (sandbox.localhost)

  default for third_party_clients -> Invoices API
      grants/billing.yaml:12
      all scopes

  Billing -> Invoices API
      billing -> https://api.example.com/invoices
      grants/billing.yaml:7
      read:invoices, write:invoices
      organization_usage: allow
      any organization

  Portal -> Invoices API (user)
      portal -> https://api.example.com/invoices
      grants/billing.yaml:2  People see their own invoices, and those of
      everybody in their household who agreed to it
      read:invoices

Declared: 3 grants.
"""
    )


def test_offline_sends_no_request_and_replaces_variables(here: Path) -> None:
    (here / "tenant.yaml").unlink()
    (here / "reconciler.yaml").write_text("tenants: {live: {domain: login.example.com, variables: {billing: b}}}\n")

    ran = reconciler("list", "--offline")

    assert ran.stdout.startswith("Tenant live (login.example.com)\n")
    assert "  b -> Invoices API\n      grants/billing.yaml:7\n" in ran.stdout
    assert "  Portal -> https://api.example.com/invoices (user)\n      grants/billing.yaml:2" in ran.stdout


def test_json_has_every_field_and_source() -> None:
    resolved = reconciler("list", "--format", "json").data
    offline = reconciler("list", "--format", "json", "--offline").data

    assert resolved["tenant"] == {"name": "local", "domain": "sandbox.localhost", "sandbox": True}
    assert (resolved["resolved"], offline["resolved"]) == (True, False)
    assert resolved["grants"][2] == {
        "client": "Portal",
        "client_id": "portal",
        "default_for": None,
        "api": "Invoices API",
        "audience": "https://api.example.com/invoices",
        "subject_type": "user",
        "scope": ["read:invoices"],
        "allow_all_scopes": False,
        "organization_usage": "deny",
        "allow_any_organization": False,
        "authorization_details_types": [],
        "organizations": None,
        "description": "People see their own invoices, and those of everybody in their household who agreed to it",
        "expires": None,
        "expired": False,
        "source": {"file": "grants/billing.yaml", "line": 2, "column": 5},
    }
    differing = {name for name, value in offline["grants"][2].items() if resolved["grants"][2][name] != value}
    assert differing == {"client_id", "api"}


def test_an_unknown_name_is_reported_at_its_line(here: Path) -> None:
    (here / "grants/billing.yaml").write_text(GRANTS.replace("client: Portal", "client: Portl"))

    ran = reconciler("list")

    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr == (
        'grants/billing.yaml:2:13: the tenant has no application named "Portl"; did you mean "Portal"?\n'
    )


def test_invalid_files_are_reported_offline(here: Path) -> None:
    (here / "grants/billing.yaml").write_text(GRANTS.replace("${billing}", "${biling}"))

    assert reconciler("list", "--offline").stderr == (
        'grants/billing.yaml:7:16: local has no variable "biling"; did you mean "billing"?\n'
    )


def test_names_from_a_tenant_cannot_control_the_terminal(here: Path) -> None:
    (here / "tenant.yaml").write_text(SEED.replace("Portal,", '"Por\\e[31mtal",'))
    (here / "grants/billing.yaml").write_text(GRANTS.replace("client: Portal", "client_id: portal") + BY_NAME)

    ran = reconciler("list", "--color", "never")

    assert "Por\\x1b[31mtal -> Invoices API" in ran.stdout
    assert "\x1b" not in ran.output


def test_wrapped_lines_never_become_workflow_commands(here: Path) -> None:
    text = f'grants: [{{client: A, api: B, description: "{"a" * 60} ::error::pwned"}}]\n'
    (here / "grants" / "billing.yaml").write_text(text, encoding="utf-8")

    output = reconciler("list", "--offline").stdout

    assert "error::pwned" in output
    assert not any(line.lstrip().startswith("::") for line in output.splitlines())
