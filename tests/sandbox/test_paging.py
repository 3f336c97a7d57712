from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from sandbox.sandbox_client import MANAGEMENT, SandboxClient, error, open_client

from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import DocumentKind

AMOUNT = 120  # grants made here, beside the seed's two


def fill(talk: SandboxClient) -> None:
    with talk.sandbox.store.transaction():
        for number in range(AMOUNT):
            identity = f"cgr_{number:016}"
            grant = {
                "id": identity,
                "client_id": f"c{number}",
                "audience": "urn:x",
                "scope": [],
                "subject_type": "client",
            }
            talk.sandbox.store.add(DocumentKind.CLIENT_GRANTS, identity, grant)


def pages(talk: SandboxClient, path: str, **query: object) -> list[list[str]]:
    """Follow `next` to the end; return the ids of each page."""
    found: list[list[str]] = []
    while True:
        body = talk.call("GET", path, params=query).json()
        found.append([item["id"] for item in body["client_grants"]])
        if "next" not in body:
            return found
        query["from"] = body["next"]


def test_without_paging_the_list_is_an_array_of_fifty(talk: SandboxClient) -> None:
    fill(talk)
    assert len(talk.call("GET", "/client-grants").json()) == 50


def test_the_list_ascends_by_id_in_ascii(talk: SandboxClient) -> None:
    fill(talk)
    ids = [grant["id"] for grant in talk.call("GET", "/client-grants?per_page=100&page=1").json()]
    assert ids == sorted(ids)
    assert ids[-1] == "cgr_SystemSystem0001"


def test_totals_come_with_start_and_limit(talk: SandboxClient) -> None:
    fill(talk)
    body = talk.call("GET", "/client-grants?include_totals=true&per_page=50&page=2").json()
    assert list(body) == ["total", "start", "limit", "client_grants"]
    assert (body["total"], body["start"], body["limit"], len(body["client_grants"])) == (AMOUNT + 2, 100, 50, 22)
    assert talk.call("GET", "/client-grants?include_totals=true").json()["limit"] == 50
    filtered = talk.call("GET", f"/client-grants?include_totals=true&audience={MANAGEMENT}").json()
    assert filtered["total"] == 1


@pytest.mark.parametrize("page", [3, 10**17])
def test_a_page_behind_the_end_is_empty(talk: SandboxClient, page: int) -> None:
    assert talk.call("GET", f"/client-grants?page={page}").json() == []


def test_checkpoints_lead_through_all_grants_once(talk: SandboxClient) -> None:
    fill(talk)
    found = pages(talk, "/client-grants", take=50)
    assert [len(page) for page in found] == [50, 50, 22]
    whole = [identity for page in found for identity in page]
    assert whole == sorted(set(whole))


def test_checkpoints_win_over_offsets_and_totals(talk: SandboxClient) -> None:
    fill(talk)
    body = talk.call("GET", "/client-grants?include_totals=true&per_page=5&page=7&take=100").json()
    assert list(body) == ["client_grants", "next"]
    assert len(body["client_grants"]) == 100
    rest = talk.call("GET", "/client-grants", params={"from": body["next"], "per_page": 3}).json()
    assert list(rest) == ["client_grants"]
    assert len(rest["client_grants"]) == 22


def test_checkpoints_keep_to_the_filter(talk: SandboxClient) -> None:
    fill(talk)
    found = pages(talk, "/client-grants", take=60, audience="urn:x")
    assert [len(page) for page in found] == [60, 60]


def test_next_may_come_with_the_last_page_too(tmp_path: Path) -> None:
    talk = open_client(tmp_path, settings=Settings(next_on_last_page=True))
    with talk.sandbox:
        fill(talk)
        assert [len(page) for page in pages(talk, "/client-grants", take=100)] == [100, 22, 0]


def test_a_checkpoint_holds_for_a_day(talk: SandboxClient) -> None:
    fill(talk)
    following = talk.call("GET", "/client-grants?take=1").json()["next"]
    talk.clock.now += 86_399
    assert talk.call("GET", "/client-grants", params={"from": following}).status_code == 200
    talk.clock.now += 1
    assert error(talk.call("GET", "/client-grants", params={"from": following}))[0] == 400


@pytest.mark.parametrize(
    "token",
    ["not a checkpoint", "x", "é", urlsafe_b64encode(b"9999999999,").decode(), urlsafe_b64encode(b"\xff,a").decode()],
    ids=["words", "short", "no ASCII", "no id", "no text"],
)
def test_an_invented_checkpoint_is_refused(talk: SandboxClient, token: str) -> None:
    assert error(talk.call("GET", "/client-grants", params={"from": token}))[0::2] == (400, "invalid_query_string")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "per_page=1000",
            "'Value 1000 is greater than maximum 100' on property per_page (How many results make a page.).",
        ),
        ("per_page=0", "'Value 0 is less than minimum 1' on property per_page (How many results make a page.)."),
        (
            "take=101",
            "'Value 101 is greater than maximum 100' on property take (How many results make a page, 50 unless told.).",
        ),
        ("page=-1", "'Value -1 is less than minimum 0' on property page (Number of the page, counted from 0.)."),
        ("pagee=1", "'Additional properties not allowed: pagee'."),
    ],
)
def test_a_page_that_cannot_be_is_refused(talk: SandboxClient, query: str, message: str) -> None:
    answer = talk.call("GET", f"/client-grants?{query}")
    assert error(answer) == (400, f"Query validation error: {message}", "invalid_query_string")


def test_unknown_parameters_are_tolerated_where_set(tmp_path: Path) -> None:
    talk = open_client(tmp_path, settings=Settings(refuse_unknown_query=False))
    with talk.sandbox:
        assert talk.call("GET", "/client-grants?pagee=1").status_code == 200


def test_offsets_into_organizations_are_capped(talk: SandboxClient) -> None:
    assert talk.call("GET", "/organizations?per_page=100&page=9").json() == []
    answer = talk.call("GET", "/organizations?per_page=100&page=10")
    message = "Requesting page exceeds the allowed maximum of 1000 records."
    assert error(answer) == (400, message, "invalid_paging")
