"""Execute a fault plan: count the matching requests and apply the faults to the affected requests."""

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
from auth0_sandbox.requests.traffic import DROPPED, Proceed, Reply, UncheckedRequest
from auth0_sandbox.store.database import Store

Sleep = Callable[[float], Awaitable[object]]
FINENESS = 8  # the maximum number of stored copies of the tenant for a fault with old reads (`Lag`)
READS = frozenset({"GET", "HEAD"})
Replacement = AnswerFault | Drop | RateLimit  # faults that replace the response
Change = Damage | LoseScope | Page | Next | ExpireToken | Clock | Headers


@dataclass(frozen=True, slots=True)
class FaultContext:
    """Functions for faults.

    `copy` returns a copy of the current tenant, and the caller closes the copy. `sleep` waits.
    """

    copy: Callable[[], Store]
    sleep: Sleep


class Past:
    """Copies of earlier states of a tenant, by position. A position is a time, or another increasing number."""

    def __init__(self) -> None:
        self._states: list[tuple[float, Store]] = []

    def remember(self, copy: Callable[[], Store], position: float, reach: float) -> None:
        """Store the current state before a change. Remove the states that are older than `reach`.

        Several writes in quick succession share the state before the first write.
        """
        while self._states and self._states[0][0] <= position - reach:
            self._states.pop(0)[1].close()
        if not self._states or self._states[-1][0] <= position - reach / FINENESS:
            self._states.append((position, copy()))

    def since(self, position: float) -> Store | None:
        """Return the state before the first write after `position`, or None."""
        return next((state for at, state in self._states if at > position), None)

    def close(self) -> None:
        """Remove all states."""
        while self._states:
            self._states.pop()[1].close()


@dataclass(slots=True)
class _CountedRule:
    """A rule, with its numbers of matching and affected requests, and with the earlier states for reads."""

    rule: Rule
    past: Past = field(default_factory=Past)
    matching: int = 0
    affected: int = 0

    def affects(self, request: UncheckedRequest) -> bool:
        """Count a request and return whether the rule affects the request."""
        if not self.rule.matches(request) or (isinstance(self.rule.fault, Lag) and request.method not in READS):
            return False
        self.matching += 1
        is_affected = self.matching in self.rule.calls
        self.affected += is_affected
        return is_affected


class FaultEngine:
    """Applies a fault plan to requests. The caller closes the engine after use."""

    def __init__(self, plan: FaultPlan, context: FaultContext) -> None:
        self.plan = plan
        self._context = context
        self._rules = [_CountedRule(rule) for rule in plan.rules]
        self._lock = Lock()

    def counts(self) -> list[dict[str, int]]:
        """Return the numbers of matching and affected requests for each rule."""
        return [{"meant": each.matching, "struck": each.affected} for each in self._rules]

    def close(self) -> None:
        """Close all stored states of the tenant."""
        for each in self._rules:
            each.past.close()

    async def apply(self, request: UncheckedRequest, proceed: Proceed) -> Reply:
        """Return the reply to a request with all faults. `proceed` returns the reply without faults."""
        if not self._rules:
            return await proceed(request)
        for each in reversed(self._affecting(request)):
            proceed = partial(self._apply_rule, each, proceed)
        return await proceed(request)

    def _affecting(self, request: UncheckedRequest) -> list[_CountedRule]:
        """Return the rules that affect a request, the outermost first.

        Rules with a `Lag` come last, because a delay could make the earlier state outdated.
        """
        with self._lock:
            if request.method not in READS:
                self._remember(request)
            affected = [each for each in self._rules if each.affects(request)]
        return sorted(affected, key=lambda each: isinstance(each.rule.fault, Lag))

    def _remember(self, request: UncheckedRequest) -> None:
        """Store the state before a write, for rules that hide the write from reads."""
        for each in self._rules:
            if isinstance(lag := each.rule.fault, Lag):
                position = each.matching if lag.reads else request.now
                each.past.remember(self._context.copy, position, _lag_length(lag))

    async def _apply_rule(self, counted: _CountedRule, proceed: Proceed, request: UncheckedRequest) -> Reply:
        match counted.rule.fault:
            case Lag() as lag:
                # the count already includes the current read
                position = counted.matching - 1 if lag.reads else request.now
                past = counted.past.since(position - _lag_length(lag))
                return await proceed(request if past is None else replace(request, store=past))
            case LoseWrite():
                return await self._proceed_on_copy(proceed, request)
            case Delay() as delay:
                return await self._delayed(delay, proceed, request)
            case fault:
                return await _with_fault(fault, proceed, request)

    async def _proceed_on_copy(self, proceed: Proceed, request: UncheckedRequest) -> Reply:
        copy = self._context.copy()
        try:
            return await proceed(replace(request, store=copy))
        finally:
            copy.close()

    async def _delayed(self, delay: Delay, proceed: Proceed, request: UncheckedRequest) -> Reply:
        if delay.when == "before":
            await self._context.sleep(delay.seconds)
        reply = await proceed(request)
        if delay.when == "after":
            await self._context.sleep(delay.seconds)
        return reply


def _lag_length(lag: Lag) -> float:
    return lag.reads or lag.seconds


async def _with_fault(fault: Replacement | Change, proceed: Proceed, request: UncheckedRequest) -> Reply:
    """Apply a fault that needs only the request and the reply."""
    match fault:
        case AnswerFault(when="before") | Drop(when="before") | RateLimit():
            return _replacement(fault, request)
        case AnswerFault() | Drop():
            await proceed(request)
            return _replacement(fault, request)
        case LoseScope():
            body, scope = effects.without_last_scope(request.body)
            reply = await proceed(replace(request, body=body))
            return reply if scope is None else effects.with_scope(reply, scope)
        case ExpireToken():
            return await proceed(replace(request, token_time=math.inf))
        case Next(how="extra"):
            return await proceed(replace(request, settings=replace(request.settings, next_on_last_page=True)))
        case Next() | Damage() | Page() | Clock() | Headers():
            return _changed_reply(fault, await proceed(request), request)


def _replacement(fault: Replacement, request: UncheckedRequest) -> Reply:
    match fault:
        case AnswerFault():
            return effects.injected_response(fault, request)
        case RateLimit():
            return effects.injected_429(fault, request)
        case Drop():
            return DROPPED


def _changed_reply(fault: Next | Damage | Page | Clock | Headers, reply: Reply, request: UncheckedRequest) -> Reply:
    match fault:
        case Next():
            return effects.with_looping_checkpoint(reply, request)
        case Damage(how=how):
            return effects.with_damaged_body(reply, how)
        case Page(how=how):
            return effects.with_damaged_page(reply, how)
        case Clock(seconds=seconds):
            return replace(reply, skew=reply.skew + seconds)
        case Headers(set=headers):
            return replace(reply, headers={**reply.headers, **{name.lower(): text for name, text in headers.items()}})
