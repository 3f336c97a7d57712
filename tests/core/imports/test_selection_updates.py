"""Files that are updated to a tenant declare what the tenant has."""

from collections.abc import Iterable
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from support.strategies import declarable_grants

from reconciler.contract import stored
from reconciler.core.directory import Api, Application, Directory
from reconciler.core.grant import ClientGrant, ObservedGrant, index_by_key
from reconciler.core.imports.selection import ImportFilter, UpdateRules, select_updates
from reconciler.core.plan import compare
from reconciler.core.resolve import resolve
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant_filter import TargetTenant, insert_variables, select_for_tenant
from reconciler.files.read import validate_file
from reconciler.files.specs import grant_specs
from reconciler.files.update import update_text
from reconciler.files.write import import_file

DIRECTORY = Directory(
    (Application("a", "Application a"), Application("b", "x:"), Application("c", "${domain}")),
    (Api("https://one", "One"), Api("https://two", "Two: 2")),
)
TARGET = TargetTenant("test", {"domain": "test.example", "letters": "abc", "x": "x"})
RULES = UpdateRules(
    target=TARGET,
    other_tenants=(),
    choice=ImportFilter(),
    write_item=lambda _, item: insert_variables(item, TARGET.values),
    now=datetime(2026, 3, 1, tzinfo=UTC),
)


def specs_of(text: str) -> tuple[GrantSpec, ...]:
    file = validate_file("f.yaml", text.encode(), stored.load(stored.GRANTS))
    assert not file.problems, text
    return grant_specs(file.data, "f.yaml")


def observed(grants: Iterable[ClientGrant]) -> list[ObservedGrant]:
    return [ObservedGrant(f"cgr_{number}", grant) for number, grant in enumerate(grants)]


grants_by_key = st.lists(declarable_grants(), max_size=5, unique_by=lambda grant: grant.key)


@given(grants_by_key, grants_by_key)
def test_after_an_update_the_plan_changes_no_declared_grant(
    declared: list[ClientGrant], tenant: list[ClientGrant]
) -> None:
    text = import_file(declared, DIRECTORY, ["Imported."], convert=lambda each: insert_variables(each, TARGET.values))
    if not declared:
        text = "grants: []\n"
    selected = select_updates(specs_of(text), observed(tenant), DIRECTORY, RULES)

    updated = update_text(text, selected.by_file.get("f.yaml", {}))

    desired, problems = resolve(select_for_tenant(specs_of(updated), TARGET), DIRECTORY)
    comparison = compare(desired, index_by_key(observed(tenant)))
    assert (problems, selected.not_updated) == ((), ())
    assert (comparison.creates, comparison.updates) == ((), ())
    assert {each.key for each in desired} == {each.key for each in declared} & {each.key for each in tenant}
