from dataclasses import replace

import jwt
import pytest

from reconciler.core.problems import Status
from reconciler.doctor.checks import permission_findings
from reconciler.doctor.probe import ProbedToken, ProbeFailed, ProbeSkipped
from reconciler.observe import RequiredListings

READING = "read:client_grants read:clients read:resource_servers"
WRITING = "create:client_grants update:client_grants delete:client_grants"
NOTHING = RequiredListings(application_names=False, api_names=False, scopes=False)
NAMES = RequiredListings(application_names=True, api_names=True, scopes=True)


def a_token(**claims: object) -> ProbedToken:
    return ProbedToken(jwt.encode(claims, "x" * 32), renewable=True)


def findings_for(scope: str, needs: RequiredListings = NAMES) -> list[tuple[Status, str]]:
    return [(each.status, each.found) for each in permission_findings(a_token(scope=scope), needs)]


def test_exactly_the_needed_permissions_are_ok() -> None:
    assert [status for status, _ in findings_for(f"{READING} {WRITING}")] == [Status.OK] * 3


def test_a_missing_permission_to_read_grants_is_a_failure() -> None:
    assert findings_for("", NOTHING)[0] == (Status.FAILED, "it lacks read:client_grants")


@pytest.mark.parametrize(
    ("needs", "status", "found"),
    [
        (NAMES, Status.FAILED, "it lacks read:clients, read:resource_servers"),
        (NOTHING, Status.WARNING, "yes, but it lacks read:clients, read:resource_servers"),
        (
            RequiredListings(application_names=True, api_names=False, scopes=True),
            Status.FAILED,
            "it lacks read:clients",
        ),
    ],
    ids=["names", "ids", "applications"],
)
def test_permissions_to_read_names_are_needed_if_files_use_names(
    needs: RequiredListings, status: Status, found: str
) -> None:
    assert findings_for("read:client_grants", needs)[0] == (status, found)


ORGANIZATIONS = RequiredListings(
    application_names=True, api_names=True, scopes=True, organizations=True, organization_names=True
)
READING_THEM = "read:organizations read:organization_client_grants"
WRITING_THEM = "create:organization_client_grants delete:organization_client_grants"


def test_organization_permissions_are_needed_only_if_files_declare_organizations() -> None:
    whole = f"{READING} {WRITING} {READING_THEM} {WRITING_THEM}"

    assert [status for status, _ in findings_for(whole, ORGANIZATIONS)] == [Status.OK] * 3
    assert [status for status, _ in findings_for(f"{READING} {WRITING}", ORGANIZATIONS)] == [
        Status.FAILED,
        Status.WARNING,
        Status.OK,
    ]
    assert findings_for(whole)[2][1].startswith("never needed: create:organization_client_grants")


def test_organization_ids_need_no_permission_to_read_names() -> None:
    ids = replace(ORGANIZATIONS, organization_names=False)
    held = f"{READING} read:organization_client_grants"

    assert findings_for(held, ids)[0] == (Status.WARNING, "yes, but it lacks read:organizations")
    assert findings_for(held, ORGANIZATIONS)[0] == (Status.FAILED, "it lacks read:organizations")


def test_missing_write_permissions_are_a_warning() -> None:
    found = "it lacks create:client_grants, update:client_grants, delete:client_grants"
    assert findings_for(READING)[1] == (Status.WARNING, found)


def test_unnecessary_permissions_are_a_warning() -> None:
    assert findings_for(f"{READING} {WRITING} update:clients")[2] == (Status.WARNING, "never needed: update:clients")
    assert findings_for("a:a b:b c:c d:d e:e f:f")[2][1] == "never needed: a:a, b:b, c:c, d:d and 2 more"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (a_token(), "the token does not list its permissions"),
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
