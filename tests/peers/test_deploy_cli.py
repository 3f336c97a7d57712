"""Auth0's deploy-cli exports a served sandbox to files, and imports changed files."""

import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from peers.responses import response_counts, successes

from auth0_sandbox.served import ServedSandbox, served
from auth0_sandbox.store.database import MOST_ROWS, DocumentKind

CLI = Path(sys.prefix) / "node_modules" / ".bin" / "a0deploy"
pytestmark = [
    pytest.mark.auth0_sandbox(tls=True),  # it supports HTTPS only
    pytest.mark.skipif(
        not (CLI.exists() and shutil.which("node")), reason="auth0-deploy-cli is not installed, because npm is missing"
    ),
]

Json = dict[str, Any]
Grant = Json  # in the format of the tool
GRANTS, TOKEN = "/api/v2/client-grants", "/oauth/token"


FORMATS = {"yaml": "tenant.yaml", "directory": "."}
"""For each format of the tool, the path to import."""
FASTER = "directory"
"""The format of the tests that import. The tool sends the same requests for a YAML file, but needs three times as long.
"""


def read_grants(folder: Path) -> list[Grant]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted((folder / "grants").iterdir())]


def write_grants(folder: Path, grants: list[Grant]) -> None:
    shutil.rmtree(folder / "grants")
    (folder / "grants").mkdir()
    for number, grant in enumerate(grants):
        (folder / "grants" / f"{number}.json").write_text(json.dumps(grant), encoding="utf-8")


def read_organizations(folder: Path) -> list[Json]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted((folder / "organizations").iterdir())]


