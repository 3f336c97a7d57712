"""A tool is run as a process against the load server, and gets figures only for work that it has done."""

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
from benchmarks.starting import EMPTY_HELP, OUR_HELP, parse_label, starts, validate_label
from benchmarks.suite import REPEATS, Suite, run_suite
from benchmarks.tenants import Case, Work
from benchmarks.tools import BARE, DEPLOY, OURS, SDK, Tool, all_tools

pytestmark = pytest.mark.slow

LATENCY = 0.05
AUTHORIZED = {"Authorization": f"Bearer {token()}"}
# Right before it deletes it reads the grants once more; what it has exported it plans, which reads everything again.
LOOKS_AGAIN = {Work.REMOVED, Work.EXPORT}
SMALL = Suite(sizes=(10,), no_op_sizes=(10,), planned_sizes=(10,), limited={"enterprise-prod": 10}, max_seconds=60)


def serving(case: Case, folder: Path) -> Iterator[tuple[RunningServer, httpx.Client]]:
    with load_server(case, certificates(folder / "tls", datetime.now(UTC))) as server:
        context = ssl.create_default_context(cafile=str(server.authority))
        with httpx.Client(base_url=f"https://localhost:{server.port}", verify=context, headers=AUTHORIZED) as http:
            yield server, http


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[tuple[RunningServer, httpx.Client]]:
    yield from serving(Case(Work.NOTHING, 20, latency=LATENCY, plan="free"), tmp_path)


def a_tool(*command: str) -> Tool:
    return Tool(name="a tool", version="1", prepare=lambda _case, _folder: list(command))


@pytest.fixture(scope="module")
def ours() -> Tool:
    return all_tools()[0]


def test_every_request_takes_the_latency_and_counts_and_the_rate_limit_is_kept(
    limited: tuple[RunningServer, httpx.Client],
) -> None:
    server, http = limited
    started = time.perf_counter()
    statuses = [http.delete("/api/v2/client-grants/cgr_1").status_code]
    while statuses[-1] != 429:  # twenty a second are request, two are allowed
        statuses.append(http.get("/api/v2/client-grants?take=1").status_code)
    token_status = http.post("/oauth/token").status_code  # has no part in the limit

    assert time.perf_counter() - started >= (len(statuses) + 1) * LATENCY
    assert (statuses[:2], token_status) == ([204, 200], 200)
    told = server.report()
    assert told.refused == 1
    assert told.requests == {
        "DELETE /api/v2/client-grants/{id}": 1,
        "GET /api/v2/client-grants": len(statuses) - 1,
        "POST /oauth/token": 1,
    }


def test_a_request_without_the_token_is_refused(tmp_path: Path) -> None:
    for _, http in serving(Case(Work.NOTHING, 20), tmp_path):
        assert http.get("/api/v2/clients", headers={"Authorization": "Bearer guessed"}).status_code == 401


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (("true",), "wrong: 9 grants lack, 0 are too grant_count"),
        (("sh", "-c", "echo first; echo it went wrong; exit 7"), "failed with 7: it went wrong"),
        (("sleep", "60"), "stopped after 0.2 s"),
    ],
    ids=["does nothing", "fails", "never ends"],
)
def test_a_tool_that_did_not_do_the_work_gets_no_figures(command: tuple[str, ...], outcome: str) -> None:
    done = run(a_tool(*command), Case(Work.MISSING, 10), limit=0.2 if "sleep" in command else 30)

    assert (done.outcome, done.took) == (outcome, None)


def test_an_export_of_nothing_gets_no_figures() -> None:
    assert run(a_tool("true"), Case(Work.EXPORT, 10), limit=30).outcome == "wrong: 0 grants in the files, not 9"


def test_a_process_is_measured_without_the_size_of_whoever_measures() -> None:
    ballast = b"\1" * 200_000_000
    done = run(a_tool("true"), Case(Work.NOTHING, 10), limit=30)

    assert done.took
    assert 0 < done.took.peak_mb < 20 < len(ballast) / 1e6


def test_a_suite_of_ten_grants_is_done_by_us_with_the_fewest_requests(ours: Tool) -> None:
    bare = next(tool for tool in all_tools() if tool.name == BARE)
    heard: list[str] = []
    results = run_suite(SMALL, [ours, replace(bare, version="")], heard.append)

    assert [each for each in results.runs if each.outcome != DONE] == []
    assert len(heard) == len(results.runs)
    for case in {each.case for each in results.runs if each.case.work not in LOOKS_AGAIN}:
        done = results.find(OURS, case)
        assert done
        assert sum(done.requests.values()) <= minimum_requests(case) + verification_requests(case)
        assert done.refused == 0


def test_a_tool_that_did_not_manage_a_tenant_is_spared_larger_ones() -> None:
    suite = Suite(sizes=(), no_op_sizes=(10, 20), max_seconds=30)
    results = run_suite(suite, [a_tool("false")], print)

    first, second = results.runs
    assert first.outcome.startswith("failed with 1")
    assert second.outcome == "not run: it did not manage a smaller tenant"


def test_quick_runs_of_several_tools_take_turns(tmp_path: Path) -> None:
    log = tmp_path / "log"
    tools = [replace(a_tool("sh", "-c", f"echo {name} >> {log}"), name=name) for name in "ab"]

    results = run_suite(Suite(sizes=(), no_op_sizes=(10,), starts=1, max_seconds=30), tools, print)

    assert [each.tool for each in results.runs] == ["a", "b"]
    assert log.read_text().split() == ["a", "b"] * REPEATS


def test_starting_is_measured_of_an_empty_program_ours_and_the_parser() -> None:
    begun = list(islice(starts((1,), 1), 4))

    assert [each.program for each in begun] == [EMPTY_HELP, OUR_HELP, parse_label(1), validate_label(1)]
    assert {each.took.status for each in begun} == {0}


def test_the_tools_beside_ours_are_those_that_the_readme_names() -> None:
    assert [tool.name for tool in all_tools()] == [OURS, SDK, DEPLOY, BARE]
