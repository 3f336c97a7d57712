from typing import Any

import pytest
from support.builders import INVOICES, OWN, a_directory, a_grant, a_key, a_spec, an_api, an_observed

from reconciler.core.checks import CHECKS, NotChecked, check
from reconciler.core.directory import CURRENT_USER_SCOPES, Application, Directory, TenantList
from reconciler.core.grant import ObservedGrant, by_key
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.resolve import resolve
from reconciler.core.spec import GrantSpec

DIRECTORY = a_directory(None, [an_api()])
MANAGEMENT = an_api(OWN.audience, "Auth0 Management API", scopes=frozenset({"read:clients"}), is_system=True)


def checked(spec: GrantSpec, directory: Directory = DIRECTORY, *observed: ObservedGrant) -> tuple[Problem, ...]:
    return both(spec, directory, *observed)[0]


def unchecked(spec: GrantSpec, directory: Directory, *observed: ObservedGrant) -> dict[str, str]:
    """What is not checked, with the reason."""
    return {each.what: each.why for each in both(spec, directory, *observed)[1]}


def both(
    spec: GrantSpec, directory: Directory, *observed: ObservedGrant
) -> tuple[tuple[Problem, ...], tuple[NotChecked, ...]]:
    desired, _ = resolve([spec], directory)
    return check(desired, by_key(observed), directory)


def test_a_scope_that_the_api_does_not_define_is_a_problem_where_it_would_be_added() -> None:
    (problem,) = checked(a_spec(scope=("read:invoices", "wrte:invoices")))

    assert problem == Problem(
        Source("grants/a.yaml", 53, 9),
        'the API "Invoices API" does not define the scope "wrte:invoices"',
        'did you mean "write:invoices"?',
    )


def test_it_is_a_warning_where_the_tenant_has_it_already() -> None:
    (problem,) = checked(a_spec(scope=("gone",)), DIRECTORY, an_observed(a_grant(scope=("gone",))))

    assert problem.severity is Severity.WARNING


def test_checks_whose_lists_were_not_read_are_reported_as_not_checked() -> None:
    refused = Directory(refused=frozenset({TenantList.APPLICATIONS}))

    assert checked(a_spec(), refused) == ()
    assert unchecked(a_spec(), refused) == {
        "the application exists": "the token may not list applications (read:clients)",
        "the application can hold grants": "the token may not list applications (read:clients)",
        "the API exists": "APIs were not listed",
        "no third party has access to Auth0's own APIs": "the token may not list applications (read:clients)",
        "the API defines the scopes": "APIs were not listed",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"scope": ()},
        {"default_for": "third_party_clients", "scope": ()},
        {"organization_usage": "allow", "allow_any_organization": True, "scope": ()},
        {"allow_all_scopes": True, "scope": ()},
    ],
    ids=str,
)
def test_of_a_new_grant_no_check_is_left_out_silently(fields: dict[str, Any]) -> None:
    spec = a_spec(**fields)
    complete = a_directory({"billing": "Billing"}, [an_api()])

    assert unchecked(spec, complete) == {}
    assert "the API exists" in unchecked(spec, a_directory({"billing": "Billing"}))
    assert ("the application exists" in unchecked(spec, DIRECTORY)) == ("default_for" not in fields)


def test_a_grant_that_the_tenant_has_needs_no_list() -> None:
    assert unchecked(a_spec(scope=()), a_directory(), an_observed(a_grant(scope=()))) == {}


def test_every_check_needs_a_list() -> None:
    assert all(row.needs for row in CHECKS)


def test_a_name_in_place_of_an_id_is_told_from_a_typo() -> None:
    directory = a_directory({"billing": "Billing"}, [an_api()])

    application, api = checked(a_spec(client_id="Billing", audience="Invoices API"), directory)

    assert application.fix == "this is an application name: use client instead of client_id"
    assert api.fix == "this is an API name: use api instead of audience"
    assert application.is_missing
    assert api.is_missing


THIRD = Directory((Application("partner", "Partner", is_third_party=True),), (an_api(), MANAGEMENT))
EXPRESS = Directory((Application("express", "Express", app_type="express_configuration"),), (an_api(),))


@pytest.mark.parametrize(
    ("spec", "directory", "what"),
    [
        (
            a_spec(client="Express"),
            EXPRESS,
            'Auth0 refuses grants for "Express", an application of type express_configuration',
        ),
        (
            a_spec(client_id="partner", audience=OWN.audience, scope=()),
            THIRD,
            'Auth0 refuses grants on its own API "Auth0 Management API" for third-party applications',
        ),
        (
            a_spec(client_id="partner", organization_usage="allow", allow_any_organization=True),
            THIRD,
            "Auth0 refuses allow_any_organization for third-party applications",
        ),
    ],
    ids=["type", "system API", "any organization"],
)
def test_refusals_that_depend_on_the_application_are_known_before(
    spec: GrantSpec, directory: Directory, what: str
) -> None:
    assert [problem.what for problem in checked(spec, directory)] == [what]


def test_a_system_api_refuses_a_list_with_a_scope_that_it_no_longer_defines() -> None:
    directory = a_directory({"billing": "Billing"}, [MANAGEMENT])
    observed = an_observed(a_grant(a_key(audience=OWN.audience), scope=("gone",)))
    unchanged = a_spec(audience=OWN.audience, scope=("gone",))
    widened = a_spec(audience=OWN.audience, scope=("gone", "read:clients"))

    (warning,), (error,) = checked(unchanged, directory, observed), checked(widened, directory, observed)

    assert (warning.severity, error.severity) == (Severity.WARNING, Severity.ERROR)
    assert error.what.endswith('does not define the scope "gone", and Auth0 refuses the whole list')


def test_other_apis_keep_a_scope_that_they_no_longer_define() -> None:
    observed = an_observed(a_grant(scope=("gone",)))

    (problem,) = checked(a_spec(scope=("gone", "read:invoices")), DIRECTORY, observed)

    assert problem.severity is Severity.WARNING


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
        'the API "Auth0 Management API" does not define the scope "read:clients"',
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

    assert problem.message == f'Auth0 refuses {refused} on its own API "Auth0 Management API"; remove it'


def test_the_my_organization_api_takes_organization_settings() -> None:
    api = an_api("https://sandbox.localhost/my-org/", is_system=True)

    assert checked(a_spec(audience=api.identifier, organization_usage="require"), a_directory(None, [api])) == ()


def test_a_system_api_has_no_grants_of_organizations() -> None:
    acme = "org_acmeacmeacmeacme"
    spec = a_spec(audience=OWN.audience, scope=("read:clients",), organizations=(acme,))

    (problem,) = checked(spec, a_directory(None, [MANAGEMENT]))

    assert problem.what == 'Auth0 refuses organizations on its own API "Auth0 Management API"'
    assert checked(spec._replace(organizations=()), a_directory(None, [MANAGEMENT])) == ()
