"""Pure: select the grants of a tenant to import, and name their files."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from reconciler.core.directory import Directory
from reconciler.core.expressible import reason_not_expressible
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import matches

MAX_STEM_LENGTH = 60
WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
"""File names that Windows reserves for devices. Windows ignores their suffix."""


def file_stem(*texts: str) -> str:
    """Make a file name without suffix from the first of `texts` that contains a usable character.

    The name has only lower-case ASCII letters, digits and hyphens, which work in all file systems. Accents are removed.
    If no text contains a usable character, the name is `application`.
    """
    words = next(filter(None, map(_words, texts)), ["application"])
    stem = "-".join(words)[:MAX_STEM_LENGTH].strip("-")
    return f"{stem}-application" if stem in WINDOWS_DEVICES else stem


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", plain.lower())


class UniqueNames:
    """Makes names unique by appending a number to repeated names. Case is ignored."""

    def __init__(self, used: Iterable[str]) -> None:
        self._used = {name.casefold() for name in used}
        self._last: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        """Return `name`, or `name-2`, `name-3` and so on."""
        free = name
        while free in self._used:
            self._last[name] += 1
            free = f"{name}-{self._last[name] + 1}"
        self._used.add(free)
        return free


@dataclass(frozen=True, slots=True)
class ImportFilter:
    """Selects the grants that match one pattern of `clients` and one of `audiences`, by name or id.

    If a list is empty, it matches every grant.
    """

    clients: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()

    def matches(self, key: Key, directory: Directory) -> bool:
        """Return whether the filter matches the grant with `key`."""
        holders = [key.holder, directory.client_name(key) or ""]
        apis = [key.audience, directory.api_name(key) or ""]
        return _any_matches(holders, self.clients) and _any_matches(apis, self.audiences)


@dataclass(frozen=True, slots=True)
class NotImported:
    """A grant that is not imported, and the reason."""

    key: Key
    reason: str


@dataclass(frozen=True, slots=True)
class GrantImport:
    """The grants to import.

    Attributes:
        holders: For each application or default, a file name without suffix and the new grants. File names may repeat.
        left_out: The new grants that are not imported.
        declared: The number of selected grants that the files already declare.
    """

    holders: tuple[tuple[str, tuple[ClientGrant, ...]], ...]
    left_out: tuple[NotImported, ...]
    declared: int

    @property
    def count(self) -> int:
        """The number of grants to import."""
        return sum(len(grants) for _, grants in self.holders)


def select_grants(
    observed: Iterable[ObservedGrant],
    directory: Directory,
    *,
    choice: ImportFilter,
    protection: ProtectionRules,
    declared: Collection[Key],
) -> GrantImport:
    """Select the grants to import.

    The result contains protected grants. It does not contain grants with a key in `declared`.
    """
    selected = [each for each in observed if choice.matches(each.key, directory)]
    new_grants = sorted((each for each in selected if each.key not in declared), key=lambda each: each.key.order)
    rules = replace(protection, protect=())
    reasons = {each.key: _reason(each, rules, directory) for each in new_grants}
    return GrantImport(
        holders=_by_holder((each.grant for each in new_grants if not reasons[each.key]), directory),
        left_out=tuple(NotImported(key, reason) for key, reason in reasons.items() if reason),
        declared=len(selected) - len(new_grants),
    )


def _reason(each: ObservedGrant, rules: ProtectionRules, directory: Directory) -> str | None:
    if reason := rules.reason(each.key, each, directory):
        return reason[1]
    why_not = reason_not_expressible(each.grant)
    return why_not and f"a grant file cannot express it: {why_not}"


def _by_holder(grants: Iterable[ClientGrant], directory: Directory) -> tuple[tuple[str, tuple[ClientGrant, ...]], ...]:
    groups: dict[tuple[str, str, str], list[ClientGrant]] = defaultdict(list)
    for grant in grants:
        key = grant.key
        name = f"default for {key.default_for}" if key.default_for else directory.client_name(key) or ""
        groups[file_stem(name, key.client_id or ""), key.client_id or "", key.default_for or ""].append(grant)
    return tuple((name, tuple(group)) for (name, _, _), group in sorted(groups.items(), key=lambda item: item[0]))


def _any_matches(values: Iterable[str], patterns: Collection[str]) -> bool:
    return not patterns or any(matches(value, pattern) for value in values for pattern in patterns)
