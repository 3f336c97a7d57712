from typing import Any

import pytest
from support.builders import INVOICES, OWN, a_directory, a_grant, a_key, a_spec, an_api, an_observed

from reconciler.core.checks import check
from reconciler.core.desired import resolve
from reconciler.core.directory import CURRENT_USER_SCOPES, Directory
from reconciler.core.grant import ObservedGrant, by_key
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.spec import GrantSpec

DIRECTORY = a_directory(None, [an_api()])
MANAGEMENT = an_api(OWN.audience, "Auth0 Management API", scopes=frozenset({"read:clients"}), is_system=True)


def checked(spec: GrantSpec, directory: Directory = DIRECTORY, *observed: ObservedGrant) -> tuple[Problem, ...]:
    desired, _ = resolve([spec], directory)
    return check(desired, by_key(observed), directory)


def test_a_scope_that_the_api_does_not_define_is_a_problem_where_it_would_be_added() -> None:
    (problem,) = checked(a_spec(scope=("read:invoices", "wrte:invoices")))

    assert problem == Problem(
        Source("grants/a.yaml", 53, 9),
        'the API "Invoices API" defines no scope "wrte:invoices"',
        'did you mean "write:invoices"?',
    )


def test_it_is_a_warning_where_the_tenant_has_it_already() -> None:
    (problem,) = checked(a_spec(scope=("gone",)), DIRECTORY, an_observed(a_grant(scope=("gone",))))

    assert problem.severity is Severity.WARNING


def test_nothing_is_checked_against_lists_that_were_not_read() -> None:
    assert checked(a_spec(scope=("anything",)), a_directory()) == ()


def test_an_identifier_that_no_api_has_is_a_problem() -> None:
    (problem,) = checked(a_spec(audience=f"{INVOICES}s"))

    assert problem.what == f'the tenant has no API with identifier "{INVOICES}s"'
    assert problem.fix == f'did you mean "{INVOICES}"?'


def test_a_grant_that_outlived_its_api_is_a_warning() -> None:
    grant = a_grant(a_key(audience="urn:gone"))

    (problem,) = checked(a_spec(audience="urn:gone"), DIRECTORY, an_observed(grant))

    assert problem.severity is Severity.WARNING


def test_an_id_that_no_application_has_is_a_problem() -> None:
    (problem,) = checked(a_spec(client_id="biling"), a_directory({"billing": "Billing"}))

    assert problem.message == 'the tenant has no application with id "biling"; did you mean "billing"?'


def test_users_are_granted_the_management_apis_own_user_scopes() -> None:
    directory = a_directory(None, [MANAGEMENT])
    scopes = (*sorted(CURRENT_USER_SCOPES), "read:clients")

    problems = checked(a_spec(audience=OWN.audience, subject_type="user", scope=scopes), directory)

    assert [problem.what for problem in problems] == [
        'the API "Auth0 Management API" defines no scope "read:clients"',
    ]


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"allow_all_scopes": True, "scope": ()}, "allow_all_scopes"),
        ({"organization_usage": "allow"}, "organization_usage"),
        ({"default_for": "third_party_clients"}, "default_for"),
    ],
    ids=["all scopes", "organizations", "default"],
)
def test_what_auth0_refuses_on_its_own_apis_is_a_problem(fields: dict[str, Any], refused: str) -> None:
    fields = {"scope": ("read:clients",), **fields}

    (problem,) = checked(a_spec(audience=OWN.audience, **fields), a_directory(None, [MANAGEMENT]))

    assert problem.message == f'Auth0 refuses {refused} on its own API "Auth0 Management API"; leave it out'


def test_the_my_organization_api_takes_organization_settings() -> None:
    api = an_api("https://sandbox.localhost/my-org/", is_system=True)

    assert checked(a_spec(audience=api.identifier, organization_usage="require"), a_directory(None, [api])) == ()


def test_a_system_api_has_no_grants_of_organizations() -> None:
    acme = "org_acmeacmeacmeacme"
    spec = a_spec(audience=OWN.audience, scope=("read:clients",), organizations=(acme,))

    (problem,) = checked(spec, a_directory(None, [MANAGEMENT]))

    assert problem.what == 'Auth0 refuses organizations on its own API "Auth0 Management API"'
    assert checked(spec._replace(organizations=()), a_directory(None, [MANAGEMENT])) == ()
