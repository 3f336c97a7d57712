"""Responses of the load server's tenant: pages, filters, writes."""

import json
from typing import Any

import pytest

from benchmarks.api import Request, Response, tenant_of
from benchmarks.tenants import SCOPES, Case, Work, audience, client_id

GRANTS = "/api/v2/client-grants"
APPLICATIONS = "/api/v2/clients"
APIS = "/api/v2/resource-servers"
TENANT = Case(Work.NOTHING, 250)  # three pages of grants, including the tool's own grant


def get(path: str, **query: str) -> Any:
    query = {name.rstrip("_"): value for name, value in query.items()}
    return json.loads(tenant_of(TENANT).respond(Request("GET", path, query, {})).body)


def ids(grants: list[dict[str, Any]]) -> list[str]:
    return [grant["id"] for grant in grants]


@pytest.mark.parametrize(("path", "name", "total"), [(GRANTS, "client_grants", 250), (APPLICATIONS, "clients", 25)])
def test_a_cursor_lists_every_entry_once_and_in_order(path: str, name: str, total: int) -> None:
    page = get(path, take="10")
    listed = list(page[name])
    while "next" in page:
        page = get(path, take="10", from_=page["next"])
        listed += page[name]

    identifiers = [json.dumps(each) for each in listed]
    assert len(identifiers) == len(set(identifiers)) == total
    assert path != GRANTS or ids(listed) == sorted(ids(listed))


def test_the_last_page_has_no_next_cursor_even_if_it_is_full() -> None:
    page = get(GRANTS, take="100", from_="cgr_0000000000000150")

    assert len(page["client_grants"]) == 100
    assert "next" not in page


def test_a_cursor_takes_precedence_over_page_numbers() -> None:
    page = get(GRANTS, take="3", page="1", per_page="2", include_totals="true")

    assert (len(page["client_grants"]), "total" in page) == (3, False)


def test_without_paging_parameters_the_response_is_a_bare_list_of_fifty() -> None:
    assert len(get(GRANTS)) == 50


@pytest.mark.parametrize(
    ("path", "name", "total"),
    [(GRANTS, "client_grants", 250), (APPLICATIONS, "clients", 25), (APIS, "resource_servers", 21)],
)
def test_numbered_pages_have_totals_on_request(path: str, name: str, total: int) -> None:
    pages = [get(path, page=str(number), per_page="20", include_totals="true") for number in range(-(-total // 20))]

    assert [(page["total"], page["limit"]) for page in pages] == [(total, 20)] * len(pages)
    assert sum(len(page[name]) for page in pages) == total
    assert len(get(path, page="0", per_page="20")) == 20


def test_a_page_after_the_last_one_is_empty() -> None:
    assert get(GRANTS, page="9", per_page="100") == []


def test_a_page_has_at_most_a_hundred_entries() -> None:
    assert len(get(GRANTS, take="500")["client_grants"]) == len(get(GRANTS, per_page="500")) == 100


def test_filters_select_grants() -> None:
    (found,) = get(GRANTS, take="100", client_id=client_id(3), audience=audience(2))["client_grants"]

    assert (found["client_id"], found["audience"]) == (client_id(3), audience(2))


def test_fields_select_the_attributes_of_applications() -> None:
    assert {tuple(each) for each in get(APPLICATIONS, take="5", fields="client_id,name")["clients"]} == {
        ("client_id", "name")
    }


def test_listings_show_created_updated_and_deleted_grants() -> None:
    tenant = tenant_of(Case(Work.MISSING, 20))
    body: dict[str, object] = {"client_id": client_id(0), "audience": audience(1), "scope": ["read:things"]}

    def call(method: str, path: str, body: dict[str, object] | None = None) -> Response:
        return tenant.respond(Request(method, path, {}, body or {}))

    created = call("POST", GRANTS, body)
    grant = json.loads(created.body)
    assert (created.status, grant["subject_type"]) == (201, "client")
    assert call("POST", GRANTS, body).status == 409
    assert json.loads(call("PATCH", f"{GRANTS}/{grant['id']}", {"scope": []}).body) == grant | {"scope": []}
    assert ids(tenant.grants)[-1] == grant["id"]
    assert [call("DELETE", f"{GRANTS}/{grant['id']}").status for _ in range(2)] == [204, 204]
    assert grant["id"] not in ids(tenant.grants)
    assert call("PATCH", f"{GRANTS}/{grant['id']}", {"scope": []}).status == 404
    assert call("POST", GRANTS, body).status == 201  # the key can be used again


@pytest.mark.parametrize("unknown", [{"client_id": "App 1"}, {"audience": "https://nowhere.example/"}])
def test_a_grant_for_an_unknown_application_or_api_is_refused(unknown: dict[str, object]) -> None:
    body = {"client_id": client_id(0), "audience": audience(19), "scope": []} | unknown

    assert tenant_of(Case(Work.MISSING, 20)).respond(Request("POST", GRANTS, {}, body)).status == 404


@pytest.mark.parametrize(
    ("work", "before", "after", "writes"),
    [
        (Work.NOTHING, 100, 100, 0),
        (Work.CHANGED, 100, 100, 9),
        (Work.MISSING, 1, 100, 99),
        (Work.REMOVED, 100, 2, 98),
        (Work.EXPORT, 100, 100, 0),
        (Work.PLANNED, 1, 1, 0),
    ],
)
def test_each_task_has_the_expected_tenant_before_and_after(work: Work, before: int, after: int, writes: int) -> None:
    case = Case(work, 100)

    assert (len(set(case.before)), len(set(case.after))) == (case.count_before, case.count_after) == (before, after)
    changed = {each.client_id + each.audience for each in set(case.before) ^ set(case.after)}
    assert len(changed) == case.writes == writes
    assert {grant.scopes for grant in case.declared} == {SCOPES}
