import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from support.builders import INVOICES, a_grant, a_key, an_observed
from support.scripted_server import ReceivedRequest, Responder, Server, http_response, scripted_server
from support.virtual_time import run_virtually

from reconciler.auth0.client import ManagementClient, is_forbidden, open_client
from reconciler.auth0.credentials import AccessToken, ClientSecret, Credentials
from reconciler.auth0.errors import (
    Auth0Error,
    NoTokenError,
    NotSentError,
    RefusedCallError,
    UnknownOutcomeError,
    UnreadableError,
)
from reconciler.auth0.management import ApiRequest
from reconciler.core.directory import Api, Application, Organization

T = TypeVar("T")
CANARY = "canary-5ecret"
TOKEN = AccessToken(CANARY)
GRANT = {"id": "cgr_1", "client_id": "billing", "audience": INVOICES, "scope": ["read:invoices"]}


def talk(
    answer: Responder,
    work: Callable[[ManagementClient], Awaitable[T]],
    credentials: Credentials = TOKEN,
) -> tuple[T, Server]:
    async def run() -> tuple[T, Server]:
        async with scripted_server(answer) as server, open_client(server.url, credentials) as client:
            return await work(client), server

    return run_virtually(run())[0]


def failure(answer: Responder, work: Callable[[ManagementClient], Awaitable[object]]) -> Auth0Error:
    with pytest.raises(Auth0Error) as caught:
        talk(answer, work)
    assert CANARY not in str(caught.value)
    return caught.value


def pages(*contents: dict[str, object]) -> Responder:
    """Answers the cursor pages in turn: no cursor gives the first, `from=1` the second, and so on."""
    return lambda asked: http_response(200, contents[int(asked.query.get("from", 0))])


def a_listed(number: int) -> dict[str, object]:
    return {**GRANT, "id": f"cgr_{number}", "client_id": f"app{number}"}


def test_a_listing_is_read_to_its_end_over_empty_pages() -> None:
    answer = pages(
        {"client_grants": [a_listed(1)], "next": "1"},
        {"client_grants": [], "next": "2"},
        {"client_grants": [a_listed(2)]},
    )

    grants, server = talk(answer, ManagementClient.grants)

    assert [each.id for each in grants] == ["cgr_1", "cgr_2"]
    assert [(each.query["take"], each.query.get("from")) for each in server.requests] == [
        ("100", None),
        ("100", "1"),
        ("100", "2"),
    ]


def test_a_listing_may_end_with_an_empty_page() -> None:
    grants, _ = talk(
        pages({"client_grants": [a_listed(1)], "next": "1"}, {"client_grants": []}),
        ManagementClient.grants,
    )

    assert len(grants) == 1


def test_what_shifted_pages_list_twice_counts_once() -> None:
    answer = pages({"client_grants": [a_listed(1)], "next": "1"}, {"client_grants": [a_listed(1)]})

    assert len(talk(answer, ManagementClient.grants)[0]) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pages({"client_grants": [GRANT], "next": "1"}, {"client_grants": [{**GRANT, "scope": []}]}),
        pages({"client_grants": [GRANT], "next": "1"}, {"client_grants": [], "next": "1"}),
        pages({"client_grants": [GRANT], "next": ["1"]}),
        pages({"clients": []}),
        pages({"client_grants": {}}),
        pages({"client_grants": ["cgr_1"]}),
        lambda _: http_response(200, []),
        lambda _: http_response(200, b"<html>", "text/html"),
        lambda _: http_response(200, b'{"client_grants": ['),
        lambda _: http_response(200, b"\xff\xfe"),
    ],
    ids=[
        "one grant twice with other contents",
        "a cursor that goes in circles",
        "a cursor that is no text",
        "another list",
        "no list",
        "no objects",
        "no envelope",
        "a proxy's page",
        "cut off",
        "no text",
    ],
)
def test_a_listing_that_cannot_be_trusted_is_no_listing(answer: Responder) -> None:
    assert isinstance(failure(answer, ManagementClient.grants), UnreadableError)


def test_the_error_about_a_contradictory_listing_names_the_grant_in_plain_words() -> None:
    answer = pages({"client_grants": [GRANT], "next": "1"}, {"client_grants": [{**GRANT, "scope": []}]})
    message = str(failure(answer, ManagementClient.grants))
    named = f'the grant of "{GRANT["client_id"]}" for "{GRANT["audience"]}" (client)'
    assert message == f"GET /api/v2/client-grants: two different entries for {named}"


def test_an_incomplete_listing_is_read_once_more_and_then_refused_with_both_numbers() -> None:
    asked: list[ReceivedRequest] = []

    def incomplete(each: ReceivedRequest) -> bytes:
        asked.append(each)
        return http_response(200, {"client_grants": [a_listed(1)], "total": 5})

    error = failure(incomplete, ManagementClient.grants)

    assert str(error) == "GET /api/v2/client-grants: the listing is incomplete: 1 of 5 entries"
    assert len(asked) == 2


