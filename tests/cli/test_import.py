import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.commands import CONFIG, DOMAIN, SECRET, a_workspace, grants_of, reconciler

from auth0_sandbox.served import served
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import open_sandbox

TENANT = f"""
tool: {{name: Reconciler, client_id: own, client_secret: {SECRET}}}
applications:
  - {{name: Billing Worker, client_id: billing}}
  - {{name: Portal, client_id: portal-1}}
  - {{name: Portal, client_id: portal-2}}
  - {{name: PORTAL!, client_id: portal-3}}
  - {{name: Express, client_id: express}}
apis:
  - {{name: Invoices API, identifier: "https://api.example.com/invoices", scopes: ["read:invoices", "a b"]}}
  - {{name: Reports, identifier: "https://api.example.com/reports", scopes: ["read:reports"]}}
  - {{name: Reports, identifier: "urn:reports", scopes: ["read:reports"]}}
grants:
  - {{client_id: billing, audience: "urn:reports", scope: ["read:reports"], subject_type: user}}
  - client_id: billing
    api: Invoices API
    scope: ["read:invoices", "a b"]
    organization_usage: allow
    allow_any_organization: true
  - {{client_id: portal-1, api: Invoices API, allow_all_scopes: true}}
  - {{client_id: portal-2, api: Invoices API}}
  - {{client_id: portal-3, api: Invoices API, scope: [gone]}}
  - {{default_for: third_party_clients, api: Invoices API, scope: ["read:invoices"]}}
  - {{client_id: express, api: Invoices API, is_system: true}}
  - {{client_id: portal-3, api: Invoices API, subject_type: robot}}
"""
BILLING = """\
# Imported from local SANDBOX (sandbox.localhost).
grants:
  - client: Billing Worker
    api: Invoices API
    scope:
      - a b
      - read:invoices
    organization_usage: allow
    allow_any_organization: true

  - client: Billing Worker
    audience: urn:reports  # Reports
    subject_type: user
    scope:
      - read:reports
"""
FILES = [
    "billing-worker.yaml",
    "default-for-third-party-clients.yaml",
    "portal-2.yaml",
    "portal-3.yaml",
    "portal.yaml",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace without grant files."""
    a_workspace(tmp_path, monkeypatch, tenant=TENANT)
    (tmp_path / "grants" / "billing.yaml").unlink()
    (tmp_path / "grants").rmdir()
    monkeypatch.setenv("RECONCILER_IMPORT_ATTEMPTS", "1")
    return tmp_path


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_each_application_gets_a_file_and_the_plan_is_empty(folder: Path) -> None:
    ran = reconciler("import")

    assert ran.code == 0
    assert files_in(folder / "grants") == FILES
    assert ran.stdout.startswith("Imported: 6 grants in 5 new files; 0 declared already, 3 left out.\n")
    assert "\nNo changes: the tenant matches the files.\n" in ran.stdout
    assert ran.stdout.endswith("Plan: 0 to create, 0 to update, 0 to delete; 6 unchanged, 3 left alone.\n")


def test_a_file_has_unambiguous_names_and_no_defaults(folder: Path) -> None:
    reconciler("import")

    assert (folder / "grants" / "billing-worker.yaml").read_text(encoding="utf-8") == BILLING
    assert "client_id: portal-1  # Portal\n" in (folder / "grants" / "portal.yaml").read_text(encoding="utf-8")
    assert (folder / "grants" / "portal-3.yaml").read_text(encoding="utf-8").splitlines()[2:] == [
        '  - client: "PORTAL!"',
        "    api: Invoices API",
        "    scope:",
        "      - gone",
    ]


def test_protected_and_inexpressible_grants_are_listed(folder: Path) -> None:
    ran = reconciler("import")

    assert ran.stderr.startswith("""\
Left out: Express -> Invoices API
    Auth0 created this grant and does not allow changes
Left out: Reconciler -> Auth0 Management API
    reconciler uses this grant to access the tenant
Left out: PORTAL! -> Invoices API (robot)
    a grant file cannot express this grant: the subject type "robot" is unknown
""")
    assert "express" not in "".join(path.read_text(encoding="utf-8") for path in (folder / "grants").iterdir())


def test_a_second_import_writes_nothing(folder: Path) -> None:
    reconciler("import")
    before = {path: path.read_bytes() for path in (folder / "grants").iterdir()}

    ran = reconciler("import")

    assert ran.code == 0
    assert ran.stdout.startswith("Imported: nothing new; 6 declared already, 3 left out.\n")
    assert {path: path.read_bytes() for path in (folder / "grants").iterdir()} == before


def test_declared_grants_are_skipped_and_existing_files_are_kept(folder: Path) -> None:
    (folder / "grants").mkdir()
    mine = folder / "grants" / "Billing-Worker.yml"
    mine.write_text("grants:\n  - {client_id: billing, api: Invoices API}\n", encoding="utf-8")

    ran = reconciler("import", "--client", "Billing*")

    assert ran.stdout.startswith("Imported: 1 grant in 1 new file; 1 declared already, 0 left out.\n")
    assert files_in(folder / "grants") == ["Billing-Worker.yml", "billing-worker-2.yaml"]
    assert "~ Billing Worker -> Invoices API" in ran.stdout  # the file declares less than the tenant has
    assert mine.read_text(encoding="utf-8") == "grants:\n  - {client_id: billing, api: Invoices API}\n"


@pytest.mark.parametrize(
    ("options", "files"),
    [
        (["--client", "Portal"], ["portal-2.yaml", "portal.yaml"]),
        (
            ["--client", "portal-?", "--client", "billing"],
            ["billing-worker.yaml", "portal-2.yaml", "portal-3.yaml", "portal.yaml"],
        ),
        (["--audience", "urn:*"], ["billing-worker.yaml"]),
        (["--client", "Portal", "--audience", "Reports"], []),
    ],
    ids=" ".join,
)
def test_patterns_select_imported_grants(folder: Path, options: list[str], files: list[str]) -> None:
    ran = reconciler("import", *options)

    assert ran.code == 0
    assert files_in(folder / "grants") == files


@pytest.mark.usefixtures("folder")
def test_another_folder_is_planned_with_the_grant_folder() -> None:
    reconciler("import", "--client", "billing")

    ran = reconciler("import", "--out", "more/deeper")

    assert ran.code == 0
    assert "    more/deeper/portal.yaml\n" in ran.stdout
    assert "0 to create, 0 to update, 0 to delete; 6 unchanged" in ran.stdout


def test_files_name_the_schema_for_editors_if_it_exists(folder: Path) -> None:
    (folder / "schemas").mkdir()
    (folder / "schemas" / "grants.schema.json").write_text("{}", encoding="utf-8")

    reconciler("import", "--out", "grants/of/local")

    text = (folder / "grants" / "of" / "local" / "portal.yaml").read_text(encoding="utf-8")
    assert text.startswith(
        "# yaml-language-server: $schema=../../../schemas/grants.schema.json\n# Imported from local "
    )


def test_problems_in_existing_files_prevent_writing(folder: Path) -> None:
    (folder / "grants").mkdir()
    (folder / "grants" / "a.yaml").write_text("grants:\n  - {client: Nobody, api: Invoices API}\n", encoding="utf-8")

    ran = reconciler("import")

    assert ran.code == 1
    assert 'grants/a.yaml:2:14: the tenant has no application named "Nobody"' in ran.stderr
    assert files_in(folder / "grants") == ["a.yaml"]


def test_a_folder_that_cannot_be_created_is_an_error(folder: Path) -> None:
    (folder / "here").write_text("", encoding="utf-8")

    ran = reconciler("import", "--out", "here/grants")

    assert ran.code == 1
    assert ran.stderr.splitlines()[-1] == "error: nothing was written: here/grants: Not a directory"


def test_a_tenant_without_grants_writes_nothing(folder: Path) -> None:
    (folder / "tenant.yaml").write_text("applications: [{name: Billing}]\n", encoding="utf-8")

    ran = reconciler("import")

    assert (ran.code, ran.stdout) == (0, "Imported: nothing new; 0 declared already, 1 left out.\n")
    assert files_in(folder / "grants") == []


def test_without_permission_to_list_names_files_have_ids(folder: Path) -> None:
    seed = TENANT.replace("client_id: own,", "client_id: own, scope: ['read:client_grants'],")
    (folder / "tenant.yaml").write_text(seed, encoding="utf-8")

    ran = reconciler("import")

    assert ran.code == 0
    assert ran.stderr.startswith("""\
Note: organizations of grants were not read, because the token lacks the permission read:organization_client_grants
Applications are shown by id, because the token lacks the permission read:clients.
APIs are shown by id, because the token lacks the permission read:resource_servers.
""")
    text = (folder / "grants" / "billing.yaml").read_text(encoding="utf-8")
    assert "  - client_id: billing\n    audience: https://api.example.com/invoices\n" in text
    assert "0 to create, 0 to update, 0 to delete; 6 unchanged" in ran.stdout


def test_values_of_the_tenant_become_variables(folder: Path) -> None:
    config = f"{CONFIG}\nvariables: {{biller: Billing Worker, reading: 'read:invoices'}}\n"
    (folder / "reconciler.yaml").write_text(config, encoding="utf-8")

    assert reconciler("import", "--client", "billing").code == 0

    text = (folder / "grants" / "billing-worker.yaml").read_text(encoding="utf-8")
    assert '  - client: "${biller}"\n' in text
    assert '      - "${reading}"\n' in text
    assert reconciler("plan", "--detailed-exitcode").code == 0


def test_the_domain_in_an_identifier_becomes_a_variable(folder: Path) -> None:
    seed = TENANT.replace("client_id: own,", "client_id: own, scope: ['read:client_grants'],")
    on_management = f'  - {{client_id: billing, audience: "https://{DOMAIN}/api/v2/", scope: ["read:logs"]}}\n'
    (folder / "tenant.yaml").write_text(seed + on_management, encoding="utf-8")

    assert reconciler("import", "--client", "billing").code == 0

    text = (folder / "grants" / "billing.yaml").read_text(encoding="utf-8")
    assert '    audience: "https://${domain}/api/v2/"\n' in text
    assert reconciler("plan", "--detailed-exitcode").code == 0


def test_with_several_tenants_a_file_names_its_tenant(folder: Path) -> None:
    (folder / "reconciler.yaml").write_text(
        f"{CONFIG}  other: {{kind: sandbox, seed: tenant.yaml, database: other.db}}\n", encoding="utf-8"
    )

    assert reconciler("import", "--client", "billing").code == 0

    text = (folder / "grants" / "billing-worker.yaml").read_text(encoding="utf-8")
    assert text.startswith("# Imported from local SANDBOX (sandbox.localhost).\ntenants: [local]\ngrants:\n")
    assert reconciler("import", "--tenant", "other", "--client", "billing").code == 0
    assert files_in(folder / "grants") == ["billing-worker-2.yaml", "billing-worker.yaml"]


def test_grants_outside_manage_are_not_imported(folder: Path) -> None:
    (folder / "reconciler.yaml").write_text(f"{CONFIG}\nmanage: [{{client: Billing *}}]\n", encoding="utf-8")

    ran = reconciler("import")

    assert ran.code == 0
    assert files_in(folder / "grants") == ["billing-worker.yaml"]
    assert "\n    `manage` in reconciler.yaml does not match this grant\n" in ran.stderr


def test_an_update_of_several_tenants_is_refused(folder: Path) -> None:
    (folder / "reconciler.yaml").write_text(
        f"{CONFIG}  other: {{kind: sandbox, database: other.db}}\n", encoding="utf-8"
    )

    (folder / "grants").mkdir()

    ran = reconciler("import", "--update", "--tenant", "local", "--tenant", "other")

    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr == "error: import --update works on one tenant at a time: select the tenant with --tenant\n"


def test_existing_settings_of_a_system_api_are_only_a_warning(folder: Path) -> None:
    with open_sandbox(folder / ".reconciler/sandbox.db", folder / "tenant.yaml", DOMAIN) as sandbox:
        row = sandbox.store.find(DocumentKind.RESOURCE_SERVERS, {"identifier": "urn:reports"}, limit=1)[0]
        sandbox.store.replace(DocumentKind.RESOURCE_SERVERS, row.id, json.loads(row.text) | {"is_system": True})
        grant = sandbox.store.find(DocumentKind.CLIENT_GRANTS, {"audience": "urn:reports"}, limit=1)[0]
        sandbox.store.replace(
            DocumentKind.CLIENT_GRANTS, grant.id, json.loads(grant.text) | {"allow_all_scopes": True, "scope": []}
        )

    ran = reconciler("import")

    assert ran.code == 0
    assert 'warning: Auth0 refuses allow_all_scopes on its own API "Reports"; remove it' in ran.stderr
    assert reconciler("plan", "--detailed-exitcode").code == 0
    assert grants_of(folder)


OF_ORGANIZATIONS = f"""
tool: {{name: Reconciler, client_id: own, client_secret: {SECRET}}}
applications: [{{name: Billing, client_id: billing}}, {{name: Portal, client_id: portal}}]
apis: [{{name: Invoices API, identifier: "https://api.example.com/invoices", scopes: ["read:invoices"]}}]
organizations: [{{name: acme}}, {{name: globex}}]
grants:
  - {{client: Billing, api: Invoices API, organization_usage: require, organizations: [globex, acme]}}
  - {{client: Portal, api: Invoices API, organization_usage: allow}}
"""


def test_organizations_are_imported_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = a_workspace(tmp_path, monkeypatch, tenant=OF_ORGANIZATIONS, **{"grants/billing": "grants: []\n"})

    ran = reconciler("import")

    assert ran.code == 0
    assert "No changes: the tenant matches the files." in ran.stdout
    text = (here / "grants" / "billing-2.yaml").read_text()
    assert text.endswith("    organization_usage: require\n    organizations:\n      - acme\n      - globex\n")
    assert "organizations:" not in (here / "grants" / "portal.yaml").read_text()
    assert reconciler("fmt", "--check").code == 0


@pytest.mark.parametrize(
    ("permission", "message"),
    [
        ("read:organization_client_grants", "    organizations:  # "),
        ("read:organizations", "    organization_usage: require\n"),
    ],
)
def test_imported_organizations_depend_on_permissions(folder: Path, permission: str, message: str) -> None:
    scope = f"['read:client_grants', 'read:clients', 'read:resource_servers', '{permission}']"
    seed = OF_ORGANIZATIONS.replace("client_id: own,", f"client_id: own, scope: {scope},")
    (folder / "tenant.yaml").write_text(seed, encoding="utf-8")

    ran = reconciler("import")

    text = (folder / "grants" / "billing.yaml").read_text(encoding="utf-8")
    assert message in text
    assert len(re.findall("^      - org_[A-Za-z0-9]{16}$", text, re.MULTILINE)) == 2 * ("organizations:" in text)
    assert ran.stderr.startswith("Note: organizations of grants were not read, ") is ("organizations:" not in text)
    assert "0 to create, 0 to update, 0 to delete; 2 unchanged" in ran.stdout


def test_the_tenant_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tenant.yaml").write_text(OF_ORGANIZATIONS, encoding="utf-8")
    (folder / "reconciler.yaml").unlink()
    with served(folder / "tenant.db", folder / "tenant.yaml") as tenant:
        for name, value in tenant.environment.items():
            monkeypatch.setenv(name, value)

        ran = reconciler("import")

        tally: Any = tenant.statistics()
    assert ran.stdout.endswith("Plan: 0 to create, 0 to update, 0 to delete; 2 unchanged, 1 left alone.\n")
    assert {each["path"].removeprefix("/api/v2/"): each["requests"] for each in tally["endpoints"]} == {
        "/oauth/token": 1,
        "client-grants": 1,
        "client-grants/{id}/organizations": 2,
        "clients": 1,
        "organizations": 1,
        "resource-servers": 1,
    }


def test_a_name_is_refused_if_the_names_were_not_read(folder: Path) -> None:
    tenant = TENANT.replace("tool: {", "tool: {scope: ['read:client_grants', 'read:resource_servers'], ")
    (folder / "tenant.yaml").write_text(tenant, encoding="utf-8")

    ran = reconciler("import", "--client", "Billing*")

    assert (ran.code, ran.stdout) == (1, "")
    assert '"Billing*" may be a name, but names are not known, because the token lacks' in ran.stderr
    assert reconciler("import", "--client", "billing", "--api", "Invoices API").code == 0
