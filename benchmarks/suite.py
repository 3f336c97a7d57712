"""Define the quick and the full suite of measurements, and run a suite."""

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from benchmarks.floor import minimum_seconds
from benchmarks.measure import Run, run
from benchmarks.results import Results
from benchmarks.starting import Start, measure_starts
from benchmarks.tenants import Case, Work
from benchmarks.tools import Tool

SMALLEST = 10  # the smallest number of grants; a no-op of this size measures the start of a tool
LATENCY_SECONDS = 0.3
PARALLEL_RUNS = 8  # the number of parallel runs under rate limits, because such runs mostly wait
NOT_RUN = "not run"
HEADLINE_SECONDS = 600.0
SHORT_RUN_SECONDS = 5.0
REPEATS = 3  # the number of tries of a short run; the result is the median


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The tenant sizes for each kind of measurement, and the maximum time of each run in seconds.

    A run is skipped if its expected time exceeds the maximum. A no-op of `headline` grants always runs, because
    docs/performance.md shows the result.
    """

    sizes: Sequence[int]
    no_op_sizes: Sequence[int]
    planned_sizes: Sequence[int] = ()
    latency_sizes: Sequence[int] = ()
    limited: Mapping[str, int] = field(default_factory=dict)
    limited_tools: int = 2
    validated: Sequence[int] = ()
    starts: int = 0
    max_seconds: float
    headline: int = 0


QUICK = Suite(
    sizes=(100, 1000, 10_000),
    no_op_sizes=(SMALLEST, 100, 1000, 10_000, 30_000),
    planned_sizes=(10_000, 30_000),
    latency_sizes=(100, 1000),
    limited={"free": 100, "enterprise-nonprod": 100, "enterprise-prod": 1000, "private-100": 1000},
    validated=(1, 100, 10_000),
    starts=5,
    max_seconds=60,
    headline=1000,
)
FULL = Suite(
    sizes=(100, 1000, 10_000),
    no_op_sizes=(SMALLEST, 100, 1000, 10_000, 30_000, 100_000),
    planned_sizes=(10_000, 30_000, 100_000),
    latency_sizes=(100, 1000, 10_000),
    limited=dict.fromkeys(QUICK.limited, 1000),
    limited_tools=2,
    validated=(1, 100, 10_000),
    starts=15,
    max_seconds=120,
    headline=1000,
)

Report = Callable[[str], None]


def run_suite(suite: Suite, tools: Sequence[Tool], report: Report) -> Results:
    """Run the measurements of a suite. Call `report` with a line of text after each measurement."""
    start_results = tuple(_reported(measure_starts(suite.validated, suite.starts), report)) if suite.starts else ()
    runs: list[Run] = []
    for case in _sequential_cases(suite):
        capable = [tool for tool in tools if case.work not in tool.unsupported]
        for done in _run_in_turn(capable, case, suite, runs):
            runs.append(done)
            report(_line(done))
    runs += _run_rate_limited(suite, tools, report)
    versions = {tool.name: tool.version for tool in tools}
    return Results(platform.python_version(), os.cpu_count() or 0, versions, start_results, tuple(runs))


def _sequential_cases(suite: Suite) -> Iterator[Case]:
    """Yield the cases that run one after the other. Smaller tenants come first."""
    yield from (Case(Work.NOTHING, size) for size in suite.no_op_sizes)
    works = [Work.CHANGED, Work.MISSING, Work.REMOVED, Work.EXPORT]
    yield from (Case(work, size) for work in works for size in suite.sizes)
    yield from (Case(Work.PLANNED, size) for size in suite.planned_sizes)
    slow = [Work.NOTHING, Work.CHANGED]
    yield from (Case(work, size, latency=LATENCY_SECONDS) for work in slow for size in suite.latency_sizes)


def _run_in_turn(tools: Sequence[Tool], case: Case, suite: Suite, earlier: Sequence[Run]) -> Iterator[Run]:
    """Run the tools in turn, and repeat short runs. So a disturbance of the machine affects all tools."""
    tries = [[_run_if_in_time(tool, case, suite, earlier)] for tool in tools]
    for _ in range(REPEATS - 1 if suite.starts else 0):
        for tool, done in zip(tools, tries, strict=True):
            if done[0].took and done[0].took.wall <= SHORT_RUN_SECONDS:
                done.append(run(tool, case, limit=suite.max_seconds))
    for done in tries:
        yield sorted(done, key=lambda each: each.took.wall if each.took else 0.0)[len(done) // 2]


def _run_if_in_time(tool: Tool, case: Case, suite: Suite, earlier: Sequence[Run]) -> Run:
    """Run a tool. Skip the run if the tool failed with a smaller tenant or would probably exceed the time limit."""
    expected = expected_seconds(tool.name, case, earlier)
    headline = case == Case(Work.NOTHING, suite.headline)
    if not headline and _failed_before(tool.name, case, earlier):
        return Run(tool.name, case, f"{NOT_RUN}: failed with a smaller tenant")
    if not headline and expected > suite.max_seconds:
        return Run(tool.name, case, f"{NOT_RUN}: about {expected:,.0f} s expected")
    return run(tool, case, limit=HEADLINE_SECONDS if headline else 2 * suite.max_seconds)


def _failed_before(tool: str, case: Case, earlier: Iterable[Run]) -> bool:
    """Return whether a run with a smaller tenant failed or was stopped. Skipped runs are ignored."""
    smaller = (each for each in earlier if each.tool == tool and replace(each.case, size=case.size) == case)
    return any(each.took is None and not each.outcome.startswith(NOT_RUN) for each in smaller)


def expected_seconds(tool: str, case: Case, earlier: Iterable[Run]) -> float:
    """Estimate the seconds of a run from the run with the next smaller tenant. Return 0 without a smaller tenant.

    The time of a no-op with the smallest tenant is taken as the start time of the program. The start time does not grow
    with the tenant.
    """
    seconds = {each.case: each.took.wall for each in earlier if each.tool == tool and each.took}
    start = seconds.get(Case(Work.NOTHING, SMALLEST), 0.0)
    smaller = [each for each in seconds if replace(each, size=case.size) == case and each.size < case.size]
    if not smaller:
        return 0.0
    last = max(smaller, key=lambda each: each.size)
    start = min(start, seconds[last])
    return start + max(0.0, seconds[last] - start) * case.size / last.size


def _run_rate_limited(suite: Suite, tools: Sequence[Tool], report: Report) -> list[Run]:
    """Create all grants under rate limits. Several runs are executed at the same time, because runs mostly wait."""
    jobs = [
        (tool, Case(Work.MISSING, size, plan=plan))
        for plan, size in suite.limited.items()
        for tool in tools[: suite.limited_tools]
        if Work.MISSING not in tool.unsupported
    ]

    def run_job(job: tuple[Tool, Case]) -> Run:
        tool, case = job
        done = run(tool, case, limit=max(suite.max_seconds, 2 * minimum_seconds(case)))
        report(_line(done))
        return done

    with ThreadPoolExecutor(PARALLEL_RUNS) as pool:
        return list(pool.map(run_job, jobs))


def _reported(starts: Iterable[Start], report: Report) -> Iterator[Start]:
    for start in starts:
        report(f"{start.program}: {start.took.wall:.3f} s")
        yield start


def _line(done: Run) -> str:
    seconds = f"{done.took.wall:.2f} s" if done.took else done.outcome
    return f"{done.case}: {done.tool}: {seconds}"
