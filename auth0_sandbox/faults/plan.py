"""Pure: the fault plan as a value: which calls go wrong, and how. Nothing here knows how it is done."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from auth0_sandbox.requests.traffic import ANY, Arrival

When = Literal["before", "after"]  # the effect: before it, the request changes nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFault:
    """A status comes instead of the answer.

    `body` is the API's error for that status, nothing, a proxy's HTML page, or the `text` as it stands.
    """

    status: int
    when: When = "before"
    body: Literal["error", "empty", "html", "text"] = "error"
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """The connection is reset, and nothing is answered."""

    when: When = "before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """The answer is late; whoever gives up while waiting `before` the effect can still cause it over HTTP."""

    seconds: float
    when: When = "before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """The answer's body arrives broken.

    `truncated`: the connection ends in the middle; `shortened`: half of it as if it were whole; `garbled`: as many
    bytes, of which none means anything.
    """

    how: Literal["truncated", "shortened", "garbled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseScope:
    """The last scope that is sent is not stored; the answer pretends that it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseWrite:
    """The answer is that of success, and nothing is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """A read does not see what was written in the last `seconds`, or since the last `reads` that this rule matches."""

    seconds: float = 0
    reads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a list is not what it should be.

    `repeated`: its first item comes twice, as when something was inserted before it meanwhile; `shifted`: its first
    item is missing, as when something was deleted; `contradicting`: it comes twice with different content; `bare`: its
    items come without the object around them.
    """

    how: Literal["repeated", "shifted", "contradicting", "bare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """A checkpoint leads astray.

    `extra`: the last page has one, too, with an empty page behind it; `looping`: a page's checkpoint leads to that page
    again.
    """

    how: Literal["extra", "looping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireToken:
    """The token counts as expired, whatever it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A 429 before the effect.

    `headers` tells whether the x-ratelimit headers come along, `reset` in how many seconds they promise tokens.
    """

    headers: bool = True
    reset: int = 1
    retry_after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The clock behind `date` and `x-ratelimit-reset` is off by `seconds`; a negative number is a slow one."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Headers of the answer are set, or taken away (None)."""

    set: Mapping[str, str | None]


Fault = (
    AnswerFault
    | Drop
    | Delay
    | Damage
    | LoseScope
    | LoseWrite
    | Lag
    | Page
    | Next
    | ExpireToken
    | RateLimit
    | Clock
    | Headers
)
KINDS: Mapping[str, type[Fault]] = {
    "answer": AnswerFault,
    "drop": Drop,
    "delay": Delay,
    "damage": Damage,
    "lose_scope": LoseScope,
    "lose_write": LoseWrite,
    "lag": Lag,
    "page": Page,
    "next": Next,
    "expire_token": ExpireToken,
    "rate_limit": RateLimit,
    "clock": Clock,
    "headers": Headers,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Calls by number, from 1: every so many of them, from the first to the last named (None: without end)."""

    first: int = 1
    last: int | None = None
    every: int = 1

    def __contains__(self, number: int) -> bool:
        """Tell whether the call with this number is meant."""
        in_range = self.first <= number and (self.last is None or number <= self.last)
        return in_range and (number - self.first) % self.every == 0


EVERY_CALL = Series()


@dataclass(frozen=True, slots=True)
class Rule:
    """Some calls go wrong in one way.

    `method` and `path` say which calls are meant (wildcards as in file names; the path may be an endpoint's, as in
    `/api/v2/clients/{id}`, or one with an id). Of these, `calls` tells which go wrong, counted from 1 for each rule.
    """

    fault: Fault
    method: str = ANY
    path: str = ANY
    calls: tuple[int, ...] | Series = EVERY_CALL

    def means(self, arrival: Arrival) -> bool:
        """Tell whether a request is one of those that this rule counts."""
        return arrival.is_for(self.method, self.path)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All that goes wrong. Where several rules strike one call, the first is the outermost: it has the last word."""

    rules: tuple[Rule, ...] = ()


NO_FAULTS = FaultPlan()


def plan_from(data: Mapping[str, Any]) -> FaultPlan:
    """Return the plan that a file says, which has passed its schema."""
    return FaultPlan(tuple(_rule(item) for item in data.get("faults", ())))


def plan_data(plan: FaultPlan) -> dict[str, object]:
    """Return the plan in the form of a file: `plan_from` turned around."""
    return {"faults": [_data(rule) for rule in plan.rules]}


def _rule(item: Mapping[str, Any]) -> Rule:
    ((kind, how),) = ((kind, item[name]) for name, kind in KINDS.items() if name in item)
    which = item.get("calls", {})
    calls = _series(which) if isinstance(which, Mapping) else tuple(which)
    return Rule(kind(**how), item.get("method", ANY), item.get("path", ANY), calls)


def _series(which: Mapping[str, int]) -> Series:
    return Series(first=which.get("from", 1), last=which.get("to"), every=which.get("every", 1))


def _data(rule: Rule) -> dict[str, object]:
    return {
        "method": rule.method,
        "path": rule.path,
        "calls": _calls(rule.calls),
        _NAMES[type(rule.fault)]: asdict(rule.fault),
    }


def _calls(calls: tuple[int, ...] | Series) -> object:
    match calls:
        case Series(first=first, last=last, every=every):
            return {"from": first, "every": every} | ({} if last is None else {"to": last})
        case tuple():
            return list(calls)
