"""Pure: "did you mean" suggestions for misspelled names."""

from collections.abc import Collection, Iterable
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest
from unicodedata import normalize

MOST_SUGGESTIONS = 3
CLOSENESS = 0.6
AS_GOOD_AS_THE_BEST = 0.1
LONGEST_WORD = 64
"""Longer words are not compared, because the time grows with the product of both lengths."""
MOST_COMPARED = 200
LONGEST_TWIN = 256


def near_misses(word: str, known: Iterable[str], closeness: float = CLOSENESS) -> list[str]:
    """Return the known words that are similar to `word`, the most similar first. Case is ignored.

    Words that are clearly less similar than the most similar word are left out. To limit the time, long words are not
    compared. If there are many words, only the words with the longest common prefix are compared.
    """
    if len(word) > LONGEST_WORD:
        return []
    by_folded: dict[str, str] = {}
    for candidate in sorted(each for each in known if len(each) <= LONGEST_WORD):
        by_folded.setdefault(candidate.casefold(), candidate)
    folded = word.casefold()
    close = get_close_matches(folded, _most_alike(folded, by_folded), MOST_SUGGESTIONS, closeness)
    likeness = {each: SequenceMatcher(None, each, folded).ratio() for each in close}
    best = max(likeness.values(), default=0)
    return [by_folded[each] for each in close if likeness[each] >= best - AS_GOOD_AS_THE_BEST]


def _most_alike(word: str, known: Collection[str]) -> Collection[str]:
    if len(known) <= MOST_COMPARED:
        return known
    return nlargest(MOST_COMPARED, known, key=lambda each: _common_letters(word, each))


def _common_letters(one: str, other: str) -> int:
    """Return the length of the common prefix of two words."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


class Suggestions:
    """Limits the number of suggestions in a run, because comparing words is slow."""

    def __init__(self, most: int = 20) -> None:
        self._left = most

    def __call__(self, word: str, known: Iterable[str], closeness: float = CLOSENESS) -> str:
        """Return the result of `did_you_mean`, or an empty text if the limit is reached."""
        self._left -= 1
        return did_you_mean(word, known, closeness) if self._left >= 0 else ""


def composed(text: str) -> str:
    """Return the text in normal form C (NFC), which most keyboards produce."""
    return text if text.isascii() else normalize("NFC", text)


def explain_twin(twin: str) -> str:
    """Explain how to write a text that differs from the user's text only in Unicode normalization."""
    escaped = twin.encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{twin}" differs only in Unicode normalization; write "{escaped}", including the double quotes'


def did_you_mean(word: str, known: Iterable[str], closeness: float = CLOSENESS) -> str:
    """Return `did you mean "a" or "b"?`, or an empty text if no word is similar.

    If a known word differs only in Unicode normalization, explain how to write it.
    """
    if len(word) <= LONGEST_TWIN:
        known, whole = list(known), composed(word)
        twin = next((each for each in known if each != word and composed(each) == whole), None)
        if twin is not None:
            return explain_twin(twin)
    quoted = [f'"{candidate}"' for candidate in near_misses(word, known, closeness)]
    return f"did you mean {' or '.join(quoted)}?" if quoted else ""
