"""Listings, numbers, ids, cursors and lists in responses must be limited before use."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from support.commands import CONFIG, SECRET, a_workspace, grants_of, reconciler, served

SEED = f"""
tool: {{name: Reconciler, client_id: own, client_secret: {SECRET}}}
applications: [{{name: Billing, client_id: billing}}, {{name: Portal, client_id: portal}}]
apis:
  - {{name: Invoices API, identifier: https://api.example.com/invoices, scopes: ["read:invoices", "write:invoices"]}}
organizations: [{{name: acme, id: org_0123456789abcdef}}]
grants: [{{client: Portal, api: Invoices API, scope: ["read:invoices"]}}]
"""
GRANTS = """
grants:
  - {client_id: billing, audience: https://api.example.com/invoices, scope: ["read:invoices"]}
  - {client_id: portal, audience: https://api.example.com/invoices, scope: ["write:invoices"]}
"""
Alter = Callable[[str, str, Any], Any]


def alter_responses(alter: Alter) -> Callable[[ASGIApp], ASGIApp]:
    """Return a middleware that replaces each response by the result of `alter(method, path, content)`."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def altered(scope: Scope, receive: Receive, send: Send) -> None:
            output: list[Message] = []

            async def keep(message: Message) -> None:
                output.append(message)

            await app(scope, receive, keep)
            body = b"".join(message.get("body", b"") for message in output)
            before = json.loads(body) if body else None
            content = alter(scope["method"], scope["path"], before)
            status = output[0]["status"] if content is before else 200
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            headers = [(name, value) for name, value in output[0]["headers"] if name != b"content-length"]
            length = (b"content-length", str(len(body)).encode())
            await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
            await send({"type": "http.response.body", "body": body})

        return altered

    return middleware


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch, tenant=SEED, **{"grants/billing": GRANTS})


@pytest.fixture
def run(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Return a function that runs a command with altered responses and returns its exit code and its output."""

    def run_altered(alter: Alter, *arguments: str) -> tuple[int, str]:
        with served(here, alter_responses(alter)) as environment:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("AUTH0_AUDIENCE", "https://sandbox.localhost/api/v2/")
            result = reconciler(*arguments)
        return result.code, result.output

    return run_altered


def set_in_grants(name: str, value: object) -> Alter:
    """Set a field in every listed grant and in every created grant."""

    def alter(method: str, path: str, content: Any) -> Any:
        if path == "/api/v2/client-grants" and method == "GET":
            return {**content, "client_grants": [{**each, name: value} for each in content["client_grants"]]}
        return {**content, name: value} if path == "/api/v2/client-grants" and isinstance(content, dict) else content

    return alter


IDS = ["", ".", "..", "a\x00b", "a\nb", "\x7f", "\x85", "\ud800", "x" * 70_000, "é" * 600, 5, None, ["x"], {"a": 1}]


@pytest.mark.parametrize("identity", IDS, ids=lambda each: repr(each)[:20])
def test_an_id_that_would_change_a_path_is_refused(
    run: Callable[..., tuple[int, str]], here: Path, identity: object
) -> None:
    before = grants_of(here)

    code, output = run(set_in_grants("id", identity), "apply", "--yes")

    assert code == 1, output
    assert "a response of the tenant" in output
    assert len(output) < 500
    assert grants_of(here) == before


@pytest.mark.parametrize("identity", IDS, ids=lambda each: repr(each)[:20])
def test_a_create_with_an_invalid_id_in_its_response_is_looked_up(
    run: Callable[..., tuple[int, str]], identity: object
) -> None:
    def alter(method: str, path: str, content: Any) -> Any:
        return {**content, "id": identity} if (method, path) == ("POST", "/api/v2/client-grants") else content

    code, output = run(alter, "apply", "--yes")

    assert code == 0, output
    assert "but the change took effect" in output


@pytest.mark.parametrize("name", ["client_id", "audience", "subject_type"])
def test_a_create_with_another_grant_in_its_response_is_looked_up(
    run: Callable[..., tuple[int, str]], name: str
) -> None:
    def alter(method: str, path: str, content: Any) -> Any:
        return {**content, name: "user"} if (method, path) == ("POST", "/api/v2/client-grants") else content

    code, output = run(alter, "apply", "--yes")

    assert code == 0, output
    assert "a different grant than the requested grant; but the change took effect" in output


@pytest.mark.parametrize("lifetime", [b"1e400", b"-1e400", b"1" + b"0" * 400, b"true", b"0", b'"x"', b"[]"])
def test_a_renewed_token_may_have_any_lifetime_after_a_write(
    run: Callable[..., tuple[int, str]], lifetime: bytes
) -> None:
    written: list[str] = []

    def alter(method: str, path: str, content: Any) -> Any:
        if path != "/oauth/token":
            written.extend([method] * (method in {"POST", "PATCH"}))
            return content
        seconds = lifetime if written else b"1"  # the first tokens have expired before the next call
        return (
            json.dumps({**content, "expires_in": 0}).encode().replace(b'"expires_in": 0', b'"expires_in": ' + seconds)
        )

    code, output = run(alter, "apply", "--yes")

    assert code == 0, output


def test_a_cursor_with_characters_outside_urls_is_refused(run: Callable[..., tuple[int, str]], here: Path) -> None:
    before = grants_of(here)

    for cursor in ("x" * 70_000, "\ud800", "é" * 30_000, 5, ["x"], {"a": "b"}):

        def alter(_: str, path: str, content: Any, cursor: object = cursor) -> Any:
            return {**content, "next": cursor} if path == "/api/v2/client-grants" else content

        code, output = run(alter, "apply", "--yes")

        assert code == 1, output
        assert "a response of the tenant has a next" in output
        assert grants_of(here) == before


@pytest.fixture
def smaller_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce the size limit, so that the test is ten times as fast."""
    monkeypatch.setattr("reconciler.auth0.listings.MAX_LISTING_BYTES", 20_000_000)


@pytest.mark.usefixtures("smaller_limit")
def test_an_endless_listing_of_large_pages_is_refused(run: Callable[..., tuple[int, str]]) -> None:
    pages = 0

    def alter(_: str, path: str, content: Any) -> Any:
        nonlocal pages
        if path != "/api/v2/client-grants":
            return content
        pages += 1
        grants = [
            {
                "id": f"cgr_{pages}_{number}",
                "client_id": "x",
                "audience": f"{pages} {number}",
                "scope": ["x" * 2_000] * 40,
            }
            for number in range(110)
        ]
        return {"client_grants": grants, "next": str(pages)}

    code, output = run(alter, "plan")

    assert code == 1
    assert "the listing is larger than 20 MB" in output
    assert pages <= 6


@pytest.mark.usefixtures("smaller_limit")
def test_an_endless_listing_of_apis_is_refused(run: Callable[..., tuple[int, str]]) -> None:
    apis = [{"identifier": f"{number}", "name": "x" * 2_000, "description": "x" * 80_000} for number in range(100)]
    page = json.dumps({"resource_servers": apis, "total": 200_000}).encode()

    def alter(_: str, path: str, content: Any) -> Any:
        return page if path == "/api/v2/resource-servers" else content

    code, output = run(alter, "plan", "--attempts", "3")

    assert code == 1
    assert "the listing is larger than 20 MB" in output


def test_two_grants_with_one_id_are_an_error(run: Callable[..., tuple[int, str]]) -> None:
    def alter(method: str, path: str, content: Any) -> Any:
        if method == "GET" and path == "/api/v2/client-grants":
            return {"client_grants": [{**each, "id": "cgr_one"} for each in content["client_grants"]]}
        return content

    code, output = run(alter, "plan")

    assert code == 1
    assert "two different entries" in output


def test_listed_unknown_fields_are_limited_in_number_and_length(run: Callable[..., tuple[int, str]]) -> None:
    def alter(method: str, path: str, content: Any) -> Any:
        if method == "GET" and path == "/api/v2/client-grants":
            odd = {f"{number} {'x' * 9_000}": number for number in range(200)}
            return {"client_grants": [{**each, **odd} for each in content["client_grants"]]}
        return content

    code, output = run(alter, "plan")

    assert code == 0, output
    assert len(output) < 5_000


def test_ids_of_missing_organizations_need_one_listing(run: Callable[..., tuple[int, str]], here: Path) -> None:
    requests: list[str] = []
    invented = ", ".join(f"org_{number:016}" for number in range(3_000))
    (here / "grants/billing.yaml").write_text(
        "grants: [{client_id: billing, audience: https://api.example.com/invoices, scope: [], "
        f"organization_usage: allow, organizations: [org_0123456789abcdef, {invented}]}}]"
    )

    def alter(_: str, path: str, content: Any) -> Any:
        requests.append(path)
        return content

    code, output = run(alter, "plan")

    assert code == 1
    assert 'the tenant has no organization "org_0000000000000000"' in output
    assert len(requests) < 10


def test_many_organization_ids_need_the_permission_to_list(here: Path) -> None:
    invented = ", ".join(f"org_{number:016}" for number in range(200))
    (here / "grants/billing.yaml").write_text(
        "grants: [{client_id: billing, audience: https://api.example.com/invoices, scope: [], "
        f"organization_usage: allow, organizations: [{invented}]}}]"
    )
    scope = '["read:client_grants", "read:resource_servers", "read:organization_client_grants"]'
    (here / "tenant.yaml").write_text(SEED.replace(f"{SECRET}}}", f"{SECRET}, scope: {scope}}}"))
    (here / "reconciler.yaml").write_text(CONFIG)

    result = reconciler("plan")

    assert result.code == 1
    assert "more than 100 organizations by id" in result.output
