"""Access to Auth0's own APIs and to administration must not look harmless in a review."""

import pytest
from support.builders import INVOICES, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed

from reconciler.core.directory import Directory
from reconciler.core.problems import Level, Risk

TENANT = "https://example.eu.auth0.com"
MY_ORGANIZATION = f"{TENANT}/my-org/"
MY_ACCOUNT = f"{TENANT}/me/"
MFA = f"{TENANT}/mfa/"
EXPRESS = "urn:auth0:express-configure"


def risks(audience: str, *scopes: str, directory: Directory | None = None) -> tuple[Risk, ...]:
    plan = a_plan([a_spec(audience=audience, scope=scopes)], directory=directory)
    (found,) = plan.risks.values() or [()]
    return found


@pytest.mark.parametrize(
    ("audience", "scope", "level"),
    [
        (MY_ORGANIZATION, "create:my_org:identity_providers", Level.CRITICAL),
        (MY_ORGANIZATION, "create:my_org:member_invitations", Level.CRITICAL),
        (MY_ORGANIZATION, "delete:my_org:identity_providers", Level.HIGH),
        (MY_ORGANIZATION, "create:my_org:something_new", Level.HIGH),
        (MY_ORGANIZATION, "read:my_org:details", Level.LOW),
        (MY_ACCOUNT, "create:me:authentication_methods", Level.CRITICAL),
        (MY_ACCOUNT, "create:me:authentication-methods", Level.CRITICAL),
        (MY_ACCOUNT, " create:me:authentication_methods ", Level.CRITICAL),
        (MY_ACCOUNT, "delete:me:authentication_methods", Level.HIGH),
        (MY_ACCOUNT, "read:me:factors", Level.LOW),
        (MFA, "enroll", Level.CRITICAL),
        (MFA.removesuffix("/"), "enroll", Level.CRITICAL),
        (MFA, "remove:authenticators", Level.HIGH),
        (MFA, "read:authenticators", Level.LOW),
        (EXPRESS, "express:upsert-oidc-idps", Level.CRITICAL),
    ],
)
def test_scopes_of_a_system_api_are_graded(audience: str, scope: str, level: Level) -> None:
    (risk,) = (each for each in risks(audience, scope) if each.rule != "unusual-scope")

    assert risk.rule.startswith("system-api-")
    assert risk.level is level
    assert scope.strip() in risk.message


def test_a_grant_on_a_system_api_without_scopes_is_access() -> None:
    assert [risk.rule for risk in risks(MY_ACCOUNT)] == ["system-api-access"]


def test_only_added_scopes_are_graded() -> None:
    before = a_grant(a_key(audience=MY_ORGANIZATION), scope=("create:my_org:identity_providers",))
    spec = a_spec(audience=MY_ORGANIZATION, scope=("create:my_org:identity_providers", "read:my_org:details"))

    (found,) = a_plan([spec], [an_observed(before)]).risks.values()

    assert [risk.rule for risk in found] == ["system-api-access"]


def test_a_custom_api_with_a_similar_identifier_is_graded_by_known_scopes_only() -> None:
    scopes = frozenset({"read:profile", "create:me:authentication_methods"})
    api = an_api("https://api.example.com/me/", scopes=scopes)
    directory = a_directory({"billing": "Billing"}, [api])

    assert risks(api.identifier, "read:profile", directory=directory) == ()
    (risk,) = risks(api.identifier, "create:me:authentication_methods", directory=directory)
    assert risk.level is Level.CRITICAL


def test_a_listed_system_api_is_graded_completely() -> None:
    api = an_api(MY_ACCOUNT, scopes=frozenset({"create:me:new"}), is_system=True)

    (risk,) = risks(MY_ACCOUNT, "create:me:new", directory=a_directory({"billing": "Billing"}, [api]))

    assert risk.level is Level.HIGH


@pytest.mark.parametrize("scope", ["impersonate", "full_access", "owner", "superadmin", "SuperAdmin", "users:full"])
@pytest.mark.parametrize("audience", [INVOICES, MY_ORGANIZATION])
def test_an_administrative_scope_is_a_risk_on_any_api(audience: str, scope: str) -> None:
    assert "administration" in [risk.rule for risk in risks(audience, scope)]
