"""Suggestions for misspelled names, such as `did you mean "Invoices API"?`."""

from collections.abc import Collection, Iterable
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest
from unicodedata import normalize

MAX_SUGGESTIONS = 3
MIN_SIMILARITY = 0.6
SIMILARITY_MARGIN = 0.1
MAX_WORD_LENGTH = 64
"""The maximum length of words for which reconciler suggests corrections, in characters.

The limit saves time, because the time for comparing two words grows with the product of their lengths.
"""
MAX_COMPARED = 200
MAX_NORMALIZED_LENGTH = 256


def similar_words(word: str, known: Iterable[str], min_similarity: float = MIN_SIMILARITY) -> list[str]:
    """Return the words in `known` that are similar to `word`, the most similar word first. The comparison ignores case.

    Omit words that are clearly less similar than the most similar word. To save time, ignore words of more than
    MAX_WORD_LENGTH characters. If `known` contains many words, compare only the words that share the longest prefix
    with `word`.
    """
    if len(word) > MAX_WORD_LENGTH:
        return []
    by_folded: dict[str, str] = {}
    for candidate in sorted(each for each in known if len(each) <= MAX_WORD_LENGTH):
        by_folded.setdefault(candidate.casefold(), candidate)
    folded = word.casefold()
    candidates: Collection[str] = by_folded
    if len(by_folded) > MAX_COMPARED:
        candidates = nlargest(MAX_COMPARED, by_folded, key=lambda each: _common_prefix_length(folded, each))
    close = get_close_matches(folded, candidates, MAX_SUGGESTIONS, min_similarity)
    similarity = {each: SequenceMatcher(None, each, folded).ratio() for each in close}
    best = max(similarity.values(), default=0)
    return [by_folded[each] for each in close if similarity[each] >= best - SIMILARITY_MARGIN]


def _common_prefix_length(one: str, other: str) -> int:
    """Return the length of the common prefix of two words."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


class Suggestions:
    """Suggests similar words. The number of suggestions per run is limited, because comparing words is slow."""

    def __init__(self, max_suggestions: int = 20) -> None:
        self._remaining = max_suggestions

    def __call__(self, word: str, known: Iterable[str], min_similarity: float = MIN_SIMILARITY) -> str:
        """Return the result of `did_you_mean`, or an empty string if the maximum number of calls is exceeded."""
        self._remaining -= 1
        return did_you_mean(word, known, min_similarity) if self._remaining >= 0 else ""


def to_nfc(text: str) -> str:
    """Convert a string to Unicode normalization form C (NFC), which most keyboards produce."""
    return text if text.isascii() else normalize("NFC", text)


def explain_normalization(known_text: str) -> str:
    """Return advice for a misspelled name that differs from the known name only in Unicode normalization."""
    escaped = known_text.encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{known_text}" differs only in Unicode normalization; write "{escaped}", including the double quotes'


def did_you_mean(word: str, known: Iterable[str], min_similarity: float = MIN_SIMILARITY) -> str:
    """Return a question such as `did you mean "a" or "b"?`, or an empty string if there are no similar words.

    If a known word differs from `word` only in Unicode normalization, return an explanation of the difference.
    """
    if len(word) <= MAX_NORMALIZED_LENGTH:
        known, normalized = list(known), to_nfc(word)
        known_text = next((each for each in known if each != word and to_nfc(each) == normalized), None)
        if known_text is not None:
            return explain_normalization(known_text)
    quoted = [f'"{candidate}"' for candidate in similar_words(word, known, min_similarity)]
    return f"did you mean {' or '.join(quoted)}?" if quoted else ""
