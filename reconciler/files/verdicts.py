"""Pure: verdicts on data, and how several become one; what is settled before data comes costs nothing then."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# What data holds is for schemas to say, not for Python's types, hence Any.
Check = Callable[[Any], bool]
Verdict = Check | bool
"""What is left to look at: a check, or nothing where all is settled already."""

MOST_TEXTS = 4096
"""How many are remembered for each place where a schema describes one."""


@dataclass(frozen=True, slots=True)
class AtKeys:
    """What is left to look at in the values of a mapping: each key with its checks."""

    checks: Mapping[str, tuple[Check, ...]]

    def __call__(self, mapping: Mapping[str, object]) -> bool:
        """Return whether every check is met."""
        return all(check(mapping[key]) for key, checks in self.checks.items() for check in checks)

    def at_once(self) -> Check:
        """Return the same in a form that takes less time: all checks of a value together."""
        pairs = tuple((key, remembering(in_turn(checks))) for key, checks in self.checks.items())

        def check(mapping: Mapping[str, object]) -> bool:
            for key, each in pairs:  # noqa: SIM110 - all() takes twice as long for a few
                if not each(mapping[key]):
                    return False
            return True

        return check


def all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return one verdict for several; what they say of the value of one key is brought together."""
    checks: list[Check] = []
    at_keys: dict[str, tuple[Check, ...]] = {}
    for verdict in verdicts:
        if verdict is False:
            return False
        if isinstance(verdict, AtKeys):
            for key, more in verdict.checks.items():
                at_keys[key] = (*at_keys.get(key, ()), *more)
        elif verdict is not True:
            checks.append(verdict)
    if not at_keys:
        return in_turn(tuple(checks)) if checks else True
    return in_turn((*checks, AtKeys(at_keys).at_once())) if checks else AtKeys(at_keys)


def remembering(check: Check) -> Check:
    """Remember the verdicts on texts: the names of applications, APIs and scopes come again and again."""
    of_text = lru_cache(maxsize=MOST_TEXTS)(check)
    return lambda value: of_text(value) if isinstance(value, str) else check(value)


def in_turn(checks: tuple[Check, ...]) -> Check:
    """Return the check that each of `checks` is met, tried in this order."""
    if len(checks) == 1:
        return checks[0]

    def check(value: object) -> bool:
        for each in checks:  # noqa: SIM110 - all() takes twice as long for two or three
            if not each(value):
                return False
        return True

    return check


def as_check(verdict: Verdict) -> Check:
    """Return a verdict as a check, the quickest there is."""
    if isinstance(verdict, AtKeys):
        return verdict.at_once()
    return verdict if callable(verdict) else lambda _: verdict


def opposite(verdict: Verdict) -> Verdict:
    """Return good for bad and bad for good."""
    return (lambda value: not verdict(value)) if callable(verdict) else not verdict


def counted(verdicts: Iterable[Verdict], counts: Callable[[int], bool]) -> Verdict:
    """Return what `counts` says to the number of `verdicts` that are good."""
    verdicts = tuple(verdicts)
    if not any(map(callable, verdicts)):
        return counts(sum(map(bool, verdicts)))
    checks = [as_check(verdict) for verdict in verdicts]
    return lambda value: counts(sum(check(value) for check in checks))
