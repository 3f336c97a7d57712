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


def told(scope: str, needs: RequiredListings = NAMES) -> list[tuple[Status, str]]:
    return [(each.status, each.found) for each in permission_findings(a_token(scope=scope), needs)]


def test_the_very_permissions_are_well() -> None:
    assert [status for status, _ in told(f"{READING} {WRITING}")] == [Status.OK] * 3


def test_without_the_grants_there_is_no_plan() -> None:
    assert told("", NOTHING)[0] == (Status.FAILED, "it lacks read:client_grants")


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
def test_names_are_needed_where_files_use_them(needs: RequiredListings, status: Status, found: str) -> None:
    assert told("read:client_grants", needs)[0] == (status, found)


ORGANIZATIONS = RequiredListings(
    application_names=True, api_names=True, scopes=True, organizations=True, organization_names=True
)
READING_THEM = "read:organizations read:organization_client_grants"
WRITING_THEM = "create:organization_client_grants delete:organization_client_grants"


def test_organizations_take_permissions_only_where_files_say_some() -> None:
    whole = f"{READING} {WRITING} {READING_THEM} {WRITING_THEM}"

    assert [status for status, _ in told(whole, ORGANIZATIONS)] == [Status.OK] * 3
    assert [status for status, _ in told(f"{READING} {WRITING}", ORGANIZATIONS)] == [
        Status.FAILED,
        Status.WARNING,
        Status.OK,
    ]
    assert told(whole)[2][1].startswith("never needed: create:organization_client_grants")


def test_ids_of_organizations_do_without_their_names() -> None:
    ids = replace(ORGANIZATIONS, organization_names=False)
    held = f"{READING} read:organization_client_grants"

    assert told(held, ids)[0] == (Status.WARNING, "yes, but it lacks read:organizations")
    assert told(held, ORGANIZATIONS)[0] == (Status.FAILED, "it lacks read:organizations")


def test_enough_to_plan_only_is_a_warning() -> None:
    found = "it lacks create:client_grants, update:client_grants, delete:client_grants"
    assert told(READING)[1] == (Status.WARNING, found)


def test_what_is_never_needed_is_a_warning() -> None:
    assert told(f"{READING} {WRITING} update:clients")[2] == (Status.WARNING, "never needed: update:clients")
    assert told("a:a b:b c:c d:d e:e f:f")[2][1] == "never needed: a:a, b:b, c:c, d:d and 2 more"


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
def test_without_claims_nothing_is_said(token: ProbedToken | ProbeFailed | ProbeSkipped, reason: str) -> None:
    assert {(each.status, each.found) for each in permission_findings(token, NAMES)} == {(Status.SKIPPED, reason)}
