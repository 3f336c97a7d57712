from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox.faulty_sandbox import FaultySandboxClient, on_grants, open_faulty_sandbox
from sandbox.sandbox_client import open_client

from auth0_sandbox.faults.plan import AnswerFault, Drop
from auth0_sandbox.store.database import DocumentKind

PLAN = {"faults": [{"path": "/api/v2/client-grants", "calls": [1], "answer": {"status": 503}}]}


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[FaultySandboxClient]:
    with open_faulty_sandbox(tmp_path, rate_limit="enterprise-nonprod", with_admin=True) as opened:
        yield opened


def test_requests_are_counted_by_endpoint_and_status(caller: FaultySandboxClient) -> None:
    caller.set_faults(on_grants(Drop(), "POST"))
    grant = "cgr_0000000000000000"
    for method, path in (("GET", "/client-grants"), ("GET", f"/client-grants/{grant}"), ("GET", "/nowhere")):
        caller.call(method, path)
    with pytest.raises(Exception, match="reset"):
        caller.call("POST", "/client-grants")
    for _ in range(9):
        caller.call("DELETE", f"/client-grants/{grant}")

    statistics = caller.raw("GET", "/sandbox/statistics").json()

    assert statistics == {
        "requests": 13,
        "rate_limited": 1,
        "endpoints": [
            {"method": "GET", "path": "*", "requests": 1, "statuses": {"404": 1}},
            {"method": "GET", "path": "/api/v2/client-grants", "requests": 1, "statuses": {"200": 1}},
            {"method": "POST", "path": "/api/v2/client-grants", "requests": 1, "statuses": {"dropped": 1}},
            {"method": "DELETE", "path": "/api/v2/client-grants/{id}", "requests": 9, "statuses": {"204": 8, "429": 1}},
            {"method": "GET", "path": "/api/v2/client-grants/{id}", "requests": 1, "statuses": {"404": 1}},
        ],
    }


def test_the_state_contains_everything_except_secrets(caller: FaultySandboxClient) -> None:
    grant = caller.create()
    response = caller.raw("GET", "/sandbox/state")
    state = response.json()
    assert list(state) == ["tenant", *(kind for kind in DocumentKind if kind is not DocumentKind.LOGS)]
    assert state["tenant"] == {"domain": "acme.eu.auth0.com"}
    assert grant in state["client_grants"]
    assert {client["client_id"] for client in state["clients"]} >= {"worker", "portal"}
    assert "hush" not in response.text
    assert caller.sandbox.credentials.client_secret not in response.text


def test_faults_are_set_read_and_removed(caller: FaultySandboxClient) -> None:
    fault_plan = caller.raw("PUT", "/sandbox/faults", json=PLAN).json()
    assert fault_plan["counts"] == [{"meant": 0, "struck": 0}]
    assert [caller.call("GET", "/client-grants").status_code for _ in range(2)] == [503, 200]
    fault_plan = caller.raw("GET", "/sandbox/faults").json()
    assert fault_plan["counts"] == [{"meant": 2, "struck": 1}]
    assert fault_plan["faults"][0]["answer"]["status"] == 503

    assert (
        caller.raw("PUT", "/sandbox/faults", json={"faults": fault_plan["faults"]}).json()["faults"]
        == fault_plan["faults"]
    )
    assert caller.raw("DELETE", "/sandbox/faults").json() == {"faults": [], "counts": []}
    assert caller.call("GET", "/client-grants").status_code == 200


def test_faults_can_be_sent_as_yaml(caller: FaultySandboxClient) -> None:
    content = b"faults:\n- path: /api/v2/clients\n  answer: {status: 500}  # always\n"
    assert caller.raw("PUT", "/sandbox/faults", content=content).status_code == 200
    assert caller.call("GET", "/clients").status_code == 500


def test_an_invalid_fault_plan_is_refused_with_every_problem(caller: FaultySandboxClient) -> None:
    caller.set_faults(on_grants(AnswerFault(status=503)))
    response = caller.raw("PUT", "/sandbox/faults", content=b'faults:\n- drop: {when: "never"}\n- paht: x\n')
    assert response.status_code == 400
    problems = response.json()["problems"]
    assert [problem.split(": ")[0] for problem in problems] == ["faults:2:16", "faults:3:3", "faults:3:3"]
    assert caller.call("GET", "/client-grants").status_code == 503


def test_reset_restores_the_initial_state(tmp_path: Path) -> None:
    with open_faulty_sandbox(
        tmp_path, on_grants(AnswerFault(status=503), calls=(1,)), rate_limit="free", with_admin=True
    ) as caller:
        started = caller.raw("GET", "/sandbox/state").json()
        statuses = [caller.call("GET", "/client-grants").status_code for _ in range(4)]
        caller.set_faults()
        caller.sandbox.store.remove(DocumentKind.CLIENT_GRANTS, {})

        assert caller.raw("POST", "/sandbox/reset").json() == {"reset": True}

        assert caller.raw("GET", "/sandbox/state").json() == started
        assert caller.raw("GET", "/sandbox/statistics").json()["requests"] == 0
        assert [caller.call("GET", "/client-grants").status_code for _ in range(4)] == statuses == [503, 200, 200, 429]


@pytest.mark.parametrize(
    "seed", [None, "grants: [{client: Nobody, audience: x}]"], ids=["missing seed", "invalid seed"]
)
def test_a_failed_reset_changes_nothing(caller: FaultySandboxClient, tmp_path: Path, seed: str | None) -> None:
    grant = caller.create()
    file = tmp_path / "seed.yaml"
    file.unlink() if seed is None else file.write_text(seed)
    assert caller.raw("POST", "/sandbox/reset").status_code == 400
    assert caller.stored(grant) == grant


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="localhost"),
        pytest.param({"host": "127.0.0.1:8321"}, 200, id="address"),
        pytest.param({"host": "[::1]:8321"}, 200, id="IPv6 address"),
        pytest.param({"host": "sandbox.localhost"}, 200, id="name under localhost"),
        pytest.param({"host": "evil.example.com"}, 403, id="foreign name"),
        pytest.param({"host": "10.0.0.1"}, 403, id="other address"),
        pytest.param({"origin": "https://evil.example.com"}, 403, id="web page"),
    ],
)
def test_requests_of_other_web_pages_are_refused(
    caller: FaultySandboxClient, headers: dict[str, str], status: int
) -> None:
    assert caller.raw("POST", "/sandbox/reset", headers=headers).status_code == status


def test_the_administration_is_disabled_by_default(tmp_path: Path) -> None:
    plain = open_client(tmp_path)
    with plain.sandbox:
        assert plain.raw("GET", "/sandbox/state").status_code == 404


def test_faults_and_limits_do_not_apply_to_the_administration(caller: FaultySandboxClient) -> None:
    caller.raw("PUT", "/sandbox/faults", json={"faults": [{"answer": {"status": 503}}]})
    assert {caller.raw("GET", "/sandbox/faults").status_code for _ in range(20)} == {200}
