"""The patterns in reconciler.yaml that match grants.

In a pattern, `*` matches any number of characters, and `?` matches one character.
"""

import re
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import lru_cache
from typing import NamedTuple

from reconciler.core.directory import Directory
from reconciler.core.grant import Key

ANYTHING, ANY_CHARACTER = "*", "?"
WILDCARDS = frozenset({ANYTHING, ANY_CHARACTER})
PATTERN_FIELDS = ("client", "client_id", "api", "audience", "subject_type")
CACHE_SIZE = 4096


class Match(StrEnum):
    """The result of comparing a pattern with a grant: yes, no or unknown.

    UNKNOWN means that reconciler has not read the application name or API name that the pattern checks.
    """

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Unread(Enum):
    """A marker for a name or id that reconciler has not read from the tenant."""

    VALUE = "unread"


Value = str | Unread | None
"""A name, id or subject type of a grant that reconciler compares with a pattern.

A default grant (`default_for`) has the value None for the application name.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern for grants. The pattern matches a grant if every field of the pattern matches.

    A pattern without fields matches every grant.
    """

    client: str | None = None
    client_id: str | None = None
    api: str | None = None
    audience: str | None = None
    subject_type: str | None = None

    def __str__(self) -> str:
        """Return a description of the pattern for messages, such as `client "Billing*", api "Invoices API"`."""
        return ", ".join(
            f"{name} {_quoted(getattr(self, name))}" for name in PATTERN_FIELDS if getattr(self, name) is not None
        )

    def matches(self, key: Key, directory: Directory) -> Match:
        """Return whether the pattern matches the grant with the identity `key`."""
        answers = {
            match_value(pattern, value)
            for name in PATTERN_FIELDS
            if (pattern := getattr(self, name)) is not None
            for value in [value_of(name, key, directory)]
        }
        return next((each for each in (Match.NO, Match.UNKNOWN) if each in answers), Match.YES)

    def has_exact_id(self, key: Key) -> bool:
        """Return whether the pattern's field `client_id` contains exactly the client id of the grant.

        A matching application name does not identify an application, because anybody can choose the name of an
        application.
        """
        return self.client_id is not None and self.client_id == key.client_id

    def describe(self, key: Key, directory: Directory) -> str:
        """Return a description of the pattern for messages.

        If reconciler does not know whether the pattern matches the grant, the description says so.
        """
        unknown = self.matches(key, directory) is Match.UNKNOWN
        return f"{self} might match, because the name is unknown" if unknown else str(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protect(Pattern):
    """An item of the setting `protect` in reconciler.yaml, which matches grants that reconciler must not change."""

    reason: str = ""


class ManagedScope(NamedTuple):
    """The grants that reconciler may change, according to `manage` in reconciler.yaml.

    A grant is managed if a pattern in `patterns` matches the grant. All grants are managed if `patterns` is empty.
    """

    patterns: tuple[Pattern, ...] = ()

    def includes(self, key: Key, directory: Directory) -> bool:
        """Return whether reconciler may change the grant."""
        return not self.reason_not_included(key, directory)

    def reason_not_included(self, key: Key, directory: Directory) -> str:
        """Return the reason why `manage` does not allow a change of the grant, or an empty string.

        If reconciler has not read a name that a pattern needs, the pattern does not match the grant.
        """
        if not self.patterns:
            return ""
        answers = [each.matches(key, directory) for each in self.patterns]
        if Match.YES in answers:
            return ""
        unknown = next(
            (each for each, answer in zip(self.patterns, answers, strict=True) if answer is Match.UNKNOWN), None
        )
        if unknown is not None:
            return f"reconciler does not know whether `manage` matches this grant: {unknown.describe(key, directory)}"
        return "`manage` in reconciler.yaml does not match this grant"

    def has_exact_id(self, key: Key, directory: Directory) -> bool:
        """Return whether a pattern matches the grant by the exact client id."""
        return any(each.has_exact_id(key) and each.matches(key, directory) is Match.YES for each in self.patterns)


def _quoted(text: str) -> str:
    """Quote a text and escape its quotes, so that a name with quotes cannot imitate another field of the pattern."""
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def narrowness(pattern: Pattern) -> tuple[int, int]:
    """Return a sort key for patterns: a pattern with fewer fields and fewer characters may match more grants."""
    texts = [getattr(pattern, name) or "" for name in PATTERN_FIELDS]
    literal = [text.replace(ANYTHING, "") for text in texts]
    return sum(map(bool, literal)), sum(map(len, literal))


def value_of(name: str, key: Key, directory: Directory) -> Value:
    """Return the name or id in the grant `key` to which the field `name` of a pattern applies."""
    match name:
        case "client_id":
            return Unread.VALUE if key.other_holder else key.client_id
        case "client":
            has_application = key.client_id is not None or key.other_holder
            return (directory.client_name(key) or Unread.VALUE) if has_application else None
        case "api":
            return directory.api_name(key) or Unread.VALUE
        case "audience":
            return key.audience
        case _:
            return key.subject_type


def match_value(pattern: str, value: Value) -> Match:
    """Return whether `pattern` matches a grant's name or id, which may be missing or unknown."""
    if value is None:
        return Match.NO
    if isinstance(value, Unread):
        return Match.YES if pattern == ANYTHING else Match.UNKNOWN
    return Match.YES if matches(value, pattern) else Match.NO


def matches(value: str, pattern: str) -> bool:
    """Return whether `pattern` matches the whole string `value`. The comparison is case-sensitive.

    Only the characters `*` and `?` have a special meaning in a pattern.
    """
    if value == pattern or WILDCARDS.isdisjoint(pattern):
        return value == pattern
    if "*" not in pattern:
        return len(value) == len(pattern) and _expression(pattern).match(value) is not None
    first, *between, last = pattern.split("*")
    end = len(value) - len(last)
    if len(first) > end or not _expression(first).match(value) or not _expression(last).match(value, end):
        return False
    position = len(first)
    for part in between:
        found = _expression(part).search(value, position, end)
        if found is None:
            return False
        position = found.end()
    return True


@lru_cache(CACHE_SIZE)
def _expression(part: str) -> re.Pattern[str]:
    """Convert a part of a pattern that contains no `*` to a regular expression.

    The regular expression contains no repetition, so matching takes linear time.
    """
    return re.compile("".join("." if character == "?" else re.escape(character) for character in part), re.DOTALL)
