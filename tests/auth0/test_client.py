import asyncio
import re
from collections.abc import Awaitable

import pytest
from support.builders import INVOICES, a_grant, a_key, an_observed
from support.scripted_client import CANARY, GRANT, TOKEN, cursor_pages, error_of, run_client
from support.scripted_server import ReceivedRequest, Responder, http_response, scripted_server
from support.virtual_time import run_virtually

from reconciler.auth0.client import ManagementClient, is_forbidden, open_client
from reconciler.auth0.credentials import ClientSecret
from reconciler.auth0.errors import (
    NoTokenError,
    NotSentError,
    RefusedCallError,
    UnknownOutcomeError,
    UnreadableError,
)
from reconciler.auth0.management import ApiRequest
from reconciler.core.directory import Application, Organization


def test_a_grant_is_found_by_its_key() -> None:
    user = {**GRANT, "id": "cgr_2", "subject_type": "user"}

    found, server = run_client(
        lambda _: http_response(200, {"client_grants": [user, GRANT]}),
        lambda client: client.find(a_key()),
    )

    assert found == an_observed(grant_id="cgr_1")
    assert (server.requests[0].query["client_id"], server.requests[0].query["audience"]) == ("billing", INVOICES)


def test_a_default_grant_is_requested_by_default_for() -> None:
    key = a_key(None, default_for="third_party_clients")

    found, server = run_client(lambda _: http_response(200, {"client_grants": []}), lambda client: client.find(key))

    assert found is None
    assert server.requests[0].query["default_for"] == "third_party_clients"


A = {"client_id": "a", "name": "A", "is_first_party": True, "app_type": "spa"}
B = {"client_id": "b", "is_first_party": False}


def test_applications_are_listed_with_the_needed_fields_only() -> None:
    applications, server = run_client(
        lambda _: http_response(200, {"clients": [A, B, {"client_id": "c"}]}),
        ManagementClient.applications,
    )

    assert applications == (
        Application("a", "A", is_third_party=False, app_type="spa"),
        Application("b", "", is_third_party=True),
        Application("c", "", is_third_party=None),
    )
    assert server.requests[0].query == {
        "fields": "client_id,name,is_first_party,app_type",
        "include_fields": "true",
        "is_global": "false",
        "take": "100",
    }


def create(client: ManagementClient) -> Awaitable[str]:
    return client.create(a_grant())


def delete(client: ManagementClient) -> Awaitable[None]:
    return client.delete("cgr_1/../x")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429])
def test_a_refused_request_has_the_message_of_the_api(status: int) -> None:
    error = error_of(lambda _: http_response(status, {"statusCode": status, "message": "because"}), create)

    assert isinstance(error, RefusedCallError)
    assert error.status == status
    assert re.match(rf"POST 127\.0\.0\.1:\d+ /api/v2/client-grants: {status} because", str(error))
    assert ("the access token of the environment has expired" in str(error)) is (status == 401)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "access_denied", "error_description": "Unauthorized"}, "Unauthorized"),
        ({"error": "Forbidden"}, "Forbidden"),
        ([], "Because"),
        (b"<html>", "Because"),
        ({"message": "x" * 1000}, "x" * 500),
    ],
    ids=["oauth", "error only", "a list", "html", "too long"],
)
def test_a_refused_request_with_another_body_has_a_short_message(body: object, message: str) -> None:
    error = error_of(lambda _: http_response(400, body), create)

    assert isinstance(error, RefusedCallError)
    assert str(error).endswith(f" /api/v2/client-grants: 400 {message}")


def test_only_a_403_is_a_missing_permission() -> None:
    assert is_forbidden(RefusedCallError("GET x", 403, ""))
    assert not is_forbidden(RefusedCallError("GET x", 401, ""))


@pytest.mark.parametrize(
    "respond",
    [
        lambda _: http_response(500, {"message": "oops"}),
        lambda _: http_response(503, b""),
        lambda _: http_response(408, b""),
        lambda _: http_response(302, b""),
        lambda _: b"",
        lambda _: b"HTTP/1.1 201 Created\r\ncontent-length: 90\r\n\r\n{",
        lambda _: b"\x00garbage\r\n\r\n",
        lambda _: http_response(201, b"<html>"),
    ],
    ids=["500", "503", "408", "302", "closed", "truncated", "garbage", "201 with HTML"],
)
def test_a_write_without_a_valid_response_has_an_unknown_outcome(respond: Responder) -> None:
    assert isinstance(error_of(respond, create), UnknownOutcomeError)


def test_a_write_without_a_connection_was_not_sent() -> None:
    async def run() -> None:
        async with scripted_server(lambda _: b"") as server:
            url = server.url
        async with open_client(url, TOKEN) as client:
            await client.create(a_grant())

    with pytest.raises(NotSentError):
        run_virtually(run())


def test_an_id_is_escaped_in_the_path() -> None:
    _, server = run_client(lambda _: http_response(204), delete)

    assert server.requests[0].target == "/api/v2/client-grants/cgr_1%2F..%2Fx"


def respond_with_token(request: ReceivedRequest) -> bytes:
    if request.path == "/oauth/token":
        return http_response(200, {"access_token": "fresh", "token_type": "Bearer", "expires_in": 86400})
    return http_response(200, {"client_grants": []})


SECRET = ClientSecret("id", CANARY, "https://t/api/v2/")


