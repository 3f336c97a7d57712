from typing import Any

import pytest
from support.builders import INVOICES, OWN, a_directory, a_grant, a_key, a_spec, an_api, an_observed

from reconciler.core.checks import CHECKS, NotChecked, run_checks
from reconciler.core.directory import CURRENT_USER_SCOPES, Application, Directory, TenantList
from reconciler.core.grant import ObservedGrant, index_by_key
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.resolve import resolve
from reconciler.core.spec import GrantSpec

DIRECTORY = a_directory(None, [an_api()])
MANAGEMENT = an_api(OWN.audience, "Auth0 Management API", scopes=frozenset({"read:clients"}), is_system=True)


def checked(spec: GrantSpec, directory: Directory = DIRECTORY, *observed: ObservedGrant) -> tuple[Problem, ...]:
    return both(spec, directory, *observed)[0]


def unchecked(spec: GrantSpec, directory: Directory, *observed: ObservedGrant) -> dict[str, str]:
    """Return the reasons of skipped checks by the name of the check."""
    return {each.what: each.why for each in both(spec, directory, *observed)[1]}


def both(
    spec: GrantSpec, directory: Directory, *observed: ObservedGrant
) -> tuple[tuple[Problem, ...], tuple[NotChecked, ...]]:
    desired, _ = resolve([spec], directory)
    return run_checks(desired, index_by_key(observed), directory)


def test_an_undefined_scope_is_a_problem_if_the_plan_adds_it() -> None:
    (problem,) = checked(a_spec(scope=("read:invoices", "wrte:invoices")))

    assert problem == Problem(
        Source("grants/a.yaml", 53, 9),
        'the API "Invoices API" does not define the scope "wrte:invoices"',
        'did you mean "write:invoices"?',
    )


def test_many_undefined_scopes_of_one_grant_are_one_problem_with_a_count() -> None:
    scopes = tuple(f"invented:{number:03}" for number in range(257))
    error, warning = checked(
        a_spec(scope=("read:invoices", *scopes)), DIRECTORY, an_observed(a_grant(scope=scopes[:5]))
    )

    listed = ", ".join(scopes[5:15])
    assert error == Problem(
        Source("grants/a.yaml", 58, 9),
        f'the API "Invoices API" does not define 252 scopes of this grant: {listed} and 242 more',
        "define the scopes on the API first, or remove the scopes from the grant",
    )
    first = ", ".join(scopes[:4])
    assert warning.severity is Severity.WARNING
    assert warning.what == f'the API "Invoices API" does not define 5 scopes of this grant: {first} and {scopes[4]}'


def test_a_few_undefined_scopes_are_reported_at_their_lines() -> None:
    problems = checked(a_spec(scope=("a", "b", "c")))
    assert [problem.source.line for problem in problems] == [52, 53, 54]


def test_an_undefined_scope_is_a_warning_if_the_tenant_already_has_it() -> None:
    (problem,) = checked(a_spec(scope=("gone",)), DIRECTORY, an_observed(a_grant(scope=("gone",))))

    assert problem.severity is Severity.WARNING


