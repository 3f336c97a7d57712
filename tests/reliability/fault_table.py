"""The table of faults: the expected results of a read, a create, an update and a delete for each fault of a request.

A row has faults with the same results. A fault affects only the first request (once), or every request (always).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx
from reliability.fault_runs import LIST, TOKEN, WRITE_ENDPOINTS, AnyFault, Calls, FaultRun, InjectedFault, NotSent

from auth0_sandbox.faults.plan import AnswerFault, Damage, Delay, Drop, ExpireToken, RateLimit, Series, When
from reconciler.auth0.errors import Auth0Error, NotSentError, RateLimitedError, RefusedCallError, UnknownOutcomeError
from reconciler.core.outcome import Result

ONCE, ALWAYS = (1,), Series()
LONGER_THAN_TIMEOUT_SECONDS = 45.0
APPLIED, FAILED, CONFLICT = Result.APPLIED, Result.FAILED, Result.CONFLICT


class Write(NamedTuple):
    """The expected result of a write, and the number of requests. `is_done` says whether the write had its effect."""

    result: Result
    writes: int
    grant_reads: int
    is_done: bool
    tokens: int = 0

    def matches(self, run: FaultRun, action: str) -> bool:
        counts = (run.calls[WRITE_ENDPOINTS[action]], run.calls[LIST], run.calls[TOKEN])
        return counts == (self.writes, self.grant_reads, self.tokens)


class Read(NamedTuple):
    """The expected error of a listing, or None if there is a plan, and the number of requests."""

    error: type[Auth0Error] | None
    requests: int


Writes = Mapping[str, Write]
OnceAndAlways = tuple[Writes, Writes]
"""The expected results for a fault that occurs once, and for one that always occurs, by action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Faults with the same results. `writes` and `reads` have the results for a fault that occurs once and always.

    `reads` is None if the faults do not apply to reads.
    """

    name: str
    faults: Mapping[str, AnyFault]
    writes: OnceAndAlways
    reads: tuple[Read, Read] | None = None
    not_for_deletes: frozenset[str] = field(default_factory=frozenset)


def by_action(create: Write, update: Write, delete: Write) -> Writes:
    return {"create": create, "update": update, "delete": delete}


def same_result(
    result: Result, *, grant_reads: tuple[int, int, int] = (0, 1, 1), writes: int = 1, tokens: int = 0
) -> Writes:
    return {
        action: Write(result, writes, reads, is_done=result is APPLIED, tokens=tokens)
        for action, reads in zip(WRITE_ENDPOINTS, grant_reads, strict=True)
    }


def lost_responses(when: When) -> dict[str, AnyFault]:
    """Return the faults that lose the response to a request, before or after its effect."""
    statuses: dict[str, AnyFault] = {
        str(status): AnswerFault(status=status, when=when) for status in (408, 500, 502, 503, 504, 524)
    }
    return statuses | {
        "302": AnswerFault(status=302, when=when, body="empty"),
        "502 of a proxy": AnswerFault(status=502, when=when, body="html"),
        "timeout": Delay(seconds=LONGER_THAN_TIMEOUT_SECONDS, when=when),
        "broken connection": Drop(when=when),
        "200 with a web page": AnswerFault(status=200, when=when, body="html"),
        "200 with a truncated body": AnswerFault(status=200, when=when, body="text", text='{"id": "cgr_'),
        "200 with an empty body": AnswerFault(status=200, when=when, body="empty"),
    }


DAMAGED: Mapping[str, AnyFault] = {
    "connection closed in the body": Damage(how="truncated"),
    "half a body": Damage(how="shortened"),
    "garbled": Damage(how="garbled"),
}

ROWS = (
    Row(
        name="not sent: connection refused, connection timeout, no free connection, refused by the proxy",
        faults={
            "connection refused": NotSent(httpx.ConnectError),
            "connection timeout": NotSent(httpx.ConnectTimeout),
            "no free connection": NotSent(httpx.PoolTimeout),
            "refused by the proxy": NotSent(httpx.ProxyError),
        },
        reads=(Read(None, 2), Read(NotSentError, 5)),
        writes=(same_result(APPLIED, writes=2), same_result(FAILED, writes=5)),
    ),
    Row(
        name="429",
        faults={
            "with headers": RateLimit(),
            "without headers": RateLimit(headers=False),
            "Retry-After in seconds": RateLimit(retry_after="3"),
            "reset in an hour": RateLimit(reset=3600),
        },
        reads=(Read(None, 2), Read(RateLimitedError, 5)),
        writes=(same_result(APPLIED, writes=2), same_result(FAILED, writes=5)),
    ),
    Row(
        name="408, 5xx, timeout, broken connection or unreadable response, before the effect",
        faults=lost_responses("before"),
        writes=(
            same_result(APPLIED, writes=2, grant_reads=(1, 3, 3)),
            same_result(FAILED, writes=5, grant_reads=(5, 10, 10)),
        ),
    ),
    Row(
        name="the same after the effect, and damaged responses",
        faults=lost_responses("after") | dict(DAMAGED),
        reads=(Read(None, 2), Read(UnknownOutcomeError, 10)),
        writes=(same_result(APPLIED, grant_reads=(1, 2, 2)),) * 2,
        not_for_deletes=frozenset({"half a body", "garbled"}),  # the response to a delete has no body
    ),
    Row(
        name="409",
        faults={"before": AnswerFault(status=409)},
        writes=(
            by_action(
                Write(CONFLICT, 1, 2, is_done=False),
                Write(CONFLICT, 1, 3, is_done=False),
                Write(FAILED, 1, 3, is_done=False),
            ),
        )
        * 2,
    ),
    Row(
        name="409 after the effect",
        faults={"after": AnswerFault(status=409, when="after")},
        writes=(
            by_action(
                Write(APPLIED, 1, 1, is_done=True),
                Write(APPLIED, 1, 2, is_done=True),
                Write(APPLIED, 1, 2, is_done=True),
            ),
        )
        * 2,
    ),
    Row(
        name="404",
        faults={"not found": AnswerFault(status=404)},
        reads=(Read(RefusedCallError, 1),) * 2,
        writes=(
            by_action(
                Write(FAILED, 1, 0, is_done=False),
                Write(FAILED, 1, 3, is_done=False),
                Write(FAILED, 1, 3, is_done=False),
            ),
        )
        * 2,
    ),
    Row(
        name="401 (expired token)",
        faults={"expired": ExpireToken()},
        reads=(Read(None, 2), Read(RefusedCallError, 2)),
        writes=(same_result(APPLIED, writes=2, tokens=1), same_result(FAILED, writes=2, tokens=1)),
    ),
    Row(
        name="402, 403, 405, 413, 422",
        faults={str(status): AnswerFault(status=status) for status in (402, 403, 405, 413, 422)},
        reads=(Read(RefusedCallError, 1),) * 2,
        writes=(same_result(FAILED),) * 2,
    ),
    Row(
        name="400",
        faults={"bad request": AnswerFault(status=400)},
        reads=(Read(None, 2), Read(RefusedCallError, 2)),  # the cursor may have expired
        writes=(same_result(FAILED),) * 2,
    ),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, the action that it affects, and the affected requests."""

    row: Row
    fault: str
    action: str
    calls: Calls

    @property
    def id(self) -> str:
        return f"{self.row.name}: {self.fault}, {self.action}, {'once' if self.calls == ONCE else 'always'}"

    @property
    def injected_fault(self) -> InjectedFault:
        return InjectedFault(self.row.faults[self.fault], WRITE_ENDPOINTS.get(self.action, LIST), self.calls)

    @property
    def write(self) -> Write:
        return self.row.writes[self.calls == ALWAYS][self.action]

    @property
    def read(self) -> Read:
        assert self.row.reads
        return self.row.reads[self.calls == ALWAYS]


def cases() -> Iterator[Case]:
    """Yield a case for each fault and action, once and always."""
    for row in ROWS:
        for fault in row.faults:
            actions = ["read"] if row.reads else []
            actions += [action for action in WRITE_ENDPOINTS if action != "delete" or fault not in row.not_for_deletes]
            for action in actions:
                yield Case(row, fault, action, ONCE)
                yield Case(row, fault, action, ALWAYS)
