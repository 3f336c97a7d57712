"""Pure: "did you mean" for misspelt words."""

from collections.abc import Collection, Iterable
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest
from unicodedata import normalize

MOST_SUGGESTIONS = 3
CLOSENESS = 0.6
AS_GOOD_AS_THE_BEST = 0.1
LONGEST_WORD = 64
"""The time to compare two words grows with the product of their lengths."""
MOST_COMPARED = 200
LONGEST_TWIN = 256


def near_misses(word: str, known: Iterable[str], closeness: float = CLOSENESS) -> list[str]:
    """Return the words of `known` that `word` may stand for, best first, capitals aside.

    Words that are clearly farther off than the best are left out: one good guess is better than three. Long words are
    not compared, and of many words only those with the longest common beginning.
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
    """Return how many letters two words have in common at their beginning."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


class Suggestions:
    """Guesses for the first misspelt words: who has hundreds of them has another mistake, and guessing takes time."""

    def __init__(self, most: int = 20) -> None:
        self._left = most

    def __call__(self, word: str, known: Iterable[str], closeness: float = CLOSENESS) -> str:
        """Return what `did_you_mean` returns, nothing once all guesses are spent."""
        self._left -= 1
        return did_you_mean(word, known, closeness) if self._left >= 0 else ""


def composed(text: str) -> str:
    """Return the text in the normal form in which most keyboards write it (NFC)."""
    return text if text.isascii() else normalize("NFC", text)


def explain_twin(twin: str) -> str:
    """Return how to write a text that differs from another in its Unicode normal form only."""
    escaped = twin.encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{twin}" differs from it in Unicode normal form only: write "{escaped}", with the double quotes'


def did_you_mean(word: str, known: Iterable[str], closeness: float = CLOSENESS) -> str:
    """Return `did you mean "a" or "b"?`, or nothing where nothing is near.

    If a known word looks the same because only its Unicode normal form differs, return how to write that.
    """
    if len(word) <= LONGEST_TWIN:
        known, whole = list(known), composed(word)
        twin = next((each for each in known if each != word and composed(each) == whole), None)
        if twin is not None:
            return explain_twin(twin)
    quoted = [f'"{candidate}"' for candidate in near_misses(word, known, closeness)]
    return f"did you mean {' or '.join(quoted)}?" if quoted else ""