def test_a_listing_that_is_complete_at_the_second_reading_counts() -> None:
    readings = iter(([a_listed(1)], [a_listed(1), a_listed(2)]))

    grants, _ = talk(
        lambda _: http_response(200, {"client_grants": next(readings), "total": 2}),
        ManagementClient.grants,
    )

    assert len(grants) == 2


def test_a_grant_is_found_by_its_key() -> None:
    user = {**GRANT, "id": "cgr_2", "subject_type": "user"}

    found, server = talk(
        lambda _: http_response(200, {"client_grants": [user, GRANT]}),
        lambda client: client.find(a_key()),
    )

    assert found == an_observed(grant_id="cgr_1")
    assert (server.requests[0].query["client_id"], server.requests[0].query["audience"]) == ("billing", INVOICES)


def test_a_default_grant_is_found_by_its_group() -> None:
    key = a_key(None, default_for="third_party_clients")

    found, server = talk(lambda _: http_response(200, {"client_grants": []}), lambda client: client.find(key))

    assert found is None
    assert server.requests[0].query["default_for"] == "third_party_clients"


A = {"client_id": "a", "name": "A", "is_first_party": True, "app_type": "spa"}
B = {"client_id": "b", "is_first_party": False}


def test_applications_come_with_few_fields() -> None:
    applications, server = talk(
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


def apis_page(asked: ReceivedRequest) -> bytes:
    number = int(asked.query["page"])
    servers = [{"identifier": f"urn:{n}", "name": "N"} for n in range(100 * number, min(100 * number + 100, 250))]
    return http_response(200, {"total": 250, "start": 100 * number, "limit": 100, "resource_servers": servers})


def test_apis_are_read_by_page_number_and_in_order() -> None:
    apis, server = talk(apis_page, ManagementClient.apis)

    assert apis == tuple(Api(f"urn:{number}", "N") for number in range(250))
    assert sorted(each.query["page"] for each in server.requests) == ["0", "1", "2"]


@pytest.mark.parametrize(
    "page",
    [
        {"resource_servers": []},
        {"total": 2, "resource_servers": []},
        {"total": 10**12, "resource_servers": []},
        {"total": -1, "resource_servers": []},
        {"total": 2, "resource_servers": [{"identifier": "urn:1"}, {"identifier": "urn:1"}]},
        [],
    ],
    ids=[
        "no total",
        "fewer than said",
        "more than can be",
        "less than nothing",
        "one twice in place of another",
        "no envelope",
    ],
)
def test_a_listing_of_apis_that_does_not_add_up_is_no_listing(page: object) -> None:
    assert isinstance(failure(lambda _: http_response(200, page), ManagementClient.apis), UnreadableError)


def create(client: ManagementClient) -> Awaitable[str]:
    return client.create(a_grant())


def delete(client: ManagementClient) -> Awaitable[None]:
    return client.delete("cgr_1/../x")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429])
def test_a_refusal_tells_the_apis_own_words(status: int) -> None:
    error = failure(lambda _: http_response(status, {"statusCode": status, "message": "because so"}), create)

    assert isinstance(error, RefusedCallError)
    assert (error.status, error.api_message) == (status, "because so")
    assert str(error) == f"POST 127.0.0.1 /api/v2/client-grants: {status} because so"


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
def test_a_refusal_without_the_usual_body_tells_what_there_is(body: object, message: str) -> None:
    error = failure(lambda _: http_response(400, body), create)

    assert isinstance(error, RefusedCallError)
    assert error.api_message == message


def test_a_missing_permission_is_told_apart() -> None:
    assert is_forbidden(RefusedCallError("GET x", 403, ""))
    assert not is_forbidden(RefusedCallError("GET x", 401, ""))


@pytest.mark.parametrize(
    "answer",
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
    ids=["500", "503", "408", "302", "closed", "cut off", "garbage", "201 with html"],
)
def test_a_write_whose_answer_is_lost_is_unclear(answer: Responder) -> None:
    assert isinstance(failure(answer, create), UnknownOutcomeError)


def test_a_write_that_never_left_is_told_apart() -> None:
    async def run() -> None:
        async with scripted_server(lambda _: b"") as server:
            url = server.url
        async with open_client(url, TOKEN) as client:
            await client.create(a_grant())

    with pytest.raises(NotSentError):
        run_virtually(run())


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    _, server = talk(lambda _: http_response(204), delete)

    assert server.requests[0].target == "/api/v2/client-grants/cgr_1%2F..%2Fx"


def with_token(asked: ReceivedRequest) -> bytes:
    if asked.path == "/oauth/token":
        return http_response(200, {"access_token": "fresh", "token_type": "Bearer", "expires_in": 86400})
    return http_response(200, {"client_grants": []})


SECRET = ClientSecret("id", CANARY, "https://t/api/v2/")


