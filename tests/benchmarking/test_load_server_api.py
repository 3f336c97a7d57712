"""What the load server's tenant answers: pages, filters, writes."""

import json
from typing import Any

import pytest

from benchmarks.api import Response, Request, tenant_of
from benchmarks.tenants import SCOPES, Case, Work, audience, client_id

GRANTS = "/api/v2/client-grants"
APPLICATIONS = "/api/v2/clients"
APIS = "/api/v2/resource-servers"
TENANT = Case(Work.NOTHING, 250)  # three pages of grants, the tool's own among them


def get(path: str, **query: str) -> Any:
    query = {name.rstrip("_"): value for name, value in query.items()}
    return json.loads(tenant_of(TENANT).respond(Request("GET", path, query, {})).body)


def ids(grants: list[dict[str, Any]]) -> list[str]:
    return [grant["id"] for grant in grants]


@pytest.mark.parametrize(("path", "name", "total"), [(GRANTS, "client_grants", 250), (APPLICATIONS, "clients", 25)])
def test_a_cursor_leads_through_everything_once_in_order(path: str, name: str, total: int) -> None:
    page = get(path, take="10")
    listed = list(page[name])
    while "next" in page:
        page = get(path, take="10", from_=page["next"])
        listed += page[name]

    identifiers = [json.dumps(each) for each in listed]
    assert len(identifiers) == len(set(identifiers)) == total
    assert path != GRANTS or ids(listed) == sorted(ids(listed))


def test_the_last_page_of_a_cursor_names_no_next_one_even_if_it_is_full() -> None:
    page = get(GRANTS, take="100", from_="cgr_0000000000000150")

    assert len(page["client_grants"]) == 100
    assert "next" not in page


def test_a_cursor_wins_over_page_numbers() -> None:
    page = get(GRANTS, take="3", page="1", per_page="2", include_totals="true")

    assert (len(page["client_grants"]), "total" in page) == (3, False)


def test_without_any_paging_fifty_come_as_a_bare_list() -> None:
    assert len(get(GRANTS)) == 50


@pytest.mark.parametrize(
    ("path", "name", "total"),
    [(GRANTS, "client_grants", 250), (APPLICATIONS, "clients", 25), (APIS, "resource_servers", 21)],
)
def test_page_numbers_come_with_totals_where_asked(path: str, name: str, total: int) -> None:
    pages = [get(path, page=str(number), per_page="20", include_totals="true") for number in range(-(-total // 20))]

    assert [(page["total"], page["limit"]) for page in pages] == [(total, 20)] * len(pages)
    assert sum(len(page[name]) for page in pages) == total
    assert len(get(path, page="0", per_page="20")) == 20


def test_a_page_beyond_the_end_is_empty() -> None:
    assert get(GRANTS, page="9", per_page="100") == []


def test_no_page_has_more_than_a_hundred() -> None:
    assert len(get(GRANTS, take="500")["client_grants"]) == len(get(GRANTS, per_page="500")) == 100


def test_filters_select_grants() -> None:
    (found,) = get(GRANTS, take="100", client_id=client_id(3), audience=audience(2))["client_grants"]

    assert (found["client_id"], found["audience"]) == (client_id(3), audience(2))


def test_fields_select_what_is_told_of_applications() -> None:
    assert {tuple(each) for each in get(APPLICATIONS, take="5", fields="client_id,name")["clients"]} == {
        ("client_id", "name")
    }


def test_a_grant_is_created_updated_and_deleted_and_listings_show_it() -> None:
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
    assert call("POST", GRANTS, body).status == 201  # its key is free again


@pytest.mark.parametrize("stranger", [{"client_id": "App 1"}, {"audience": "https://nowhere.example/"}])
def test_a_grant_for_what_does_not_exist_is_refused(stranger: dict[str, object]) -> None:
    body = {"client_id": client_id(0), "audience": audience(19), "scope": []} | stranger

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
def test_each_work_begins_with_one_tenant_and_ends_with_another(
    work: Work, before: int, after: int, writes: int
) -> None:
    case = Case(work, 100)

    assert (len(set(case.before)), len(set(case.after))) == (case.count_before, case.count_after) == (before, after)
    changed = {each.client_id + each.audience for each in set(case.before) ^ set(case.after)}
    assert len(changed) == case.writes == writes
    assert {grant.scopes for grant in case.declared} == {SCOPES}
