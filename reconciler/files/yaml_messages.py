"""Pure: translate the messages of the YAML parser into instructions for authors."""

import re

import yaml

PARSER: "type[yaml.SafeLoader | yaml.CSafeLoader]" = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML has its C parser only if it was built with libyaml. The other parser is slower and has other messages."""
IS_SLOW = PARSER is yaml.SafeLoader


MOST_LEVELS = 32
TOO_DEEP = f"this is nested more than {MOST_LEVELS} levels deep"
WRITE_FLAT = "write it flat"
QUOTE = "put quotes around text with special characters"

# Message of libyaml 0.2 -> what is wrong, what to do.
COMPLAINTS: dict[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        '":" is not allowed here',
        "put quotes around text that contains a colon, or correct the indentation",
    ),
    "could not find expected ':'": (
        'this line has no ":" after its key',
        'write "key: value", or correct the indentation',
    ),
    "did not find expected key": (
        "this does not match the lines above",
        "correct the indentation, and check quotes and brackets",
    ),
    "did not find expected '-' indicator": (
        "this does not match the list above",
        'start the line with "- ", or correct the indentation',
    ),
    "did not find expected ',' or ']'": ('a "," or "]" is missing before this', "add it"),
    "did not find expected ',' or '}'": ('a "," or "}" is missing before this', "add it"),
    "found unexpected end of stream": ("this quote is never closed", "close it"),
    "found unknown escape character": ("this escape does not exist", "double the backslash, or use single quotes"),
    "did not find expected alphabetic or numeric character": (
        "text cannot start with * or & unless it is quoted",
        "put it in quotes",
    ),
    "block sequence entries are not allowed in this context": (
        'a list cannot start with "- " on this line',
        "start it on the next line",
    ),
    # libyaml 0.2.6 and newer find this before the loader does
    "exceeded maximum nesting depth": (TOO_DEEP, WRITE_FLAT),
}
SURROGATES = re.compile(r"\\u(?P<high>d[89ab][0-9a-f]{2})\\u(?P<low>d[c-f][0-9a-f]{2})", re.IGNORECASE)
SURROGATE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)
AT_THE_OPENING = frozenset({"found unexpected end of stream"})
"""Messages whose problem is shown at the start of the construct instead of the end of the file."""


def explain(complaint: str, found: str) -> tuple[str, str]:
    """Return what is wrong and what to do for the parser's `complaint` about the text that starts with `found`."""
    character = found[:1]
    if complaint == "found invalid Unicode character escape code" and (advice := explain_surrogate(f"\\u{found}")):
        return advice
    if complaint == "found character that cannot start any token":
        if character == "\t":
            return "YAML does not allow tabs for indentation", "indent with spaces"
        return f"text cannot start with {character} unless it is quoted", "put it in quotes"
    return COMPLAINTS.get(complaint, (f"this is not valid YAML ({complaint})", QUOTE))


def explain_surrogate(escaped: str) -> tuple[str, str] | None:
    """Return what to do about escaped surrogates from JSON, or None if there are none."""
    if pair := SURROGATES.search(escaped):
        character = int(f"{pair['high']}{pair['low']}", 16)
        character = 0x10000 + ((character >> 16 & 0x3FF) << 10) + (character & 0x3FF)
        return (
            f"YAML has no surrogate pairs like {pair[0]}",
            f"write the character {chr(character)} itself, or \\U{character:08X}",
        )
    if SURROGATE.search(escaped):
        return "this escape is one half of a surrogate pair", "write the character itself"
    return None
