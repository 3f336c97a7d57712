"""--timeout limits a whole run, including waits for rate limits and the verification after the last write."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send
from support.commands import CommandResult, reconciler, served

SOON = 15.0
"""In seconds. Generous, because the machine may be busy."""


def limited(path: str, method: str) -> Callable[[ASGIApp], ASGIApp]:
    """Answer requests for a path with 429 and a wait of one hour."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            if not (scope["path"].endswith(path) and scope["method"] == method):
                await app(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 429, "headers": [(b"retry-after", b"3600")]})
            await send({"type": "http.response.body", "body": b'{"message": "quota"}'})

        return respond

    return middleware


def run_apply(
    here: Path, monkeypatch: pytest.MonkeyPatch, middleware: Callable[[ASGIApp], ASGIApp], *words: str
) -> CommandResult:
    (here / "reconciler.yaml").unlink()
    monkeypatch.setenv("RECONCILER_PLAN_ATTEMPTS", "5")
    monkeypatch.setenv("RECONCILER_APPLY_ATTEMPTS", "5")
    started = time.monotonic()
    with served(here, middleware) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        result = reconciler(*words)
    assert time.monotonic() - started < SOON
    return result


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"]], ids=" ".join)
@pytest.mark.parametrize(
    ("path", "method"), [("/oauth/token", "POST"), ("/client-grants", "GET")], ids=["token", "listing"]
)
def test_a_wait_longer_than_the_time_limit_fails_at_once(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], path: str, method: str
) -> None:
    result = run_apply(here, monkeypatch, limited(path, method), *command)

    assert (result.code, result.stdout) == (1, "")
    assert "429 quota; the tenant asks to wait until 2" in result.stderr
    assert " UTC, after the end of this run (--timeout)" in result.stderr


def test_a_write_delayed_beyond_the_time_limit_fails(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_apply(here, monkeypatch, limited("/client-grants", "POST"), "apply", "--yes", "--timeout", "20s")

    assert result.code == 3
    assert "after the end of this run (--timeout)" in result.output
    assert "Apply: 1 failed; " in result.stdout


def test_verification_ends_at_the_time_limit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def middleware(app: ASGIApp) -> ASGIApp:
        written: list[str] = []

        async def stall_after_a_write(scope: Scope, receive: Receive, send: Send) -> None:
            if written and scope["method"] == "GET":
                await run_in_threadpool(time.sleep, 3.0)
            if scope["method"] == "POST" and scope["path"].endswith("/client-grants"):
                written.append("one")
            await app(scope, receive, send)

        return stall_after_a_write

    result = run_apply(here, monkeypatch, middleware, "apply", "--yes", "--timeout", "2s")

    assert result.code == 3
    assert "Apply: 1 applied; the tenant could not be read again: time limit exceeded (--timeout)" in result.stdout
