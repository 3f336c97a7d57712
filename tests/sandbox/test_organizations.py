import pytest
from sandbox.sandbox_client import SandboxClient, error_of


def test_an_organization_is_created_read_listed_and_deleted(caller: SandboxClient) -> None:
    response = caller.call("POST", "/organizations", json={"name": "acme", "metadata": {"plan": "gold"}})
    organization = response.json()
    path = f"/organizations/{organization['id']}"
    assert response.status_code == 201
    assert list(organization) == ["id", "name", "metadata"]
    assert caller.call("GET", path).json() == organization
    assert {item["name"] for item in caller.call("GET", "/organizations").json()} == {"acme", "globex"}
    for _ in range(2):
        assert caller.call("DELETE", path).status_code == 204
    assert error_of(caller.call("GET", path)) == (404, "No organization found by that id or name", None)


def test_the_list_has_totals_and_checkpoints(caller: SandboxClient) -> None:
    caller.call("POST", "/organizations", json={"name": "acme"})
    totals = caller.call("GET", "/organizations?include_totals=true&per_page=1").json()
    assert (totals["total"], len(totals["organizations"])) == (2, 1)
    first = caller.call("GET", "/organizations?include_totals=true&take=1").json()
    assert list(first) == ["organizations", "next"]
    assert list(caller.call("GET", f"/organizations?from={first['next']}").json()) == ["organizations"]


def test_names_are_unique(caller: SandboxClient) -> None:
    response = caller.call("POST", "/organizations", json={"name": "globex"})
    assert error_of(response) == (409, "An organization with this name already exists", "conflict")


def test_a_name_is_needed(caller: SandboxClient) -> None:
    assert error_of(caller.call("POST", "/organizations", json={"display_name": "x"}))[0::2] == (400, "invalid_body")


def test_an_organization_is_read_by_its_name(caller: SandboxClient) -> None:
    [globex] = caller.call("GET", "/organizations").json()
    assert caller.call("GET", "/organizations/name/globex").json() == globex
    unknown = (404, "No organization found by that id or name", None)
    assert error_of(caller.call("GET", "/organizations/name/initech")) == unknown


def test_a_patch_replaces_attributes_and_null_removes_them(caller: SandboxClient) -> None:
    path = f"/organizations/{caller.call('GET', '/organizations').json()[0]['id']}"
    changes = {"name": "initech", "display_name": None, "metadata": {"plan": "gold"}}
    changed = caller.call("PATCH", path, json=changes).json()
    assert changed == {"id": path.rpartition("/")[2], "name": "initech", "metadata": {"plan": "gold"}}
    assert caller.call("GET", path).json() == changed
    assert caller.call("GET", "/organizations/name/initech").json() == changed


def test_an_invalid_change_is_refused(caller: SandboxClient) -> None:
    path = f"/organizations/{caller.call('POST', '/organizations', json={'name': 'acme'}).json()['id']}"
    fixed = "Payload validation error: 'Additional properties not allowed: id'."
    assert error_of(caller.call("PATCH", path, json={"id": "x"})) == (400, fixed, "invalid_body")
    assert error_of(caller.call("PATCH", path, json={"name": None}))[0::2] == (400, "invalid_body")
    taken = (409, "An organization with this name already exists", "conflict")
    assert error_of(caller.call("PATCH", path, json={"name": "globex"})) == taken
    assert error_of(caller.call("PATCH", "/organizations/org_x", json={"name": "x"}))[0] == 404


def test_the_attributes_of_an_organization_have_the_recorded_order(caller: SandboxClient) -> None:
    body = {
        "branding": {"logo_url": "https://example.com/a.png"},
        "metadata": {"plan": "gold"},
        "name": "acme",
        "display_name": "ACME",
        "is_app_entitlement_active": True,
    }
    created = caller.call("POST", "/organizations", json=body).json()
    shown = caller.call("GET", f"/organizations/{created['id']}").json()
    rest = ["branding", "third_party_client_access", "is_app_entitlement_active", "metadata"]
    assert list(created) == ["id", "display_name", "name", *rest]
    assert list(shown) == ["id", "name", "display_name", *rest]


def test_an_organization_has_no_discovery_domains_and_no_applications(caller: SandboxClient) -> None:
    path = f"/organizations/{caller.call('GET', '/organizations').json()[0]['id']}"
    assert caller.call("GET", f"{path}/discovery-domains?take=50").json() == {"domains": []}
    assert caller.call("GET", f"{path}/clients?take=50").json() == {"clients": []}
    assert caller.call("GET", f"{path}/connections?page=0").json() == []
    empty = {"connections": [], "start": 0, "limit": 50, "total": 0}
    assert caller.call("GET", f"{path}/connections?include_totals=true").json() == empty
    assert caller.call("GET", "/connections?take=50").json() == {"connections": []}
    assert caller.call("GET", "/connections").json() == []


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/organizations/org_x/clients", "read:organization_clients"),
        ("/organizations/org_x/discovery-domains", "read:organization_discovery_domains"),
        ("/organizations/org_x/connections", "read:organization_connections"),
    ],
)
def test_each_list_of_an_organization_needs_its_own_permission(
    caller: SandboxClient, path: str, permission: str
) -> None:
    reader = SandboxClient(caller.sandbox, caller.clock, scopes=("read:organizations",))
    assert error_of(reader.call("GET", path))[:2] == (403, f"Insufficient scope, expected any of: {permission}")
    assert error_of(caller.call("GET", path))[:2] == (404, "No organization found by that id or name")


def test_organizations_with_app_entitlements_have_the_setting_for_third_parties(caller: SandboxClient) -> None:
    organization = caller.call(
        "POST", "/organizations", json={"name": "acme", "is_app_entitlement_active": True}
    ).json()
    assert organization["third_party_client_access"] == "block"


def test_an_organization_has_no_members_and_no_connections(caller: SandboxClient) -> None:
    path = f"/organizations/{caller.call('GET', '/organizations').json()[0]['id']}"
    connections = caller.call("GET", f"{path}/enabled_connections?include_totals=true&page=0&per_page=100").json()
    members = caller.call(
        "GET", f"{path}/members?fields=user_id&include_fields=true&include_totals=true&take=100"
    ).json()
    assert connections == {"enabled_connections": [], "start": 0, "limit": 0, "total": 0}
    assert members == {"members": []}
    assert error_of(caller.call("GET", "/organizations/org_x/members"))[0] == 404
