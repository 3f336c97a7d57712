"""Pure: "did you mean" for misspelt words."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_SUGGESTIONS = 3
CLOSENESS = 0.6


def near_misses(word: str, known: Iterable[str]) -> list[str]:
    """Return the words of `known` that `word` may stand for, best first; other capitals count as nearly equal."""
    by_folded: dict[str, str] = {}
    for candidate in sorted(known):
        by_folded.setdefault(candidate.casefold(), candidate)
    close = get_close_matches(word.casefold(), by_folded, MOST_SUGGESTIONS, CLOSENESS)
    return [by_folded[folded] for folded in close]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean "a" or "b"?`, or nothing where nothing is near."""
    quoted = [f'"{candidate}"' for candidate in near_misses(word, known)]
    return f"did you mean {' or '.join(quoted)}?" if quoted else ""
