import os
import pty
import select
import signal
import subprocess
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send
from support.commands import SEED, TIMEOUT_SECONDS, command_line, grants_of, reconciler, served

WORKERS = range(12)
INTERRUPTED = "Interrupted: finishing changes in progress; press Ctrl-C again to abandon them."
AT_ONCE = 8  # the default of --concurrency


def holders(folder: Path) -> list[str]:
    return [grant["client_id"] for grant in grants_of(folder)]


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


def test_without_a_terminal_and_without_yes_nothing_is_written(here: Path) -> None:
    ran = reconciler("apply", typed="yes\n")

    assert ran.code == 1
    assert "Create (1)" in ran.stdout
    assert ran.stderr == "error: nothing was written: apply needs a terminal to ask for confirmation; use --yes\n"
    assert holders(here) == ["own", "portal"]


def test_yes_on_a_terminal_continues(here: Path) -> None:
    ran = reconciler("apply", "--color", "never", terminal=True, typed="yes\n")

    assert ran.code == 0
    assert "Apply this to local SANDBOX (sandbox.localhost)? Only yes" in ran.stderr
    assert ran.stdout.endswith("\nApply: 1 applied; the tenant matches the files.\n")
    assert holders(here) == ["billing", "own", "portal"]


@pytest.mark.parametrize("typed", ["y\n", "YES\n", "no\n", "\n", "yes please\n"], ids=repr)
def test_any_other_answer_on_a_terminal_writes_nothing(here: Path, typed: str) -> None:
    ran = reconciler("apply", "--color", "never", terminal=True, typed=typed)

    assert ran.code == 1
    assert ran.stderr.endswith("error: nothing was written: the answer was not yes\n")
    assert holders(here) == ["own", "portal"]


@pytest.mark.parametrize(
    ("typed", "code", "remaining"),
    [("1\n", 0, ["billing", "own"]), ("yes\n", 1, ["own", "portal"]), ("2\n", 1, ["own", "portal"])],
    ids=["number", "yes", "another-number"],
)
def test_deletes_are_confirmed_by_typing_their_number(here: Path, typed: str, code: int, remaining: list[str]) -> None:
    ran = reconciler("apply", "--prune", "--color", "never", terminal=True, typed=typed)

    assert ran.code == code
    assert "Only the number of deletes is accepted: " in ran.stderr
    assert holders(here) == remaining


def test_the_end_of_input_on_a_terminal_writes_nothing(here: Path) -> None:
    ran = reconciler("apply", terminal=True)

    assert ran.code == 1
    assert ran.stderr.endswith(" nothing was written: the answer was not yes\n")
    assert holders(here) == ["own", "portal"]


def test_with_quiet_the_plan_is_shown_before_the_question(here: Path) -> None:
    ran = reconciler("-q", "apply", "--format", "json", terminal=True, typed="no\n")

    assert (ran.code, ran.stdout) == (1, "")
    assert "+ \x1b[0m" not in ran.stderr
    assert "Plan: 1 to create" in ran.stderr
    assert holders(here) == ["own", "portal"]


@pytest.mark.parametrize("arguments", [["apply"], ["apply", "--yes"]], ids=" ".join)
def test_an_empty_plan_asks_nothing(arguments: list[str]) -> None:
    reconciler("apply", "--yes")
    ran = reconciler(*arguments)

    assert (ran.code, ran.stderr) == (0, "")
    assert "No changes" in ran.stdout


def test_a_blocked_plan_asks_nothing_and_yes_does_not_override_the_guard(here: Path) -> None:
    (here / "reconciler.yaml").write_text(
        "default_tenant: t\nprotect: [{client: Billing}]\ntenants: {t: {kind: sandbox, seed: tenant.yaml}}\n"
    )

    assert {reconciler("apply", *given).code for given in ([], ["--yes"], ["--yes", "--format", "json"])} == {4}
    assert holders(here) == ["own", "portal"]


