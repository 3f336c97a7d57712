"""Pure: the table of ratios and counts in docs/performance.md."""

import re
from collections.abc import Iterator

from benchmarks.floor import minimum_requests
from benchmarks.measure import Run
from benchmarks.report import markdown_table, ratio
from benchmarks.results import Results
from benchmarks.tenants import Case, Work
from benchmarks.tools import DEPLOY, OURS, SDK

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


def replace_table(page: str, results: Results) -> str:
    """Return the page with the table of `results`."""
    table = performance_table(results)
    return TABLE.sub(lambda _: table, page)


def performance_table(results: Results) -> str:
    """Return the table of results in Markdown."""
    return markdown_table(("work", "fewest requests", OURS, SDK, DEPLOY), _rows(results))


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
