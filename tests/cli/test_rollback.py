import json
import shutil
from pathlib import Path

import pytest
from support.commands import SEED, a_workspace, enter_clean_folder, grants_of, reconciler

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The grant files of this repository, with a tenant that has a scope that its API no longer defines."""
    for name in ("reconciler.yaml", "sandbox.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copy(ROOT / "sandbox.yaml", tmp_path / "tenant.yaml")
    shutil.copytree(ROOT / "grants", tmp_path / "grants")
    enter_clean_folder(tmp_path, monkeypatch)
    reconciler("sandbox", "reset")
    return tmp_path


def without_order(grants: list[dict[str, object]]) -> list[dict[str, object]]:
    return [
        {name: sorted(value) if isinstance(value, list) else value for name, value in grant.items()} for grant in grants
    ]


def test_applying_the_snapshot_restores_the_tenant(demo: Path) -> None:
    before = without_order(grants_of(demo))
    applied = reconciler("apply", "--yes")
    assert without_order(grants_of(demo)) != before

    (snapshot,) = (demo / ".reconciler" / "snapshots").iterdir()
    rollback = reconciler("--grants", str(snapshot), "apply", "--yes")

    words = f"reconciler --tenant sandbox --grants .reconciler/snapshots/{snapshot.name} apply"
    assert words in applied.stderr
    assert (applied.code, rollback.code) == (0, 0)
    assert 'warning: the API "Reports API" does not define the scope "schedule:reports"' in rollback.stderr
    assert without_order(grants_of(demo)) == before


OF_ORGANIZATIONS = SEED.replace(
    "grants:", "organizations: [{name: acme, id: org_1}, {name: globex, id: org_2}]\ngrants:"
).replace(
    'scope: ["read:invoices"]}', 'scope: ["read:invoices"], organization_usage: require, organizations: [acme, globex]}'
)
ONE_OF_THEM = """
grants:
  - {client: Portal, api: Invoices API, scope: ["read:invoices"], organization_usage: require, organizations: [acme]}
"""
NONE_OF_IT = """
grants:
  - {client: Billing, api: Invoices API, scope: ["read:invoices"], organizations: []}
"""

NOTHING_SAID = """
grants:
  - {client: Billing, api: Invoices API, scope: ["read:invoices"]}
"""


@pytest.mark.parametrize(
    "grants",
    [ONE_OF_THEM, NONE_OF_IT, NOTHING_SAID],
    ids=["an organization is removed", "the grant is deleted", "undeclared organizations"],
)
def test_a_snapshot_restores_organizations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grants: str) -> None:
    here = a_workspace(tmp_path, monkeypatch, tenant=OF_ORGANIZATIONS, **{"grants/billing": grants})
    reconciler("sandbox", "reset")
    before = grants_of(here)
    assert reconciler("apply", "--yes", "--prune").code == 0
    assert grants_of(here) != before

    (snapshot,) = (here / ".reconciler" / "snapshots").iterdir()
    assert "# acme, globex" in (snapshot / "001.yaml").read_text(encoding="utf-8")
    assert reconciler("--grants", snapshot, "apply", "--yes").code == 0
    assert grants_of(here) == before


TENANTS = """
default_tenant: dev
tenants:
  dev: {kind: sandbox, seed: tenant.yaml, database: dev.db}
  prod: {kind: sandbox, seed: tenant.yaml, database: prod.db}
"""


def test_a_snapshot_applies_only_to_its_tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = a_workspace(tmp_path, monkeypatch, reconciler=TENANTS)
    applied = reconciler("--tenant", "prod", "apply", "--prune", "--yes")
    (snapshot,) = (here / ".reconciler" / "snapshots").iterdir()

    elsewhere = reconciler("--grants", str(snapshot), "apply", "--yes")
    rollback = reconciler("--tenant", "prod", "--grants", str(snapshot), "apply", "--yes")

    assert f"reconciler --tenant prod --grants .reconciler/snapshots/{snapshot.name} apply" in applied.stderr
    assert (applied.code, elsewhere.code, rollback.code) == (0, 4, 0)
    assert "the snapshot was taken from prod (sandbox.localhost), not from dev" in elsewhere.stderr


def test_a_snapshot_cannot_be_combined_with_prune(demo: Path) -> None:
    """--prune would delete all grants that the run did not change."""
    reconciler("apply", "--yes")
    (snapshot,) = (demo / ".reconciler" / "snapshots").iterdir()
    before = grants_of(demo)

    ran = reconciler("--grants", str(snapshot), "apply", "--yes", "--prune", "--max-deletes", "99")

    assert (ran.code, grants_of(demo)) == (1, before)
    assert "error: --prune cannot be combined with a snapshot" in ran.stderr


def test_a_grant_changed_after_the_run_is_not_deleted(demo: Path) -> None:
    reconciler("apply", "--yes")
    (snapshot,) = (demo / ".reconciler" / "snapshots").iterdir()
    manifest = json.loads((snapshot / "MANIFEST").read_text())
    created = manifest["created"][0]
    created["scope"] = ["something:else"]
    (snapshot / "MANIFEST").write_text(json.dumps(manifest))

    ran = reconciler("--grants", str(snapshot), "plan")

    assert "the run created this grant, but the grant changed afterwards, so the grant is not deleted" in ran.stdout
