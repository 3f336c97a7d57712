"""Pure: how text from files and from the tenant is shown: on one line, without anything that a terminal obeys."""

from collections.abc import Collection
from itertools import islice

from reconciler.core.characters import has_invisible, is_invisible

LONGEST = 60
MOST_WORDS = 10


def visible(text: str) -> str:
    """Return `text` with every character escaped that a reader cannot see: controls, joiners, blanks, stray bytes.

    So no two names look the same because of a character that is not drawn. A terminal or a reviewer's page must show
    what is there, not obey it. Nor must the runner of a workflow, which takes lines that begin with `::`, and whatever
    follows `##[`, for commands of its own.
    """
    shown = text if text.isprintable() and not has_invisible(text) else "".join(map(_printed, text))
    if shown.lstrip().startswith("::"):
        shown = shown.replace("::", r"\x3a:", 1)
    return shown.replace("##[", r"#\x23[")


def _printed(char: str) -> str:
    return char if char.isprintable() and not is_invisible(char) else char.encode("unicode_escape").decode()


def quoted(text: str) -> str:
    """Return `text` in double quotes, cut off where it is long."""
    return f'"{visible(_shortened(text))}"'


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def shortened(text: str, most: int) -> str:
    """Return `text` within `most` characters and a remark: its beginning and its end, if it is too long."""
    if len(text) <= most:
        return text
    end = most // 3
    begin = most - end
    return f"{text[:begin]}… ({len(text) - most:,} characters left out) …{text[-end:]}"


def enumerated(words: list[str], conjunction: str) -> str:
    """Return `a, b and c`, with the conjunction given."""
    return f" {conjunction} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def some(words: Collection[str], conjunction: str = "and") -> str:
    """Return the first of `words`, each cut off where it is long, and how many more there are."""
    more = len(words) - MOST_WORDS
    shown = [visible(_shortened(word)) for word in islice(words, MOST_WORDS)]
    return enumerated([*shown, f"{more} more"] if more > 0 else shown, conjunction)


def counted(count: int, noun: str) -> str:
    """Return `1 noun` or `2 nouns`."""
    return f"{count} {noun}{'s' * (count != 1)}"