def deploy(sandbox: ServedSandbox, *arguments: str) -> str:
    """Run the tool for applications, APIs, client grants and organizations. Return its output."""
    parts = {
        "AUTH0_INCLUDED_ONLY": '["clients", "resourceServers", "clientGrants", "organizations"]',
        "AUTH0_ALLOW_DELETE": "true",
    }
    environment = os.environ | sandbox.environment | parts
    run = subprocess.run([CLI, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def export(sandbox: ServedSandbox, folder: Path) -> list[Grant]:
    deploy(sandbox, "export", "--format", FASTER, "--output_folder", str(folder))
    grants = read_grants(folder)
    for grant in grants:
        if "default_for" in grant:
            # the tool writes this value for a default grant, but refuses to import it
            assert grant.pop("client_id") == "undefined_clientId"
    return grants


def tenant_grants(sandbox: ServedSandbox) -> list[Grant]:
    """Return the tenant's grants in the format of the tool: with names, without ids and without its own grant."""
    clients = [row.document() for row in sandbox.sandbox.store.find(DocumentKind.CLIENTS, {}, limit=MOST_ROWS)]
    names = {client["client_id"]: {"client_id": client["name"]} for client in clients}
    return [
        {name: value for name, value in grant.items() if name != "id"} | names.get(grant.get("client_id"), {})
        for grant in sandbox.grants()
        if grant.get("client_id") != sandbox.client_id
    ]


def comparable(grants: list[Grant]) -> list[str]:
    return sorted(json.dumps(grant, sort_keys=True) for grant in grants)


def change_grants(grants: list[Grant]) -> list[Grant]:
    """Remove a grant, add a grant, remove scopes from a grant, and add scopes to a grant."""
    by_holder = {grant.get("client_id", "default"): grant for grant in grants}
    del by_holder["Ledgerly Connect"]
    by_holder["Support Console"]["scope"] = ["merge:customers"]
    by_holder["default"]["scope"] = ["run:reports", "read:reports"]
    new = {"client_id": "One", "audience": "https://invoices.example.com/", "scope": [], "subject_type": "user"}
    return [*by_holder.values(), new]


def test_an_export_contains_the_grants_and_an_import_applies_the_changed_files(
    auth0_sandbox: ServedSandbox, tmp_path: Path
) -> None:
    grants = export(auth0_sandbox, tmp_path / "files")
    assert len(grants) == 6
    assert comparable(grants) == comparable(tenant_grants(auth0_sandbox))

    desired = change_grants(grants)
    write_grants(tmp_path / "files", desired)
    deploy(auth0_sandbox, "import", "--input_file", str(tmp_path / "files" / FORMATS[FASTER]))

    assert comparable(tenant_grants(auth0_sandbox)) == comparable(desired)
    assert comparable(export(auth0_sandbox, tmp_path / "again")) == comparable(desired)

    counts = response_counts(auth0_sandbox)
    assert counts["POST", GRANTS] == {"201": 1}
    assert counts["DELETE", f"{GRANTS}/{{id}}"] == {"204": 1}
    assert all(successes(statuses) == sum(statuses.values()) for statuses in counts.values())


ACME = {"name": "acme", "display_name": "ACME Corporation", "branding": {"logo_url": "https://acme.example.com/"}}


def prepare_organizations(sandbox: ServedSandbox) -> None:
    """Give an organization a logo and a grant."""
    headers = {"authorization": f"Bearer {sandbox.token()}"}
    assert sandbox.certificates
    context = ssl.create_default_context(cafile=str(sandbox.certificates.authority))
    with httpx.Client(base_url=f"{sandbox.url}/api/v2", headers=headers, verify=context) as client:
        path = "/organizations/org_0000000000000001"
        assert client.patch(path, json={"branding": ACME["branding"]}).status_code == 200
        [grant] = client.get("/client-grants", params={"allow_any_organization": True}).json()
        assert client.post(f"{path}/client-grants", json={"grant_id": grant["id"]}).status_code == 201


def documents(sandbox: ServedSandbox, kind: DocumentKind) -> list[Json]:
    return [row.document() for row in sandbox.sandbox.store.find(kind, {}, limit=MOST_ROWS)]


def without(document: Json, *names: str) -> Json:
    return {name: value for name, value in document.items() if name not in names}


def content(sandbox: ServedSandbox) -> Json:
    """Return the content of the tenant without ids and secrets, which differ between tenants."""
    organizations = {each["id"]: each["name"] for each in documents(sandbox, DocumentKind.ORGANIZATIONS)}
    clients = {each["client_id"]: each["name"] for each in documents(sandbox, DocumentKind.CLIENTS)}
    grants = {each["id"]: [clients.get(each.get("client_id")), each["audience"]] for each in sandbox.grants()}
    others = [each for each in documents(sandbox, DocumentKind.CLIENTS) if each["client_id"] != sandbox.client_id]
    return {
        "clients": comparable([without(each, "client_id", "client_secret") for each in others if not each["global"]]),
        "apis": comparable([without(each, "id") for each in documents(sandbox, DocumentKind.RESOURCE_SERVERS)]),
        "grants": comparable(tenant_grants(sandbox)),
        "organizations": comparable([without(each, "id") for each in documents(sandbox, DocumentKind.ORGANIZATIONS)]),
        "associations": sorted(
            [organizations[each["organization_id"]], *grants[each["grant_id"]]]
            for each in documents(sandbox, DocumentKind.ASSOCIATIONS)
        ),
    }


def writes(sandbox: ServedSandbox) -> list[tuple[tuple[str, str], Json]]:
    """Return the number of writes by method, path and status."""
    return [
        (call, dict(statuses))
        for call, statuses in response_counts(sandbox).items()
        if call[0] != "GET" and call[1] != TOKEN
    ]


@pytest.fixture
def empty_sandbox(tmp_path: Path, auth0_sandbox_seed: Path) -> Iterator[ServedSandbox]:
    """A tenant that contains only the application of the tool."""
    seed = tmp_path / "empty.yaml"
    tool = yaml.safe_load(auth0_sandbox_seed.read_text(encoding="utf-8"))["tool"]
    seed.write_text(yaml.safe_dump({"tool": tool}), encoding="utf-8")
    (tmp_path / "empty").mkdir()
    with served(tmp_path / "empty" / "tenant.db", seed, tls=True) as sandbox:
        yield sandbox


def test_organizations_are_exported_and_imported_into_an_empty_tenant(
    auth0_sandbox: ServedSandbox, empty_sandbox: ServedSandbox, tmp_path: Path
) -> None:
    prepare_organizations(auth0_sandbox)
    files = tmp_path / "files"
    write_grants(files, export(auth0_sandbox, files))
    acme, globex = read_organizations(files)
    [grant] = acme.pop("client_grants")
    assert (acme | ACME, grant["client_id"]) == (acme, "Support Console")
    assert (globex["name"], globex["client_grants"]) == ("globex", [])

    source = str(files / FORMATS[FASTER])
    deploy(empty_sandbox, "import", "--input_file", source)
    assert content(empty_sandbox) == content(auth0_sandbox)

    before = writes(empty_sandbox)
    output = deploy(empty_sandbox, "import", "--dry-run", "--apply", "--input_file", source)
    assert "No changes detected" in output
    assert [write for write in writes(empty_sandbox) if write not in before] == []
