"""yaml-language-server, which editors use, completes and checks grant files with the schema of a tenant."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.commands import a_workspace, reconciler

SERVER = Path(sys.prefix) / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
pytestmark = pytest.mark.skipif(
    not (SERVER.exists() and shutil.which("node")),
    reason="yaml-language-server is not installed, because npm is missing",
)
SCHEMA = ".reconciler/grants.schema.json"


class LanguageServer:
    """A client of the language server protocol over stdin and stdout."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = subprocess.Popen(
            ["node", SERVER, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._number = 0
        self._diagnostics: dict[str, list[str]] = {}
        self._request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        self._send({"method": "initialized", "params": {}})

    def completions(self, text: str) -> set[str]:
        """Return the labels at the position of `|` in a grant file."""
        before, _, after = text.partition("|")
        uri = self._open(before + after)
        lines = before.split("\n")
        position = {"line": len(lines), "character": len(lines[-1])}
        found = self._request("textDocument/completion", {"textDocument": {"uri": uri}, "position": position})
        return {each["label"].strip('"') for each in (found["items"] if isinstance(found, dict) else found)}

    def diagnostics(self, text: str) -> list[str]:
        """Return the messages about a grant file."""
        uri = self._open(text)
        while uri not in self._diagnostics:
            self._handle(self._read())
        return self._diagnostics[uri]

    def close(self) -> None:
        self._server.kill()
        self._server.communicate()

    def _open(self, text: str) -> str:
        self._number += 1
        uri = (self._folder / f"grants-{self._number}.yaml").as_uri()
        marked = f"# yaml-language-server: $schema={self._folder / SCHEMA}\n{text}"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": marked}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def _request(self, method: str, params: Any) -> Any:
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._read()
            if message.get("id") == number and "method" not in message:
                return message["result"]
            self._handle(message)

    def _handle(self, message: Any) -> None:
        if message.get("method") == "textDocument/publishDiagnostics":
            params = message["params"]
            self._diagnostics[params["uri"]] = [each["message"] for each in params["diagnostics"]]
        elif "id" in message:
            items = message.get("params", {}).get("items", [])
            self._send({"id": message["id"], "result": [{} for _ in items]})

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._server.stdin
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self._server.stdin.flush()

    def _read(self) -> Any:
        assert self._server.stdout
        length = 0
        while line := self._server.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(self._server.stdout.read(length))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageServer]:
    config = "scope_sets: {readers: ['read:invoices']}\ntenants:\n  local: {kind: sandbox, seed: tenant.yaml}\n"
    here = a_workspace(tmp_path, monkeypatch, reconciler=config)
    ran = reconciler("schema", "--tenant", "local", "--out", SCHEMA)
    assert ran.code == 0, ran.output
    server = LanguageServer(here)
    yield server
    server.close()


def test_completion_offers_exactly_the_names_of_the_tenant(server: LanguageServer) -> None:
    grant = "grants:\n  - client: Billing\n    api: Invoices API\n"

    assert server.completions("grants:\n  - client: |\n") == {"Billing", "Portal", "Reconciler"}
    assert server.completions("grants:\n  - clients:\n      - |\n") == {"Billing", "Portal", "Reconciler"}
    assert server.completions("grants:\n  - client: Billing\n    api: |\n") == {"Auth0 Management API", "Invoices API"}
    scopes = {"@readers", "read:invoices", "void:invoices", "write:invoices"}
    assert server.completions(f"{grant}    scope:\n      - |\n") == scopes
    by_identifier = grant.replace("api: Invoices API", "audience: https://api.example.com/invoices")
    assert server.completions(f"{by_identifier}    scope:\n      - |\n") == scopes
    management = grant.replace("Invoices API", "Auth0 Management API")
    offered = server.completions(f"{management}    scope:\n      - |\n")
    assert {"read:clients", "@readers"} <= offered
    assert "read:invoices" not in offered


def test_diagnostics_accept_new_names_and_variables_and_report_mistakes(server: LanguageServer) -> None:
    valid = "grants:\n  - client: New application\n    api: ${invoices}\n    scope: [read:new, '@readers']\n"
    assert server.diagnostics(valid) == []

    invalid = "grants:\n  - clint: Billing\n    api: Invoices API\n    scope: [read:invoices, read:invoices]\n"
    messages = server.diagnostics(invalid)
    assert "Property clint is not allowed." in messages
    assert "Array has duplicate items." in messages
