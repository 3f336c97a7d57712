"""A typical script with Auth0's SDK: list, compare, write. The script is a measured tool.

    AUTH0_DOMAIN=… AUTH0_CLIENT_ID=… AUTH0_CLIENT_SECRET=… python with_sdk.py apply|prune|export FOLDER

The script reads the same grant files as reconciler with PyYAML's C parser. The script uses the largest pages of the
SDK.
"""

import os
import sys
from pathlib import Path
from typing import Any

import yaml
from auth0.management import ManagementClient

PAGE = 100


def main() -> None:
    """Run the task in the command line arguments."""
    task, folder = sys.argv[1], Path(sys.argv[2])
    client = ManagementClient(
        domain=os.environ["AUTH0_DOMAIN"],
        client_id=os.environ["AUTH0_CLIENT_ID"],
        client_secret=os.environ["AUTH0_CLIENT_SECRET"],
        audience=os.environ["AUTH0_AUDIENCE"],
    )
    if task == "export":
        export(client, folder)
    else:
        apply(client, folder, prune=task == "prune")


def apply(client: ManagementClient, folder: Path, *, prune: bool) -> None:
    """Change the tenant to match the files."""
    ids = {name: client_id for client_id, name in applications(client).items()}
    desired = {(ids[item["client"]], item["audience"]): set(item["scope"]) for item in declared(folder)}
    existing = {(grant.client_id, grant.audience): grant for grant in client.client_grants.list(take=PAGE)}
    for key, scopes in desired.items():
        if key not in existing:
            client.client_grants.create(client_id=key[0], audience=key[1], scope=sorted(scopes))
        elif set(existing[key].scope or ()) != scopes:
            client.client_grants.update(existing[key].id, scope=sorted(scopes))
    if prune:
        for key, grant in existing.items():
            if key not in desired and key[0] != os.environ["AUTH0_CLIENT_ID"]:
                client.client_grants.delete(grant.id)


def export(client: ManagementClient, folder: Path) -> None:
    """Write the grants of the tenant to a file."""
    names = applications(client)
    items = [
        {"client": names[grant.client_id], "audience": grant.audience, "scope": grant.scope}
        for grant in client.client_grants.list(take=PAGE)
        if grant.client_id != os.environ["AUTH0_CLIENT_ID"]
    ]
    folder.mkdir(exist_ok=True)
    (folder / "grants.yaml").write_text(yaml.dump({"grants": items}, Dumper=yaml.CSafeDumper))


def applications(client: ManagementClient) -> dict[str, str]:
    """Return the names of the applications by id."""
    listed = client.clients.list(per_page=PAGE, fields="client_id,name", include_fields=True)
    return {each.client_id: each.name for each in listed}


def declared(folder: Path) -> list[dict[str, Any]]:
    """Return the grants in the files."""
    documents = (yaml.load(file.read_text(), Loader=yaml.CSafeLoader) for file in sorted(folder.glob("*.yaml")))
    return [item for document in documents for item in document["grants"]]


if __name__ == "__main__":
    main()
