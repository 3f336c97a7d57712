from typing import Any

import pytest

from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.spec import GrantSpec, PartialLocations, TenantPattern
from reconciler.core.tenant_filter import TargetTenant, TargetTenants
from reconciler.files.document import YamlMapping
from reconciler.files.loader import parse
from reconciler.files.specs import grant_specs, problems_of


def specs_in(text: str, file: str = "f.yaml") -> tuple[GrantSpec, ...]:
    data = parse(text.encode(), file).data
    assert isinstance(data, YamlMapping)
    return grant_specs(data, file)


def a_spec(**fields: Any) -> GrantSpec:
    return GrantSpec(**{"file": "f.yaml", "locations": PartialLocations((1, 1)), "client": "a", "api": "b", **fields})


def test_omitted_fields_have_their_defaults() -> None:
    (spec,) = specs_in("grants:\n  - client: a\n    api: b\n")
    assert spec == GrantSpec(file="f.yaml", locations=spec.locations, client="a", api="b")


def test_all_fields_are_read() -> None:
    (spec,) = specs_in(
        "grants: [{default_for: third_party_clients, audience: b, description: why, subject_type: user, scope: [s, r],"
        " organization_usage: allow, allow_any_organization: true, authorization_details_types: [t],"
        " allow_all_scopes: true, organizations: [o, p]}, ]"
    )
    assert spec == GrantSpec(
        file="f.yaml",
        locations=spec.locations,
        default_for="third_party_clients",
        audience="b",
        description="why",
        subject_type="user",
        scope=("s", "r"),
        organization_usage="allow",
        allow_any_organization=True,
        authorization_details_types=("t",),
        allow_all_scopes=True,
        organizations=("o", "p"),
    )


def test_a_grant_has_positions_of_fields_and_scopes() -> None:
    (spec,) = specs_in("grants:\n  - client_id: a\n    audience: b\n    scope:\n      - r\n      - s\n")
    assert spec.source == Source("f.yaml", 2, 5)
    assert spec.source_of("audience") == Source("f.yaml", 3, 15)
    assert dict(spec.scopes_with_sources()).__getitem__("s") == Source("f.yaml", 6, 9)


def test_an_empty_list_of_organizations_differs_from_a_missing_one() -> None:
    none, unsaid, some = specs_in(
        "grants: [{client: a, api: b, organizations: []}, {client: a, api: b}, {client: a, api: b, organizations: [x]}]"
    )
    assert (none.organizations, unsaid.organizations) == ((), None)
    assert list(some.organizations_with_sources()) == [("x", Source("f.yaml", 1, 107))]


def test_organizations_without_effect_are_a_warning() -> None:
    denying, allowing, none = (
        a_spec(client="d", organizations=("x",), locations=PartialLocations((6, 5), {"organizations": (7, 5)})),
        a_spec(client="a", organizations=("x",), organization_usage="allow"),
        a_spec(client="n", organizations=()),
    )
    (problem,) = problems_of([denying, allowing, none])
    assert (problem.source, problem.severity) == (Source("f.yaml", 7, 5), Severity.WARNING)


def test_a_duplicate_grant_names_both_positions() -> None:
    earlier, later = (
        a_spec(file="a.yaml", locations=PartialLocations((9, 9))),
        a_spec(file="b.yaml", locations=PartialLocations((3, 5), {}, {"scope": ((4, 4),)}), scope=("s",)),
    )
    assert list(problems_of([earlier, later])) == [
        Problem(
            Source("b.yaml", 3, 5),
            'the grant of "a" for "b" (client) is already declared at a.yaml:9:9',
            "remove one of the two declarations, or merge the scopes",
        )
    ]


def test_grants_with_different_keys_are_not_duplicates() -> None:
    parts: list[dict[str, str | None]] = [
        {},
        {"client": "other"},
        {"client": None, "client_id": "a"},
        {"client": None, "default_for": "a"},
        {"api": "other"},
        {"api": None, "audience": "b"},
        {"subject_type": "user"},
    ]
    assert not list(
        problems_of([a_spec(locations=PartialLocations((line, 1)), **part) for line, part in enumerate(parts, 1)])
    )


ONE, TWO = TargetTenant("one", {"domain": "one", "x": "a"}), TargetTenant("two", {"domain": "two", "x": "c"})
SEVERAL = TargetTenants((TWO, ONE), ("one", "two"))


def test_two_grants_may_share_a_key_in_different_tenants() -> None:
    apart = "grants: [{client: a, api: b, tenants: [one]}, {client: a, api: b, tenants: [two]}]"
    together = apart.replace("[two]", "['*']")

    assert not list(problems_of(specs_in(apart), SEVERAL))
    assert [problem.what for problem in problems_of(specs_in(together), SEVERAL)] == [
        'the grant of "a" for "b" (client) is already declared at f.yaml:1:10',
    ]


def test_variables_can_make_grants_duplicates() -> None:
    specs = specs_in("grants: [{client: a, api: b}, {client: '${x}', api: b}]")

    assert [str(problem.source) for problem in problems_of(specs, SEVERAL)] == ["f.yaml:1:31"]
    assert not list(problems_of(specs, TargetTenants((TWO,), ("one", "two"))))


def test_scopes_are_checked_with_variables_replaced() -> None:
    (odd,) = problems_of(
        specs_in("grants: [{client: a, api: b, scope: ['${x}']}]"), TargetTenants((TargetTenant("t", {"x": "ü"}),))
    )

    assert odd.severity is Severity.WARNING


def test_tenants_of_a_file_apply_to_all_its_grants() -> None:
    text = "tenants: [one, t*]\ngrants:\n  - {client: a, api: b}\n  - {client: c, api: d, tenants: [two]}\n"

    first, second = specs_in(text)

    of_file = (TenantPattern("one", Source("f.yaml", 1, 11)), TenantPattern("t*", Source("f.yaml", 1, 16)))
    assert first.tenants == (of_file,)
    assert second.tenants == (of_file, (TenantPattern("two", Source("f.yaml", 4, 35)),))


@pytest.mark.parametrize("tenants", ["", "dev", "5", "[]", "[5]", "[[dev]]", "{dev: 1}", "[dev, null]"])
def test_a_file_with_invalid_tenants_has_no_specs(tenants: str) -> None:
    assert specs_in(f"grants:\n  - {{client: a, api: b}}\ntenants: {tenants}\n") == ()


def test_a_scope_not_allowed_by_oauth_is_a_warning() -> None:
    scopes = ("read:x", "ünï", "read:x write:x", 'a"b', "a\\b", "!#[]~")
    marks = tuple((1, column) for column in range(1, 7))
    problems = list(problems_of([a_spec(scope=scopes, locations=PartialLocations((1, 1), {}, {"scope": marks}))]))
    assert [problem.source.column for problem in problems] == [2, 3, 4, 5]
    assert {problem.severity for problem in problems} == {Severity.WARNING}
    assert [problem.fix for problem in problems].count("write each scope as a separate item") == 1
