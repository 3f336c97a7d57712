from typing import Any

import pytest
from sandbox.sandbox_client import INVOICES, MANAGEMENT, SandboxClient, error


def names(talk: SandboxClient, query: str = "") -> set[str]:
    return {client["name"] for client in talk.call("GET", f"/clients?{query}").json()}


def test_the_list_has_every_application_and_the_global_one(talk: SandboxClient) -> None:
    assert names(talk) == {"Reconciler", "Worker", "Portal", "Partner", "Express", "All Applications"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("is_global=true", {"All Applications"}, id="global"),
        pytest.param("is_global=false&is_first_party=true", {"Reconciler", "Worker", "Portal", "Express"}, id="own"),
        pytest.param("is_first_party=false", {"Partner"}, id="third party"),
        pytest.param("app_type=regular_web,express_configuration", {"Portal", "Express"}, id="types"),
    ],
)
def test_the_list_is_filtered(talk: SandboxClient, query: str, expected: set[str]) -> None:
    assert names(talk, query) == expected


def test_the_list_has_totals_and_checkpoints(talk: SandboxClient) -> None:
    totals = talk.call("GET", "/clients?page=0&per_page=100&include_totals=true&is_global=false").json()
    assert list(totals) == ["total", "start", "limit", "clients"]
    assert (totals["total"], len(totals["clients"])) == (5, 5)
    first = talk.call("GET", "/clients?take=4&include_totals=true").json()
    assert list(first) == ["clients", "next"]
    assert len(talk.call("GET", f"/clients?from={first['next']}").json()["clients"]) == 2


def test_fields_choose_the_attributes(talk: SandboxClient) -> None:
    only = talk.call("GET", "/clients?fields=name,client_id&include_fields=true&is_global=false").json()
    assert {frozenset(client) for client in only} == {frozenset({"name", "client_id"})}
    without = talk.call("GET", "/clients/worker?fields=name&include_fields=false").json()
    assert "name" not in without
    assert without["client_id"] == "worker"
    assert talk.call("GET", "/clients/worker?fields=name").json() == {"name": "Worker"}


def test_a_new_application_keeps_what_it_was_given_and_gets_the_defaults(talk: SandboxClient) -> None:
    answer = talk.call("POST", "/clients", json={"name": "Worker", "logo_uri": "x", "made_up": {"deep": [1]}})
    client = answer.json()
    assert answer.status_code == 201
    assert client["grant_types"] == ["authorization_code", "implicit", "refresh_token", "client_credentials"]
    assert (client["logo_uri"], client["made_up"], client["is_first_party"]) == ("x", {"deep": [1]}, True)
    assert (len(client["client_id"]), len(client["client_secret"])) == (32, 64)
    assert talk.call("GET", f"/clients/{client['client_id']}").json() == client


def test_an_application_needs_a_name(talk: SandboxClient) -> None:
    message = "Payload validation error: 'Missing required property: name'."
    assert error(talk.call("POST", "/clients", json={})) == (400, message, "invalid_body")


def test_secrets_are_shown_to_readers_of_keys_only(talk: SandboxClient) -> None:
    reader = SandboxClient(talk.sandbox, talk.clock, scopes=("read:client_summary",))
    assert "client_secret" in talk.call("GET", "/clients/worker").json()
    assert "client_secret" not in reader.call("GET", "/clients/worker").json()
    assert not any("client_secret" in client for client in reader.call("GET", "/clients").json())


def test_an_unknown_application_is_not_found(talk: SandboxClient) -> None:
    assert error(talk.call("GET", "/clients/nobody")) == (404, "The client does not exist", "inexistent_client")


def test_deleting_an_application_deletes_its_grants(talk: SandboxClient) -> None:
    talk.create()
    talk.create(subject_type="user")
    kept = talk.create(client_id="portal")
    for _ in range(2):
        assert talk.call("DELETE", "/clients/worker").status_code == 204
    assert talk.call("GET", "/clients/worker").status_code == 404
    assert talk.call("GET", "/client-grants?client_id=worker").json() == []
    assert talk.call("GET", f"/client-grants/{kept['id']}").status_code == 200


