"""Pure: verdicts on data, and how several become one; what is settled before data comes costs nothing then."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeGuard

# What data holds is for schemas to say, not for Python's types, hence Any.
Check = Callable[[Any], bool]

MOST_SETS_OF_KEYS = 256
"""How many are remembered for each place where a schema describes a mapping."""
MOST_TEXTS = 65536
"""How many are remembered for each place where a schema describes one."""


@dataclass(frozen=True, slots=True)
class Within:
    """What is left to look at within a mapping or a list: what is expected of each key's value, and of each item."""

    at_keys: Mapping[str, tuple["Part", ...]] = field(default_factory=dict)
    items: tuple["Part", ...] = ()


Verdict = Check | Within | bool
"""What is left to look at: a check, or nothing where all is settled already."""
Part = Callable[[frozenset[str] | None], Verdict]
"""The verdict of a part of a schema on mappings with these keys; on all other data, if None."""


def all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return one verdict for several; what they say of one value within is brought together."""
    checks: list[Check] = []
    at_keys: dict[str, tuple[Part, ...]] = {}
    items: tuple[Part, ...] = ()
    for verdict in verdicts:
        if verdict is False:
            return False
        if isinstance(verdict, Within):
            for key, parts in verdict.at_keys.items():
                at_keys[key] = at_keys.get(key, ()) + parts
            items += verdict.items
        elif verdict is not True:
            checks.append(verdict)
    within = Within(at_keys, items) if at_keys or items else None
    if checks:
        return in_turn((*checks, _look_within(within)) if within else tuple(checks))
    return within or True


def as_check(verdict: Verdict) -> Check:
    """Return a verdict as a check, the quickest there is."""
    if isinstance(verdict, Within):
        return _look_within(verdict)
    return verdict if callable(verdict) else lambda _: verdict


def check_of(parts: Iterable[Part]) -> Check:
    """Return the check that data meets all of `parts`."""
    parts = tuple(parts)
    of_others = as_check(all_of(part(None) for part in parts))

    @lru_cache(maxsize=MOST_SETS_OF_KEYS)
    def of_mapping(*keys: str) -> Check:
        return as_check(all_of(part(frozenset(keys)) for part in parts))

    return lambda value: of_mapping(*value)(value) if isinstance(value, dict) else of_others(value)


def _look_within(within: Within) -> Check:
    """Return the check of what is within; a verdict is about mappings or about lists, never about both."""
    if within.items:
        fits_item = _remembering(check_of(within.items))
        return lambda value: not isinstance(value, list) or all(map(fits_item, value))
    checks = {parts: _remembering(check_of(parts)) for parts in dict.fromkeys(within.at_keys.values())}
    looks = tuple((key, checks[parts]) for key, parts in within.at_keys.items())

    def check(mapping: Mapping[str, object]) -> bool:
        for key, fits in looks:  # noqa: SIM110 - all() takes twice as long for a few
            if not fits(mapping[key]):
                return False
        return True

    return check


def _remembering(check: Check) -> Check:
    """Remember the texts and the lists of texts that fit: names of applications and APIs, and scopes, come again."""
    known = set[str | tuple[str, ...]]()

    def fits(value: object) -> bool:
        kept = tuple(value) if isinstance(value, list) else value
        try:
            if kept in known:
                return True
        except TypeError:  # something in it is a mapping or a list
            return check(value)
        good = check(value)
        if good and len(known) < MOST_TEXTS and _is_text(kept):
            known.add(kept)
        return good

    return fits


def _is_text(value: object) -> TypeGuard[str | tuple[str, ...]]:
    return isinstance(value, str) or (isinstance(value, tuple) and all(isinstance(item, str) for item in value))


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


def opposite(verdict: Verdict) -> Verdict:
    """Return good for bad and bad for good."""
    if isinstance(verdict, bool):
        return not verdict
    check = as_check(verdict)
    return lambda value: not check(value)


def counted(verdicts: Iterable[Verdict], counts: Callable[[int], bool]) -> Verdict:
    """Return what `counts` says to the number of `verdicts` that are good."""
    verdicts = tuple(verdicts)
    if all(isinstance(verdict, bool) for verdict in verdicts):
        return counts(sum(map(bool, verdicts)))
    checks = [as_check(verdict) for verdict in verdicts]
    return lambda value: counts(sum(check(value) for check in checks))