def test_checks_whose_lists_were_not_read_are_reported_as_not_checked() -> None:
    refused = Directory(refused=frozenset({TenantList.APPLICATIONS}))

    assert checked(a_spec(), refused) == ()
    assert unchecked(a_spec(), refused) == {
        "the application exists": "the token lacks the permission read:clients to list applications",
        "the application can hold grants": "the token lacks the permission read:clients to list applications",
        "the API exists": "APIs were not listed",
        "no third party has access to Auth0's own APIs": (
            "the token lacks the permission read:clients to list applications"
        ),
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
def test_every_skipped_check_of_a_new_grant_is_reported(fields: dict[str, Any]) -> None:
    spec = a_spec(**fields)
    complete = a_directory({"billing": "Billing"}, [an_api()])

    assert unchecked(spec, complete) == {}
    assert "the API exists" in unchecked(spec, a_directory({"billing": "Billing"}))
    assert ("the application exists" in unchecked(spec, DIRECTORY)) == ("default_for" not in fields)


def test_an_existing_unchanged_grant_needs_no_list() -> None:
    assert unchecked(a_spec(scope=()), a_directory(), an_observed(a_grant(scope=()))) == {}


def test_every_check_needs_a_list() -> None:
    assert all(row.needs for row in CHECKS)


def test_a_name_in_an_id_field_gets_its_own_advice() -> None:
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
def test_grants_that_auth0_refuses_for_an_application_are_problems(
    spec: GrantSpec, directory: Directory, what: str
) -> None:
    assert [problem.what for problem in checked(spec, directory)] == [what]


def test_an_undefined_scope_of_a_system_api_is_an_error_if_the_plan_sends_the_scopes() -> None:
    directory = a_directory({"billing": "Billing"}, [MANAGEMENT])
    observed = an_observed(a_grant(a_key(audience=OWN.audience), scope=("gone",)))
    unchanged = a_spec(audience=OWN.audience, scope=("gone",))
    widened = a_spec(audience=OWN.audience, scope=("gone", "read:clients"))

    (warning,), (error,) = checked(unchanged, directory, observed), checked(widened, directory, observed)

    assert (warning.severity, error.severity) == (Severity.WARNING, Severity.ERROR)
    assert error.what.endswith('does not define the scope "gone", so Auth0 refuses the whole list of scopes')


def test_an_existing_undefined_scope_of_a_custom_api_is_a_warning() -> None:
    observed = an_observed(a_grant(scope=("gone",)))

    (problem,) = checked(a_spec(scope=("gone", "read:invoices")), DIRECTORY, observed)

    assert problem.severity is Severity.WARNING


def test_an_unknown_api_identifier_is_a_problem() -> None:
    (problem,) = checked(a_spec(audience=f"{INVOICES}s"))

    assert problem.what == f'the tenant has no API with identifier "{INVOICES}s"'
    assert problem.fix == f'did you mean "{INVOICES}"?'


def test_an_existing_grant_on_a_deleted_api_is_a_warning() -> None:
    grant = a_grant(a_key(audience="urn:gone"))

    (problem,) = checked(a_spec(audience="urn:gone"), DIRECTORY, an_observed(grant))

    assert problem.severity is Severity.WARNING


def test_an_unknown_client_id_is_a_problem() -> None:
    (problem,) = checked(a_spec(client_id="biling"), a_directory({"billing": "Billing"}))

    assert problem.message == 'the tenant has no application with id "biling"; did you mean "billing"?'


def test_users_may_have_the_user_scopes_of_the_management_api() -> None:
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
def test_settings_that_auth0_refuses_on_its_own_apis_are_problems(fields: dict[str, Any], refused: str) -> None:
    fields = {"scope": ("read:clients",), **fields}

    (problem,) = checked(a_spec(audience=OWN.audience, **fields), a_directory(None, [MANAGEMENT]))

    assert problem.message == f'Auth0 refuses {refused} on its own API "Auth0 Management API"; remove it'


def test_the_my_organization_api_accepts_organization_settings() -> None:
    api = an_api("https://sandbox.localhost/my-org/", is_system=True)

    assert checked(a_spec(audience=api.identifier, organization_usage="require"), a_directory(None, [api])) == ()


def test_organizations_are_refused_on_a_system_api() -> None:
    acme = "org_acmeacmeacmeacme"
    spec = a_spec(audience=OWN.audience, scope=("read:clients",), organizations=(acme,))

    (problem,) = checked(spec, a_directory(None, [MANAGEMENT]))

    assert problem.what == 'Auth0 refuses organizations on its own API "Auth0 Management API"'
    assert checked(spec._replace(organizations=()), a_directory(None, [MANAGEMENT])) == ()
