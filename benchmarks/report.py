"""Pure: results as text for a terminal, with all tools and the minimum for each case."""

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.floor import minimum_requests, minimum_seconds, verification_requests
from benchmarks.measure import Measurement, Run
from benchmarks.results import Results
from benchmarks.starting import Start
from benchmarks.tenants import Case
from benchmarks.tools import BARE, OURS

NO_DECIMALS_FROM = 10
HEADER = f"{'':30} {'requests':>9} {'429':>5} {'wall s':>8} {'cpu s':>8} {'peak MB':>8}  against {OURS}"


def as_text(results: Results) -> str:
    """Return all results as text for a terminal."""
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in results.versions.items())
    lines = [f"Python {results.python}, {results.processors} processors; {versions.removesuffix(f', {BARE} -')}"]
    lines += ["", "start of programs", *(_start_line(each) for each in results.starts)]
    for case in dict.fromkeys(run.case for run in results.runs):
        runs = [run for run in results.runs if run.case == case]
        lines += ["", str(case), HEADER, _minimum_line(case), *_run_lines(runs, results.took(OURS, case))]
    return "\n".join(lines)


def compare(theirs: Measurement, ours: Measurement | None) -> str:
    """Return the time and the memory of a tool in relation to reconciler."""
    if ours is None:
        return ""
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
            comparison = "" if run.tool == OURS else compare(run.took, ours)
            yield f"  {run.tool:28} {sum(run.requests.values()):>9} {run.refused:>5} {figures}  {comparison}".rstrip()


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown. All columns except the first column are right-aligned."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
