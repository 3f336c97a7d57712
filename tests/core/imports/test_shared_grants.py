from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.imports.shared_grants import Comments, NamedGrant, SharedGrant, by_file, merge_tenants

TENANTS = ("dev", "test", "prod")


def a_named(client: str = "Billing", scope: tuple[str, ...] = ("read",), **more: object) -> NamedGrant:
    return NamedGrant(fields={"client": client, "audience": "urn:x", "scope": scope}, **more)  # type: ignore[arg-type]


def test_equal_grants_become_one_declaration_with_the_tenants_that_have_it() -> None:
    by_tenant = {"dev": [a_named(), a_named("Lab")], "test": [a_named()], "prod": [a_named(scope=("read", "write"))]}

    assert merge_tenants(by_tenant, TENANTS) == (
        SharedGrant(a_named(), ("dev", "test")),
        SharedGrant(a_named("Lab"), ("dev",)),
        SharedGrant(a_named(scope=("read", "write")), ("prod",)),
    )


def test_a_grant_of_every_tenant_needs_no_tenants() -> None:
    by_tenant = {name: [a_named()] for name in TENANTS}

    assert merge_tenants(by_tenant, TENANTS) == (SharedGrant(a_named()),)
    assert merge_tenants(by_tenant, [*TENANTS, "other"]) == (SharedGrant(a_named(), TENANTS),)


def test_the_comments_of_all_tenants_are_kept_once() -> None:
    one = a_named(above=("a", "b"), comments={("scope", "read"): Comments(("c",), "d")})
    other = a_named(above=("b", "x"), after=("e",), comments={("scope", "read"): Comments((), "f")})

    ((merged),) = merge_tenants({"dev": [one], "test": [other]}, ["dev", "test"])

    assert (merged.grant.above, merged.grant.after) == (("a", "b", "x"), ("e",))
    assert merged.grant.comments == {("scope", "read"): Comments(("c",), "d, f")}


def test_each_holder_has_its_file() -> None:
    default = NamedGrant(fields={"default_for": "third_party_clients", "api": "X"})
    shared = [SharedGrant(a_named(name)) for name in ("Portal", "portal", "Billing ${stage}")]

    files = [(stem, len(group)) for stem, group in by_file([*shared, SharedGrant(default)])]

    assert files == [("billing-stage", 1), ("default-for-third-party-clients", 1), ("portal", 1), ("portal", 1)]


named = st.builds(a_named, st.sampled_from(["A", "B"]), st.sampled_from([("r",), ("r", "w"), ()]))


@given(st.dictionaries(st.sampled_from(TENANTS), st.lists(named, max_size=2, unique_by=lambda each: each.identity)))
def test_each_tenant_gets_exactly_its_grants(by_tenant: dict[str, list[NamedGrant]]) -> None:
    shared = merge_tenants(by_tenant, TENANTS)

    for tenant, grants in by_tenant.items():
        found = [each.grant.fields for each in shared if each.tenants is None or tenant in each.tenants]
        assert sorted(map(str, found)) == sorted(str(grant.fields) for grant in grants)