def test_all_requests_use_one_token() -> None:
    async def work(client: ManagementClient) -> None:
        await asyncio.gather(client.grants(), client.grants(), client.grants())

    _, server = run_client(respond_with_token, work, SECRET)

    assert sorted(server.calls()) == ["GET /api/v2/client-grants"] * 3 + ["POST /oauth/token"]
    assert {each.headers.get("authorization") for each in server.requests} == {None, "Bearer fresh"}
    assert server.requests[0].body.decode() == (
        f"grant_type=client_credentials&client_id=id&audience=https%3A%2F%2Ft%2Fapi%2Fv2%2F&client_secret={CANARY}"
    )


@pytest.mark.parametrize(
    ("response", "requests"),
    [
        (http_response(401, {"error": "access_denied", "error_description": "Unauthorized"}), 1),
        (http_response(404, {}), 1),
        (http_response(200, {"token": "x"}), 5),
        (http_response(200, b"<html>"), 5),
        (http_response(200, []), 5),
        (http_response(500, {}), 5),
        (http_response(429, {}), 5),
    ],
    ids=["wrong secret", "404", "no token", "html", "a list", "500", "429"],
)
def test_a_failed_token_request_is_attempted_up_to_five_times_and_no_other_request_is_sent(
    response: bytes, requests: int
) -> None:
    requested_paths: list[str] = []

    def respond_and_count(request: ReceivedRequest) -> bytes:
        requested_paths.append(request.path)
        return response

    with pytest.raises(NoTokenError) as caught:
        run_client(respond_and_count, ManagementClient.grants, SECRET)

    assert requested_paths == ["/oauth/token"] * requests
    assert CANARY not in f"{caught.value}"


def test_a_redirect_is_not_followed_with_the_token() -> None:
    def respond(_: ReceivedRequest) -> bytes:
        return b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"

    with pytest.raises(UnknownOutcomeError):
        run_client(respond, ManagementClient.grants)


def test_loopback_requests_do_not_use_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert run_client(respond_with_token, ManagementClient.grants, SECRET)[0] == ()


def test_all_pages_of_organizations_of_a_grant_are_read() -> None:
    respond = cursor_pages(
        {"organizations": [{"id": "org_1"}], "next": "1"}, {"organizations": [{"id": "org_2", "name": "b"}]}
    )

    found, server = run_client(respond, lambda client: client.organizations_of("cgr_1/x"))

    assert found == {"org_1": Organization("org_1", ""), "org_2": Organization("org_2", "b")}
    assert {each.path for each in server.requests} == {"/api/v2/client-grants/cgr_1%2Fx/organizations"}


def test_a_deleted_grant_has_no_organizations() -> None:
    found, _ = run_client(lambda _: http_response(404, {}), lambda client: client.organizations_of("cgr_1"))

    assert found == {}


def test_organizations_are_listed_with_their_names() -> None:
    respond = cursor_pages({"organizations": [{"id": "org_1", "name": "acme"}, {"id": "org_1", "name": "acme"}]})

    found, _ = run_client(respond, ManagementClient.organizations)

    assert found == (Organization("org_1", "acme"),)


def test_the_grants_of_an_organization_are_counted_in_one_request() -> None:
    found, server = run_client(
        lambda _: http_response(200, {"total": 42, "client_grants": [GRANT]}),
        lambda client: client.associations.count("o/1"),
    )

    assert found == 42
    (request,) = server.requests
    assert (request.path, request.query["per_page"]) == ("/api/v2/organizations/o%2F1/client-grants", "1")


@pytest.mark.parametrize("total", [-1, "1", None, True])
def test_an_invalid_count_is_unreadable(total: object) -> None:
    respond = http_response(200, {"total": total, "client_grants": []})

    assert isinstance(error_of(lambda _: respond, lambda client: client.associations.count("org_1")), UnreadableError)


def test_a_grant_is_added_to_and_removed_from_organizations() -> None:
    async def work(client: ManagementClient) -> None:
        await client.associations.add("org_1", "cgr_1")
        await client.associations.remove("org_1", "cgr_1/x")

    _, server = run_client(
        lambda request: http_response(201, {}) if request.method == "POST" else http_response(204), work
    )

    added, removed = server.requests
    assert (added.method, added.path, added.body) == (
        "POST",
        "/api/v2/organizations/org_1/client-grants",
        b'{"grant_id":"cgr_1"}',
    )
    assert (removed.method, removed.path) == ("DELETE", "/api/v2/organizations/org_1/client-grants/cgr_1%2Fx")


@pytest.mark.parametrize("respond", [http_response(201, {}), http_response(201, [])], ids=["no id", "not an object"])
def test_a_create_response_without_an_id_is_unreadable(respond: bytes) -> None:
    assert isinstance(error_of(lambda _: respond, create), UnreadableError)


@pytest.mark.parametrize(
    ("method", "path", "family"),
    [
        ("GET", "client-grants", "client-grants"),
        ("PATCH", "client-grants/cgr_1", "client-grants"),
        ("GET", "client-grants/cgr_1/organizations", "client-grants"),
        ("GET", "organizations", "organizations"),
        ("GET", "organizations/org_1/client-grants", "GET organizations/client-grants"),
        ("POST", "organizations/org_1/client-grants", "POST organizations/client-grants"),
        ("DELETE", "organizations/org_1/client-grants/cgr_1", "DELETE organizations/client-grants"),
        ("GET", "clients", "clients"),
    ],
)
def test_requests_with_the_same_rate_limit_are_in_one_family(method: str, path: str, family: str) -> None:
    assert ApiRequest(method, path).family == family