@pytest.mark.parametrize(("answer", "code"), [(b"yes\n", 0), (b"no\n", 1)])
def test_apply_asks_on_a_real_terminal(here: Path, answer: bytes, code: int) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(command_line("apply"), stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        try:
            shown = read_terminal(master, answer)
        finally:
            os.close(master)  # sends SIGHUP to a process that still waits
        assert process.wait(TIMEOUT_SECONDS) == code

    assert b"\x1b[" in shown
    assert (b"Applying: 1 of 1\r" in shown) is (code == 0)
    assert (b"Apply: 1 applied" in shown) is (code == 0)
    assert holders(here) == (["billing", "own", "portal"] if code == 0 else ["own", "portal"])


def four_tenants(here: Path) -> None:
    names = ("a", "b", "c", "d")
    tenants = "".join(f"  {each}: {{kind: sandbox, seed: tenant.yaml, database: {each}.db}}\n" for each in names)
    (here / "reconciler.yaml").write_text(f"tenants:\n{tenants}")


def test_outcomes_are_reported_if_stdout_is_lost_between_two_tenants(here: Path) -> None:
    four_tenants(here)
    master, slave = pty.openpty()
    reading, writing = os.pipe()
    command = command_line("apply", "--all-tenants", "--at-once", "1")
    with subprocess.Popen(command, stdin=slave, stdout=writing, stderr=slave) as process:
        os.close(slave)
        os.close(writing)
        try:
            shown = read_terminal(master, b"yes\n", at_first_question=lambda: os.close(reading))
        finally:
            os.close(master)
        assert process.wait(TIMEOUT_SECONDS) == 3

    assert b"1 of 4 applied, 3 not started; 1 with changes: 1 change applied." in shown
    assert b"the plan cannot be printed, so nothing was written: Broken pipe" in shown
    assert b"To roll back a tenant, use the command that `reconciler journal` shows for the run" in shown


def test_after_an_interrupted_question_the_other_tenants_are_reported_once(here: Path) -> None:
    four_tenants(here)
    master, slave = pty.openpty()
    command = command_line("apply", "--all-tenants", "--at-once", "1")
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        try:
            shown = read_terminal(master, b"yes\n", lambda: process.send_signal(signal.SIGINT))
        finally:
            os.close(master)
        assert process.wait(TIMEOUT_SECONDS) == 130

    assert b"1 of 4 applied, 3 not started; 1 with changes: 1 change applied." in shown
    assert (
        shown.count(b"interrupted before the plan was applied, so nothing was written") == 2
    )  # an error, and a report


def read_terminal(
    master: int,
    answer: bytes,
    at_second_question: Callable[[], object] = lambda: None,
    at_first_question: Callable[[], object] = lambda: None,
) -> bytes:
    """Return the output of a terminal until its process ends. Type `answer` after the first question."""
    shown, questions = b"", 0
    while chunk := next_chunk(master):
        shown += chunk
        if shown.count(b"Only yes") > questions:
            questions += 1
            if questions == 1:
                at_first_question()
                os.write(master, answer)
            else:
                at_second_question()
    return shown


def next_chunk(master: int) -> bytes:
    ready, _, _ = select.select([master], [], [], TIMEOUT_SECONDS)
    assert ready, "the terminal went silent"
    try:
        return os.read(master, 65536)
    except OSError:  # the other end is closed
        return b""


class Gate:
    """Delays the requests that match `stops` until the gate is opened."""

    def __init__(self, stops: Callable[[str, int], bool]) -> None:
        self.stops = stops
        self.arrived = threading.Semaphore(0)
        self.opened = threading.Event()
        self.writes = 0

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"].endswith("/client-grants"):
                self.writes += scope["method"] == "POST"
                if self.stops(scope["method"], self.writes):
                    self.arrived.release()
                    await run_in_threadpool(self.opened.wait, TIMEOUT_SECONDS)
            await app(scope, receive, send)

        return gated


def interrupted(here: Path, gate: Gate, requests: int, number: signal.Signals) -> tuple[int, str, str]:
    """Run apply until `requests` wait at the gate, send a signal and open the gate. Return code, stdout and stderr."""
    many_workers(here)
    with served(here, gate.middleware) as environment:
        process = subprocess.Popen(
            command_line("apply", "--yes"),
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            for _ in range(requests):
                assert gate.arrived.acquire(timeout=TIMEOUT_SECONDS)
            process.send_signal(number)
            assert process.stderr
            first = process.stderr.readline() + process.stderr.readline()
            gate.opened.set()
            assert process.stdout
            # communicate() would lose lines in the buffer of readline()
            stderr, stdout = first + process.stderr.read(), process.stdout.read()
    return process.returncode, stdout, stderr


def many_workers(here: Path) -> None:
    names = "".join(f"  - {{name: W{n}, client_id: w{n}}}\n" for n in WORKERS)
    (here / "tenant.yaml").write_text(SEED.replace("applications:\n", f"applications:\n{names}"), encoding="utf-8")
    grants = "".join(f'  - {{client: W{n}, api: Invoices API, scope: ["read:invoices"]}}\n' for n in WORKERS)
    (here / "grants" / "billing.yaml").write_text(f"grants:\n{grants}", encoding="utf-8")
    (here / "reconciler.yaml").unlink()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_after_a_signal_running_changes_finish_and_others_are_skipped(
    here: Path, number: signal.Signals, code: int
) -> None:
    gate = Gate(lambda method, _: method == "POST")

    returned, stdout, stderr = interrupted(here, gate, AT_ONCE, number)

    assert (returned, stderr.splitlines()[1:-1]) == (code, [INTERRUPTED])
    assert stdout.endswith("Apply: 8 applied, 4 skipped; the tenant does not match the files yet; run again.\n")
    assert holders(here)[:2] == ["own", "portal"]
    assert len(holders(here)) == 2 + AT_ONCE


def test_a_signal_during_verification_loses_no_outcome(here: Path) -> None:
    gate = Gate(lambda method, writes: method == "GET" and writes == len(WORKERS))

    returned, stdout, stderr = interrupted(here, gate, 1, signal.SIGTERM)

    assert (returned, stderr.splitlines()[1:-1]) == (143, [INTERRUPTED])
    assert stdout.endswith("Apply: 12 applied; the tenant matches the files.\n")


Message = MutableMapping[str, Any]


def test_apply_fails_if_the_tenant_cannot_be_read_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Event()

    def middleware(app: ASGIApp) -> ASGIApp:
        async def fails_after_a_write(
            scope: Scope, receive: Receive, send: Callable[[Message], Awaitable[None]]
        ) -> None:
            if written.is_set():
                await send({"type": "http.response.start", "status": 400, "headers": []})
                await send({"type": "http.response.body", "body": b'{"message": "out of order"}'})
                return
            await app(scope, receive, send)
            if scope["method"] == "POST" and scope["path"].endswith("/client-grants"):
                written.set()

        return fails_after_a_write

    with served(here, middleware) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        ran = reconciler("apply", "--yes")

    assert ran.code == 3
    assert "Apply: 1 applied; the tenant could not be read again: GET 127.0.0.1:" in ran.stdout
    assert "400 out of order" in ran.stdout
