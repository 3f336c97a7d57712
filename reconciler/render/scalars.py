"""Pure: text as a scalar of YAML that reads back as exactly this text, whoever reads it."""

import json
import re

PLAIN = re.compile(r"[^\W\d_][\w ./:@+-]*")
WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that some version of YAML takes for something else than text."""
LAST_OF_JSON = "\uffff"  # JSON writes what lies beyond as two escapes; JSON's pairs are no YAML


def scalar(text: str) -> str:
    """Return `text` as it is where that is text beyond doubt, else in double quotes."""
    is_plain = PLAIN.fullmatch(text) and text.isprintable() and text.lower() not in WORDS
    return text if is_plain and ": " not in text and text[-1] not in " :" else quoted(text)


def quoted(text: str) -> str:
    """Return `text` in double quotes, every character that does not print as an escape."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character.isprintable() and character not in '"\\':
        return character
    return f"\\U{ord(character):08x}" if character > LAST_OF_JSON else json.dumps(character)[1:-1]
