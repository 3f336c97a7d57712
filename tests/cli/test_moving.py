"""A repository with five environments moves from auth0-deploy-cli by following docs/adopting.md."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.commands import CommandResult, enter_clean_folder, reconciler

from auth0_sandbox.server.serve import serving
from auth0_sandbox.tenant import open_sandbox

PAGE = Path(__file__).parents[2] / "docs" / "adopting.md"
STAGES = ("dev", "test", "stage", "demo", "prod")
TENANT = """\
# Managed with auth0-deploy-cli
clients:
  - {name: Order Service, app_type: non_interactive}
  - {name: Storefront ##ENV##, app_type: regular_web}
resourceServers:
  - {name: Orders, identifier: ##API##/orders}
clientGrants:
  # Nightly export, SHOP-112
  - client_id: Order Service
    audience: ##API##/orders
    scope:
      - read:orders
      - ship:orders  # for the warehouse
  - client_id: Order Service
    audience: ##API##/mail
    scope: @@MAIL_SCOPES@@
  # The shop reads its own orders
  - client_id: Storefront ##ENV##
    audience: ##API##/orders
    scope: [read:orders]
  - client_id: Storefront ##ENV##
    audience: ##API##/mail
    scope: [send:mail]
    organization_usage: ##USAGE##
"""


def mail_scopes(stage: str) -> list[str]:
    return ["send:mail", "read:log"] if stage == "prod" else ["send:mail"]


def usage(stage: str) -> str:
    return "allow" if stage == "prod" else "deny"


def a_seed(stage: str) -> str:
    """Return what auth0-deploy-cli has deployed to a tenant."""
    api = f"https://{stage}.shop.example.com"
    mail, orders = json.dumps(mail_scopes(stage)), '["read:orders", "ship:orders"]'
    shop = f"Storefront {stage}"
    return f"""
applications: [{{name: Order Service, client_id: "o-{stage}"}}, {{name: {shop}, client_id: "s-{stage}"}}]
apis:
  - {{name: Orders, identifier: "{api}/orders", scopes: {orders}}}
  - {{name: Mail, identifier: "{api}/mail", scopes: ["send:mail", "read:log"]}}
grants:
  - {{client: Order Service, api: Orders, scope: {orders}}}
  - {{client: Order Service, api: Mail, scope: {mail}}}
  - {{client: {shop}, api: Orders, scope: ["read:orders"]}}
  - {{client: {shop}, api: Mail, scope: ["send:mail"], organization_usage: {usage(stage)}}}
"""


@pytest.fixture
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    """The variables for a connection to each tenant."""
    folder = tmp_path_factory.mktemp("tenants")
    with ExitStack() as stack:
        found = {}
        for stage in STAGES:
            seed = folder / f"{stage}.yaml"
            seed.write_text(a_seed(stage))
            sandbox = stack.enter_context(open_sandbox(folder / f"{stage}.db", seed, f"{stage}.localhost"))
            found[stage] = {
                "DOMAIN": stack.enter_context(serving(sandbox)),
                "CLIENT_ID": sandbox.credentials.client_id,
                "CLIENT_SECRET": sandbox.credentials.client_secret,
            }
        yield found


@pytest.fixture
def repository(tmp_path: Path, tenants: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository before the move, with the credentials of each tenant in the environment."""
    (tmp_path / "config").mkdir()
    (tmp_path / "tenant.yaml").write_text(TENANT)
    enter_clean_folder(tmp_path, monkeypatch)
    for stage, tenant in tenants.items():
        mappings = {
            "ENV": stage,
            "API": f"https://{stage}.shop.example.com",
            "MAIL_SCOPES": mail_scopes(stage),
            "USAGE": usage(stage),
        }
        config = {"AUTH0_DOMAIN": tenant["DOMAIN"], "AUTH0_KEYWORD_REPLACE_MAPPINGS": mappings}
        (tmp_path / "config" / f"{stage}.json").write_text(json.dumps(config, indent=2))
        for name, value in tenant.items():
            monkeypatch.setenv(f"AUTH0_{stage.upper()}_{name}", value)
    return tmp_path


def commands_of_the_page() -> list[str]:
    section = PAGE.read_text(encoding="utf-8").split("### A repository with five environments")[1].split("\n#")[0]
    return re.findall(r"^ *\$ reconciler (.*)$", section, re.MULTILINE)


def lines_in(folder: Path) -> tuple[int, int]:
    """Return the number of grant files and their lines."""
    texts = [path.read_text() for path in (folder / "grants").iterdir()]
    return len(texts), sum(len(text.splitlines()) for text in texts)


@pytest.mark.slow
def test_the_documented_steps_move_the_repository_without_a_change(repository: Path) -> None:
    results: list[CommandResult] = []
    for command in commands_of_the_page():
        ran = reconciler(*shlex.split(command))
        assert ran.code == 0, f"{command}\n{ran.output}"
        results.append(ran)

    assert [command.split()[0] for command in commands_of_the_page()] == ["import", "validate", "fmt", "plan"]
    assert results[0].stdout.startswith("Imported: 20 grants of 5 tenants as 5 declarations in 2 new files;")
    assert results[0].stdout.count("No changes: the tenant matches the files.") == 5
    assert results[-1].stdout.count("0 to create, 0 to update, 0 to delete; 4 unchanged") == 5
    assert lines_in(repository) == (2, 33)
    text = "".join(path.read_text() for path in (repository / "grants").iterdir())
    assert {"# Nightly export, SHOP-112", "# for the warehouse", "# The shop reads its own orders"} <= set(
        re.findall("#.*", text)
    )


@pytest.mark.slow
def test_an_import_of_each_tenant_alone_takes_more_files_and_lines(repository: Path) -> None:
    assert reconciler(*shlex.split(commands_of_the_page()[0])).code == 0
    for path in (repository / "grants").iterdir():
        path.unlink()
    for stage in STAGES:
        assert reconciler("import", "--tenant", stage).code == 0
    alone = lines_in(repository)
    for path in (repository / "grants").iterdir():
        path.unlink()
    together = reconciler("import", "--all-tenants", "--variables")

    assert together.code == 0
    assert (alone, lines_in(repository)) == ((10, 127), (2, 39))
