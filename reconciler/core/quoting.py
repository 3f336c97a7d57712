"""Pure: make text from files and tenants safe for output: on one line, without control characters."""

from collections.abc import Collection
from itertools import islice

from reconciler.core.characters import has_invisible, is_invisible

MAX_LENGTH = 60
MAX_WORDS = 10


def visible(text: str) -> str:
    """Escape all characters that a reader cannot see: control characters, joiners, unusual spaces, undecodable bytes.

    Escaping prevents two attacks. An invisible character cannot make two names look equal. A name cannot send commands
    to a terminal, a web page or a workflow runner. Runners execute lines that start with `::`, and text after `##[`.
    """
    shown = text if text.isprintable() and not has_invisible(text) else "".join(map(_escape, text))
    if shown.lstrip().startswith("::"):
        shown = shown.replace("::", r"\x3a:", 1)
    return shown.replace("##[", r"#\x23[")


def _escape(char: str) -> str:
    return char if char.isprintable() and not is_invisible(char) else char.encode("unicode_escape").decode()


def quote_text(text: str) -> str:
    """Escape `text` and put it in double quotes. Shorten it if it is longer than 60 characters."""
    return f'"{visible(_cut(text))}"'


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"


def shorten(text: str, most: int) -> str:
    """Shorten `text` to about `most` characters. Replace its middle by the number of removed characters."""
    if len(text) <= most:
        return text
    end = most // 3
    begin = most - end
    return f"{text[:begin]}… ({len(text) - most:,} characters left out) …{text[-end:]}"


def join_words(words: list[str], conjunction: str) -> str:
    """Join words as `a, b and c`, with the given conjunction."""
    return f" {conjunction} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def join_some(words: Collection[str], conjunction: str = "and") -> str:
    """Join the first ten words, each shortened, and add the number of further words."""
    more = len(words) - MAX_WORDS
    shown = [visible(_cut(word)) for word in islice(words, MAX_WORDS)]
    return join_words([*shown, f"{more} more"] if more > 0 else shown, conjunction)


def pluralize(count: int, noun: str) -> str:
    """Return `1 noun` or `2 nouns`."""
    return f"{count} {noun}{'s' * (count != 1)}"
