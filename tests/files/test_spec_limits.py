"""Tests for the limits on the number of checks of grant declarations."""

import pytest
from support.builders import a_spec

from reconciler.core.problems import Source
from reconciler.core.spec import TenantPattern, TenantPatterns
from reconciler.core.tenant_filter import TargetTenant, TargetTenants
from reconciler.files.spec_limits import combinations_problem


@pytest.mark.parametrize(("count", "is_accepted"), [(1400, True), (1500, False)])
def test_a_fleet_may_have_one_list_of_tenants_per_grant(count: int, is_accepted: bool) -> None:  # noqa: FBT001
    source = Source("grants/a.yaml")
    specs = [
        a_spec(client_id=f"id{number}", tenants=(TenantPatterns((TenantPattern(f"t{number}", source),)),))
        for number in range(count)
    ]
    targets = tuple(TargetTenant(f"t{number}", {}) for number in range(count))

    problem = combinations_problem(specs, TargetTenants(targets, tuple(each.name for each in targets)))

    assert (problem is None) is is_accepted
