"""A denied risk blocks a removal even if the files need no list of APIs, or the token may not read the list."""

import json
from pathlib import Path

import pytest
from support.commands import SECRET, a_workspace, grants_of, reconciler, served
from support.repository import git

POLICY = "policy: {rules: [{rule: lasting-tokens, verdict: deny}]}\n"
SEED = """
tool: {{name: Reconciler, client_id: own, client_secret: {secret}, scope: [{scope}]}}
applications: [{{name: A, client_id: a}}]
apis:
  - name: M
    identifier: "https://sandbox.localhost/my-org/"
    scopes: ["create:my_org:members"]
    token_lifetime: 172800
grants: [{{client: A, api: M, scope: ["create:my_org:members"]}}]
"""
PERMISSIONS = "read:client_grants, update:client_grants, delete:client_grants, read:clients"
SCOPE = "scope: ['create:my_org:members']"
LIMIT = ("--max-deletes", "5")
DECLARED = f"grants: [{{client_id: a, audience: 'https://sandbox.localhost/my-org/', {SCOPE}}}]\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("declared", "options"),
    [
        ("grants: []\n", ("--prune", *LIMIT)),
        ("grants: []\n", ("--prune-removed", *LIMIT)),
        ("grants: [{client_id: a, audience: 'https://other/', tenants: [other]}]\n", ("--prune", *LIMIT)),
        (DECLARED.replace(SCOPE, "scope: []"), ()),
        (DECLARED.replace(SCOPE, "expires: 2020-01-01, scope: []"), LIMIT),
    ],
    ids=["prune", "prune removed", "prune without a grant for the tenant", "all scopes removed", "expired"],
)
@pytest.mark.parametrize("may_read_apis", [True, False])
def test_a_denied_risk_of_lasting_tokens_blocks_every_kind_of_removal(
    here: Path, declared: str, options: tuple[str, ...], *, may_read_apis: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    permissions = PERMISSIONS + ", read:resource_servers" * may_read_apis
    (here / "tenant.yaml").write_text(SEED.format(secret=SECRET, scope=permissions))
    (here / "grants/billing.yaml").write_text(DECLARED)
    (here / "reconciler.yaml").write_text(f"default_tenant: t\n{POLICY}tenants: {{t: {{}}, other: {{}}}}\n")
    with served(here) as environment:
        tenants = {"t": {"domain": environment["AUTH0_DOMAIN"]}, "other": {"domain": "other.eu.auth0.com"}}
        (here / "reconciler.yaml").write_text(f"default_tenant: t\n{POLICY}tenants: {json.dumps(tenants)}\n")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        git(here, "init", "--quiet")
        git(here, "add", "grants", "reconciler.yaml")
        git(here, "commit", "--quiet", "--message", "declare", "--no-gpg-sign")
        (here / "grants/billing.yaml").write_text(declared)
        git(here, "commit", "--quiet", "--all", "--message", "remove", "--no-gpg-sign")
        before = grants_of(here)

        ran = reconciler("apply", "--yes", *options)

    assert (ran.code, grants_of(here)) == (4, before), ran.output
    assert "policy: lasting-tokens is denied" in ran.stdout
