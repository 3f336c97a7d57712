"""The table: what can go wrong with a call, and what becomes of a read, a create, an update and a delete then.

A row lists the faults that count as one; `once` strikes the first attempt only, `always` all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx
from reliability.fault_runs import LIST, TOKEN, VERBS, Calls, NotSent, Strike, Trial, Trouble

from auth0_sandbox.faults.plan import AnswerFault, Damage, Delay, Drop, ExpireToken, RateLimit, Series, When
from reconciler.auth0.errors import Auth0Error, NotSentError, RateLimitedError, RefusedCallError, UnknownOutcomeError
from reconciler.core.outcome import Result

ONCE, ALWAYS = (1,), Series()
LATER_THAN_ANYBODY_WAITS = 45.0
APPLIED, FAILED, CONFLICT = Result.APPLIED, Result.FAILED, Result.CONFLICT


class Write(NamedTuple):
    """What becomes of a write, and the calls that it takes. `done`: whether it took effect in the end."""

    result: Result
    writes: int
    looks: int
    done: bool
    tokens: int = 0

    def holds(self, trial: Trial, verb: str) -> bool:
        calls = (trial.calls[VERBS[verb]], trial.calls[LIST], trial.calls[TOKEN])
        return calls == (self.writes, self.looks, self.tokens)


class Read(NamedTuple):
    """What becomes of a listing: the error, or None where there is a plan; and the calls that it takes."""

    error: type[Auth0Error] | None
    reads: int


Writes = Mapping[str, Write]
Both = tuple[Writes, Writes]
"""Once and always, each by verb."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`writes` and `reads` each tell what is expected once and always; an empty mapping: it does not apply."""

    name: str
    troubles: Mapping[str, Trouble]
    writes: Both
    reads: tuple[Read, Read] | None = None
    not_for_deletes: frozenset[str] = field(default_factory=frozenset)


def alike(create: Write, update: Write, delete: Write) -> Writes:
    return {"create": create, "update": update, "delete": delete}


def refused(result: Result, *, looks: tuple[int, int, int] = (0, 1, 1), writes: int = 1, tokens: int = 0) -> Writes:
    return {
        verb: Write(result, writes, look, done=result is APPLIED, tokens=tokens)
        for verb, look in zip(VERBS, looks, strict=True)
    }


def lost_answers(when: When) -> dict[str, Trouble]:
    """Every way to lose an answer that can be had both before and after the effect."""
    statuses: dict[str, Trouble] = {
        str(status): AnswerFault(status=status, when=when) for status in (408, 500, 502, 503, 504, 524)
    }
    return statuses | {
        "302": AnswerFault(status=302, when=when, body="empty"),
        "502 of a proxy": AnswerFault(status=502, when=when, body="html"),
        "timeout": Delay(seconds=LATER_THAN_ANYBODY_WAITS, when=when),
        "break": Drop(when=when),
        "200 with a web page": AnswerFault(status=200, when=when, body="html"),
        "200 cut off": AnswerFault(status=200, when=when, body="text", text='{"id": "cgr_'),
        "200 with nothing": AnswerFault(status=200, when=when, body="empty"),
    }


DAMAGED: Mapping[str, Trouble] = {
    "ended within the body": Damage(how="truncated"),
    "half a body": Damage(how="shortened"),
    "garbled": Damage(how="garbled"),
}

