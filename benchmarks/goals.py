"""Pure: the project's performance goals as ratios and counts, compared with results."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.floor import minimum_requests, minimum_seconds, verification_requests
from benchmarks.results import Results
from benchmarks.starting import EMPTY_HELP, OUR_HELP, parse_label, validate_label
from benchmarks.tenants import Case, Work
from benchmarks.tools import BARE, DEPLOY, OURS

BASE, LARGEST = 10_000, 100_000
MAX_PEAK_MB = 1000.0


@dataclass(frozen=True, slots=True)
class Goal:
    """A performance goal. The goal is reached if `value` is at most `limit`."""

    name: str
    value: float
    limit: float

    def __str__(self) -> str:
        status = "reached" if self.value <= self.limit else "missed "
        return f"{status}  {self.name}: {self.value:.4g} (limit {self.limit:.4g})"


def goals(results: Results) -> tuple[Goal, ...]:
    """Return the goals for the measurements in the results."""
    return (*_requests(results), *_deploy_cli(results), *_starting(results), *_limits(results), *_size(results))


def _requests(results: Results) -> Iterator[Goal]:
    for run in results.runs:
        if run.tool == OURS and run.took is not None:
            limit = minimum_requests(run.case) + verification_requests(run.case)
            yield Goal(f"requests including verification, {run.case}", sum(run.requests.values()), limit)


def _deploy_cli(results: Results) -> Iterator[Goal]:
    case = Case(Work.NOTHING, 1000)
    ours, theirs = results.took(OURS, case), results.took(DEPLOY, case)
    if ours and theirs:
        yield Goal(f"time relative to auth0-deploy-cli, {case}", ours.wall / theirs.wall, 1 / 50)
        yield Goal(f"memory relative to auth0-deploy-cli, {case}", ours.peak_mb / theirs.peak_mb, 1 / 20)


def _limits(results: Results) -> Iterator[Goal]:
    for run in results.runs:
        if run.tool != OURS or run.took is None:
            continue
        if run.case.plan != "none":
            yield Goal(f"time relative to the minimum, {run.case}", run.took.wall / minimum_seconds(run.case), 1.15)
            yield Goal(f"429 responses, {run.case}", run.refused, 0)
        elif run.case.latency and run.case.work is Work.NOTHING:
            yield Goal(f"time relative to the minimum, {run.case}", run.took.wall / minimum_seconds(run.case), 1.3)


def _starting(results: Results) -> Iterator[Goal]:
    validate_100, validate_10_000 = validate_label(100), validate_label(10_000)
    yield from _relative(results, OUR_HELP, EMPTY_HELP, f"time relative to an empty click program, {OUR_HELP}", 2)
    yield from _relative(results, validate_100, OUR_HELP, f"time relative to {OUR_HELP}, {validate_100}", 3)
    yield from _relative(
        results, validate_10_000, parse_label(10_000), f"time relative to PyYAML, {validate_10_000}", 2
    )


def _relative(results: Results, ours: str, theirs: str, name: str, limit: float) -> Iterator[Goal]:
    took, other = results.start(ours), results.start(theirs)
    if took and other:
        yield Goal(name, took.wall / other.wall, limit)


def _size(results: Results) -> Iterator[Goal]:
    for work in (Work.NOTHING, Work.PLANNED):
        base, large = (results.took(OURS, Case(work, size)) for size in (BASE, LARGEST))
        if base and large:
            name = f"growth of CPU time per grant from {BASE:,} to {LARGEST:,} grants, {work}"
            yield Goal(name, large.cpu / base.cpu / (LARGEST / BASE), 1.1)
    case = Case(Work.NOTHING, LARGEST)
    ours, bare = results.took(OURS, case), results.took(BARE, case)
    if ours and bare:
        yield Goal(f"CPU time relative to bare reading, {case}", ours.cpu / bare.cpu, 2.5)
        yield Goal(f"peak memory in MB, {case}", ours.peak_mb, MAX_PEAK_MB)


def as_text(goals: Iterable[Goal]) -> str:
    """Return the goals as text, with one line per goal."""
    return "\n".join(str(goal) for goal in goals)
