"""Count requests by endpoint since the start or the last reset."""

from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus

UNKNOWN = "*"  # the path of requests without an endpoint
DROPPED = "dropped"  # instead of a status


@dataclass(frozen=True, slots=True, order=True)
class Called:
    """An endpoint and the end of a request."""

    path: str
    method: str
    ending: str


class Tally:
    """Counts requests."""

    def __init__(self) -> None:
        self._counts: Counter[Called] = Counter()

    def count(self, method: str, path: str, status: int | None) -> None:
        """Count a request. The status None means a dropped connection."""
        self._counts[Called(path, method, DROPPED if status is None else str(int(status)))] += 1

    def clear(self) -> None:
        """Reset all counts."""
        self._counts.clear()

    def data(self) -> dict[str, object]:
        """Return all counts, by path and method."""
        counts = dict(self._counts)  # atomic, because other threads may count
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
