"""Pure: names of applications as names of files, on every file system and never one of two things."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

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
