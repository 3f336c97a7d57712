"""Pure: what the project wants to reach, as ratios and counts, and whether the results reach it."""

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
    """Something to reach: `found` must be at most `wanted`."""

    what: str
    found: float
    wanted: float

    def __str__(self) -> str:
        verdict = "reached" if self.found <= self.wanted else "missed "
        return f"{verdict}  {self.what}: {self.found:.4g}, at most {self.wanted:.4g}"


def goals(results: Results) -> tuple[Goal, ...]:
    """Return the goals for which there are results."""
    return (*_requests(results), *_beside_deploy_cli(results), *_starting(results), *_limits(results), *_size(results))


def _requests(results: Results) -> Iterator[Goal]:
    for run in results.runs:
        if run.tool == OURS and run.took is not None:
            wanted = minimum_requests(run.case) + verification_requests(run.case)
            what = f"requests, looks at scopes and effects included, {run.case}"
            yield Goal(what, sum(run.requests.values()), wanted)


def _beside_deploy_cli(results: Results) -> Iterator[Goal]:
    case = Case(Work.NOTHING, 1000)
    ours, theirs = results.took(OURS, case), results.took(DEPLOY, case)
    if ours and theirs:
        yield Goal(f"share of auth0-deploy-cli's time, {case}", ours.wall / theirs.wall, 1 / 50)
        yield Goal(f"share of auth0-deploy-cli's memory, {case}", ours.peak_mb / theirs.peak_mb, 1 / 20)


def _limits(results: Results) -> Iterator[Goal]:
    for run in results.runs:
        if run.tool != OURS or run.took is None:
            continue
        if run.case.plan != "none":
            yield Goal(f"times the least, {run.case}", run.took.wall / minimum_seconds(run.case), 1.15)
            yield Goal(f"429s, {run.case}", run.refused, 0)
        elif run.case.latency and run.case.work is Work.NOTHING:
            yield Goal(f"times the least, {run.case}", run.took.wall / minimum_seconds(run.case), 1.3)


def _starting(results: Results) -> Iterator[Goal]:
    times_help = "times the time of reconciler --help"
    yield from _times(results, OUR_HELP, EMPTY_HELP, "times the time of an empty click program, reconciler --help", 2)
    yield from _times(results, validate_label(100), OUR_HELP, f"{times_help}, {validate_label(100)}", 3)
    yield from _times(results, validate_label(10_000), parse_label(10_000), f"times PyYAML's time, {validate_label(10_000)}", 2)


def _times(results: Results, ours: str, theirs: str, what: str, wanted: float) -> Iterator[Goal]:
    took, other = results.start(ours), results.start(theirs)
    if took and other:
        yield Goal(what, took.wall / other.wall, wanted)


def _size(results: Results) -> Iterator[Goal]:
    for work in (Work.NOTHING, Work.PLANNED):
        base, large = (results.took(OURS, Case(work, size)) for size in (BASE, LARGEST))
        if base and large:
            what = f"growth of processor time per grant from {BASE:,} to {LARGEST:,}, {work}"
            yield Goal(what, large.cpu / base.cpu / (LARGEST / BASE), 1.1)
    case = Case(Work.NOTHING, LARGEST)
    ours, bare = results.took(OURS, case), results.took(BARE, case)
    if ours and bare:
        yield Goal(f"times the processor time of bare reading, {case}", ours.cpu / bare.cpu, 2.5)
        yield Goal(f"MB at the peak, {case}", ours.peak_mb, MAX_PEAK_MB)


def as_text(found: Iterable[Goal]) -> str:
    """Return goals as text, one a line."""
    return "\n".join(str(goal) for goal in found)
