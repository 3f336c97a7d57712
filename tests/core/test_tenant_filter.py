import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_spec

from reconciler.core.problems import Source
from reconciler.core.spec import GrantSpec, TenantPattern, TenantPatterns
from reconciler.core.tenant_filter import (
    ANY_TENANT,
    INVALID_PLACEHOLDER,
    NO_TENANTS,
    TargetTenant,
    TargetTenants,
    escape_variables,
    find_tenant_problems,
    insert_variables,
    is_same_for_all_tenants,
    select_for_tenant,
    substitute,
    variable_names,
)

DEV = TargetTenant("dev", {"domain": "dev.example", "stage": "dev", "suffix": " (dev)"})
PROD = TargetTenant("prod", {"domain": "prod.example", "stage": "live"})
BOTH = TargetTenants((DEV, PROD), ("dev", "prod", "sandbox"))


def tenant_patterns(*texts: str, line: int = 1) -> TenantPatterns:
    return TenantPatterns(
        TenantPattern(text, Source("grants/a.yaml", line, place)) for place, text in enumerate(texts, 1)
    )


def messages(specs: list[GrantSpec], tenants: TargetTenants = BOTH) -> list[str]:
    return [f"{problem.source}: {problem.message}" for problem in find_tenant_problems(specs, tenants)]


def test_variables_are_substituted_in_names_ids_and_scopes() -> None:
    by_names = a_spec(client="Billing${suffix}", api="${stage} API", scope=("${stage}:x", "y"), description="${stage}")
    by_ids = a_spec(client_id="${stage}", audience="https://${domain}/api/v2/")

    names, ids = select_for_tenant([by_names, by_ids], DEV)

    assert (names.client, names.api, names.scope) == ("Billing (dev)", "dev API", ("dev:x", "y"))
    assert (ids.client_id, ids.audience) == ("dev", "https://dev.example/api/v2/")
    assert names.description == "${stage}"
    assert names.source_of("client") == by_names.source_of("client")


def test_a_value_is_not_substituted_again() -> None:
    (spec,) = select_for_tenant([a_spec(client_id="${a}")], TargetTenant("t", {"a": "${b}", "b": "c"}))

    assert spec.client_id == "${b}"


def test_a_double_dollar_sign_is_an_escape() -> None:
    (spec,) = select_for_tenant([a_spec(client_id="$${stage}")], DEV)

    assert spec.client_id == "${stage}"


def test_a_spec_without_variables_is_returned_unchanged() -> None:
    spec = a_spec()

    assert select_for_tenant([spec], DEV)[0] is spec
    assert is_same_for_all_tenants(spec)
    assert not is_same_for_all_tenants(a_spec(scope=("${stage}:x",)))
    assert not is_same_for_all_tenants(a_spec(tenants=(tenant_patterns("dev"),)))


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
    ids=["undeclared", "name", "pattern", "file and grant", "both lists", "no tenant"],
)
def test_a_grant_applies_to_tenants_that_match_both_lists(lists: list[list[str]], tenants: list[str]) -> None:
    spec = a_spec(tenants=tuple(tenant_patterns(*each) for each in lists))

    assert [name for name in BOTH.known if select_for_tenant([spec], TargetTenant(name, {}))] == tenants


def test_an_undeclared_tenant_is_a_problem_at_its_position() -> None:
    spec = a_spec(tenants=(tenant_patterns("dev", "pord", "x-*"),))

    assert messages([spec]) == [
        'grants/a.yaml:1:2: the configuration does not declare the tenant "pord"; did you mean "prod"?',
        (
            'grants/a.yaml:1:3: the configuration does not declare the tenant "x-*"; '
            "declared tenants: dev, prod and sandbox"
        ),
    ]
    assert messages([a_spec(tenants=(tenant_patterns("dev"),))], NO_TENANTS) == [
        (
            'grants/a.yaml:1:1: the configuration does not declare the tenant "dev"; '
            'add your tenants to reconciler.yaml, or remove "tenants"'
        ),
    ]


def test_a_grant_that_applies_to_no_tenant_is_a_problem() -> None:
    spec = a_spec(tenants=(tenant_patterns("dev"), tenant_patterns("prod", line=7)))

    assert messages([spec]) == [
        (
            'grants/a.yaml:7:1: no tenant matches both "tenants" of the file and "tenants" of this grant; '
            "correct one of the two lists of tenants"
        ),
    ]


