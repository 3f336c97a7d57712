import pytest
from sandbox.sandbox_client import SandboxClient, error


def test_an_organization_is_created_read_listed_and_deleted(talk: SandboxClient) -> None:
    answer = talk.call("POST", "/organizations", json={"name": "acme", "metadata": {"plan": "gold"}})
    organization = answer.json()
    path = f"/organizations/{organization['id']}"
    assert answer.status_code == 201
    assert list(organization) == ["id", "name", "metadata"]
    assert talk.call("GET", path).json() == organization
    assert {item["name"] for item in talk.call("GET", "/organizations").json()} == {"acme", "globex"}
    for _ in range(2):
        assert talk.call("DELETE", path).status_code == 204
    assert error(talk.call("GET", path)) == (404, "No organization found by that id or name", None)


def test_the_list_has_totals_and_checkpoints(talk: SandboxClient) -> None:
    talk.call("POST", "/organizations", json={"name": "acme"})
    totals = talk.call("GET", "/organizations?include_totals=true&per_page=1").json()
    assert (totals["total"], len(totals["organizations"])) == (2, 1)
    first = talk.call("GET", "/organizations?include_totals=true&take=1").json()
    assert list(first) == ["organizations", "next"]
    assert list(talk.call("GET", f"/organizations?from={first['next']}").json()) == ["organizations"]


def test_names_are_unique(talk: SandboxClient) -> None:
    answer = talk.call("POST", "/organizations", json={"name": "globex"})
    assert error(answer) == (409, "An organization with this name already exists", "conflict")


def test_a_name_is_needed(talk: SandboxClient) -> None:
    assert error(talk.call("POST", "/organizations", json={"display_name": "x"}))[0::2] == (400, "invalid_body")


def test_an_organization_is_read_by_its_name(talk: SandboxClient) -> None:
    [globex] = talk.call("GET", "/organizations").json()
    assert talk.call("GET", "/organizations/name/globex").json() == globex
    unknown = (404, "No organization found by that id or name", None)
    assert error(talk.call("GET", "/organizations/name/initech")) == unknown


def test_what_is_named_is_replaced_and_null_takes_it_away(talk: SandboxClient) -> None:
    path = f"/organizations/{talk.call('GET', '/organizations').json()[0]['id']}"
    changes = {"name": "initech", "display_name": None, "metadata": {"plan": "gold"}}
    changed = talk.call("PATCH", path, json=changes).json()
    assert changed == {"id": path.rpartition("/")[2], "name": "initech", "metadata": {"plan": "gold"}}
    assert talk.call("GET", path).json() == changed
    assert talk.call("GET", "/organizations/name/initech").json() == changed


def test_a_wrong_change_is_refused(talk: SandboxClient) -> None:
    path = f"/organizations/{talk.call('POST', '/organizations', json={'name': 'acme'}).json()['id']}"
    fixed = "Payload validation error: 'Additional properties not allowed: id'."
    assert error(talk.call("PATCH", path, json={"id": "x"})) == (400, fixed, "invalid_body")
    assert error(talk.call("PATCH", path, json={"name": None}))[0::2] == (400, "invalid_body")
    taken = (409, "An organization with this name already exists", "conflict")
    assert error(talk.call("PATCH", path, json={"name": "globex"})) == taken
    assert error(talk.call("PATCH", "/organizations/org_x", json={"name": "x"}))[0] == 404


def test_the_attributes_of_an_organization_have_the_recorded_orders(talk: SandboxClient) -> None:
    body = {
        "branding": {"logo_url": "https://example.com/a.png"},
        "metadata": {"plan": "gold"},
        "name": "acme",
        "display_name": "ACME",
        "is_app_entitlement_active": True,
    }
    created = talk.call("POST", "/organizations", json=body).json()
    shown = talk.call("GET", f"/organizations/{created['id']}").json()
    rest = ["branding", "third_party_client_access", "is_app_entitlement_active", "metadata"]
    assert list(created) == ["id", "display_name", "name", *rest]
    assert list(shown) == ["id", "name", "display_name", *rest]


def test_an_organization_has_no_discovery_domains_and_no_applications(talk: SandboxClient) -> None:
    path = f"/organizations/{talk.call('GET', '/organizations').json()[0]['id']}"
    assert talk.call("GET", f"{path}/discovery-domains?take=50").json() == {"domains": []}
    assert talk.call("GET", f"{path}/clients?take=50").json() == {"clients": []}
    assert talk.call("GET", f"{path}/connections?page=0").json() == []
    empty = {"connections": [], "start": 0, "limit": 50, "total": 0}
    assert talk.call("GET", f"{path}/connections?include_totals=true").json() == empty
    assert talk.call("GET", "/connections?take=50").json() == {"connections": []}
    assert talk.call("GET", "/connections").json() == []


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/organizations/org_x/clients", "read:organization_clients"),
        ("/organizations/org_x/discovery-domains", "read:organization_discovery_domains"),
        ("/organizations/org_x/connections", "read:organization_connections"),
    ],
)
def test_each_list_of_an_organization_needs_its_own_permission(talk: SandboxClient, path: str, permission: str) -> None:
    reader = SandboxClient(talk.sandbox, talk.clock, scopes=("read:organizations",))
    assert error(reader.call("GET", path))[:2] == (403, f"Insufficient scope, expected any of: {permission}")
    assert error(talk.call("GET", path))[:2] == (404, "No organization found by that id or name")


def test_organizations_with_app_entitlements_tell_how_they_meet_third_parties(talk: SandboxClient) -> None:
    organization = talk.call("POST", "/organizations", json={"name": "acme", "is_app_entitlement_active": True}).json()
    assert organization["third_party_client_access"] == "block"


def test_an_organization_has_no_members_and_no_connections(talk: SandboxClient) -> None:
    path = f"/organizations/{talk.call('GET', '/organizations').json()[0]['id']}"
    connections = talk.call("GET", f"{path}/enabled_connections?include_totals=true&page=0&per_page=100").json()
    members = talk.call("GET", f"{path}/members?fields=user_id&include_fields=true&include_totals=true&take=100").json()
    assert connections == {"enabled_connections": [], "start": 0, "limit": 0, "total": 0}
    assert members == {"members": []}
    assert error(talk.call("GET", "/organizations/org_x/members"))[0] == 404
