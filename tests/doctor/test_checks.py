from typing import Any

import jwt
import pytest

from reconciler.auth0.probe import Certificate, FirstResponse
from reconciler.core.identity import IdentityCheck
from reconciler.core.problems import Finding, Status
from reconciler.core.tenant import Tenant
from reconciler.doctor.checks import AT_THE_TENANT, permission_findings, skipped_findings, tenant_findings
from reconciler.doctor.probe import ProbedListing, ProbedToken, ProbeFailed, ProbeSkipped, TenantProbe
from reconciler.http.proxy import Proxy
from reconciler.http.retry_hints import RateLimitHeaders
from reconciler.observe import RequiredListings

NOW = 1_790_000_000.0
DAY = 86_400.0
PATTERNS = Finding("patterns", Status.OK, "")
LIMITED = RateLimitHeaders(limit=50, remaining=40)


def a_token(*, renewable: bool = True, **claims: Any) -> ProbedToken:
    all_claims = {"azp": "own", "aud": "https://x.auth0.com/api/v2/", "scope": "", **claims}
    return ProbedToken(jwt.encode(all_claims, "x" * 32), renewable=renewable)


def a_tenant_probe(**fields: Any) -> TenantProbe:
    defaults = {
        "tenant": Tenant(name="x", domain="x.auth0.com"),
        "proxy": None,
        "proxy_notes": (),
        "addresses": ("192.0.2.1",),
        "credentials": "a client secret",
        "first_response": FirstResponse(NOW, NOW, NOW, Certificate("TLSv1.3", NOW + 90 * DAY)),
        "token": a_token(exp=NOW + DAY),
        "listing": ProbedListing("", "", LIMITED),
    }
    return TenantProbe(**{**defaults, **fields})


def finding_of(check: str, **fields: Any) -> Finding:
    needs = RequiredListings(application_names=False, api_names=False, apis=False)
    (finding,) = [each for each in tenant_findings(a_tenant_probe(**fields), needs, PATTERNS) if each.check == check]
    return finding


def test_each_check_has_one_finding_in_a_fixed_order() -> None:
    needs = RequiredListings(application_names=False, api_names=False, apis=False)

    assert tuple(each.check for each in tenant_findings(a_tenant_probe(), needs, PATTERNS)) == AT_THE_TENANT
    assert tuple(each.check for each in skipped_findings("no tenant")) == AT_THE_TENANT


EXPECTED = IdentityCheck(
    tenant="x", host="login.example.com", file="reconciler.yaml", expected="x.auth0.com", source="canonical_domain"
)


@pytest.mark.parametrize(
    ("identity", "audience", "status", "text"),
    [
        (EXPECTED._replace(is_configured=True), "https://x.auth0.com/api/v2/", Status.OK, "x.auth0.com"),
        (EXPECTED, "https://x.auth0.com/api/v2/", Status.WARNING, "identifies itself as x.auth0.com"),
        (EXPECTED, "https://y.auth0.com/api/v2/", Status.FAILED, "but canonical_domain says x.auth0.com"),
        (EXPECTED, "urn:x", Status.SKIPPED, "does not identify its tenant"),
        (None, "https://x.auth0.com/api/v2/", Status.OK, "a sandbox"),
    ],
    ids=["same", "not configured", "other", "unknown", "sandbox"],
)
def test_the_identity_of_the_token_is_compared_with_the_configuration(
    identity: IdentityCheck | None, audience: str, status: Status, text: str
) -> None:
    finding = finding_of("identity", identity=identity, token=a_token(aud=audience))

    assert (finding.status, bool(finding.advice)) == (status, status in {Status.WARNING, Status.FAILED})
    assert text in finding.found


def test_credentials_without_a_domain_in_the_environment_are_a_warning() -> None:
    finding = finding_of("credentials", unconfirmed=("X_DOMAIN is not set", "set X_DOMAIN"))

    assert finding == Finding("credentials", Status.WARNING, "a client secret; X_DOMAIN is not set", "set X_DOMAIN")


@pytest.mark.parametrize(
    ("first_response", "status", "text"),
    [
        (FirstResponse(NOW, NOW + 0.2, NOW), Status.OK, "equal to the tenant's clock"),
        (FirstResponse(NOW, NOW + 30, NOW + 15), Status.OK, "equal to the tenant's clock"),
        (FirstResponse(NOW, NOW, NOW - 5), Status.OK, "4 s off"),
        (FirstResponse(NOW, NOW, NOW + 8), Status.OK, "8 s off"),
        (FirstResponse(NOW, NOW + 2, NOW - 100), Status.WARNING, "1 min 39 s ahead of the tenant's clock"),
        (FirstResponse(NOW - 2, NOW, NOW + 100), Status.WARNING, "1 min 40 s behind the tenant's clock"),
        (FirstResponse(NOW, NOW, NOW - 11), Status.OK, "10 s off"),
        (FirstResponse(NOW, NOW, NOW - 11.5), Status.WARNING, "10 s ahead of the tenant's clock"),
        (FirstResponse(NOW, NOW, None), Status.SKIPPED, "the response does not contain the tenant's time"),
        (ProbeFailed("x", "y"), Status.SKIPPED, "no connection"),
    ],
    ids=["same", "slow", "little", "little-back", "ahead", "behind", "just", "too-much", "untold", "unconnected"],
)
def test_the_clock_difference_excludes_the_duration_of_the_request(
    first_response: FirstResponse | ProbeFailed, status: Status, text: str
) -> None:
    finding = finding_of("clock", first_response=first_response)

    assert (finding.status, finding.found) == (status, text)
    assert bool(finding.advice) is (status is Status.WARNING)