def test_the_global_client_stays(talk: SandboxClient) -> None:
    [whole] = talk.call("GET", "/clients?is_global=true").json()
    assert talk.call("DELETE", f"/clients/{whole['client_id']}").status_code == 400
    assert names(talk, "is_global=true") == {"All Applications"}


def test_the_tenants_name_is_the_first_part_of_its_domain(talk: SandboxClient) -> None:
    assert talk.call("GET", "/clients/worker").json()["tenant"] == "acme"


def test_a_new_application_has_the_settings_of_recorded_answers(talk: SandboxClient) -> None:
    client = talk.call("POST", "/clients", json={"name": "x", "app_type": None}).json()
    assert "app_type" not in client
    assert client["jwt_configuration"] == {"secret_encoded": False, "lifetime_in_seconds": 36_000}
    assert client["refresh_token"]["rotation_type"] == "non-rotating"
    assert client["cross_origin_authentication"] is False
    assert "oidc_logout" not in client


def test_settings_that_are_said_in_part_are_completed(talk: SandboxClient) -> None:
    body = {"name": "x", "jwt_configuration": {"alg": "RS256"}, "refresh_token": {"leeway": 5}, "oidc_logout": {}}
    client = talk.call("POST", "/clients", json=body).json()
    assert client["jwt_configuration"] == {"secret_encoded": False, "alg": "RS256"}
    assert client["refresh_token"]["leeway"] == 5
    assert client["refresh_token"]["token_lifetime"] == 2_592_000
    initiators = {"mode": "custom", "selected_initiators": ["rp-logout", "idp-logout"]}
    assert client["oidc_logout"] == {"backchannel_logout_initiators": initiators}
    assert client["oidc_backchannel_logout"] == {}


def test_what_is_named_is_replaced_and_null_takes_it_away(talk: SandboxClient) -> None:
    before = talk.call("GET", "/clients/portal").json()
    urls = ["https://portal.example.com/out"]
    changes = {"name": "Gate", "made_up": [1], "oidc_logout": {"backchannel_logout_urls": urls}}
    after = talk.call("PATCH", "/clients/portal", json=changes | {"app_type": None}).json()
    assert (after["name"], after["made_up"], "app_type" in after) == ("Gate", [1], False)
    assert after["oidc_backchannel_logout"] == {"backchannel_logout_urls": urls}
    assert after["grant_types"] == before["grant_types"]
    assert talk.call("GET", "/clients/portal").json() == after


def test_a_new_secret_counts_at_once(talk: SandboxClient) -> None:
    talk.create()
    talk.call("PATCH", "/clients/worker", json={"client_secret": "fresh"})
    form = {"grant_type": "client_credentials", "client_id": "worker", "audience": INVOICES}
    assert talk.raw("POST", "/oauth/token", data=form | {"client_secret": "hush"}).status_code == 401
    assert talk.raw("POST", "/oauth/token", data=form | {"client_secret": "fresh"}).status_code == 200


@pytest.mark.parametrize("name", ["client_id", "global", "tenant"])
def test_what_identifies_an_application_cannot_be_changed(talk: SandboxClient, name: str) -> None:
    message = f"Payload validation error: 'Additional properties not allowed: {name}'."
    assert error(talk.call("PATCH", "/clients/worker", json={name: "x"})) == (400, message, "invalid_body")


def test_the_global_client_has_the_attributes_of_recorded_ones(talk: SandboxClient) -> None:
    [whole] = talk.call("GET", "/clients?is_global=true").json()
    assert list(whole) == [
        "tenant",
        "global",
        "callbacks",
        "is_first_party",
        "name",
        "refresh_token",
        "owners",
        "custom_login_page",
        "cross_origin_authentication",
        "signing_keys",
        "client_id",
        "client_secret",
        "custom_login_page_on",
    ]


def test_the_global_client_can_be_changed_and_gets_no_defaults(talk: SandboxClient) -> None:
    [whole] = talk.call("GET", "/clients?is_global=true").json()
    answer = talk.call("PATCH", f"/clients/{whole['client_id']}", json={"custom_login_page": "<html>"})
    assert (answer.status_code, answer.json()) == (200, whole | {"custom_login_page": "<html>"})


