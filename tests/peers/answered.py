"""What a sandbox has answered so far, as a test of a client wants to know it."""

import json
from collections.abc import Mapping

from auth0_sandbox.served import ServedSandbox

# How often each status was answered, by method and path.
Answered = Mapping[tuple[str, str], Mapping[str, int]]


def answered(sandbox: ServedSandbox) -> Answered:
    """Return it; what no endpoint takes is left out."""
    statistics = json.loads(json.dumps(sandbox.statistics()))
    return {
        (endpoint["method"], endpoint["path"]): endpoint["statuses"]
        for endpoint in statistics["endpoints"]
        if endpoint["path"].startswith("/")
    }


def successes(statuses: Mapping[str, int]) -> int:
    """Return how many of the answers were 2xx."""
    return sum(count for status, count in statuses.items() if status.startswith("2"))
