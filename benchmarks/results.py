"""Measurements as a value, and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import Run, Measurement
from benchmarks.starting import Start
from benchmarks.tenants import Case, Work

DIGITS = 4


@dataclass(frozen=True, slots=True)
class Results:
    """All that was measured in one go, and with what."""

    python: str
    processors: int
    versions: Mapping[str, str]
    starts: Sequence[Start]
    runs: Sequence[Run]

    def find(self, tool: str, case: Case) -> Run | None:
        """Return the run of a tool at a case, None if it was not tried."""
        return next((each for each in self.runs if (each.tool, each.case) == (tool, case)), None)

    def took(self, tool: str, case: Case) -> Measurement | None:
        """Return what a tool took, None if it did not do the work."""
        found = self.find(tool, case)
        return found.took if found else None

    def start(self, program: str) -> Measurement | None:
        """Return what starting a program took, None if it was not tried or failed."""
        return next((each.took for each in self.starts if each.program == program and each.took.status == 0), None)


def as_json(results: Results) -> str:
    """Return the results as JSON, a run a line."""
    head = {"python": results.python, "processors": results.processors, "versions": dict(results.versions)}
    begun = ",\n".join(f"  {_line(asdict(each))}" for each in results.starts)
    runs = ",\n".join(f"  {_line(asdict(each))}" for each in results.runs)
    return f'{json.dumps(head)[:-1]},\n"starts": [\n{begun}\n],\n"runs": [\n{runs}\n]}}\n'


def from_json(text: str) -> Results:
    """Return the results that `as_json` wrote."""
    read = json.loads(text)
    begun = tuple(Start(each["program"], Measurement(**each["took"])) for each in read["starts"])
    return Results(
        read["python"], read["processors"], read["versions"], begun, tuple(_run(each) for each in read["runs"])
    )


def _run(read: dict[str, Any]) -> Run:
    case = Case(**read["case"] | {"work": Work(read["case"]["work"])})
    took = Measurement(**read["took"]) if read["took"] else None
    return Run(**read | {"case": case, "took": took})


def _line(value: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    return json.dumps(_rounded(value))


def _rounded(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    match value:
        case float():
            return round(value, DIGITS)
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case _:
            return value
