"""The responses of a sandbox so far."""

import json
from collections.abc import Mapping

from auth0_sandbox.served import ServedSandbox

ResponseCounts = Mapping[tuple[str, str], Mapping[str, int]]
"""The number of responses by status, for each method and path."""


def response_counts(sandbox: ServedSandbox) -> ResponseCounts:
    """Return the number of responses. Requests to unknown paths are omitted."""
    statistics = json.loads(json.dumps(sandbox.statistics()))
    return {
        (endpoint["method"], endpoint["path"]): endpoint["statuses"]
        for endpoint in statistics["endpoints"]
        if endpoint["path"].startswith("/")
    }


def successes(statuses: Mapping[str, int]) -> int:
    """Return the number of 2xx responses."""
    return sum(count for status, count in statuses.items() if status.startswith("2"))
