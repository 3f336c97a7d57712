"""Count requests by endpoint since the start or the last reset."""

from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus

UNKNOWN = "*"  # the path of requests without an endpoint
DROPPED = "dropped"  # the result of a dropped connection, instead of a status


@dataclass(frozen=True, slots=True, order=True)
class RequestOutcome:
    """An endpoint and the result of a request: the HTTP status as text, or DROPPED."""

    path: str
    method: str
    result: str


class RequestStatistics:
    """Counts requests by endpoint and result."""

    def __init__(self) -> None:
        self._counts: Counter[RequestOutcome] = Counter()

    def count(self, method: str, path: str, status: int | None) -> None:
        """Count a request. The status None means a dropped connection."""
        self._counts[RequestOutcome(path, method, DROPPED if status is None else str(int(status)))] += 1

    def clear(self) -> None:
        """Reset all counts."""
        self._counts.clear()

    def data(self) -> dict[str, object]:
        """Return all counts as JSON data, by path and method."""
        counts = dict(self._counts)  # an atomic copy, because other threads may count
        endpoints: dict[tuple[str, str], dict[str, int]] = {}
        for outcome, count in sorted(counts.items()):
            endpoints.setdefault((outcome.path, outcome.method), {})[outcome.result] = count
        throttled = str(int(HTTPStatus.TOO_MANY_REQUESTS))
        return {
            "requests": sum(counts.values()),
            "rate_limited": sum(count for outcome, count in counts.items() if outcome.result == throttled),
            "endpoints": [
                {"method": method, "path": path, "requests": sum(results.values()), "statuses": results}
                for (path, method), results in endpoints.items()
            ],
        }
