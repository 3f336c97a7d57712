from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_spec

from reconciler.config.tenants import Config
from reconciler.core.fleet.run import MAX_REASONS, POSITIONS, affected_tenants
from reconciler.core.problems import Source
from reconciler.core.settings import Limits
from reconciler.core.spec import GrantSpec, PartialLocations, TenantPattern, TenantPatterns
from reconciler.core.tenant import Tenant
from reconciler.core.tenant_filter import select_for_tenant

NAMES = ("eu-1", "eu-2", "us-1")
TENANTS = {name: Tenant(name=name, domain=f"{name}.eu.auth0.com", variables={"stage": name}) for name in NAMES}


def spec(*tenants: str, line: int = 2, **fields: Any) -> GrantSpec:
    patterns = (
        (TenantPatterns(TenantPattern(each, Source("grants/a.yaml", line, 9)) for each in tenants),) if tenants else ()
    )
    return a_spec(line, **fields)._replace(tenants=patterns)


def content(specs: list[GrantSpec], tenant: Tenant) -> set[tuple[object, ...]]:
    """Return what a tenant gets from files, without positions."""
    names = [name for name in GrantSpec._fields if name not in POSITIONS]
    return {tuple(getattr(each, name) for name in names) for each in select_for_tenant(specs, tenant.target)}


specs = st.lists(
    st.builds(
        spec,
        *[st.sampled_from([*NAMES, "eu-*", "*"])],
        client=st.sampled_from(["Billing", "Portal"]),
        api=st.sampled_from(["Invoices API", "${stage} API"]),
        scope=st.sampled_from([("read:invoices",), ("read:invoices", "write:invoices")]),
        description=st.sampled_from(["", "Nightly run"]),
        allow_all_scopes=st.booleans(),
    ),
    max_size=4,
)
limited = {name: replace(tenant, limits=Limits(deletes_percent=1)) for name, tenant in TENANTS.items()}
settings = st.fixed_dictionaries({}, optional={name: st.sampled_from([TENANTS[name], limited[name]]) for name in NAMES})


@given(now=specs, before=specs, base=settings)
def test_a_tenant_that_is_not_affected_has_the_same_settings_and_grants(
    now: list[GrantSpec], before: list[GrantSpec], base: dict[str, Tenant]
) -> None:
    found = affected_tenants(TENANTS, base, now, before)

    for name, tenant in TENANTS.items():
        if name not in found:
            assert base[name] == tenant
            assert content(now, tenant) == content(before, tenant)


@given(same=specs)
def test_without_a_change_no_tenant_is_affected(same: list[GrantSpec]) -> None:
    moved = [each._replace(file="grants/b.yaml", locations=PartialLocations((99, 1))) for each in reversed(same)]

    assert affected_tenants(TENANTS, TENANTS, same, moved) == {}


def test_a_changed_grant_affects_the_tenants_that_it_applies_to() -> None:
    found = affected_tenants(TENANTS, TENANTS, [spec("eu-*", line=7)], [])

    assert found == dict.fromkeys(("eu-1", "eu-2"), ("grants/a.yaml:7:5: grant added or changed",))


def test_a_removed_grant_affects_its_tenants() -> None:
    assert affected_tenants(TENANTS, TENANTS, [], [spec("us-1")]) == {
        "us-1": ("grants/a.yaml:2:5: grant removed or changed",)
    }


def test_other_tenants_of_a_grant_are_affected() -> None:
    assert set(affected_tenants(TENANTS, TENANTS, [spec("eu-1", "us-1")], [spec("eu-1", "eu-2")])) == set(NAMES)


@pytest.mark.parametrize("name", sorted({*GrantSpec._fields} - POSITIONS))
def test_a_difference_in_any_field_of_a_grant_affects_the_tenants(name: str) -> None:
    values: dict[str, Any] = {name: "another value"}
    other = spec()._replace(**values)

    assert set(affected_tenants(TENANTS, TENANTS, [other], [spec()])) == set(NAMES)


def test_the_order_of_scopes_does_not_count() -> None:
    one, other = spec(scope=("a", "b")), spec(scope=("b", "a"))

    assert affected_tenants(TENANTS, TENANTS, [one], [other]) == {}


def test_a_new_tenant_and_changed_settings_are_named() -> None:
    base = {**TENANTS, "eu-2": replace(TENANTS["eu-2"], domain="old.eu.auth0.com")}
    del base["us-1"]

    found = affected_tenants(TENANTS, base, [], [])

    assert found == {
        "eu-2": ("the domain changes from old.eu.auth0.com to eu-2.eu.auth0.com",),
        "us-1": ("new tenant of kind auth0 at us-1.eu.auth0.com",),
    }


def test_settings_without_a_risk_count_too() -> None:
    base = {**TENANTS, "us-1": replace(TENANTS["us-1"], sandbox_domain="other.localhost")}

    assert affected_tenants(TENANTS, base, [], []) == {"us-1": ("the settings of the tenant changed",)}


def test_settings_outside_of_tenants_do_not_affect_a_plan() -> None:
    """A setting of the configuration must also be one of its tenants, or must not affect the plan of a tenant."""
    shared = {each.name for each in fields(Config)} - {each.name for each in fields(Tenant)}

    assert shared == {"file", "tenants", "default_tenant", "rollout", "scope_set_sources"}


def test_reasons_are_limited() -> None:
    many = [spec("us-1", line=number, description=str(number)) for number in range(MAX_REASONS + 3)]

    (reasons,) = affected_tenants(TENANTS, TENANTS, many, []).values()

    assert len(reasons) == MAX_REASONS + 1
    assert reasons[-1] == "and 3 more"
