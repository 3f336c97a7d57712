"""Execute a fault plan: count the matching requests and apply the faults."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

from auth0_sandbox.faults import effects
from auth0_sandbox.faults.plan import (
    AnswerFault,
    Clock,
    Damage,
    Delay,
    Drop,
    ExpireToken,
    FaultPlan,
    Headers,
    Lag,
    LoseScope,
    LoseWrite,
    Next,
    Page,
    RateLimit,
    Rule,
)
from auth0_sandbox.requests.traffic import DROPPED, Arrival, Proceed, Reply
from auth0_sandbox.store.database import Store
from auth0_sandbox.store.past import Past

Sleep = Callable[[float], Awaitable[object]]
READS = frozenset({"GET", "HEAD"})
Made = AnswerFault | Drop | RateLimit  # a replacement for the response
Spoiling = Damage | LoseScope | Page | Next | ExpireToken | Clock | Headers


@dataclass(frozen=True, slots=True)
class FaultContext:
    """What faults need: a copy of the current tenant, to be closed after use, and a way to wait."""

    copy: Callable[[], Store]
    sleep: Sleep


@dataclass(slots=True)
class _Counted:
    """A rule with its counts and the states that its reads see."""

    rule: Rule
    past: Past = field(default_factory=Past)
    meant: int = 0
    struck: int = 0

    def strikes(self, arrival: Arrival) -> bool:
        """Count a request and return whether it is affected."""
        if not self.rule.means(arrival) or (isinstance(self.rule.fault, Lag) and arrival.method not in READS):
            return False
        self.meant += 1
        strikes = self.meant in self.rule.calls
        self.struck += strikes
        return strikes


class Misbehaviour:
    """A fault plan in use. Close it after use."""

    def __init__(self, plan: FaultPlan, means: FaultContext) -> None:
        self.plan = plan
        self._means = means
        self._counted = [_Counted(rule) for rule in plan.rules]
        self._lock = Lock()

    def counts(self) -> list[dict[str, int]]:
        """Return for each rule the number of matching and affected requests."""
        return [{"meant": each.meant, "struck": each.struck} for each in self._counted]

    def close(self) -> None:
        """Drop all stored states."""
        for each in self._counted:
            each.past.close()

    async def carry_out(self, arrival: Arrival, proceed: Proceed) -> Reply:
        """Return the reply of the tenant. `proceed` returns the reply without faults."""
        if not self._counted:
            return await proceed(arrival)
        for each in reversed(self._struck(arrival)):
            proceed = partial(self._strike, each, proceed)
        return await proceed(arrival)

    def _struck(self, arrival: Arrival) -> list[_Counted]:
        """Return the rules that affect a request, the outermost first.

        Rules about earlier states come last, because a delay could make them outdated.
        """
        with self._lock:
            if arrival.method not in READS:
                self._remember(arrival)
            struck = [each for each in self._counted if each.strikes(arrival)]
        return sorted(struck, key=lambda each: isinstance(each.rule.fault, Lag))

    def _remember(self, arrival: Arrival) -> None:
        """Store the state before a write for rules that hide the write."""
        for each in self._counted:
            if isinstance(lag := each.rule.fault, Lag):
                position = each.meant if lag.reads else arrival.now
                each.past.remember(self._means.copy, position, _reach(lag))

    async def _strike(self, counted: _Counted, proceed: Proceed, arrival: Arrival) -> Reply:
        match counted.rule.fault:
            case Lag() as lag:
                # the current read is counted already
                position = counted.meant - 1 if lag.reads else arrival.now
                past = counted.past.since(position - _reach(lag))
                return await proceed(arrival if past is None else replace(arrival, store=past))
            case LoseWrite():
                return await self._on_a_copy(proceed, arrival)
            case Delay() as delay:
                return await self._late(delay, proceed, arrival)
            case fault:
                return await _spoilt(fault, proceed, arrival)

    async def _on_a_copy(self, proceed: Proceed, arrival: Arrival) -> Reply:
        copy = self._means.copy()
        try:
            return await proceed(replace(arrival, store=copy))
        finally:
            copy.close()

    async def _late(self, delay: Delay, proceed: Proceed, arrival: Arrival) -> Reply:
        if delay.when == "before":
            await self._means.sleep(delay.seconds)
        reply = await proceed(arrival)
        if delay.when == "after":
            await self._means.sleep(delay.seconds)
        return reply


def _reach(lag: Lag) -> float:
    return lag.reads or lag.seconds


async def _spoilt(fault: Made | Spoiling, proceed: Proceed, arrival: Arrival) -> Reply:
    """Apply a fault that needs only the request."""
    match fault:
        case AnswerFault(when="before") | Drop(when="before") | RateLimit():
            return _instead(fault, arrival)
        case AnswerFault() | Drop():
            await proceed(arrival)
            return _instead(fault, arrival)
        case LoseScope():
            body, scope = effects.without_last_scope(arrival.body)
            reply = await proceed(replace(arrival, body=body))
            return reply if scope is None else effects.with_scope(reply, scope)
        case ExpireToken():
            return await proceed(replace(arrival, token_time=math.inf))
        case Next(how="extra"):
            return await proceed(replace(arrival, settings=replace(arrival.settings, next_on_last_page=True)))
        case Next() | Damage() | Page() | Clock() | Headers():
            return _changed(fault, await proceed(arrival), arrival)


def _instead(fault: Made, arrival: Arrival) -> Reply:
    match fault:
        case AnswerFault():
            return effects.made_up(fault, arrival)
        case RateLimit():
            return effects.throttled(fault, arrival)
        case Drop():
            return DROPPED


def _changed(fault: Next | Damage | Page | Clock | Headers, reply: Reply, arrival: Arrival) -> Reply:
    match fault:
        case Next():
            return effects.looping(reply, arrival)
        case Damage(how=how):
            return effects.damaged(reply, how)
        case Page(how=how):
            return effects.paged(reply, how)
        case Clock(seconds=seconds):
            return replace(reply, skew=reply.skew + seconds)
        case Headers(set=headers):
            return replace(reply, headers={**reply.headers, **{name.lower(): text for name, text in headers.items()}})
