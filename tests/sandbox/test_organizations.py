from sandbox.talk import Talk, error


def test_an_organization_is_created_read_listed_and_deleted(talk: Talk) -> None:
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


def test_the_list_has_totals_and_checkpoints(talk: Talk) -> None:
    talk.call("POST", "/organizations", json={"name": "acme"})
    totals = talk.call("GET", "/organizations?include_totals=true&per_page=1").json()
    assert (totals["total"], len(totals["organizations"])) == (2, 1)
    first = talk.call("GET", "/organizations?include_totals=true&take=1").json()
    assert list(first) == ["organizations", "next"]
    assert list(talk.call("GET", f"/organizations?from={first['next']}").json()) == ["organizations"]


def test_names_are_unique(talk: Talk) -> None:
    answer = talk.call("POST", "/organizations", json={"name": "globex"})
    assert error(answer) == (409, "An organization with this name already exists", "conflict")


def test_a_name_is_needed(talk: Talk) -> None:
    assert error(talk.call("POST", "/organizations", json={"display_name": "x"}))[0::2] == (400, "invalid_body")
