from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_grant, a_key, a_plan, a_spec, an_observed
from support.strategies import scopes

from reconciler.core.plan import Origin, Plan, Reason
from reconciler.core.spec import GrantSpec

KEPT = a_spec(client_id="kept")
THERE = an_observed(a_grant(a_key("kept")))
Scopes = Iterable[str] | None


def specs(scope: Scopes) -> tuple[GrantSpec, ...]:
    return (KEPT,) if scope is None else (KEPT, a_spec(scope=tuple(scope)))


def plan(base: Scopes, tenant: Scopes, files: Scopes, *, only_branch: bool = False) -> Plan:
    """Plan one grant. The arguments are its scopes in each place, or None if the grant is missing there."""
    observed = [THERE] if tenant is None else [THERE, an_observed(a_grant(scope=tenant))]
    return a_plan(specs(files), observed, base=specs(base), only_branch=only_branch, prune=True)


@pytest.mark.parametrize(
    ("base", "tenant", "files", "origin"),
    [
        (None, None, "a", Origin.BRANCH),
        ("a", "a", "ab", Origin.BRANCH),
        ("a", "a", None, Origin.BRANCH),
        ("a", "b", "a", Origin.DRIFT),
        ("a", None, "a", Origin.DRIFT),
        (None, "a", None, Origin.DRIFT),
        ("a", "b", "c", Origin.BOTH),
        ("a", None, "c", Origin.BOTH),
        ("a", "b", None, Origin.BOTH),
        (None, "a", "b", Origin.BOTH),
    ],
    ids=[
        "declared-first",
        "declaration-changed",
        "no-longer-declared",
        "changed-by-hand",
        "deleted-by-hand",
        "created-by-hand",
        "changed-in-both",
        "changed-in-files-deleted-in-tenant",
        "removed-from-files-changed-in-tenant",
        "created-by-hand-and-declared-differently",
    ],
)
def test_each_change_has_an_origin(base: Scopes, tenant: Scopes, files: Scopes, origin: Origin) -> None:
    assert plan(base, tenant, files).origins == {a_key(): origin}


def test_without_a_base_there_are_no_origins() -> None:
    assert a_plan([a_spec()]).origins == {}


@given(base=st.none() | scopes, tenant=st.none() | scopes, files=st.none() | scopes)
def test_only_branch_leaves_out_exactly_the_drift(base: Scopes, tenant: Scopes, files: Scopes) -> None:
    whole, part = plan(base, tenant, files), plan(base, tenant, files, only_branch=True)

    moved = base != files
    assert part.changes == (whole.changes if moved else ())
    assert set(part.origins.values()) <= {Origin.BRANCH, Origin.BOTH}
    assert part.converged == (whole.converged or not moved)


def test_drift_that_is_left_out_is_counted() -> None:
    changed, made = plan("a", "b", "a", only_branch=True), plan(None, "a", None, only_branch=True)

    assert (changed.differing, changed.left_alone) == (1, ())
    assert (made.differing, [each.reason for each in made.left_alone]) == (0, [Reason.UNMANAGED])


def test_drift_that_is_left_out_does_not_count_for_limits() -> None:
    observed = [THERE, *(an_observed(a_grant(a_key(f"stray{n}"))) for n in range(20))]

    part = a_plan([KEPT], observed, base=(KEPT,), only_branch=True, prune=True)

    assert (part.blocked, part.changes, len(part.left_alone)) == ((), (), 20)


ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"


@pytest.mark.parametrize(
    ("base", "tenant", "files", "origin"),
    [
        (None, (), (ACME,), Origin.BRANCH),
        ((), (), (ACME,), Origin.BRANCH),
        ((ACME,), (), (ACME,), Origin.DRIFT),
        ((ACME,), (GLOBEX,), (), Origin.BOTH),
    ],
    ids=["declared first", "declaration changed", "removed by hand", "changed in both"],
)
def test_a_change_of_organizations_has_an_origin(
    base: tuple[str, ...] | None, tenant: tuple[str, ...], files: tuple[str, ...], origin: Origin
) -> None:
    observed = an_observed(a_grant(organizations=frozenset(tenant)))

    plan = a_plan([a_spec(organizations=files)], [observed], base=[a_spec(organizations=base)])

    assert plan.origins == {a_key(): origin}
