"""Secrets that a server repeats must not be printed, in any encoding, response or format."""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from support.commands import SECRET, CommandResult, a_workspace, reconciler
from support.scripted_server import ReceivedRequest, http_response, scripted_server_thread

AUDIENCE = "https://tenant.example.com/api/v2/"
CLAIMS = {"azp": "own", "aud": AUDIENCE, "scope": "read:client_grants create:client_grants"}
API = {"identifier": "https://api.example.com/invoices", "name": "Invoices API", "scopes": [{"value": "read:invoices"}]}
GRANT = "grants: [{client_id: billing, audience: https://api.example.com/invoices, scope: [read:invoices]}]"
FETCHED = ".".join(
    base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
    for part in ('{"alg":"none"}', json.dumps(CLAIMS), "canary-signature-that-nobody-should-see")
)
PASSWORD = "canary-password-of-the-proxy"

Responder = Callable[[ReceivedRequest], bytes]


def raw_response(status: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """Return a response with any status line and headers."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\r\n".join([*lines, "connection: close", f"content-length: {len(body)}", "", ""]).encode() + body


def respond(request: ReceivedRequest) -> bytes:
    """Respond like a tenant without grants."""
    match request.path.removeprefix("/api/v2/"):
        case "/oauth/token":
            return http_response(200, {"access_token": FETCHED, "expires_in": 86_400})
        case "client-grants":
            return http_response(200, {"client_grants": []})
        case "resource-servers":
            return http_response(200, {"resource_servers": [API], "total": 1})
        case "clients":
            return http_response(
                200, {"clients": [{"client_id": "billing", "name": "Billing", "is_first_party": True}]}
            )
        case "organizations":
            return http_response(200, {"organizations": []})
        case _:
            return http_response(404)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = a_workspace(tmp_path, monkeypatch, reconciler="{}", **{"grants/billing": GRANT})
    for name, value in {"CLIENT_ID": "own", "CLIENT_SECRET": SECRET, "AUDIENCE": AUDIENCE}.items():
        monkeypatch.setenv(f"AUTH0_{name}", value)
    monkeypatch.setenv("OTHER_CLIENT_SECRET", f"other-{PASSWORD[::-1]}")
    monkeypatch.setenv("https_proxy", f"http://user:{quote(PASSWORD)}@proxy.invalid:1")
    return folder


@pytest.fixture
def run(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that runs a command and returns everything that the command wrote to streams and files."""

    def run_and_collect(respond: Responder, *arguments: str, code: int = 1) -> str:
        before = set(here.rglob("*"))
        with scripted_server_thread(respond) as server:
            monkeypatch.setenv("AUTH0_DOMAIN", server.url)
            result: CommandResult = reconciler(*arguments)
        assert result.code == code, result.output
        files = [path for path in here.rglob("*") if path.is_file() and path not in before]
        assert "Traceback" not in result.output
        return result.output + "".join(path.read_text(errors="replace") for path in files)

    return run_and_collect


def secret_forms(secret: str) -> list[str]:
    """Return some forms in which servers repeat a secret. The tests of the filter cover all forms."""
    return [secret, secret[:-5].upper(), base64.b64encode(f"own:{secret}".encode()).decode()]


def parts_of(secret: str) -> list[str]:
    """Return the parts of a secret, and of its encoded forms, that must not appear in output."""
    return [form[at : at + 16].lower() for form in secret_forms(secret) for at in range(0, len(form) - 20, 5)]


SECRETS = {
    "the client secret": SECRET,
    "the fetched token": FETCHED,
    "another tenant's secret": f"other-{PASSWORD[::-1]}",
    "the password of the proxy": PASSWORD,
}
RESPONSES: Mapping[str, Callable[[str], bytes]] = {
    "the reason phrase": lambda text: raw_response(f"400 {text}"),
    "the reason phrase of a server error": lambda text: raw_response(f"503 {text}"),
    "the message": lambda text: http_response(403, {"message": f"not with {text}"}),
    "the error": lambda text: http_response(400, {"error": text}),
    "content-encoding": lambda text: raw_response("200 OK", {"content-encoding": text}),
    "a header that is not valid": lambda text: raw_response("200 OK", {f"x {text}": "a"}),
    "the status line": raw_response,
    "the length": lambda text: raw_response("200 OK", {"Content-Length": text}),
    "the body": lambda text: http_response(200, text.encode()),
    "a field": lambda text: http_response(
        200, {"client_grants": [{text: 1, "client_id": "x", "audience": "y", "id": "z"}]}
    ),
    "a name of an API": lambda text: http_response(
        200, {"client_grants": [{"client_id": "x", "audience": text, "id": "z", "scope": [text]}]}
    ),
}
DATA = (RESPONSES["a field"], RESPONSES["a name of an API"])
COMMANDS = {
    "plan": ["plan", "-v", "--format", "markdown", "--report", "json=plan.json", "--report", "text=plan.txt"],
    "apply": ["apply", "-v", "--yes", "--format", "json", "--report", "markdown=end.md"],
    "doctor": ["doctor", "-v", "--format", "json"],
    "import": ["import", "-v"],
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("template", RESPONSES.values(), ids=RESPONSES)
def test_no_format_shows_a_secret_from_a_response(
    run: Callable[..., str], template: Callable[[str], bytes], secret: str
) -> None:
    for text in secret_forms(secret):
        if template in DATA and secret.upper().startswith(text):
            continue  # a part of a secret in the tenant's data is not a repeated request

        def respond_with_secret(request: ReceivedRequest, text: str = text) -> bytes:
            return template(text) if request.path.endswith("client-grants") else respond(request)

        output = run(respond_with_secret, *COMMANDS["plan"]).lower()
        assert not [part for part in parts_of(secret) if part in output]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_command_shows_a_secret_from_a_later_response(run: Callable[..., str], command: list[str]) -> None:
    def respond_with_secret(request: ReceivedRequest) -> bytes:
        text = f"Basic {base64.b64encode(f'own:{SECRET}'.encode()).decode()} {FETCHED}"
        return raw_response(f"401 {text}") if request.path.endswith("client-grants") else respond(request)

    output = run(respond_with_secret, *command).lower()

    assert not [part for secret in (SECRET, FETCHED) for part in parts_of(secret) if part in output]
    assert "401" in output


def test_journals_and_reports_show_no_secret_from_the_response_to_a_write(run: Callable[..., str]) -> None:
    def respond_with_secret(request: ReceivedRequest) -> bytes:
        if request.method == "POST" and request.path == "/api/v2/client-grants":
            return http_response(400, {"message": f"{SECRET} {FETCHED}"})
        return respond(request)

    output = run(respond_with_secret, *COMMANDS["apply"], code=3).lower()

    assert not [part for secret in (SECRET, FETCHED) for part in parts_of(secret) if part in output]
    assert "400 ***" in output


@pytest.mark.parametrize(
    "character",
    ["\n", "\r\nx: y", " ", "é", "\x00", "\ud800", "\x7f", '"', "a" * 100_000],
    ids=["line feed", "CR LF", "space", "letter", "NUL", "surrogate", "DEL", "quote", "too long"],
)
@pytest.mark.parametrize("command", ["plan", "apply", "doctor"])
def test_a_fetched_token_with_a_stray_character_is_refused_and_not_printed(
    run: Callable[..., str], command: str, character: str
) -> None:
    def respond_with_secret(request: ReceivedRequest) -> bytes:
        token = {"access_token": f"{FETCHED}{character}", "expires_in": 86_400}
        return http_response(200, token) if request.path == "/oauth/token" else respond(request)

    output = run(respond_with_secret, *COMMANDS[command]).lower()

    assert not [part for part in parts_of(FETCHED) if part in output]
    assert "valid access token" in output
