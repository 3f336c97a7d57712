"""Pure: patterns (`*`, `?`, `[…]`) by which the configuration names grants: to protect them, to say which are ours."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from reconciler.core.directory import Directory
from reconciler.core.grant import Key

WILDCARDS = frozenset("*?[")
NAMES = ("client", "client_id", "api", "audience", "subject_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Covers the grants that meet all that is given; with nothing given, every grant."""

    client: str | None = None
    client_id: str | None = None
    api: str | None = None
    audience: str | None = None
    subject_type: str | None = None

    def names(self, key: Key, directory: Directory) -> bool:
        """Return whether this covers the grant with `key` and spells its application out, not by a wildcard."""
        spelt = ((self.client, directory.client_name(key)), (self.client_id, key.client_id))
        return self.covers(key, directory) and any(
            given is not None and given == own and WILDCARDS.isdisjoint(given) for given, own in spelt
        )

    def told(self) -> str:
        """Return the patterns as the configuration says them."""
        return ", ".join(f'{name} "{getattr(self, name)}"' for name in NAMES if getattr(self, name) is not None)

    def covers(self, key: Key, directory: Directory) -> bool:
        """Return whether the grant with `key` meets this."""
        patterns = (
            (self.client, directory.client_name(key)),
            (self.client_id, key.client_id),
            (self.api, directory.api_name(key)),
            (self.audience, key.audience),
            (self.subject_type, key.subject_type),
        )
        return all(pattern is None or meets(value or "", pattern) for pattern, value in patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protect(Pattern):
    """Protects the grants that it covers."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Border:
    """What is ours: the grants that one of `patterns` covers, all of them where there are none."""

    patterns: tuple[Pattern, ...] = ()

    def surrounds(self, key: Key, directory: Directory) -> bool:
        """Return whether the grant is within."""
        return not self.patterns or any(each.covers(key, directory) for each in self.patterns)

    def names(self, key: Key, directory: Directory) -> bool:
        """Return whether the grant is within because a pattern spells its application out."""
        return any(each.names(key, directory) for each in self.patterns)


def meets(value: str, pattern: str) -> bool:
    """Compare; a name that holds `[…]` or the like is met by its own spelling, too: protection must not fail open."""
    return value == pattern or fnmatchcase(value, pattern)
