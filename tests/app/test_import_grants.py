"""Import tenants with unusual names. The files declare the same grants, for this tenant and for another one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from support.commands import CONFIG, enter_clean_folder, grants_of, reconciler
from support.odd_tenants import KEY, OddTenant, odd_tenants

VARIABLES = """
variables:
  billing: Billing
  read: read:x
  name: e\u0301
  odd: "${domain}"
  opening: "${"
"""
few_examples = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def workspace_with(tenant: OddTenant, more_tenants: str = "") -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        (folder / "reconciler.yaml").write_text(f"{CONFIG}{more_tenants}{VARIABLES}", encoding="utf-8")
        (folder / "tenant.yaml").write_text(tenant.seed, encoding="utf-8")
        enter_clean_folder(folder, patch)
        yield folder
        os.chdir("/")


def comparable(grants: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return grants in a comparable form: sorted, without defaults and without reconciler's own grants."""
    normalized = [
        {name: sorted(value) if isinstance(value, list) else value for name, value in grant.items() if value}
        for grant in grants
        if grant.get("client_id") != "own"
    ]
    return sorted(normalized, key=lambda grant: [str(grant.get(part, "")) for part in KEY])


@pytest.mark.slow
@few_examples
@given(odd_tenants())
def test_a_plan_after_an_import_is_empty(tenant: OddTenant) -> None:
    with workspace_with(tenant, "  other: {domain: other.auth0.com}\n") as folder:
        imported = reconciler("import")
        assert imported.code == 0, imported.output
        files = sorted(path.name for path in folder.glob("grants/*"))
        assert len({name.casefold() for name in files}) == len(files)
        if files:
            planned = reconciler("plan", "--detailed-exitcode")
            assert planned.code == 0, planned.output
            assert "0 to create, 0 to update, 0 to delete; " in imported.stdout
            assert imported.stdout.splitlines()[-1] == planned.stdout.splitlines()[-1]
        again = reconciler("import")
        assert again.stdout.startswith("Imported: nothing new; ")
        assert not files or reconciler("fmt", "--check").code == 0
        assert sorted(path.name for path in folder.glob("grants/*")) == files


@pytest.mark.slow
@few_examples
@given(odd_tenants(declarable=True))
def test_imported_files_create_equal_grants_in_another_tenant(tenant: OddTenant) -> None:
    with workspace_with(tenant) as folder:
        assert reconciler("import").code == 0
        before = comparable(grants_of(folder))
        other = tenant.with_other_ids()
        ids = {old: new for (old, _), (new, _) in zip(tenant.applications, other.applications, strict=True)}
        (folder / "tenant.yaml").write_text(other.seed, encoding="utf-8")
        assert reconciler("sandbox", "reset").code == 0
        if not before:
            return
        applied = reconciler("apply", "--yes")
        assert applied.code == 0, applied.output
        moved = [
            grant | {"client_id": ids[str(grant["client_id"])]} if "client_id" in grant else grant for grant in before
        ]
        assert comparable(grants_of(folder)) == comparable(moved)
