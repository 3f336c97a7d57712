"""Tools run as processes against the load server. Only a completed task gets a measurement."""

import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import httpx
import pytest

from auth0_sandbox.server.tls import certificates
from benchmarks.api import token
from benchmarks.floor import minimum_requests, verification_requests
from benchmarks.measure import DONE, RunningServer, load_server, run
from benchmarks.starting import EMPTY_HELP, OUR_HELP, measure_starts, parse_label, validate_label
from benchmarks.suite import REPEATS, Suite, run_suite
from benchmarks.tenants import Case, Work
from benchmarks.tools import BARE, DEPLOY, OURS, SDK, Tool, all_tools

pytestmark = pytest.mark.slow

LATENCY = 0.05
AUTHORIZED = {"Authorization": f"Bearer {token()}"}
# Before deletes, reconciler reads the grants again. After an import, it plans, which reads everything again.
READS_TWICE = {Work.REMOVED, Work.EXPORT}
SMALL = Suite(sizes=(10,), no_op_sizes=(10,), planned_sizes=(10,), limited={"enterprise-prod": 10}, max_seconds=60)


def running_server(case: Case, folder: Path) -> Iterator[tuple[RunningServer, httpx.Client]]:
    with load_server(case, certificates(folder / "tls", datetime.now(UTC))) as server:
        context = ssl.create_default_context(cafile=str(server.authority))
        with httpx.Client(base_url=f"https://localhost:{server.port}", verify=context, headers=AUTHORIZED) as http:
            yield server, http


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[tuple[RunningServer, httpx.Client]]:
    yield from running_server(Case(Work.NOTHING, 20, latency=LATENCY, plan="free"), tmp_path)


def a_tool(*command: str) -> Tool:
    return Tool(name="a tool", version="1", prepare=lambda _case, _folder: list(command))


@pytest.fixture(scope="module")
def ours() -> Tool:
    return all_tools()[0]


def test_the_server_adds_latency_counts_requests_and_applies_the_rate_limit(
    limited: tuple[RunningServer, httpx.Client],
) -> None:
    server, http = limited
    started = time.perf_counter()
    statuses = [http.delete("/api/v2/client-grants/cgr_1").status_code]
    while statuses[-1] != 429:  # the loop sends more requests than the limit of two per second
        statuses.append(http.get("/api/v2/client-grants?take=1").status_code)
    token_status = http.post("/oauth/token").status_code  # the rate limit does not apply

    assert time.perf_counter() - started >= (len(statuses) + 1) * LATENCY
    assert (statuses[:2], token_status) == ([204, 200], 200)
    report = server.report()
    assert report.refused == 1
    assert report.requests == {
        "DELETE /api/v2/client-grants/{id}": 1,
        "GET /api/v2/client-grants": len(statuses) - 1,
        "POST /oauth/token": 1,
    }


def test_a_request_without_the_token_is_refused(tmp_path: Path) -> None:
    for _, http in running_server(Case(Work.NOTHING, 20), tmp_path):
        assert http.get("/api/v2/clients", headers={"Authorization": "Bearer guessed"}).status_code == 401


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (("true",), "wrong result: 9 grants missing, 0 unexpected"),
        (("sh", "-c", "echo first; echo it went wrong; exit 7"), "failed with exit code 7: it went wrong"),
        (("sleep", "60"), "stopped after 0.2 s"),
    ],
    ids=["does nothing", "fails", "never ends"],
)
def test_a_tool_that_does_not_complete_the_task_gets_no_measurement(command: tuple[str, ...], outcome: str) -> None:
    done = run(a_tool(*command), Case(Work.MISSING, 10), limit=0.2 if "sleep" in command else 30)

    assert (done.outcome, done.took) == (outcome, None)


def test_an_empty_export_gets_no_measurement() -> None:
    done = run(a_tool("true"), Case(Work.EXPORT, 10), limit=30)

    assert done.outcome == "wrong result: 0 grants in the files instead of 9"


def test_the_peak_memory_excludes_the_measuring_process() -> None:
    ballast = b"\1" * 200_000_000
    done = run(a_tool("true"), Case(Work.NOTHING, 10), limit=30)

    assert done.took
    assert 0 < done.took.peak_mb < 20 < len(ballast) / 1e6


def test_reconciler_completes_a_suite_of_ten_grants_with_the_minimum_requests(ours: Tool) -> None:
    bare = next(tool for tool in all_tools() if tool.name == BARE)
    reported: list[str] = []
    results = run_suite(SMALL, [ours, replace(bare, version="")], reported.append)

    assert [each for each in results.runs if each.outcome != DONE] == []
    assert len(reported) == len(results.runs)
    for case in {each.case for each in results.runs if each.case.work not in READS_TWICE}:
        done = results.find(OURS, case)
        assert done
        assert sum(done.requests.values()) <= minimum_requests(case) + verification_requests(case)
        assert done.refused == 0


def test_a_tool_that_failed_is_not_run_with_larger_tenants() -> None:
    suite = Suite(sizes=(), no_op_sizes=(10, 20), max_seconds=30)
    results = run_suite(suite, [a_tool("false")], print)

    first, second = results.runs
    assert first.outcome.startswith("failed with exit code 1")
    assert second.outcome == "not run: failed with a smaller tenant"


def test_short_runs_of_several_tools_take_turns(tmp_path: Path) -> None:
    log = tmp_path / "log"
    tools = [replace(a_tool("sh", "-c", f"echo {name} >> {log}"), name=name) for name in "ab"]

    results = run_suite(Suite(sizes=(), no_op_sizes=(10,), starts=1, max_seconds=30), tools, print)

    assert [each.tool for each in results.runs] == ["a", "b"]
    assert log.read_text().split() == ["a", "b"] * REPEATS


def test_starts_are_measured_for_an_empty_program_reconciler_and_the_parser() -> None:
    starts = list(islice(measure_starts((1,), 1), 4))

    assert [each.program for each in starts] == [EMPTY_HELP, OUR_HELP, parse_label(1), validate_label(1)]
    assert {each.took.status for each in starts} == {0}


def test_the_measured_tools_are_those_of_the_readme() -> None:
    assert [tool.name for tool in all_tools()] == [OURS, SDK, DEPLOY, BARE]
