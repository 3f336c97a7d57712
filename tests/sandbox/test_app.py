import pytest
from sandbox.sandbox_client import START, SandboxClient, error

JSON = "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    ["/", "/api/v2/nothing", "/api/v2/client-grants/a/b", "/api/v2/clients/"],
    ids=["root", "word", "deep", "slash"],
)
def test_an_unknown_path_is_not_found(talk: SandboxClient, path: str) -> None:
    answer = talk.raw("GET", path)
    assert error(answer) == (404, "Not Found", None)
    assert answer.headers["content-type"] == JSON


@pytest.mark.parametrize("path", ["/api/v2/client-grants", "/oauth/token"])
def test_an_unknown_method_is_not_allowed(talk: SandboxClient, path: str) -> None:
    answer = talk.raw("PUT", path)
    assert error(answer) == (405, "Method Not Allowed", None)
    assert "POST" in answer.headers["allow"]


def test_every_answer_has_its_type_the_date_and_the_rate_limit(talk: SandboxClient) -> None:
    for answer in (talk.call("GET", "/client-grants"), talk.raw("GET", "/x"), talk.raw("POST", "/oauth/token")):
        assert answer.headers["content-type"] == JSON
        assert answer.headers["date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
        assert int(answer.headers["x-ratelimit-limit"]) > int(answer.headers["x-ratelimit-remaining"]) > 1000
        assert int(answer.headers["x-ratelimit-reset"]) == START + 1


def test_head_is_answered_like_get(talk: SandboxClient) -> None:
    assert talk.call("HEAD", "/client-grants").status_code == 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"{", "Invalid request payload JSON format", id="broken"),
        pytest.param(b"\xff", "Invalid request payload JSON format", id="not UTF-8"),
        pytest.param(b"", "Payload validation error: 'Expected type object but found type null'.", id="empty"),
        pytest.param(b"[]", "Payload validation error: 'Expected type object but found type array'.", id="list"),
    ],
)
def test_a_body_that_is_no_object_is_refused(talk: SandboxClient, content: bytes, message: str) -> None:
    answer = talk.call("POST", "/client-grants", content=content)
    assert error(answer)[:2] == (400, message)


@pytest.mark.parametrize("path", ["/api/v2/clients", "/oauth/token"])
def test_a_body_has_at_most_a_megabyte(talk: SandboxClient, path: str) -> None:
    headers = {"authorization": f"Bearer {talk.token()}", "content-type": "application/json"}
    body = b'{"name":"' + b"x" * (1_048_576 - 11) + b'"}'
    assert talk.raw("POST", path, headers=headers, content=body).status_code != 413
    answer = talk.raw("POST", path, headers=headers, content=body + b" ")
    assert error(answer) == (413, "Payload content length greater than maximum allowed: 1048576", None)


def test_what_is_wrong_with_the_token_is_told_before_what_is_wrong_with_the_body(talk: SandboxClient) -> None:
    assert talk.raw("POST", "/api/v2/client-grants", content=b"{").status_code == 401
