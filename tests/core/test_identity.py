import pytest

from reconciler.core.directory import Api
from reconciler.core.identity import (
    IdentityCheck,
    SameTenantError,
    cloud_of,
    identities_in,
    identity_of,
    management_api_identifier,
    same_tenant_error,
)
from reconciler.errors import ReconcilerError

PROD, DEV, CUSTOM = "prod.eu.auth0.com", "dev.eu.auth0.com", "login.example.com"
CHECK = IdentityCheck(
    tenant="prod",
    host=CUSTOM,
    file="reconciler.yaml",
    expected=PROD,
    source="canonical_domain",
    is_configured=True,
    others={DEV: "dev"},
)
UNNAMED = IdentityCheck(
    tenant=CUSTOM, host=CUSTOM, file="reconciler.yaml", others={DEV: "dev"}, unknown=("stage",), is_declared=False
)


@pytest.mark.parametrize(
    ("identifier", "identity"),
    [
        (f"https://{PROD}/api/v2/", PROD),
        ("https://PROD.eu.auth0.com.:443/api/v2/", PROD),
        ("https://127.0.0.1:8321/api/v2/", "127.0.0.1:8321"),
        (f"https://{PROD}/api/v2", None),
        (f"http://{PROD}/api/v2/", None),
        (f"https://user@{PROD}/api/v2/", None),
        (f"https://{PROD}/x/api/v2/", None),
        (f"https://{PROD}//api/v2/", None),
        ("https:///api/v2/", None),
        ("/api/v2/", None),
        ("", None),
    ],
)
def test_the_identity_is_the_host_of_the_management_api(identifier: str, identity: str | None) -> None:
    assert identity_of(identifier) == identity


def test_the_management_api_of_a_host_has_that_identity() -> None:
    assert identity_of(management_api_identifier(PROD)) == PROD


def test_only_system_apis_show_the_identity() -> None:
    own = Api(f"https://{PROD}/api/v2/", "Auth0 Management API", is_system=True)
    other_system = Api(f"https://{PROD}/my-org/", "My Organization", is_system=True)
    a_users = Api(f"https://{DEV}/api/v2/", "Mine")

    assert identities_in([own, other_system, a_users]) == {PROD}


@pytest.mark.parametrize("identities", [[PROD], []], ids=["same", "none"])
def test_the_expected_identity_and_an_unknown_one_are_accepted(identities: list[str]) -> None:
    CHECK.verify(identities)


@pytest.mark.parametrize(
    ("check", "identities", "message"),
    [
        (CHECK, ["x.eu.auth0.com"], f"identifies itself as x.eu.auth0.com, but canonical_domain says {PROD}"),
        (CHECK, [PROD, "x.eu.auth0.com"], "identifies itself as x.eu.auth0.com, but"),
        (CHECK, [DEV], "which is the domain of the tenant dev in reconciler.yaml; remove prod or dev"),
        (UNNAMED, [DEV], "which is the domain of the tenant dev in reconciler.yaml; use --tenant dev"),
        (UNNAMED, ["a.auth0.com", "b.auth0.com"], "identifies itself as a.auth0.com and as b.auth0.com"),
        (
            UNNAMED._replace(accepts_real_tenant=False),
            [PROD],
            "which reconciler.yaml does not declare; use --tenant NAME",
        ),
    ],
    ids=["other", "one-of-two", "declared", "declared-unnamed", "two", "not-a-sandbox"],
)
def test_an_unexpected_identity_is_refused(check: IdentityCheck, identities: list[str], message: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        check.verify(identities)

    assert message in str(caught.value)


def test_the_error_names_all_tenants_that_are_the_same() -> None:
    with pytest.raises(SameTenantError) as caught:
        CHECK.verify([DEV])

    assert caught.value.names == ("prod", "dev")
    assert str(same_tenant_error(PROD, ["a", "b"])).startswith("the tenants a and b are the same tenant: they identify")


@pytest.mark.parametrize(
    ("check", "identities", "notes"),
    [
        (CHECK, [PROD], []),
        (CHECK, [], [f"does not report its canonical domain, so canonical_domain ({PROD}) was not checked"]),
        (CHECK._replace(expected=None, is_configured=False), [], ["does not report its canonical domain"]),
        (CHECK._replace(is_configured=False), [PROD], [f"canonical_domain: {PROD} under the tenant prod"]),
        (CHECK._replace(is_configured=False, host=PROD), [PROD], []),
        (UNNAMED, ["other.example"], ["write canonical_domain: other.example for this tenant in reconciler.yaml"]),
        (
            UNNAMED,
            [PROD],
            [f"write canonical_domain: {PROD} for this tenant", f"{PROD} may be the declared tenant stage"],
        ),
        (UNNAMED._replace(expected=PROD, unknown=()), [PROD], []),
        (UNNAMED._replace(host="127.0.0.1:8321"), ["sandbox.localhost"], []),
    ],
)
def test_notes_describe_missing_comparisons_and_suggest_canonical_domain(
    check: IdentityCheck, identities: list[str], notes: list[str]
) -> None:
    found = check.notes(identities)

    assert len(found) == len(notes)
    assert all(part in note for part, note in zip(notes, found, strict=True))


@pytest.mark.parametrize(
    ("host", "cloud"),
    [
        ("acme.eu.auth0.com", "acme.eu.auth0.com"),
        ("acme.auth0.com", "acme.auth0.com"),
        ("t001.acme.auth0app.com", "acme.auth0app.com"),
        ("t002.acme.auth0app.com:8443", "acme.auth0app.com"),
        ("login.example.com", "example.com"),
        ("example.com", "example.com"),
        ("127.0.0.1:8001", "127.0.0.1"),
        ("localhost:8002", "localhost"),
    ],
)
def test_tenants_of_a_private_cloud_have_the_same_cloud(host: str, cloud: str) -> None:
    assert cloud_of(host) == cloud