ROWS = (
    Row(
        name="not sent: no connection, none in time, none free, refused by the proxy",
        troubles={
            "connection refused": NotSent(httpx.ConnectError),
            "no connection in time": NotSent(httpx.ConnectTimeout),
            "no free connection": NotSent(httpx.PoolTimeout),
            "the proxy refuses": NotSent(httpx.ProxyError),
        },
        reads=(Read(None, 2), Read(NotSentError, 5)),
        writes=(refused(APPLIED, writes=2), refused(FAILED, writes=5)),
    ),
    Row(
        name="429",
        troubles={
            "with its headers": RateLimit(),
            "without headers": RateLimit(headers=False),
            "Retry-After in seconds": RateLimit(retry_after="3"),
            "reset an hour off": RateLimit(reset=3600),
        },
        reads=(Read(None, 2), Read(RateLimitedError, 5)),
        writes=(refused(APPLIED, writes=2), refused(FAILED, writes=5)),
    ),
    Row(
        name="408, 5xx, timeout, break, unreadable answer; before the effect",
        troubles=lost_answers("before"),
        writes=(refused(APPLIED, writes=2, looks=(1, 3, 3)), refused(FAILED, writes=5, looks=(5, 10, 10))),
    ),
    Row(
        name="the same after the effect, and answers that are damaged on the way",
        troubles=lost_answers("after") | dict(DAMAGED),
        reads=(Read(None, 2), Read(UnknownOutcomeError, 10)),
        writes=(refused(APPLIED, looks=(1, 2, 2)),) * 2,
        not_for_deletes=frozenset({"half a body", "garbled"}),  # the answer to a delete has no body
    ),
    Row(
        name="409",
        troubles={"before": AnswerFault(status=409)},
        writes=(
            alike(
                Write(CONFLICT, 1, 2, done=False), Write(CONFLICT, 1, 3, done=False), Write(FAILED, 1, 3, done=False)
            ),
        )
        * 2,
    ),
    Row(
        name="409 after the effect",
        troubles={"after": AnswerFault(status=409, when="after")},
        writes=(
            alike(Write(APPLIED, 1, 1, done=True), Write(APPLIED, 1, 2, done=True), Write(APPLIED, 1, 2, done=True)),
        )
        * 2,
    ),
    Row(
        name="404",
        troubles={"not found": AnswerFault(status=404)},
        reads=(Read(RefusedCallError, 1),) * 2,
        writes=(
            alike(Write(FAILED, 1, 0, done=False), Write(FAILED, 1, 3, done=False), Write(FAILED, 1, 3, done=False)),
        )
        * 2,
    ),
    Row(
        name="401, the token has expired",
        troubles={"expired": ExpireToken()},
        reads=(Read(None, 2), Read(RefusedCallError, 2)),
        writes=(refused(APPLIED, writes=2, tokens=1), refused(FAILED, writes=2, tokens=1)),
    ),
    Row(
        name="402, 403, 405, 413, 422",
        troubles={str(status): AnswerFault(status=status) for status in (402, 403, 405, 413, 422)},
        reads=(Read(RefusedCallError, 1),) * 2,
        writes=(refused(FAILED),) * 2,
    ),
    Row(
        name="400",
        troubles={"bad request": AnswerFault(status=400)},
        reads=(Read(None, 2), Read(RefusedCallError, 2)),  # it may be the cursor that has expired
        writes=(refused(FAILED),) * 2,
    ),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One fault, one verb, how often."""

    row: Row
    fault: str
    verb: str
    calls: Calls

    @property
    def id(self) -> str:
        return f"{self.row.name}: {self.fault}, {self.verb}, {'once' if self.calls == ONCE else 'always'}"

    @property
    def strike(self) -> Strike:
        return Strike(self.row.troubles[self.fault], VERBS.get(self.verb, LIST), self.calls)

    @property
    def write(self) -> Write:
        return self.row.writes[self.calls == ALWAYS][self.verb]

    @property
    def read(self) -> Read:
        assert self.row.reads
        return self.row.reads[self.calls == ALWAYS]


def cases() -> Iterator[Case]:
    """Yield every fault for every verb, once and always."""
    for row in ROWS:
        for fault in row.troubles:
            verbs = ["read"] if row.reads else []
            verbs += [verb for verb in VERBS if verb != "delete" or fault not in row.not_for_deletes]
            for verb in verbs:
                yield Case(row, fault, verb, ONCE)
                yield Case(row, fault, verb, ALWAYS)