def test_one_token_serves_all_calls() -> None:
    async def work(client: ManagementClient) -> None:
        await asyncio.gather(client.grants(), client.grants(), client.grants())

    _, server = talk(with_token, work, SECRET)

    assert sorted(server.calls()) == ["GET /api/v2/client-grants"] * 3 + ["POST /oauth/token"]
    assert {each.headers.get("authorization") for each in server.requests} == {None, "Bearer fresh"}
    assert server.requests[0].body.decode() == (
        f"grant_type=client_credentials&client_id=id&audience=https%3A%2F%2Ft%2Fapi%2Fv2%2F&client_secret={CANARY}"
    )


@pytest.mark.parametrize(
    ("answer", "requests"),
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
def test_without_a_token_nothing_else_is_called_and_none_is_asked_for_more_than_five_times(
    answer: bytes, requests: int
) -> None:
    asked: list[str] = []

    def counted(request: ReceivedRequest) -> bytes:
        asked.append(request.path)
        return answer

    with pytest.raises(NoTokenError) as caught:
        talk(counted, ManagementClient.grants, SECRET)

    assert asked == ["/oauth/token"] * requests
    assert CANARY not in f"{caught.value}"


def test_a_redirect_is_not_followed_with_the_token() -> None:
    def answer(_: ReceivedRequest) -> bytes:
        return b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"

    with pytest.raises(UnknownOutcomeError):
        talk(answer, ManagementClient.grants)


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert talk(with_token, ManagementClient.grants, SECRET)[0] == ()


@pytest.mark.parametrize("page", [[], [{**GRANT, "scope": []}]], ids=["of nothing", "of the same"])
def test_a_listing_without_an_end_is_left(page: list[dict[str, object]]) -> None:
    served: list[int] = []

    def answer(_: ReceivedRequest) -> bytes:
        served.append(1)
        return http_response(200, {"client_grants": page, "next": str(len(served))})

    error = failure(answer, ManagementClient.grants)

    assert "has no end" in str(error)
    assert len(served) < 1000


def test_the_organizations_of_a_grant_are_read_to_their_end() -> None:
    answer = pages({"organizations": [{"id": "org_1"}], "next": "1"}, {"organizations": [{"id": "org_2", "name": "b"}]})

    found, server = talk(answer, lambda client: client.organizations_of("cgr_1/x"))

    assert found == {"org_1": Organization("org_1", ""), "org_2": Organization("org_2", "b")}
    assert {each.path for each in server.requests} == {"/api/v2/client-grants/cgr_1%2Fx/organizations"}


def test_a_grant_that_has_gone_meanwhile_has_no_organizations() -> None:
    found, _ = talk(lambda _: http_response(404, {}), lambda client: client.organizations_of("cgr_1"))

    assert found == {}


def test_the_names_of_organizations_are_read() -> None:
    answer = pages({"organizations": [{"id": "org_1", "name": "acme"}, {"id": "org_1", "name": "acme"}]})

    found, _ = talk(answer, ManagementClient.organizations)

    assert found == (Organization("org_1", "acme"),)


def test_the_grants_of_an_organization_are_counted_in_one_call() -> None:
    found, server = talk(
        lambda _: http_response(200, {"total": 42, "client_grants": [GRANT]}),
        lambda client: client.associations.count("o/1"),
    )

    assert found == 42
    (asked,) = server.requests
    assert (asked.path, asked.query["per_page"]) == ("/api/v2/organizations/o%2F1/client-grants", "1")


@pytest.mark.parametrize("total", [-1, "1", None, True])
def test_a_count_that_cannot_be_is_none(total: object) -> None:
    answer = http_response(200, {"total": total, "client_grants": []})

    assert isinstance(failure(lambda _: answer, lambda client: client.associations.count("org_1")), UnreadableError)


def test_organizations_get_a_grant_and_lose_it() -> None:
    async def work(client: ManagementClient) -> None:
        await client.associations.add("org_1", "cgr_1")
        await client.associations.remove("org_1", "cgr_1/x")

    _, server = talk(lambda asked: http_response(201, {}) if asked.method == "POST" else http_response(204), work)

    added, removed = server.requests
    assert (added.method, added.path, added.body) == (
        "POST",
        "/api/v2/organizations/org_1/client-grants",
        b'{"grant_id":"cgr_1"}',
    )
    assert (removed.method, removed.path) == ("DELETE", "/api/v2/organizations/org_1/client-grants/cgr_1%2Fx")


@pytest.mark.parametrize("answer", [http_response(201, {}), http_response(201, [])], ids=["no id", "no object"])
def test_a_created_grant_without_an_id_has_to_be_looked_up(answer: bytes) -> None:
    assert isinstance(failure(lambda _: answer, create), UnreadableError)


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
def test_calls_that_share_a_rate_limit_are_of_one_family(method: str, path: str, family: str) -> None:
    assert ApiRequest(method, path).family == family
