from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from sandbox.sandbox_client import MANAGEMENT, SandboxClient, error_of, open_client

from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import DocumentKind

AMOUNT = 120  # the number of grants that these tests create, in addition to the two of the seed


def fill(caller: SandboxClient) -> None:
    with caller.sandbox.store.transaction():
        for number in range(AMOUNT):
            identity = f"cgr_{number:016}"
            grant = {
                "id": identity,
                "client_id": f"c{number}",
                "audience": "urn:x",
                "scope": [],
                "subject_type": "client",
            }
            caller.sandbox.store.add(DocumentKind.CLIENT_GRANTS, identity, grant)


def pages(caller: SandboxClient, path: str, **query: object) -> list[list[str]]:
    """Follow `next` to the end. Return the ids on each page."""
    found: list[list[str]] = []
    while True:
        body = caller.call("GET", path, params=query).json()
        found.append([item["id"] for item in body["client_grants"]])
        if "next" not in body:
            return found
        query["from"] = body["next"]


def test_without_paging_the_list_is_an_array_of_fifty(caller: SandboxClient) -> None:
    fill(caller)
    assert len(caller.call("GET", "/client-grants").json()) == 50


def test_the_list_is_sorted_by_id_in_ascii_order(caller: SandboxClient) -> None:
    fill(caller)
    ids = [grant["id"] for grant in caller.call("GET", "/client-grants?per_page=100&page=1").json()]
    assert ids == sorted(ids)
    assert ids[-1] == "cgr_SystemSystem0001"


def test_totals_include_start_and_limit(caller: SandboxClient) -> None:
    fill(caller)
    body = caller.call("GET", "/client-grants?include_totals=true&per_page=50&page=2").json()
    assert list(body) == ["total", "start", "limit", "client_grants"]
    assert (body["total"], body["start"], body["limit"], len(body["client_grants"])) == (AMOUNT + 2, 100, 50, 22)
    assert caller.call("GET", "/client-grants?include_totals=true").json()["limit"] == 50
    filtered = caller.call("GET", f"/client-grants?include_totals=true&audience={MANAGEMENT}").json()
    assert filtered["total"] == 1


@pytest.mark.parametrize("page", [3, 10**17])
def test_a_page_after_the_end_is_empty(caller: SandboxClient, page: int) -> None:
    assert caller.call("GET", f"/client-grants?page={page}").json() == []


def test_checkpoint_pages_contain_each_grant_once(caller: SandboxClient) -> None:
    fill(caller)
    found = pages(caller, "/client-grants", take=50)
    assert [len(page) for page in found] == [50, 50, 22]
    identities = [identity for page in found for identity in page]
    assert identities == sorted(set(identities))


def test_checkpoints_take_precedence_over_offsets_and_totals(caller: SandboxClient) -> None:
    fill(caller)
    body = caller.call("GET", "/client-grants?include_totals=true&per_page=5&page=7&take=100").json()
    assert list(body) == ["client_grants", "next"]
    assert len(body["client_grants"]) == 100
    rest = caller.call("GET", "/client-grants", params={"from": body["next"], "per_page": 3}).json()
    assert list(rest) == ["client_grants"]
    assert len(rest["client_grants"]) == 22


def test_checkpoints_keep_the_filter(caller: SandboxClient) -> None:
    fill(caller)
    found = pages(caller, "/client-grants", take=60, audience="urn:x")
    assert [len(page) for page in found] == [60, 60]


def test_a_setting_adds_next_to_the_last_page(tmp_path: Path) -> None:
    caller = open_client(tmp_path, settings=Settings(next_on_last_page=True))
    with caller.sandbox:
        fill(caller)
        assert [len(page) for page in pages(caller, "/client-grants", take=100)] == [100, 22, 0]


def test_a_checkpoint_is_valid_for_a_day(caller: SandboxClient) -> None:
    fill(caller)
    following = caller.call("GET", "/client-grants?take=1").json()["next"]
    caller.clock.now += 86_399
    assert caller.call("GET", "/client-grants", params={"from": following}).status_code == 200
    caller.clock.now += 1
    assert error_of(caller.call("GET", "/client-grants", params={"from": following}))[0] == 400


@pytest.mark.parametrize(
    "token",
    ["not a checkpoint", "x", "é", urlsafe_b64encode(b"9999999999,").decode(), urlsafe_b64encode(b"\xff,a").decode()],
    ids=["wrong characters", "too short", "not ASCII", "not an id", "not UTF-8"],
)
def test_an_invalid_checkpoint_is_refused(caller: SandboxClient, token: str) -> None:
    assert error_of(caller.call("GET", "/client-grants", params={"from": token}))[0::2] == (400, "invalid_query_string")


DEFAULT_PAGE_SIZE = "Number of results per page. The default is 50."
PAGE_NUMBER = "Number of the page. The first page has the number 0."


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "per_page=1000",
            "'Value 1000 is greater than maximum 100' on property per_page (Number of results per page.).",
        ),
        ("per_page=0", "'Value 0 is less than minimum 1' on property per_page (Number of results per page.)."),
        (
            "take=101",
            f"'Value 101 is greater than maximum 100' on property take ({DEFAULT_PAGE_SIZE}).",
        ),
        (
            "page=-1",
            f"'Value -1 is less than minimum 0' on property page ({PAGE_NUMBER}).",
        ),
        ("pagee=1", "'Additional properties not allowed: pagee'."),
    ],
)
def test_invalid_page_parameters_are_refused(caller: SandboxClient, query: str, message: str) -> None:
    response = caller.call("GET", f"/client-grants?{query}")
    assert error_of(response) == (400, f"Query validation error: {message}", "invalid_query_string")


def test_a_setting_accepts_unknown_parameters(tmp_path: Path) -> None:
    caller = open_client(tmp_path, settings=Settings(refuse_unknown_query=False))
    with caller.sandbox:
        assert caller.call("GET", "/client-grants?pagee=1").status_code == 200


def test_offsets_of_organizations_are_limited(caller: SandboxClient) -> None:
    assert caller.call("GET", "/organizations?per_page=100&page=9").json() == []
    response = caller.call("GET", "/organizations?per_page=100&page=10")
    message = "Requesting page exceeds the allowed maximum of 1000 records."
    assert error_of(response) == (400, message, "invalid_paging")
