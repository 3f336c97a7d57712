"""Fault plans and their YAML files. A plan selects requests and defines the faults of these requests."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from auth0_sandbox.requests.traffic import ANY, UncheckedRequest
from auth0_sandbox.store.documents import Schema, parse
from auth0_sandbox.yaml_files import parse_file, read_file

_SCHEMA = Path(__file__).resolve().parents[1] / "faults_schema.json"

When = Literal["before", "after"]  # with "before", the request has no effect


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFault:
    """Replace the response by a response with the given status.

    `body` is the kind of the body: the API's error for the status, an empty body, the HTML page of a proxy, or `text`.
    """

    status: int
    when: When = "before"
    body: Literal["error", "empty", "html", "text"] = "error"
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Reset the connection without a response."""

    when: When = "before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Delay the response.

    With `before`, the delay comes before the effect of the request. Over HTTP, the effect happens even if the client
    gives up during the delay.
    """

    seconds: float
    when: When = "before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Damage the body of the response.

    `truncated`: the connection ends in the middle of the body. `shortened`: only half of the body arrives, with a
    matching length. `garbled`: the body has the same number of bytes without meaning.
    """

    how: Literal["truncated", "shortened", "garbled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseScope:
    """Do not store the last scope of a write, but return all scopes in the response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseWrite:
    """Do not store a write, but return a success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Hide recent writes from reads: writes in the last `seconds`, or since the last `reads` reads of this rule."""

    seconds: float = 0
    reads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Damage a page of a listing.

    `repeated`: the first item occurs twice, as after an insertion. `shifted`: the first item is missing, as after a
    deletion. `contradicting`: the first item occurs twice with different content. `bare`: the page is only the array of
    items.
    """

    how: Literal["repeated", "shifted", "contradicting", "bare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """Return a wrong checkpoint.

    `extra`: the last page has a checkpoint, and an empty page follows. `looping`: the checkpoint of a page leads to the
    same page.
    """

    how: Literal["extra", "looping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireToken:
    """Treat the access token of the request as expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Refuse the request with a 429. The request has no effect.

    `headers` adds the x-ratelimit headers. `reset` is the number of seconds until the time in x-ratelimit-reset.
    """

    headers: bool = True
    reset: int = 1
    retry_after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Shift the times in `date` and `x-ratelimit-reset` by `seconds`. A negative number makes the clock slow."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Set headers of the response. The value None removes a header."""

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
    """A series of request numbers, starting at 1: every n-th number from `first` to `last`.

    None as `last` means no end.
    """

    first: int = 1
    last: int | None = None
    every: int = 1

    def __contains__(self, number: int) -> bool:
        """Return whether the series contains `number`."""
        in_range = self.first <= number and (self.last is None or number <= self.last)
        return in_range and (number - self.first) % self.every == 0


EVERY_CALL = Series()


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault for some requests.

    `method` and `path` select requests. `method` can be `*`, and `path` may contain wildcards, as in file names. `path`
    matches the path of an endpoint, like `/api/v2/clients/{id}`, or a path with an id. `calls` contains the numbers of
    the affected requests. The matching requests are numbered from 1.
    """

    fault: Fault
    method: str = ANY
    path: str = ANY
    calls: tuple[int, ...] | Series = EVERY_CALL

    def matches(self, request: UncheckedRequest) -> bool:
        """Return whether the method and path of a request match the rule."""
        return request.is_for(self.method, self.path)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All faults of a sandbox. If several rules affect a request, the first rule is the outermost."""

    rules: tuple[Rule, ...] = ()


NO_FAULTS = FaultPlan()


def read_faults(path: Path) -> FaultPlan:
    """Return the fault plan in a YAML or JSON file.

    Raises:
        SandboxError: if the file cannot be read.
        FileError: if the file is not a valid fault plan. The error contains every problem.
    """
    return plan_from(read_file(path, _schema()).data)


def parse_faults(content: bytes, name: str = "faults") -> FaultPlan:
    """Return the fault plan in a YAML or JSON text. Problems contain `name` as the file name.

    Raises:
        FileError: if the text is not a valid fault plan. The error contains every problem.
    """
    return plan_from(parse_file(content, name, _schema()).data)


def _schema() -> Schema:
    return parse(_SCHEMA.read_text(encoding="utf-8"))


def plan_from(data: Mapping[str, Any]) -> FaultPlan:
    """Return the fault plan in `data`. The caller must have validated `data` against the schema of fault plans."""
    return FaultPlan(tuple(_rule(item) for item in data.get("faults", ())))


def plan_data(plan: FaultPlan) -> dict[str, object]:
    """Return the plan as the content of a fault file. `plan_data` is the inverse of `plan_from`."""
    return {"faults": [_data(rule) for rule in plan.rules]}


def _rule(item: Mapping[str, Any]) -> Rule:
    ((kind, how),) = ((kind, item[name]) for name, kind in KINDS.items() if name in item)
    calls = item.get("calls", {})
    if isinstance(calls, Mapping):
        calls = Series(first=calls.get("from", 1), last=calls.get("to"), every=calls.get("every", 1))
    else:
        calls = tuple(calls)
    return Rule(kind(**how), item.get("method", ANY), item.get("path", ANY), calls)


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
