"""Pure: text as a scalar of YAML that reads back as exactly this text, whoever reads it."""

import json
import re

from reconciler.core.invisible import escape, has_invisible, is_invisible

PLAIN = re.compile(r"[^\W\d_][\w ./:@+-]*")
WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that some version of YAML takes for something else than text."""
SHORT = {each: json.dumps(each)[1:-1] for each in '"\\\b\f\n\r\t'}


def scalar(text: str) -> str:
    """Return `text` as it is where that is text beyond doubt, else in double quotes."""
    is_visible = text.isprintable() and not has_invisible(text)
    is_plain = PLAIN.fullmatch(text) and is_visible and text.lower() not in WORDS
    return text if is_plain and ": " not in text and text[-1] not in " :" else quoted(text)


def quoted(text: str) -> str:
    """Return `text` in double quotes, every character that a reader cannot see as an escape."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in SHORT:
        return SHORT[character]
    return character if character.isprintable() and not is_invisible(character) else escape(character)
