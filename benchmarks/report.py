"""Format the results as text for a terminal, and as the table in docs/performance.md."""

import re
from collections.abc import Iterable, Iterator

from benchmarks.floor import minimum_requests, minimum_seconds, verification_requests
from benchmarks.measure import Measurement, Run
from benchmarks.results import Results
from benchmarks.starting import Start
from benchmarks.tenants import Case, Work
from benchmarks.tools import BARE, DEPLOY, OURS, SDK

NO_DECIMALS_FROM = 10
HEADER = f"{'':30} {'requests':>9} {'429':>5} {'wall s':>8} {'cpu s':>8} {'peak MB':>8}  against {OURS}"
BEGIN, END = "<!-- benchmarks: made by make bench-all -->", "<!-- end of benchmarks -->"
TABLE = re.compile(f"(?<={re.escape(BEGIN)}\n\n).*?(?=\n\n{re.escape(END)})", re.DOTALL)
NO_VALUE = "-"
SHOWN_CASES = (
    Case(Work.NOTHING, 1000),
    Case(Work.NOTHING, 1000, latency=0.3),
    Case(Work.CHANGED, 1000),
    Case(Work.CHANGED, 1000, latency=0.3),
    Case(Work.MISSING, 1000),
    Case(Work.MISSING, 1000, plan="enterprise-prod"),
    Case(Work.REMOVED, 1000),
    Case(Work.NOTHING, 10_000),
    Case(Work.NOTHING, 100_000),
)


def as_text(results: Results) -> str:
    """Return all results as text for a terminal."""
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in results.versions.items())
    lines = [f"Python {results.python}, {results.processors} processors; {versions.removesuffix(f', {BARE} -')}"]
    lines += ["", "start of programs", *(_start_line(each) for each in results.starts)]
    for case in dict.fromkeys(run.case for run in results.runs):
        runs = [run for run in results.runs if run.case == case]
        lines += ["", str(case), HEADER, _minimum_line(case), *_run_lines(runs, results.took(OURS, case))]
    return "\n".join(lines)


def _comparison(theirs: Measurement, ours: Measurement) -> str:
    return f"time {ratio(theirs.wall, ours.wall)}, memory {ratio(theirs.peak_mb, ours.peak_mb)}"


def ratio(theirs: float, ours: float) -> str:
    """Return a ratio as text, for example 0.87x, 3.1x or 42x."""
    value = theirs / ours
    return f"{value:.{2 if value < 1 else 1 if value < NO_DECIMALS_FROM else 0}f}x"


def _start_line(start: Start) -> str:
    took = start.took
    failed = f"  failed with {took.status}" if took.status else ""
    return f"  {start.program:42} {took.wall:8.3f} {took.cpu:8.3f} {took.peak_mb:8.0f}{failed}"


def _minimum_line(case: Case) -> str:
    verification = f" (+ {verification_requests(case)} to check scopes{' and the result' if case.writes else ''})"
    return f"  {'minimum':28} {minimum_requests(case):>9} {'':>5} {minimum_seconds(case):8.2f}{verification}"


def _run_lines(runs: Iterable[Run], ours: Measurement | None) -> Iterator[str]:
    for run in runs:
        if run.took is None:
            yield f"  {run.tool:28} {run.outcome}"
        else:
            figures = f"{run.took.wall:8.2f} {run.took.cpu:8.2f} {run.took.peak_mb:8.0f}"
            comparison = "" if run.tool == OURS or ours is None else _comparison(run.took, ours)
            yield f"  {run.tool:28} {sum(run.requests.values()):>9} {run.refused:>5} {figures}  {comparison}".rstrip()


def replace_table(page: str, results: Results) -> str:
    """Return the page with the table of `results`."""
    table = performance_table(results)
    return TABLE.sub(lambda _: table, page)


def performance_table(results: Results) -> str:
    """Return the table of results in Markdown. All columns except the first column are right-aligned."""
    head = ("work", "fewest requests", OURS, SDK, DEPLOY)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *_rows(results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rows(results: Results) -> Iterator[tuple[str, ...]]:
    for case in SHOWN_CASES:
        runs = [results.find(tool, case) for tool in (OURS, SDK, DEPLOY)]
        if runs[0] is not None:
            ours = runs[0]
            yield (str(case), f"{minimum_requests(case):,}", *(_cell(run, ours) for run in runs))


def _cell(run: Run | None, ours: Run) -> str:
    """Return the requests and refused requests of a tool, and its time and memory in relation to reconciler."""
    if run is None or run.took is None or ours.took is None:
        return NO_VALUE
    requests = f"{sum(run.requests.values()):,}" + (f", {run.refused:,} refused" if run.refused else "")
    if run.tool == OURS:
        return f"{requests}; {run.took.wall:.1f} s, {run.took.peak_mb:.0f} MB"
    return f"{requests}; {ratio(run.took.wall, ours.took.wall)}, {ratio(run.took.peak_mb, ours.took.peak_mb)}"
