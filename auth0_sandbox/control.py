"""The running sandbox: inspect the tenant, count requests, and change faults and limits during the run."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from math import ceil

from auth0_sandbox.faults.engine import FaultContext, FaultEngine
from auth0_sandbox.faults.plan import NO_FAULTS, FaultPlan, plan_data
from auth0_sandbox.requests.rate_limits import Buckets, Profile, throttled_answer
from auth0_sandbox.requests.responses import RefusalError
from auth0_sandbox.requests.traffic import UncheckedRequest
from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import MOST_ROWS, DocumentKind, Store
from auth0_sandbox.store.documents import Document, parse, project

SECRETS = frozenset({"client_secret", "signing_keys", "encryption_key"})
UNKNOWN = "*"  # the path of requests without an endpoint
DROPPED = "dropped"  # the result of a dropped connection, instead of a status


class RequestStatistics:
    """Counts requests by endpoint and result since the start or the last reset. A result is a status or DROPPED."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, method: str, path: str, status: int | None) -> None:
        """Count a request. The status None means a dropped connection."""
        self._counts[path, method, DROPPED if status is None else str(int(status))] += 1

    def clear(self) -> None:
        """Reset all counts."""
        self._counts.clear()

    def data(self) -> dict[str, object]:
        """Return all counts as JSON data, by path and method."""
        counts = dict(self._counts)  # an atomic copy, because other threads may count
        endpoints: dict[tuple[str, str], dict[str, int]] = {}
        for (path, method, result), count in sorted(counts.items()):
            endpoints.setdefault((path, method), {})[result] = count
        throttled = str(int(HTTPStatus.TOO_MANY_REQUESTS))
        return {
            "requests": sum(counts.values()),
            "rate_limited": sum(count for (_, _, result), count in counts.items() if result == throttled),
            "endpoints": [
                {"method": method, "path": path, "requests": sum(results.values()), "statuses": results}
                for (path, method), results in endpoints.items()
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The initial state of a sandbox, which `Control.reset` restores. `reseed` resets the tenant to its seed."""

    reseed: Callable[[], None]
    fault_context: FaultContext
    faults: FaultPlan = NO_FAULTS
    profile: Profile = ()


class Control:
    """The tenant with its settings, faults, rate limits and statistics. The caller closes the object after use."""

    def __init__(self, store: Store, settings: Settings, start: Start) -> None:
        self.store = store
        self.settings = settings
        self.statistics = RequestStatistics()
        self.buckets = Buckets(start.profile, settings.refill)
        self.fault_engine = FaultEngine(start.faults, start.fault_context)
        self._start = start

    def close(self) -> None:
        """Free the memory of the fault engine. The caller closes the store."""
        self.fault_engine.close()

    def take_tokens(self, request: UncheckedRequest) -> None:
        """Take a token from the token buckets of the request.

        Raises:
            RefusalError: 429 if a bucket is empty.
        """
        limit = self.buckets.take_tokens(request)
        if limit is None:
            return
        answer = throttled_answer(request, limit.message)
        if self.settings.retry_after:
            wait = max(1, ceil(self.buckets.level(request).reset - request.now))
            answer = replace(answer, headers={"retry-after": str(wait)})
        raise RefusalError(answer)

    def set_faults(self, plan: FaultPlan) -> None:
        """Replace the fault plan. All counts of the new plan start at zero."""
        before, self.fault_engine = self.fault_engine, FaultEngine(plan, self._start.fault_context)
        before.close()

    def reset(self) -> None:
        """Restore the initial tenant, faults, rate limits and statistics.

        Raises:
            SandboxError, FileError: if the seed file cannot be read. The tenant stays unchanged.
        """
        self._start.reseed()
        self.set_faults(self._start.faults)
        self.buckets = Buckets(self._start.profile, self.settings.refill)
        self.statistics.clear()

    def state(self) -> dict[str, object]:
        """Return the content of the tenant without secrets and log events."""
        return {
            "tenant": {"domain": self.store.tenant().domain},
            **{kind.value: self._documents(kind) for kind in DocumentKind if kind is not DocumentKind.LOGS},
        }

    def faults(self) -> dict[str, object]:
        """Return the current fault plan, with the numbers of matching and affected requests for each rule."""
        return plan_data(self.fault_engine.plan) | {"counts": self.fault_engine.counts()}

    def _documents(self, kind: DocumentKind) -> list[Document]:
        rows = self.store.find(kind, {}, limit=MOST_ROWS)
        return [project(parse(row.text), SECRETS, include=False) for row in rows]
