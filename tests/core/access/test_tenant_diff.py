"""The comparison of two tenants: symmetric, by name, and never "equal" if a value is not known."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.access import HOSTILE, a_tenant_access, an_access_grant

from reconciler.core.access.report import AccessGrant, AccessState, GrantedScope, TenantAccess
from reconciler.core.access.tenant_diff import DiffKind, TenantDiff, compare_tenants
from reconciler.core.problems import Level
from reconciler.output.access.diff import diff_csv, diff_html, diff_lines, diff_markdown
from reconciler.output.styled import plain


def grant_with(name: str, *scopes: str, **fields: Any) -> AccessGrant:
    return an_access_grant(
        application=name,
        client_id=name.lower(),
        scopes=tuple(GrantedScope(each, Level.LOW) for each in scopes),
        **fields,
    )


def diff_of(first: TenantAccess, second: TenantAccess) -> TenantDiff:
    return compare_tenants(first, second, is_declared=False)


grant_lists = st.lists(
    st.builds(grant_with, st.sampled_from("ABC"), st.sampled_from(["read", "write"])),
    unique_by=lambda each: each.application,
)


@given(grant_lists, grant_lists)
def test_the_comparison_is_symmetric(ours: list[AccessGrant], theirs: list[AccessGrant]) -> None:
    first, second = a_tenant_access(*ours), a_tenant_access(*theirs)
    there, back = diff_of(first, second), diff_of(second, first)
    mirror = {DiffKind.ONLY_FIRST: DiffKind.ONLY_SECOND, DiffKind.ONLY_SECOND: DiffKind.ONLY_FIRST}

    assert [mirror.get(each.kind, each.kind) for each in there.differences] == [each.kind for each in back.differences]
    assert there.equal == back.equal


@given(grant_lists)
def test_a_tenant_equals_itself(ours: list[AccessGrant]) -> None:
    access = a_tenant_access(*ours)

    assert (diff_of(access, access).differences, diff_of(access, access).equal) == ((), len(ours))


def test_missing_grants_are_not_compared() -> None:
    missing = grant_with("A", "read", state=AccessState.MISSING)

    assert diff_of(a_tenant_access(missing), a_tenant_access()).differences == ()


def test_unknown_organizations_are_never_equal() -> None:
    known, unknown = grant_with("A", organizations=("acme",)), grant_with("A", organizations=None)
    (found,) = diff_of(a_tenant_access(known), a_tenant_access(unknown)).differences

    assert (found.kind, [pair.field for pair in found.fields]) == (DiffKind.UNKNOWN, ["organizations"])


def test_applications_with_the_same_name_and_different_ids_are_equal() -> None:
    labelled = an_access_grant(application="Café (one)", client_id="one")
    plain_label = an_access_grant(application="Café (two)", client_id="two")

    assert diff_of(a_tenant_access(labelled), a_tenant_access(plain_label)).equal == 1


def test_a_name_that_a_tenant_has_twice_is_compared_by_id_and_noted() -> None:
    twins = [an_access_grant(application=f"Twin ({each})", client_id=each) for each in ("one", "two")]
    diff = diff_of(a_tenant_access(*twins), a_tenant_access())

    assert [each.application for each in diff.differences] == ["Twin (one)", "Twin (two)"]
    assert diff.notes == ("prod has 2 grants with the names Twin -> Invoices API, so ids are compared",)


def test_hostile_names_have_no_effect_in_any_format() -> None:
    hostile = [grant_with(text, text, api=text, audience=str(number)) for number, text in enumerate(HOSTILE)]
    diff = diff_of(a_tenant_access(*hostile), a_tenant_access())

    assert "<script>" not in diff_html(diff) + diff_markdown(diff)
    assert "<img" not in diff_html(diff)
    assert '"=HYPERLINK' not in diff_csv(diff)
    assert "\x1b" not in plain(diff_lines(diff))
