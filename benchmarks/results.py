"""The results of all measurements, and the conversion of results to JSON and back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import Measurement, Run
from benchmarks.starting import Start
from benchmarks.tenants import Case, Work

DIGITS = 4


@dataclass(frozen=True, slots=True)
class Results:
    """All measurements of one suite, with the versions of Python and the tools, and the number of processors."""

    python: str
    processors: int
    versions: Mapping[str, str]
    starts: Sequence[Start]
    runs: Sequence[Run]

    def find(self, tool: str, case: Case) -> Run | None:
        """Return the run of a tool for a case, or None without such a run."""
        return next((each for each in self.runs if (each.tool, each.case) == (tool, case)), None)

    def took(self, tool: str, case: Case) -> Measurement | None:
        """Return the measurement of a tool for a case, or None if the tool did not complete the task."""
        run = self.find(tool, case)
        return run.took if run else None

    def start(self, program: str) -> Measurement | None:
        """Return the measurement of a program's start, or None without a successful start."""
        return next((each.took for each in self.starts if each.program == program and each.took.status == 0), None)


def as_json(results: Results) -> str:
    """Return the results as JSON, with one line per run."""
    head = {"python": results.python, "processors": results.processors, "versions": dict(results.versions)}
    starts = ",\n".join(f"  {_line(asdict(each))}" for each in results.starts)
    runs = ",\n".join(f"  {_line(asdict(each))}" for each in results.runs)
    return f'{json.dumps(head)[:-1]},\n"starts": [\n{starts}\n],\n"runs": [\n{runs}\n]}}\n'


def from_json(text: str) -> Results:
    """Return the results in the output of `as_json`."""
    parsed = json.loads(text)
    starts = tuple(Start(each["program"], Measurement(**each["took"])) for each in parsed["starts"])
    return Results(
        parsed["python"], parsed["processors"], parsed["versions"], starts, tuple(_run(each) for each in parsed["runs"])
    )


def _run(parsed: dict[str, Any]) -> Run:
    case = Case(**parsed["case"] | {"work": Work(parsed["case"]["work"])})
    took = Measurement(**parsed["took"]) if parsed["took"] else None
    return Run(**parsed | {"case": case, "took": took})


def _line(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(_round(value))


def _round(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case float():
            return round(value, DIGITS)
        case dict():
            return {name: _round(each) for name, each in value.items()}
        case _:
            return value
