"""A server that repeats secrets must not get them printed, in any encoding, in any answer, in any format."""

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

Answer = Callable[[ReceivedRequest], bytes]


def raw(status: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """An answer whose status line and headers can contain anything."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\r\n".join([*lines, "connection: close", f"content-length: {len(body)}", "", ""]).encode() + body


def a_tenant(asked: ReceivedRequest) -> bytes:
    """A tenant that behaves, and has no grants."""
    match asked.path.removeprefix("/api/v2/"):
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
    """Run a command against a tenant, and return all that it wrote: to its streams and into files."""

    def everything(answer: Answer, *arguments: str, code: int = 1) -> str:
        before = set(here.rglob("*"))
        with scripted_server_thread(answer) as server:
            monkeypatch.setenv("AUTH0_DOMAIN", server.url)
            ran: CommandResult = reconciler(*arguments)
        assert ran.code == code, ran.output
        files = [path for path in here.rglob("*") if path.is_file() and path not in before]
        assert "Traceback" not in ran.output
        return ran.output + "".join(path.read_text(errors="replace") for path in files)

    return everything


def secret_forms(secret: str) -> list[str]:
    """Some of the forms in which servers repeat what was sent. The filter's own tests have all."""
    return [secret, secret[:-5].upper(), base64.b64encode(f"own:{secret}".encode()).decode()]


def parts_of(secret: str) -> list[str]:
    """What may be found nowhere: runs of the secret, or of an encoded form."""
    return [form[at : at + 16].lower() for form in secret_forms(secret) for at in range(0, len(form) - 20, 5)]


SENT = {
    "the client secret": SECRET,
    "the fetched token": FETCHED,
    "another tenant's secret": f"other-{PASSWORD[::-1]}",
    "the password of the proxy": PASSWORD,
}
PLACES: Mapping[str, Callable[[str], bytes]] = {
    "the reason phrase": lambda text: raw(f"400 {text}"),
    "the reason phrase of a server error": lambda text: raw(f"503 {text}"),
    "the message": lambda text: http_response(403, {"message": f"not with {text}"}),
    "the error": lambda text: http_response(400, {"error": text}),
    "content-encoding": lambda text: raw("200 OK", {"content-encoding": text}),
    "a header that is not valid": lambda text: raw("200 OK", {f"x {text}": "a"}),
    "the status line": raw,
    "the length": lambda text: raw("200 OK", {"Content-Length": text}),
    "the body": lambda text: http_response(200, text.encode()),
    "a field": lambda text: http_response(
        200, {"client_grants": [{text: 1, "client_id": "x", "audience": "y", "id": "z"}]}
    ),
    "a name of an API": lambda text: http_response(
        200, {"client_grants": [{"client_id": "x", "audience": text, "id": "z", "scope": [text]}]}
    ),
}
DATA = (PLACES["a field"], PLACES["a name of an API"])
COMMANDS = {
    "plan": ["plan", "-v", "--format", "markdown", "--report", "json=plan.json", "--report", "text=plan.txt"],
    "apply": ["apply", "-v", "--yes", "--format", "json", "--report", "markdown=end.md"],
    "doctor": ["doctor", "-v", "--format", "json"],
    "import": ["import", "-v"],
}


@pytest.mark.parametrize("secret", SENT.values(), ids=SENT)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_no_format_shows_a_secret_that_an_answer_repeats(
    run: Callable[..., str], place: Callable[[str], bytes], secret: str
) -> None:
    for text in secret_forms(secret):
        if place in DATA and secret.upper().startswith(text):
            continue  # a part of a secret in the data of the tenant is not the echo of a request

        def answer(asked: ReceivedRequest, text: str = text) -> bytes:
            return place(text) if asked.path.endswith("client-grants") else a_tenant(asked)

        said = run(answer, *COMMANDS["plan"]).lower()
        assert not [part for part in parts_of(secret) if part in said]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_command_shows_a_secret_that_a_later_answer_repeats(run: Callable[..., str], command: list[str]) -> None:
    def answer(asked: ReceivedRequest) -> bytes:
        text = f"Basic {base64.b64encode(f'own:{SECRET}'.encode()).decode()} {FETCHED}"
        return raw(f"401 {text}") if asked.path.endswith("client-grants") else a_tenant(asked)

    said = run(answer, *command).lower()

    assert not [part for secret in (SECRET, FETCHED) for part in parts_of(secret) if part in said]
    assert "401" in said


def test_journal_and_reports_show_no_secret_that_the_answer_to_a_write_repeats(run: Callable[..., str]) -> None:
    def answer(asked: ReceivedRequest) -> bytes:
        if asked.method == "POST" and asked.path == "/api/v2/client-grants":
            return http_response(400, {"message": f"{SECRET} {FETCHED}"})
        return a_tenant(asked)

    said = run(answer, *COMMANDS["apply"], code=3).lower()

    assert not [part for secret in (SECRET, FETCHED) for part in parts_of(secret) if part in said]
    assert "400 ***" in said


@pytest.mark.parametrize("spoilt", ["\n", "\r\nx: y", " ", "é", "\x00", "\ud800", "\x7f", '"', "a" * 100_000], ids=repr)
@pytest.mark.parametrize("command", ["plan", "apply", "doctor"])
def test_a_fetched_token_with_a_stray_character_is_refused_and_not_printed(
    run: Callable[..., str], command: str, spoilt: str
) -> None:
    def answer(asked: ReceivedRequest) -> bytes:
        token = {"access_token": f"{FETCHED}{spoilt}", "expires_in": 86_400}
        return http_response(200, token) if asked.path == "/oauth/token" else a_tenant(asked)

    said = run(answer, *COMMANDS[command]).lower()

    assert not [part for part in parts_of(FETCHED) if part in said]
    assert "valid access token" in said
