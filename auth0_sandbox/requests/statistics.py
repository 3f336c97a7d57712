"""Statistics of requests by endpoint, since the start or the last reset."""

from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus

UNKNOWN = "*"  # the path of calls that no endpoint takes
DROPPED = "dropped"  # in the place of a status


@dataclass(frozen=True, slots=True, order=True)
class Called:
    """An endpoint, and how a call of it ended."""

    path: str
    method: str
    ending: str


class Tally:
    """Counts requests."""

    def __init__(self) -> None:
        self._counts: Counter[Called] = Counter()

    def count(self, method: str, path: str, status: int | None) -> None:
        """Count a request; a status of None means that the connection was dropped."""
        self._counts[Called(path, method, DROPPED if status is None else str(int(status)))] += 1

    def clear(self) -> None:
        """Start again from nothing."""
        self._counts.clear()

    def data(self) -> dict[str, object]:
        """Return all counts, by path and method."""
        counts = dict(self._counts)  # at one stroke, whatever another thread counts meanwhile
        endpoints: dict[tuple[str, str], dict[str, int]] = {}
        for called, count in sorted(counts.items()):
            endpoints.setdefault((called.path, called.method), {})[called.ending] = count
        throttled = str(int(HTTPStatus.TOO_MANY_REQUESTS))
        return {
            "requests": sum(counts.values()),
            "rate_limited": sum(count for called, count in counts.items() if called.ending == throttled),
            "endpoints": [
                {"method": method, "path": path, "requests": sum(endings.values()), "statuses": endings}
                for (path, method), endings in endpoints.items()
            ],
        }
