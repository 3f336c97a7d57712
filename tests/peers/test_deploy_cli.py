"""Auth0's deploy-cli exports a served sandbox to files, and imports changed files."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from peers.responses import response_counts, successes

from auth0_sandbox.served import ServedSandbox
from auth0_sandbox.store.database import MOST_ROWS, DocumentKind

CLI = Path(sys.prefix) / "node_modules" / ".bin" / "a0deploy"
pytestmark = [
    pytest.mark.auth0_sandbox(tls=True),  # it supports HTTPS only
    pytest.mark.skipif(
        not (CLI.exists() and shutil.which("node")), reason="auth0-deploy-cli is not installed, because npm is missing"
    ),
]

Grant = dict[str, Any]  # in the format of the tool
GRANTS = "/api/v2/client-grants"


@dataclass(frozen=True, slots=True)
class Format:
    """A format of the tool. `source` is the path to import. `read` and `write` access the grants in its files."""

    source: str
    read: Callable[[Path], list[Grant]]
    write: Callable[[Path, list[Grant]], None]


def read_yaml(folder: Path) -> list[Grant]:
    grants: list[Grant] = yaml.safe_load((folder / "tenant.yaml").read_text(encoding="utf-8"))["clientGrants"]
    return grants


def write_yaml(folder: Path, grants: list[Grant]) -> None:
    tenant = yaml.safe_load((folder / "tenant.yaml").read_text(encoding="utf-8"))
    (folder / "tenant.yaml").write_text(yaml.safe_dump(tenant | {"clientGrants": grants}), encoding="utf-8")


def read_directory(folder: Path) -> list[Grant]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted((folder / "grants").iterdir())]


def write_directory(folder: Path, grants: list[Grant]) -> None:
    shutil.rmtree(folder / "grants")
    (folder / "grants").mkdir()
    for number, grant in enumerate(grants):
        (folder / "grants" / f"{number}.json").write_text(json.dumps(grant), encoding="utf-8")


FORMATS = {
    "yaml": Format("tenant.yaml", read_yaml, write_yaml),
    "directory": Format(".", read_directory, write_directory),
}


def deploy(sandbox: ServedSandbox, *arguments: str) -> None:
    """Run the tool for applications, APIs and client grants."""
    parts = {"AUTH0_INCLUDED_ONLY": '["clients", "resourceServers", "clientGrants"]', "AUTH0_ALLOW_DELETE": "true"}
    environment = os.environ | sandbox.environment | parts
    run = subprocess.run([CLI, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def export(sandbox: ServedSandbox, name: str, folder: Path) -> list[Grant]:
    deploy(sandbox, "export", "--format", name, "--output_folder", str(folder))
    grants = FORMATS[name].read(folder)
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


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_contains_the_grants_of_the_tenant(name: str, auth0_sandbox: ServedSandbox, tmp_path: Path) -> None:
    grants = export(auth0_sandbox, name, tmp_path)
    assert len(grants) == 6
    assert comparable(grants) == comparable(tenant_grants(auth0_sandbox))


@pytest.mark.parametrize("name", FORMATS)
def test_an_import_brings_the_tenant_to_the_changed_files(
    name: str, auth0_sandbox: ServedSandbox, tmp_path: Path
) -> None:
    desired = change_grants(export(auth0_sandbox, name, tmp_path / "files"))
    FORMATS[name].write(tmp_path / "files", desired)
    deploy(auth0_sandbox, "import", "--input_file", str(tmp_path / "files" / FORMATS[name].source))

    assert comparable(tenant_grants(auth0_sandbox)) == comparable(desired)
    assert comparable(export(auth0_sandbox, name, tmp_path / "again")) == comparable(desired)

    counts = response_counts(auth0_sandbox)
    assert counts["POST", GRANTS] == {"201": 1}
    assert counts["DELETE", f"{GRANTS}/{{id}}"] == {"204": 1}
    assert all(successes(statuses) == sum(statuses.values()) for statuses in counts.values())
