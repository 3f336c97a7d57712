from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox.faulty_sandbox import FaultySandboxClient, on_grants, open_faulty_sandbox
from sandbox.sandbox_client import open_client

from auth0_sandbox.faults.plan import AnswerFault, Drop
from auth0_sandbox.store.database import DocumentKind

PLAN = {"faults": [{"path": "/api/v2/client-grants", "calls": [1], "answer": {"status": 503}}]}


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[FaultySandboxClient]:
    with open_faulty_sandbox(tmp_path, rate_limit="enterprise-nonprod", with_admin=True) as opened:
        yield opened


def test_requests_are_counted_by_endpoint_and_status(talk: FaultySandboxClient) -> None:
    talk.set(on_grants(Drop(), "POST"))
    grant = "cgr_0000000000000000"
    for method, path in (("GET", "/client-grants"), ("GET", f"/client-grants/{grant}"), ("GET", "/nowhere")):
        talk.call(method, path)
    with pytest.raises(Exception, match="reset"):
        talk.call("POST", "/client-grants")
    for _ in range(9):
        talk.call("DELETE", f"/client-grants/{grant}")

    statistics = talk.raw("GET", "/sandbox/statistics").json()

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


def test_the_whole_state_is_told_but_for_secrets(talk: FaultySandboxClient) -> None:
    grant = talk.create()
    answer = talk.raw("GET", "/sandbox/state")
    state = answer.json()
    assert list(state) == ["tenant", *(kind for kind in DocumentKind if kind is not DocumentKind.LOGS)]
    assert state["tenant"] == {"domain": "acme.eu.auth0.com"}
    assert grant in state["client_grants"]
    assert {client["client_id"] for client in state["clients"]} >= {"worker", "portal"}
    assert "hush" not in answer.text
    assert talk.sandbox.credentials.client_secret not in answer.text


def test_faults_are_set_told_and_cleared(talk: FaultySandboxClient) -> None:
    told = talk.raw("PUT", "/sandbox/faults", json=PLAN).json()
    assert told["counts"] == [{"meant": 0, "struck": 0}]
    assert [talk.call("GET", "/client-grants").status_code for _ in range(2)] == [503, 200]
    told = talk.raw("GET", "/sandbox/faults").json()
    assert told["counts"] == [{"meant": 2, "struck": 1}]
    assert told["faults"][0]["answer"]["status"] == 503

    assert talk.raw("PUT", "/sandbox/faults", json={"faults": told["faults"]}).json()["faults"] == told["faults"]
    assert talk.raw("DELETE", "/sandbox/faults").json() == {"faults": [], "counts": []}
    assert talk.call("GET", "/client-grants").status_code == 200


def test_faults_can_be_sent_as_yaml(talk: FaultySandboxClient) -> None:
    content = b"faults:\n- path: /api/v2/clients\n  answer: {status: 500}  # always\n"
    assert talk.raw("PUT", "/sandbox/faults", content=content).status_code == 200
    assert talk.call("GET", "/clients").status_code == 500


def test_a_wrong_plan_is_refused_with_every_problem_and_changes_nothing(talk: FaultySandboxClient) -> None:
    talk.set(on_grants(AnswerFault(status=503)))
    answer = talk.raw("PUT", "/sandbox/faults", content=b'faults:\n- drop: {when: "never"}\n- paht: x\n')
    assert answer.status_code == 400
    problems = answer.json()["problems"]
    assert [problem.split(": ")[0] for problem in problems] == ["faults:2:16", "faults:3:3", "faults:3:3"]
    assert talk.call("GET", "/client-grants").status_code == 503


def test_reset_brings_everything_back_to_how_it_started(tmp_path: Path) -> None:
    with open_faulty_sandbox(
        tmp_path, on_grants(AnswerFault(status=503), calls=(1,)), rate_limit="free", with_admin=True
    ) as talk:
        started = talk.raw("GET", "/sandbox/state").json()
        statuses = [talk.call("GET", "/client-grants").status_code for _ in range(4)]
        talk.set()
        talk.sandbox.store.remove(DocumentKind.CLIENT_GRANTS, {})

        assert talk.raw("POST", "/sandbox/reset").json() == {"reset": True}

        assert talk.raw("GET", "/sandbox/state").json() == started
        assert talk.raw("GET", "/sandbox/statistics").json()["requests"] == 0
        assert [talk.call("GET", "/client-grants").status_code for _ in range(4)] == statuses == [503, 200, 200, 429]


@pytest.mark.parametrize("seed", [None, "grants: [{client: Nobody, audience: x}]"], ids=["gone", "wrong"])
def test_a_reset_that_cannot_be_leaves_everything_as_it_is(
    talk: FaultySandboxClient, tmp_path: Path, seed: str | None
) -> None:
    grant = talk.create()
    file = tmp_path / "seed.yaml"
    file.unlink() if seed is None else file.write_text(seed)
    assert talk.raw("POST", "/sandbox/reset").status_code == 400
    assert talk.stored(grant) == grant


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="localhost"),
        pytest.param({"host": "127.0.0.1:8321"}, 200, id="address"),
        pytest.param({"host": "[::1]:8321"}, 200, id="address of version 6"),
        pytest.param({"host": "sandbox.localhost"}, 200, id="name under localhost"),
        pytest.param({"host": "evil.example.com"}, 403, id="name that leads here"),
        pytest.param({"host": "10.0.0.1"}, 403, id="other address"),
        pytest.param({"origin": "https://evil.example.com"}, 403, id="web page"),
    ],
)
def test_web_pages_elsewhere_are_refused(talk: FaultySandboxClient, headers: dict[str, str], status: int) -> None:
    assert talk.raw("POST", "/sandbox/reset", headers=headers).status_code == status


def test_without_being_asked_for_there_is_no_administration(tmp_path: Path) -> None:
    plain = open_client(tmp_path)
    with plain.sandbox:
        assert plain.raw("GET", "/sandbox/state").status_code == 404


def test_neither_faults_nor_limits_touch_the_administration(talk: FaultySandboxClient) -> None:
    talk.raw("PUT", "/sandbox/faults", json={"faults": [{"answer": {"status": 503}}]})
    assert {talk.raw("GET", "/sandbox/faults").status_code for _ in range(20)} == {200}
