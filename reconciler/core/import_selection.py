"""Pure: what of a tenant goes into which new grant file, and what is left out."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from reconciler.core.directory import Directory
from reconciler.core.expressible import obstacle
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import matches

LONGEST_STEM = 60
DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
"""What Windows takes for devices, whatever the suffix."""


def stem(*texts: str) -> str:
    """Return a file's name without its suffix, made of the first of `texts` that leaves anything.

    It has lower-case ASCII letters, digits and hyphens only: what is left once accents are taken off, which no file
    system writes otherwise.
    """
    words = next(filter(None, map(_words, texts)), ["application"])
    whole = "-".join(words)[:LONGEST_STEM].strip("-")
    return f"{whole}-application" if whole in DEVICES else whole


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", plain.lower())


class UniqueNames:
    """Gives each name once: where one is taken, with the next number behind it."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {name.casefold() for name in taken}
        self._last: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        """Return `name`, or `name-2`, `name-3` and so on."""
        free = name
        while free in self._taken:
            self._last[name] += 1
            free = f"{name}-{self._last[name] + 1}"
        self._taken.add(free)
        return free


@dataclass(frozen=True, slots=True)
class ImportFilter:
    """Which grants are wanted: those that meet one pattern of each kind that is given, by name or by id."""

    clients: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()

    def covers(self, key: Key, directory: Directory) -> bool:
        """Return whether the grant with `key` is wanted."""
        holders = [key.holder, directory.client_name(key) or ""]
        apis = [key.audience, directory.api_name(key) or ""]
        return _one_meets(holders, self.clients) and _one_meets(apis, self.audiences)


@dataclass(frozen=True, slots=True)
class NotImported:
    """A grant that goes into no file, and why."""

    key: Key
    why: str


@dataclass(frozen=True, slots=True)
class GrantImport:
    """The new grants of each holder, under the name of a file; names may repeat. `declared` counts those in files."""

    holders: tuple[tuple[str, tuple[ClientGrant, ...]], ...]
    left_out: tuple[NotImported, ...]
    declared: int

    @property
    def count(self) -> int:
        """How many grants are new."""
        return sum(len(grants) for _, grants in self.holders)


def adopt(
    observed: Iterable[ObservedGrant],
    directory: Directory,
    *,
    choice: ImportFilter,
    untouchable: ProtectionRules,
    declared: Collection[Key],
) -> GrantImport:
    """Return what to write for the grants of `choice` that are not `declared`; those that are protected may be."""
    wanted = [each for each in observed if choice.covers(each.key, directory)]
    fresh = sorted((each for each in wanted if each.key not in declared), key=lambda each: each.key.order)
    foreign = replace(untouchable, protect=())
    reasons = {each.key: _reason(each, foreign, directory) for each in fresh}
    return GrantImport(
        holders=_by_holder((each.grant for each in fresh if not reasons[each.key]), directory),
        left_out=tuple(NotImported(key, why) for key, why in reasons.items() if why),
        declared=len(wanted) - len(fresh),
    )


def _reason(each: ObservedGrant, foreign: ProtectionRules, directory: Directory) -> str | None:
    if why := foreign.reason(each.key, each, directory):
        return why[1]
    why_not = obstacle(each.grant)
    return why_not and f"no grant file can declare it: {why_not}"


def _by_holder(grants: Iterable[ClientGrant], directory: Directory) -> tuple[tuple[str, tuple[ClientGrant, ...]], ...]:
    groups: dict[tuple[str, str, str], list[ClientGrant]] = defaultdict(list)
    for grant in grants:
        key = grant.key
        name = f"default for {key.default_for}" if key.default_for else directory.client_name(key) or ""
        groups[stem(name, key.client_id or ""), key.client_id or "", key.default_for or ""].append(grant)
    return tuple((name, tuple(group)) for (name, _, _), group in sorted(groups.items(), key=lambda item: item[0]))


def _one_meets(values: Iterable[str], patterns: Collection[str]) -> bool:
    return not patterns or any(matches(value, pattern) for value in values for pattern in patterns)
