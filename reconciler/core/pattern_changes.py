"""Compare the settings `protect` and `manage` with the settings at the base revision."""

from collections.abc import Iterable, Iterator, Sequence

from reconciler.core.characters import join_some
from reconciler.core.config_rules import LOOSENED, STRICTER
from reconciler.core.pattern import ANY_CHARACTER, PATTERN_FIELDS, WILDCARDS, Pattern, Protect, matches, narrowness
from reconciler.core.problems import Risk

MAX_PAIRS = 50_000


def compare_protect(old: Sequence[Protect], new: Sequence[Protect]) -> Iterator[Risk]:
    """Yield a risk if the setting `protect` changed."""
    removed, added = _not_covered(old, new), _not_covered(new, old)
    if removed:
        yield LOOSENED.risk(f"`protect` no longer contains: {_names(removed)}")
    elif added:
        yield STRICTER.risk(f"`protect` now contains: {_names(added)}")
    elif old != new:
        yield STRICTER.risk("`protect` is written differently")


def compare_manage(old: Sequence[Pattern], new: Sequence[Pattern]) -> Iterator[Risk]:
    """Yield a risk if the setting `manage` changed. A setting `manage` without items matches every grant."""
    added, removed = _not_covered(new, old), _not_covered(old, new)
    if old and not new:
        yield LOOSENED.risk("`manage` now matches every grant, because `manage` has no items")
        return
    if old and added:
        yield LOOSENED.risk(f"`manage` now matches: {_names(added)}")
    deletes = [each for each in _deleting(new, old) if not old or each not in added]
    if deletes:
        what = "default grants and grants of third-party applications"
        yield LOOSENED.risk(f"`manage` now allows deletes of {what}: {_names(deletes)}")
    if new and not old:
        yield STRICTER.risk("`manage` no longer matches every grant, because `manage` now has items")
    elif not added and not deletes and old != new:
        no_longer = f"no longer matches: {_names(removed)}" if removed else "is written differently"
        yield STRICTER.risk(f"`manage` {no_longer}")


def _names(patterns: Iterable[Pattern]) -> str:
    """Name the patterns, the broadest pattern first, so that many narrow patterns cannot hide a broad pattern."""
    return join_some([str(each) for each in sorted(patterns, key=narrowness)])


def _not_covered(patterns: Iterable[Pattern], by: Iterable[Pattern]) -> list[Pattern]:
    """Return the patterns that may match additional grants, compared with the patterns in `by`.

    If there are more than MAX_PAIRS pairs of patterns, only check whether `by` contains an equal pattern.
    """
    known = dict.fromkeys(map(_without_reason, by))
    missing = [each for each in dict.fromkeys(map(_without_reason, patterns)) if each not in known]
    if len(missing) * len(known) > MAX_PAIRS:
        return missing
    return [each for each in missing if not any(_covers(other, each) for other in known)]


def _without_reason(pattern: Pattern) -> Pattern:
    return Pattern(**{name: getattr(pattern, name) for name in PATTERN_FIELDS})


def _covers(pattern: Pattern, other: Pattern) -> bool:
    """Return whether `pattern` certainly matches every grant that `other` matches."""
    for name in PATTERN_FIELDS:
        outer, inner = getattr(pattern, name), getattr(other, name)
        if outer is None or outer == inner:
            continue
        if inner is None or ANY_CHARACTER in outer or not matches(inner, outer):
            return False
    return True


def _deleting(new: Iterable[Pattern], old: Iterable[Pattern]) -> list[Pattern]:
    """Return the new patterns of `manage` that allow deleting further default grants or third-party grants.

    A delete of a third-party application's grant needs the exact client id. A delete of a default grant needs a pattern
    that does not restrict the application.
    """

    def by_holder(patterns: Iterable[Pattern]) -> dict[str | None, list[Pattern]]:
        found: dict[str | None, list[Pattern]] = {}
        for each in patterns:
            is_exact = each.client_id is not None and WILDCARDS.isdisjoint(each.client_id)
            if is_exact or (each.client_id is None and each.client is None):
                found.setdefault(each.client_id, []).append(each)
        return found

    before = by_holder(old)
    return [
        each
        for client_id, patterns in by_holder(new).items()
        for each in _not_covered(patterns, before.get(client_id, ()))
    ]
