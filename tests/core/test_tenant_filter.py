import pytest
from support.builders import a_spec

from reconciler.core.problems import Source
from reconciler.core.spec import GrantSpec, TenantPattern
from reconciler.core.tenant_filter import (
    ANY_TENANT,
    NOBODY,
    TargetTenant,
    TargetTenants,
    for_tenant,
    is_plain,
    misdirected,
)

DEV = TargetTenant("dev", {"domain": "dev.example", "stage": "dev", "suffix": " (dev)"})
PROD = TargetTenant("prod", {"domain": "prod.example", "stage": "live"})
BOTH = TargetTenants((DEV, PROD), ("dev", "prod", "sandbox"))


def where(*texts: str, line: int = 1) -> tuple[TenantPattern, ...]:
    return tuple(TenantPattern(text, Source("grants/a.yaml", line, place)) for place, text in enumerate(texts, 1))


def said(specs: list[GrantSpec], tenants: TargetTenants = BOTH) -> list[str]:
    return [f"{problem.source}: {problem.message}" for problem in misdirected(specs, tenants)]


def test_values_are_put_into_every_text_that_names_something() -> None:
    by_names = a_spec(client="Billing${suffix}", api="${stage} API", scope=("${stage}:x", "y"), description="${stage}")
    by_ids = a_spec(client_id="${stage}", audience="https://${domain}/api/v2/")

    names, ids = for_tenant([by_names, by_ids], DEV)

    assert (names.client, names.api, names.scope) == ("Billing (dev)", "dev API", ("dev:x", "y"))
    assert (ids.client_id, ids.audience) == ("dev", "https://dev.example/api/v2/")
    assert names.description == "${stage}"
    assert names.source_of("client") == by_names.source_of("client")


def test_a_value_is_text_and_no_template() -> None:
    (spec,) = for_tenant([a_spec(client_id="${a}")], TargetTenant("t", {"a": "${b}", "b": "c"}))

    assert spec.client_id == "${b}"


def test_a_doubled_sign_is_a_plain_one() -> None:
    (spec,) = for_tenant([a_spec(client_id="$${stage}")], DEV)

    assert spec.client_id == "${stage}"


def test_what_says_the_same_everywhere_is_passed_on_as_it_is() -> None:
    spec = a_spec()

    assert for_tenant([spec], DEV)[0] is spec
    assert is_plain(spec)
    assert not is_plain(a_spec(scope=("${stage}:x",)))
    assert not is_plain(a_spec(tenants=(where("dev"),)))


@pytest.mark.parametrize(
    ("lists", "tenants"),
    [
        ([], ["dev", "prod", "sandbox"]),
        ([["dev"]], ["dev"]),
        ([["d*", "prod"]], ["dev", "prod"]),
        ([["*"], ["s*"]], ["sandbox"]),
        ([["dev", "prod"], ["prod", "sandbox"]], ["prod"]),
        ([["dev"], ["prod"]], []),
    ],
    ids=["unsaid", "name", "pattern", "file and grant", "both have to fit", "nowhere"],
)
def test_a_grant_applies_where_the_file_and_the_grant_say(lists: list[list[str]], tenants: list[str]) -> None:
    spec = a_spec(tenants=tuple(where(*each) for each in lists))

    assert [name for name in BOTH.known if for_tenant([spec], TargetTenant(name, {}))] == tenants


def test_a_tenant_that_is_not_declared_is_a_problem_at_its_place() -> None:
    spec = a_spec(tenants=(where("dev", "pord", "x-*"),))

    assert said([spec]) == [
        'grants/a.yaml:1:2: the configuration does not declare the tenant "pord"; did you mean "prod"?',
        (
            'grants/a.yaml:1:3: the configuration does not declare the tenant "x-*"; '
            "declared tenants: dev, prod and sandbox"
        ),
    ]
    assert said([a_spec(tenants=(where("dev"),))], NOBODY) == [
        (
            'grants/a.yaml:1:1: the configuration does not declare the tenant "dev"; '
            'add your tenants to reconciler.yaml, or remove "tenants"'
        ),
    ]


def test_a_grant_that_applies_nowhere_is_a_problem() -> None:
    spec = a_spec(tenants=(where("dev"), where("prod", line=7)))

    assert said([spec]) == [
        (
            'grants/a.yaml:7:1: no tenant matches both "tenants" of the file and "tenants" of this grant; '
            "correct one of the two lists"
        ),
    ]


def test_a_variable_that_a_tenant_lacks_is_a_problem_that_names_the_tenant() -> None:
    spec = a_spec(client="Billing${suffix}", scope=("${stagee}:x",))

    assert said([spec]) == [
        'grants/a.yaml:2:5: prod has no variable "suffix"; define it under variables in reconciler.yaml',
        'grants/a.yaml:52:9: dev and prod have no variable "stagee"; did you mean "stage"?',
    ]


def test_a_variable_is_needed_only_where_its_grant_applies() -> None:
    spec = a_spec(client="Billing${suffix}", tenants=(where("dev", "sandbox"),))

    assert said([spec]) == []
    assert said([spec], TargetTenants((PROD,), BOTH.known)) == []


def test_without_tenants_only_the_domain_is_known() -> None:
    assert said([a_spec(audience="https://${domain}/", client_id="${x}")], NOBODY) == [
        'grants/a.yaml:3:5: the variable "x" is not defined; define it under variables in reconciler.yaml',
    ]
    assert NOBODY.targets == (ANY_TENANT,)


def test_organizations_may_differ_from_tenant_to_tenant() -> None:
    spec = a_spec(organizations=("acme-${stage}", "org_1"))
    dev, none = for_tenant([spec, a_spec(client="${stage}", organizations=())], DEV)

    assert not is_plain(spec)
    assert (dev.organizations, none.organizations) == (("acme-dev", "org_1"), ())
    assert said([a_spec(organizations=("x", "${stagee}"))])[0].startswith("grants/a.yaml:83:9: dev and prod have no")
