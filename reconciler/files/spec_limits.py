"""Limit the number of checks of grant declarations. A small file can declare many grants with many values each."""

from collections.abc import Sequence

from reconciler.core.problems import Problem, Source
from reconciler.core.scope_sets import has_scope_sets, set_name_of
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant_filter import TargetTenant, TargetTenants, has_variables, patterns_of, with_targets

MAX_COMBINATIONS = 2_000_000
"""The maximum number of checks: for each tenant, reconciler checks each grant and each value of a grant.

The limit on checks keeps validation fast, because each check takes a microsecond or more.

The limit also applies to the number of values that lists of `clients` repeat, because each application has its own
grant with all scopes and organizations of the declaration.
"""


def repeated_values_problem(specs: Sequence[GrantSpec]) -> Problem | None:
    """Return a problem if lists of `clients` repeat scopes and organizations more than MAX_COMBINATIONS times.

    The problem is at the declaration that repeats the most values.
    """
    count = sum(_value_count(spec) for spec in specs if spec.clients)
    if count <= MAX_COMBINATIONS:
        return None
    largest = max(specs, key=lambda each: len(each.clients) * _value_count(each))
    what = (
        f"lists of clients repeat scopes and organizations {count:,} times (limit {MAX_COMBINATIONS:,}), so the "
        "grants are not checked"
    )
    return Problem(largest.source, what, "list fewer applications under `clients`, or fewer scopes and organizations")


def combinations_problem(specs: Sequence[GrantSpec], tenants: TargetTenants) -> Problem | None:
    """Return a problem if the check of `specs` for all `tenants` needs more than MAX_COMBINATIONS checks."""
    count = _combinations(specs, tenants)
    if count <= MAX_COMBINATIONS:
        return None
    what = (
        f"grants and tenants have {count:,} combinations, more than {MAX_COMBINATIONS:,}, so the grants are not checked"
    )
    fix = "select fewer tenants with --tenant, or use fewer tenants and variables in grants"
    return Problem(Source(specs[0].file), what, fix)


def _combinations(specs: Sequence[GrantSpec], tenants: TargetTenants) -> int:
    """Return the number of checks: for each tenant, reconciler checks each grant and each value of a grant.

    If the number exceeds MAX_COMBINATIONS, the function does not count the scopes of scope sets, to save time.
    """
    combined = {patterns_of(spec) for spec in specs if spec.tenants}
    patterns = {each for lists in combined for each in lists}
    names = {*tenants.known, *(target.name for target in tenants.targets)}
    several_lists = sum(len(lists) > 1 for lists in combined)  # the lists of a grant and of its file
    count = (several_lists + sum(map(len, patterns))) * len(names)
    if count > MAX_COMBINATIONS:
        return count
    with_sets: list[tuple[GrantSpec, Sequence[TargetTenant]]] = []
    for spec, targets in with_targets(specs, tenants):
        count += len(targets) * (2 + _value_count(spec) if has_variables(spec) else 1)
        if has_scope_sets(spec.scope):
            with_sets.append((spec, targets))
    if count > MAX_COMBINATIONS:
        return count
    return count + sum(len(targets) * _scope_count(spec, targets) for spec, targets in with_sets)


def _value_count(spec: GrantSpec) -> int:
    return len(spec.scope) + len(spec.organizations or ())


def _scope_count(spec: GrantSpec, targets: Sequence[TargetTenant]) -> int:
    """Return an upper limit for the number of scopes in the scope sets of a grant declaration.

    If the size of a scope set differs between tenants, the largest size is counted.
    """
    names = [name for item in spec.scope if (name := set_name_of(item))]
    return sum(max((len(target.scope_sets.get(name, ())) for target in targets), default=0) for name in names)