def test_applications_are_listed_in_the_order_of_their_creation_and_the_global_one_last(talk: SandboxClient) -> None:
    for name in ("Zebra", "Aardvark"):
        talk.call("POST", "/clients", json={"name": name})
    expected = ["Reconciler", "Worker", "Portal", "Partner", "Express", "Zebra", "Aardvark", "All Applications"]
    by_offset, by_checkpoint, query = [], [], "take=3"
    for page in range(3):
        by_offset += talk.call("GET", f"/clients?page={page}&per_page=3").json()
        answer = talk.call("GET", f"/clients?{query}").json()
        by_checkpoint += answer["clients"]
        query = f"take=3&from={answer.get('next')}"
    assert [client["name"] for client in by_offset] == [client["name"] for client in by_checkpoint] == expected


def test_a_checkpoint_of_another_list_is_refused(talk: SandboxClient) -> None:
    token = talk.call("GET", "/organizations?take=1").json().get("next") or "MTgwMDAwMDAwMCxvcmdfeA"
    assert error(talk.call("GET", f"/clients?from={token}"))[0::2] == (400, "invalid_query_string")


def test_an_application_that_signs_assertions_shows_no_secret(talk: SandboxClient) -> None:
    methods: dict[str, Any] = {"private_key_jwt": {"credentials": []}}
    changed = talk.call("PATCH", "/clients/worker", json={"client_authentication_methods": methods}).json()
    assert "client_secret" not in changed
    assert "client_secret" not in talk.call("GET", "/clients/worker").json()
    again = talk.call("PATCH", "/clients/worker", json={"client_authentication_methods": None}).json()
    assert again["client_secret"] == "hush"


def test_an_express_configuration_application_gets_defaults_and_a_system_grant_of_its_own(talk: SandboxClient) -> None:
    client = talk.call("POST", "/clients", json={"name": "Express", "app_type": "express_configuration"}).json()
    assert client["grant_types"] == ["client_credentials"]
    assert client["client_authentication_methods"] == {"private_key_jwt": {"credentials": []}}
    assert "client_secret" not in client

    [grant] = talk.call("GET", f"/client-grants?client_id={client['client_id']}").json()
    known = {scope["value"] for scope in talk.call("GET", f"/resource-servers/{MANAGEMENT}").json()["scopes"]}
    assert (grant["audience"], grant["is_system"], len(grant["scope"])) == (MANAGEMENT, True, 16)
    assert set(grant["scope"]) <= known


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_application_can_be_written_as_a_form(talk: SandboxClient, method: str) -> None:
    form = "name=Form&is_first_party=false&grant_types[]=client_credentials&jwt_configuration[alg]=RS256"
    path = "/clients" if method == "POST" else "/clients/portal"
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    client = talk.call(method, path, content=form, headers=headers).json()
    assert (client["name"], client["is_first_party"], client["grant_types"]) == ("Form", False, ["client_credentials"])
    assert client["jwt_configuration"]["alg"] == "RS256"


def test_unknown_applications_cannot_be_changed(talk: SandboxClient) -> None:
    assert error(talk.call("PATCH", "/clients/nobody", json={"name": "x"}))[0::2] == (404, "inexistent_client")


def test_a_secret_can_be_rotated(talk: SandboxClient) -> None:
    rotated = talk.call("POST", "/clients/worker/rotate-secret")
    assert rotated.status_code == 200
    assert rotated.json() == talk.call("GET", "/clients/worker").json()
    assert rotated.json()["client_secret"] != "hush"
    talk.create()
    form = {"grant_type": "client_credentials", "client_id": "worker", "client_secret": "hush", "audience": INVOICES}
    assert talk.raw("POST", "/oauth/token", data=form).status_code == 401
    assert (
        talk.raw("POST", "/oauth/token", data=form | {"client_secret": rotated.json()["client_secret"]}).status_code
        == 200
    )
    assert error(talk.call("POST", "/clients/nobody/rotate-secret"))[0::2] == (404, "inexistent_client")
