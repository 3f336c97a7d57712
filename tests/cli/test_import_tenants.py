import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.commands import SECRET, enter_clean_folder, reconciler
from support.odd_tenants import OddTenant, odd_tenants

STAGES = ("dev", "test", "prod")
CONFIG = "tenants:\n" + "".join(
    f"  {stage}: {{kind: sandbox, seed: {stage}.yaml, database: .reconciler/{stage}.db}}\n" for stage in STAGES
)


def a_seed(stage: str, host: str, more: str = "") -> str:
    return f"""
tool: {{name: Reconciler, client_id: own, client_secret: {SECRET}}}
applications:
  - {{name: Billing, client_id: billing-{stage}}}
  - {{name: Portal {stage}, client_id: portal-{stage}}}
apis:
  - {{name: Invoices, identifier: "https://{host}/invoices", scopes: ["read:invoices", "write:invoices"]}}
  - {{name: Twin, identifier: "https://{host}/twin", scopes: ["read:{stage}"]}}
  - {{name: Twin, identifier: "urn:twin", scopes: ["a"]}}
grants:
  - {{client: Billing, api: Invoices, scope: ["read:invoices"]}}
  - {{client: Portal {stage}, api: Invoices, scope: ["read:invoices", "write:invoices"]}}
  - {{client: Portal {stage}, audience: "https://{host}/twin", scope: ["read:{stage}"]}}
{more}"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with three tenants and without grant files."""
    (tmp_path / "reconciler.yaml").write_text(CONFIG)
    for stage, host in (("dev", "api.dev.x.com"), ("test", "api.test.x.com"), ("prod", "api.x.com")):
        more = '  - {client: Billing, audience: "urn:twin", scope: [a]}\n' if stage != "prod" else ""
        (tmp_path / f"{stage}.yaml").write_text(a_seed(stage, host, more))
    enter_clean_folder(tmp_path, monkeypatch)
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((folder / "grants").iterdir())}


def test_equal_grants_appear_once_and_name_their_tenants(folder: Path) -> None:
    ran = reconciler("import", "--all-tenants")

    assert ran.code == 0, ran.output
    assert ran.stdout.startswith(
        "Imported: 11 grants of 3 tenants as 8 declarations in 4 new files; 0 declared already"
    )
    assert texts(folder)["billing.yaml"] == (
        "# Imported from several tenants.\n"
        "grants:\n"
        "  - client: Billing\n"
        "    api: Invoices\n"
        "    scope:\n"
        "      - read:invoices\n"
        "\n"
        "  - client: Billing\n"
        "    audience: urn:twin  # Twin\n"
        "    tenants: [dev, test]\n"
        "    scope:\n"
        "      - a\n"
    )
    assert ran.stdout.count("No changes: the tenant matches the files.") == 3
    assert "    ${stage}  dev in dev, prod in prod, test in test  (" in ran.stdout
    assert "remove the new files and run the command again with --variables" in ran.stdout
    assert "variables" not in (folder / "reconciler.yaml").read_text()


def test_values_that_differ_regularly_become_variables(folder: Path) -> None:
    ran = reconciler("import", "--all-tenants", "--variables")

    assert ran.code == 0, ran.output
    assert texts(folder).keys() == {"billing.yaml", "portal-stage.yaml"}
    assert '  - client: "Portal ${stage}"\n    api: Invoices\n' in texts(folder)["portal-stage.yaml"]
    assert '      - "read:${stage}"\n' in texts(folder)["portal-stage.yaml"]
    assert 'audience: "https://${api_host}/twin"' in texts(folder)["portal-stage.yaml"]
    assert "variables: {api_host: api.x.com, stage: prod}" in (folder / "reconciler.yaml").read_text()
    assert ran.stdout.count("No changes: the tenant matches the files.") == 3
    for stage in STAGES:
        assert reconciler("plan", "--tenant", stage, "--detailed-exitcode").code == 0
    assert reconciler("fmt", "--check").code == 0
    again = reconciler("import", "--all-tenants", "--variables")
    assert again.stdout.startswith("Imported: nothing new; 11 declared already")


def test_nothing_is_written_if_a_tenant_cannot_be_read(folder: Path) -> None:
    (folder / "test.yaml").write_text("nonsense: 1\n")

    ran = reconciler("import", "--all-tenants")

    assert ran.code == 1
    assert "error: nothing was written, because not every tenant could be read\n" in ran.stderr
    assert not (folder / "grants").exists()


def test_chosen_tenants_are_named_in_the_files(folder: Path) -> None:
    ran = reconciler("import", "--tenant", "dev", "--tenant", "test", "--client", "Billing")

    assert ran.code == 0, ran.output
    assert "tenants: [dev, test]\ngrants:\n" in texts(folder)["billing.yaml"]


@st.composite
def fleets(draw: st.DrawFn) -> dict[str, OddTenant]:
    """Return tenants that are similar: names and identifiers may contain the stage, and grants may be missing."""
    base = draw(odd_tenants())
    staged = draw(st.sets(st.sampled_from([name for _, name in (*base.applications, *base.apis)])))
    fleet: dict[str, OddTenant] = {}
    for stage in STAGES:
        kept = draw(st.sets(st.integers(0, len(base.grants) - 1)))
        applications = tuple((f"{i}-{stage}", f"{n} {stage}" if n in staged else n) for i, n in base.applications)
        apis = tuple((f"{i}/{stage}", f"{n} {stage}" if n in staged else n) for i, n in base.apis)
        grants: list[dict[str, Any]] = []
        for grant in (each for index, each in enumerate(base.grants) if index in kept):
            holder = {"client_id": f"{grant['client_id']}-{stage}"} if "client_id" in grant else {}
            grants.append(json.loads(json.dumps(grant)) | holder | {"audience": f"{grant['audience']}/{stage}"})
        fleet[stage] = OddTenant(applications, apis, tuple(grants))
    return fleet


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets(), st.booleans())
def test_after_an_import_of_a_fleet_every_plan_is_empty(fleet: dict[str, OddTenant], variables: bool) -> None:  # noqa: FBT001
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        (folder / "reconciler.yaml").write_text(CONFIG)
        for stage, tenant in fleet.items():
            (folder / f"{stage}.yaml").write_text(tenant.seed, encoding="utf-8")
        enter_clean_folder(folder, patch)

        ran = reconciler("import", "--all-tenants", *(["--variables"] if variables else []))

        assert ran.code == 0, ran.output
        if (folder / "grants").exists():
            planned = reconciler("plan", "--all-tenants", "--detailed-exitcode")
            assert planned.code == 0, planned.output
            assert planned.stdout.startswith(f"{len(STAGES)} of {len(STAGES)} planned; no changes.\n")
            assert reconciler("fmt", "--check").code == 0
            assert reconciler("import", "--all-tenants").stdout.startswith("Imported: nothing new; ")
        patch.chdir("/")
