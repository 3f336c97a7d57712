import pytest
from sandbox.sandbox_client import START, SandboxClient, error_of

JSON = "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    ["/", "/api/v2/nothing", "/api/v2/client-grants/a/b", "/api/v2/clients/"],
    ids=["root", "unknown name", "too deep", "final slash"],
)
def test_an_unknown_path_is_not_found(caller: SandboxClient, path: str) -> None:
    response = caller.raw("GET", path)
    assert error_of(response) == (404, "Not Found", None)
    assert response.headers["content-type"] == JSON


@pytest.mark.parametrize("path", ["/api/v2/client-grants", "/oauth/token"])
def test_an_unknown_method_is_not_allowed(caller: SandboxClient, path: str) -> None:
    response = caller.raw("PUT", path)
    assert error_of(response) == (405, "Method Not Allowed", None)
    assert "POST" in response.headers["allow"]


def test_every_response_has_its_type_the_date_and_the_rate_limit(caller: SandboxClient) -> None:
    for response in (caller.call("GET", "/client-grants"), caller.raw("GET", "/x"), caller.raw("POST", "/oauth/token")):
        assert response.headers["content-type"] == JSON
        assert response.headers["date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
        assert int(response.headers["x-ratelimit-limit"]) > int(response.headers["x-ratelimit-remaining"]) > 1000
        assert int(response.headers["x-ratelimit-reset"]) == START + 1


def test_head_has_the_same_headers_as_get(caller: SandboxClient) -> None:
    assert caller.call("HEAD", "/client-grants").status_code == 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"{", "Invalid request payload JSON format", id="invalid JSON"),
        pytest.param(b"\xff", "Invalid request payload JSON format", id="not UTF-8"),
        pytest.param(b"", "Payload validation error: 'Expected type object but found type null'.", id="empty"),
        pytest.param(b"[]", "Payload validation error: 'Expected type object but found type array'.", id="list"),
    ],
)
def test_a_body_that_is_not_an_object_is_refused(caller: SandboxClient, content: bytes, message: str) -> None:
    response = caller.call("POST", "/client-grants", content=content)
    assert error_of(response)[:2] == (400, message)


@pytest.mark.parametrize("path", ["/api/v2/clients", "/oauth/token"])
def test_a_body_has_at_most_a_megabyte(caller: SandboxClient, path: str) -> None:
    headers = {"authorization": f"Bearer {caller.token()}", "content-type": "application/json"}
    body = b'{"name":"' + b"x" * (1_048_576 - 11) + b'"}'
    assert caller.raw("POST", path, headers=headers, content=body).status_code != 413
    response = caller.raw("POST", path, headers=headers, content=body + b" ")
    assert error_of(response) == (413, "Payload content length greater than maximum allowed: 1048576", None)


def test_an_error_of_the_token_takes_precedence_over_an_error_of_the_body(caller: SandboxClient) -> None:
    assert caller.raw("POST", "/api/v2/client-grants", content=b"{").status_code == 401