@pytest.mark.parametrize(
    ("days", "status", "text"),
    [
        (90, Status.OK, "TLSv1.3; the certificate is valid until 2026-12-20 (90 days)"),
        (14, Status.OK, "(14 days)"),
        (13.9, Status.WARNING, "(13 days)"),
        (1, Status.WARNING, "(1 day)"),
    ],
)
def test_a_certificate_that_expires_soon_is_a_warning(days: float, status: Status, text: str) -> None:
    first_response = FirstResponse(NOW, NOW, NOW, Certificate("TLSv1.3", NOW + days * DAY))
    finding = finding_of("connection", first_response=first_response)

    assert finding.status is status
    assert finding.found.endswith(text)


def test_a_connection_without_tls_is_described() -> None:
    bare = FirstResponse(NOW, NOW, NOW)

    assert finding_of("connection", first_response=bare).found == "plain http, which is used on loopback only"
    assert finding_of("connection", first_response=bare, addresses=ProbeSkipped("x")).found == "inside this process"


@pytest.mark.parametrize(
    ("token", "status", "text"),
    [
        (a_token(exp=NOW + 23 * 3600 + 59 * 60 + 30), Status.OK, "fetched, valid for 23 h 59 min"),
        (a_token(exp=NOW + 60), Status.OK, "fetched, valid for 1 min"),
        (a_token(exp=NOW + 600, renewable=False), Status.OK, "from the environment, valid for 10 min"),
        (a_token(exp=NOW + 599, renewable=False), Status.WARNING, "from the environment, valid for 9 min 59 s"),
        (a_token(exp=NOW, renewable=False), Status.FAILED, "the token expired 0 s ago"),
        (a_token(exp=NOW - 3 * DAY, renewable=False), Status.FAILED, "the token expired 3 d ago"),
        (a_token(renewable=False), Status.OK, "from the environment; the expiry is unknown"),
        (a_token(exp=10**30), Status.OK, "fetched; the expiry is unknown"),
        (a_token(aud="https://other"), Status.FAILED, "the access token is not for the Management API"),
        (ProbedToken("a.b.c", renewable=False), Status.FAILED, "the access token is not a JWT"),
    ],
    ids=[
        "day",
        "short",
        "fixed",
        "fixed and short",
        "just expired",
        "expired",
        "no expiry",
        "invalid expiry",
        "other API",
        "not a JWT",
    ],
)
def test_the_expiry_of_a_token_is_compared_with_the_tenants_clock(
    token: ProbedToken, status: Status, text: str
) -> None:
    finding = finding_of("token", token=token)

    assert finding.status is status
    assert finding.found.startswith(text)


def test_without_a_connection_the_expiry_time_of_a_token_is_shown() -> None:
    finding = finding_of("token", token=a_token(exp=NOW, renewable=False), first_response=ProbeFailed("x", "y"))

    assert (finding.status, finding.found) == (Status.OK, "from the environment; valid until 2026-09-21 14:13 UTC")


def test_the_local_clock_is_used_if_the_tenant_returns_no_time() -> None:
    finding = finding_of("token", token=a_token(exp=NOW + 90), first_response=FirstResponse(NOW, NOW, None))

    assert finding.found == "fetched, valid for 1 min 30 s"


def test_the_rate_limit_finding_shows_the_share_of_other_programs() -> None:
    assert (
        finding_of("rate limit").found == "40 of 50 requests left; runs leave 12 to other programs (see --rate-share)"
    )


def test_missing_rate_headers_are_a_warning() -> None:
    assert finding_of("rate limit", listing=ProbedListing("", "", RateLimitHeaders())).status is Status.WARNING


def test_a_refused_listing_fails_with_advice() -> None:
    refused = ProbedListing("403 no", "add it", LIMITED)

    assert finding_of("API", listing=refused) == Finding("API", Status.FAILED, "403 no", "add it")
    assert finding_of("rate limit", listing=refused).status is Status.OK


def test_ignored_entries_of_no_proxy_are_a_warning() -> None:
    finding = finding_of("proxy", proxy_notes=('NO_PROXY: ignored "[x"',))

    assert (finding.status, finding.found) == (Status.WARNING, 'none; NO_PROXY: ignored "[x"')


def test_the_proxy_is_shown() -> None:
    proxy = Proxy("HTTPS_PROXY", "http", "p", 1)

    assert finding_of("proxy", proxy=proxy).found == "http://p:1, from HTTPS_PROXY"
    assert finding_of("name resolution", proxy=proxy, addresses=("a", "b", "c")).found.startswith(
        "a and 2 more; this is"
    )


