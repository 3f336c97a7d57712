import shutil
from pathlib import Path

import pytest
from support.commands import grants_of, reconciler, stand_in

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This repository's own files, where the tenant has a scope that its API no longer defines."""
    for name in ("reconciler.yaml", "sandbox.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copy(ROOT / "sandbox.yaml", tmp_path / "tenant.yaml")
    shutil.copytree(ROOT / "grants", tmp_path / "grants")
    stand_in(tmp_path, monkeypatch)
    reconciler("sandbox", "reset")
    return tmp_path


def without_order(grants: list[dict[str, object]]) -> list[dict[str, object]]:
    return [
        {name: sorted(value) if isinstance(value, list) else value for name, value in grant.items()} for grant in grants
    ]


def test_applying_the_snapshot_gives_the_tenant_back_as_it_was(demo: Path) -> None:
    before = without_order(grants_of(demo))
    applied = reconciler("apply", "--yes")
    assert without_order(grants_of(demo)) != before

    (snapshot,) = (demo / ".reconciler" / "snapshots").iterdir()
    back = reconciler("--grants", str(snapshot), "apply", "--yes", "--prune", "--max-deletes", "9")

    assert f"reconciler --grants .reconciler/snapshots/{snapshot.name} apply" in applied.stderr
    assert (applied.code, back.code) == (0, 0)
    assert 'warning: the API "Reports API" defines no scope "schedule:reports"' in back.stderr
    assert without_order(grants_of(demo)) == before
