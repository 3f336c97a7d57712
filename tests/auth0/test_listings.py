import pytest
from support.scripted_client import GRANT, cursor_pages, error_of, run_client
from support.scripted_server import ReceivedRequest, Responder, http_response

from reconciler.auth0.client import ManagementClient
from reconciler.auth0.errors import UnreadableError
from reconciler.core.directory import Api


def a_listed(number: int) -> dict[str, object]:
    return {**GRANT, "id": f"cgr_{number}", "client_id": f"app{number}"}


def test_a_listing_continues_after_an_empty_page() -> None:
    respond = cursor_pages(
        {"client_grants": [a_listed(1)], "next": "1"},
        {"client_grants": [], "next": "2"},
        {"client_grants": [a_listed(2)]},
    )

    grants, server = run_client(respond, ManagementClient.grants)

    assert [each.id for each in grants] == ["cgr_1", "cgr_2"]
    assert [(each.query["take"], each.query.get("from")) for each in server.requests] == [
        ("100", None),
        ("100", "1"),
        ("100", "2"),
    ]


def test_a_listing_may_end_with_an_empty_page() -> None:
    grants, _ = run_client(
        cursor_pages({"client_grants": [a_listed(1)], "next": "1"}, {"client_grants": []}),
        ManagementClient.grants,
    )

    assert len(grants) == 1


def test_a_grant_on_two_pages_is_listed_once() -> None:
    respond = cursor_pages({"client_grants": [a_listed(1)], "next": "1"}, {"client_grants": [a_listed(1)]})

    assert len(run_client(respond, ManagementClient.grants)[0]) == 1


@pytest.mark.parametrize(
    "respond",
    [
        cursor_pages({"client_grants": [GRANT], "next": "1"}, {"client_grants": [{**GRANT, "scope": []}]}),
        cursor_pages({"client_grants": [GRANT], "next": "1"}, {"client_grants": [], "next": "1"}),
        cursor_pages({"client_grants": [GRANT], "next": ["1"]}),
        cursor_pages({"clients": []}),
        cursor_pages({"client_grants": {}}),
        cursor_pages({"client_grants": ["cgr_1"]}),
        lambda _: http_response(200, []),
        lambda _: http_response(200, b"<html>", "text/html"),
        lambda _: http_response(200, b'{"client_grants": ['),
        lambda _: http_response(200, b"\xff\xfe"),
    ],
    ids=[
        "one grant with different contents",
        "repeated cursor",
        "cursor is not a string",
        "wrong key",
        "not a list",
        "items are not objects",
        "not an object",
        "HTML page of a proxy",
        "truncated JSON",
        "not UTF-8",
    ],
)
def test_an_invalid_listing_is_unreadable(respond: Responder) -> None:
    assert isinstance(error_of(respond, ManagementClient.grants), UnreadableError)


def test_the_error_for_a_contradictory_listing_names_the_grant() -> None:
    respond = cursor_pages({"client_grants": [GRANT], "next": "1"}, {"client_grants": [{**GRANT, "scope": []}]})
    message = str(error_of(respond, ManagementClient.grants))
    grant_name = f'the grant of "{GRANT["client_id"]}" for "{GRANT["audience"]}" (client)'
    assert message == f"GET /api/v2/client-grants: two different entries for {grant_name}"


def test_an_incomplete_listing_is_read_twice_and_its_error_has_both_numbers() -> None:
    requests: list[ReceivedRequest] = []

    def incomplete(each: ReceivedRequest) -> bytes:
        requests.append(each)
        return http_response(200, {"client_grants": [a_listed(1)], "total": 5})

    error = error_of(incomplete, ManagementClient.grants)

    assert str(error) == "GET /api/v2/client-grants: the list is incomplete: 1 of 5 entries"
    assert len(requests) == 2


def test_a_listing_that_is_complete_at_the_second_attempt_is_used() -> None:
    listings = iter(([a_listed(1)], [a_listed(1), a_listed(2)]))

    grants, _ = run_client(
        lambda _: http_response(200, {"client_grants": next(listings), "total": 2}),
        ManagementClient.grants,
    )

    assert len(grants) == 2


@pytest.mark.parametrize("page", [[], [{**GRANT, "scope": []}]], ids=["empty pages", "equal pages"])
def test_an_endless_listing_is_an_error(page: list[dict[str, object]]) -> None:
    responses: list[int] = []

    def respond(_: ReceivedRequest) -> bytes:
        responses.append(1)
        return http_response(200, {"client_grants": page, "next": str(len(responses))})

    error = error_of(respond, ManagementClient.grants)

    assert "too many pages" in str(error)
    assert len(responses) < 1000


def apis_page(request: ReceivedRequest) -> bytes:
    number = int(request.query["page"])
    servers = [{"identifier": f"urn:{n}", "name": "N"} for n in range(100 * number, min(100 * number + 100, 250))]
    return http_response(200, {"total": 250, "start": 100 * number, "limit": 100, "resource_servers": servers})


def test_apis_are_listed_by_page_number_and_in_order() -> None:
    apis, server = run_client(apis_page, ManagementClient.apis)

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
        "fewer than the total",
        "total too large",
        "negative total",
        "duplicate instead of another API",
        "not an object",
    ],
)
def test_an_inconsistent_listing_of_apis_is_unreadable(page: object) -> None:
    assert isinstance(error_of(lambda _: http_response(200, page), ManagementClient.apis), UnreadableError)