def test_a_failure_is_reported_once_and_dependent_checks_are_skipped() -> None:
    failed, skipped = ProbeFailed("x", "y"), ProbeSkipped("z")
    needs = RequiredListings(application_names=True, api_names=True, apis=True)
    probe = a_tenant_probe(addresses=failed, credentials=failed, first_response=skipped, token=skipped, listing=skipped)

    findings = tenant_findings(probe, needs, Finding("patterns", Status.SKIPPED, ""))

    assert [each.status for each in findings].count(Status.FAILED) == 2
    assert {each.status for each in findings[3:]} == {Status.SKIPPED}


def test_the_repr_of_a_probed_token_does_not_contain_the_token() -> None:
    assert a_token().text not in repr(a_tenant_probe(token=a_token()))


READING = "read:client_grants read:clients read:resource_servers"
WRITING = "create:client_grants update:client_grants delete:client_grants"
NOTHING = RequiredListings(application_names=False, api_names=False, apis=False)
NAMES = RequiredListings(application_names=True, api_names=True, apis=True)


def a_token_with(**claims: object) -> ProbedToken:
    return ProbedToken(jwt.encode(claims, "x" * 32), renewable=True)


def findings_for(scope: str, needs: RequiredListings = NAMES) -> list[tuple[Status, str]]:
    return [(each.status, each.found) for each in permission_findings(a_token_with(scope=scope), needs)]


def test_exactly_the_needed_permissions_are_ok() -> None:
    assert [status for status, _ in findings_for(f"{READING} {WRITING}")] == [Status.OK] * 3


def test_a_missing_permission_to_read_grants_is_a_failure() -> None:
    assert findings_for("", NOTHING)[0] == (Status.FAILED, "the token lacks read:client_grants")


@pytest.mark.parametrize(
    ("needs", "status", "finding_of"),
    [
        (NAMES, Status.FAILED, "the token lacks read:clients, read:resource_servers"),
        (NOTHING, Status.WARNING, "yes, but the token lacks read:clients, read:resource_servers"),
        (
            RequiredListings(application_names=True, api_names=False, apis=True),
            Status.FAILED,
            "the token lacks read:clients",
        ),
    ],
    ids=["names", "ids", "applications"],
)
def test_permissions_to_read_names_are_needed_if_files_use_names(
    needs: RequiredListings, status: Status, finding_of: str
) -> None:
    assert findings_for("read:client_grants", needs)[0] == (status, finding_of)


ORGANIZATIONS = RequiredListings(
    application_names=True, api_names=True, apis=True, organizations=True, organization_names=True
)
READING_ORGANIZATIONS = "read:organizations read:organization_client_grants"
WRITING_ORGANIZATIONS = "create:organization_client_grants delete:organization_client_grants"


def test_organization_permissions_are_needed_only_if_files_declare_organizations() -> None:
    all_permissions = f"{READING} {WRITING} {READING_ORGANIZATIONS} {WRITING_ORGANIZATIONS}"

    assert [status for status, _ in findings_for(all_permissions, ORGANIZATIONS)] == [Status.OK] * 3
    assert [status for status, _ in findings_for(f"{READING} {WRITING}", ORGANIZATIONS)] == [
        Status.FAILED,
        Status.WARNING,
        Status.OK,
    ]
    assert findings_for(all_permissions)[2][1].startswith("never needed: create:organization_client_grants")


def test_organization_ids_need_no_permission_to_read_names() -> None:
    ids = ORGANIZATIONS._replace(organization_names=False)
    held = f"{READING} read:organization_client_grants"

    assert findings_for(held, ids)[0] == (Status.WARNING, "yes, but the token lacks read:organizations")
    assert findings_for(held, ORGANIZATIONS)[0] == (Status.FAILED, "the token lacks read:organizations")


def test_missing_write_permissions_are_a_warning() -> None:
    finding_of = "the token lacks create:client_grants, update:client_grants, delete:client_grants"
    assert findings_for(READING)[1] == (Status.WARNING, finding_of)


def test_unnecessary_permissions_are_a_warning() -> None:
    assert findings_for(f"{READING} {WRITING} update:clients")[2] == (Status.WARNING, "never needed: update:clients")
    assert findings_for("a:a b:b c:c d:d e:e f:f")[2][1] == "never needed: a:a, b:b, c:c, d:d and 2 more"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (a_token_with(), "the token does not list its permissions"),
        (ProbedToken("opaque", renewable=False), "the token cannot be read"),
        (ProbeSkipped("x"), "no access token"),
        (ProbeFailed("x", "y"), "no access token"),
    ],
    ids=["silent", "opaque", "unseen", "trouble"],
)
def test_permission_checks_are_skipped_if_the_permissions_are_unknown(
    token: ProbedToken | ProbeFailed | ProbeSkipped, reason: str
) -> None:
    assert {(each.status, each.found) for each in permission_findings(token, NAMES)} == {(Status.SKIPPED, reason)}