def test_an_undefined_variable_is_a_problem_that_names_the_tenants() -> None:
    spec = a_spec(client="Billing${suffix}", scope=("${stagee}:x",))

    assert messages([spec]) == [
        'grants/a.yaml:2:5: prod has no variable "suffix"; define the variable under `variables` in reconciler.yaml',
        'grants/a.yaml:52:9: dev and prod have no variable "stagee"; did you mean "stage"?',
    ]


def test_a_variable_is_needed_only_for_tenants_of_its_grant() -> None:
    spec = a_spec(client="Billing${suffix}", tenants=(tenant_patterns("dev", "sandbox"),))

    assert messages([spec]) == []
    assert messages([spec], TargetTenants((PROD,), BOTH.known)) == []


def test_without_tenants_only_the_variable_domain_is_defined() -> None:
    assert messages([a_spec(audience="https://${domain}/", client_id="${x}")], NO_TENANTS) == [
        'grants/a.yaml:3:5: the variable "x" is not defined; define the variable under `variables` in reconciler.yaml',
    ]
    assert NO_TENANTS.targets == (ANY_TENANT,)


def test_variables_are_substituted_in_organizations() -> None:
    spec = a_spec(organizations=("acme-${stage}", "org_1"))
    dev, none = select_for_tenant([spec, a_spec(client="${stage}", organizations=())], DEV)

    assert not is_same_for_all_tenants(spec)
    assert (dev.organizations, none.organizations) == (("acme-dev", "org_1"), ())
    assert messages([a_spec(organizations=("x", "${stagee}"))])[0].startswith(
        "grants/a.yaml:83:9: dev and prod have no"
    )


VALUES = {"stage": "dev", "n": "${stage}"}
texts = st.text(alphabet="${}ab_1-é", max_size=12)


@pytest.mark.parametrize(
    ("text", "names", "result"),
    [
        ("plain", [], "plain"),
        ("${stage}", ["stage"], "dev"),
        ("a-${stage}-${stage}", ["stage", "stage"], "a-dev-dev"),
        ("${other}${stage}", ["other", "stage"], "${other}dev"),
        ("$${stage}", [], "${stage}"),
        ("$$${stage}", [], "$${stage}"),
        ("$${${stage}", ["stage"], "${dev"),
        ("$stage {stage} $$ $", [], "$stage {stage} $$ $"),
        ("${n}", ["n"], "${stage}"),
    ],
)
def test_variables_are_substituted(text: str, names: list[str], result: str) -> None:
    assert (list(variable_names(text)), substitute(text, VALUES)) == (names, result)


@given(texts)
def test_every_text_can_be_escaped(text: str) -> None:
    assert substitute(escape_variables(text), VALUES) == text
    assert variable_names(escape_variables(text)) == ()
    assert not re.search(INVALID_PLACEHOLDER, escape_variables(text))


@given(texts)
def test_an_opening_without_a_valid_name_is_an_invalid_placeholder(text: str) -> None:
    openings, escaped = text.count("${"), text.count("$${")

    assert bool(re.search(INVALID_PLACEHOLDER, text)) is (openings > escaped + len(variable_names(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Billing", "${app}"),
        ("Billing Worker", "Billing Worker"),
        ("acme.eu.auth0.com", "${domain}"),
        ("https://acme.eu.auth0.com/api/v2/", "https://${domain}/api/v2/"),
        ("${x}", "$${x}"),
        ("$acme.eu.auth0.com", "$acme.eu.auth0.com"),
        ("read", "${a}"),
    ],
)
def test_variables_are_inserted_for_values(text: str, expected: str) -> None:
    values = {"domain": "acme.eu.auth0.com", "app": "Billing", "b": "read", "a": "read"}

    assert insert_variables(text, values) == expected


@given(texts, st.dictionaries(st.sampled_from(["a", "b", "domain"]), texts | st.sampled_from(["a", "$", "{"])))
def test_substituting_inserted_variables_restores_the_text(text: str, values: dict[str, str]) -> None:
    with_variables = insert_variables(text, values)

    assert substitute(with_variables, values) == text
    assert set(variable_names(with_variables)) <= values.keys()
    assert not re.search(INVALID_PLACEHOLDER, with_variables)
