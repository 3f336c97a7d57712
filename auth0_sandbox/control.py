"""The running sandbox: inspect it and change its faults and limits while it serves requests."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from auth0_sandbox.faults.engine import FaultContext, Misbehaviour
from auth0_sandbox.faults.plan import NO_FAULTS, FaultPlan, plan_data
from auth0_sandbox.requests.rate_limits import Buckets, Profile, throttled_answer
from auth0_sandbox.requests.responses import RefusalError
from auth0_sandbox.requests.statistics import Tally
from auth0_sandbox.requests.traffic import Arrival
from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import MOST_ROWS, DocumentKind, Store
from auth0_sandbox.store.documents import Document, parse, project

SECRETS = frozenset({"client_secret", "signing_keys", "encryption_key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The initial state of a sandbox, which a reset restores. `reseed` resets the tenant."""

    reseed: Callable[[], None]
    means: FaultContext
    faults: FaultPlan = NO_FAULTS
    profile: Profile = ()


class Control:
    """The tenant with its settings, faults, rate limits and statistics. Close it after use."""

    def __init__(self, store: Store, settings: Settings, start: Start) -> None:
        self.store = store
        self.settings = settings
        self.tally = Tally()
        self.buckets = Buckets(start.profile, settings.refill)
        self.misbehaviour = Misbehaviour(start.faults, start.means)
        self._start = start

    def close(self) -> None:
        """Free the memory of faults. The caller closes the store."""
        self.misbehaviour.close()

    def spend(self, arrival: Arrival) -> None:
        """Take a token from the rate limits.

        Raises:
            RefusalError: 429.
        """
        limit = self.buckets.spend(arrival)
        if limit is None:
            return
        answer = throttled_answer(arrival, limit.message)
        if self.settings.retry_after:
            wait = max(1, ceil(self.buckets.level(arrival).reset - arrival.now))
            answer = replace(answer, headers={"retry-after": str(wait)})
        raise RefusalError(answer)

    def set_faults(self, plan: FaultPlan) -> None:
        """Replace the fault plan. All its counts start at zero."""
        before, self.misbehaviour = self.misbehaviour, Misbehaviour(plan, self._start.means)
        before.close()

    def reset(self) -> None:
        """Restore the initial tenant, faults, rate limits and statistics.

        Raises:
            SandboxError, FileError: if the seed file cannot be read. Nothing is changed.
        """
        self._start.reseed()
        self.set_faults(self._start.faults)
        self.buckets = Buckets(self._start.profile, self.settings.refill)
        self.tally.clear()

    def state(self) -> dict[str, object]:
        """Return the content of the tenant without secrets and log events."""
        return {
            "tenant": {"domain": self.store.tenant().domain},
            **{kind.value: self._documents(kind) for kind in DocumentKind if kind is not DocumentKind.LOGS},
        }

    def faults(self) -> dict[str, object]:
        """Return the current fault plan, and for each rule the number of matching and affected requests."""
        return plan_data(self.misbehaviour.plan) | {"counts": self.misbehaviour.counts()}

    def _documents(self, kind: DocumentKind) -> list[Document]:
        rows = self.store.find(kind, {}, limit=MOST_ROWS)
        return [project(parse(row.text), SECRETS, include=False) for row in rows]
