"""Translate the error messages of the YAML parser into instructions for the authors of files."""

import re

import yaml

PARSER: "type[yaml.SafeLoader | yaml.CSafeLoader]" = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The YAML parser. The C parser exists only if PyYAML was built with libyaml.

PyYAML's Python parser is slower than the C parser, and the error messages of the two parsers differ.
"""
IS_SLOW = PARSER is yaml.SafeLoader


MAX_LEVELS = 32
TOO_DEEP = f"this value is nested more than {MAX_LEVELS} levels deep"
USE_FEWER_LEVELS = "use fewer levels"
QUOTE = "put quotes around text with special characters"

# Maps each error message of libyaml 0.2 to a description of the problem and a fix.
PARSER_MESSAGES: dict[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        '":" is not allowed here',
        "put quotes around text that contains a colon, or correct the indentation",
    ),
    "could not find expected ':'": (
        'this line has no ":" after its key',
        'write "key: value", or correct the indentation',
    ),
    "did not find expected key": (
        "this line does not match the lines above",
        "correct the indentation, and check quotes and brackets",
    ),
    "did not find expected '-' indicator": (
        "this line does not match the list above",
        'start the line with "- ", or correct the indentation',
    ),
    "did not find expected ',' or ']'": ('a "," or "]" is missing before this position', "add it"),
    "did not find expected ',' or '}'": ('a "," or "}" is missing before this position', "add it"),
    "found unexpected end of stream": ("this quote is never closed", "close it"),
    "found unknown escape character": (
        "this escape sequence does not exist",
        "double the backslash, or use single quotes",
    ),
    "did not find expected alphabetic or numeric character": (
        "text cannot start with * or & unless it is quoted",
        "put it in quotes",
    ),
    "block sequence entries are not allowed in this context": (
        'a list cannot start with "- " on this line',
        "start the list on the next line",
    ),
    # libyaml 0.2.6 and newer report deep nesting before the loader does
    "exceeded maximum nesting depth": (TOO_DEEP, USE_FEWER_LEVELS),
}
UNCLOSED = frozenset({"did not find expected ',' or ']'", "did not find expected ',' or '}'"})
"""Parser errors about a list or an object in brackets."""
SPECIAL_IN_BRACKETS = frozenset("{}[]")
"""The characters that end text without quotes, if the text is in brackets."""
SURROGATES = re.compile(r"\\u(?P<high>d[89ab][0-9a-f]{2})\\u(?P<low>d[c-f][0-9a-f]{2})", re.IGNORECASE)
SURROGATE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)
SHOWN_AT_START = frozenset({"found unexpected end of stream"})
"""Parser errors about a missing closing quotation mark.

The YAML parser reports the missing quotation mark at the end of the file. reconciler reports the missing quotation mark
at the opening quotation mark.
"""


def explain(message: str, text: str, before: str = "") -> tuple[str, str]:
    """Return the description of a syntax error, and the fix.

    `message` is the error message of the YAML parser. `text` is the part of the file that starts at the error. `before`
    is the text that ends at the error.
    """
    character = text[:1]
    if message in UNCLOSED and character == "{" and before.endswith("$"):
        return "in brackets, text with ${ must be in quotes", "put quotes around the whole text"
    if message in UNCLOSED and character in SPECIAL_IN_BRACKETS:
        return PARSER_MESSAGES[message][0], f"add it, or put quotes around text that contains {character}"
    if message == "found invalid Unicode character escape code" and (advice := explain_surrogate(f"\\u{text}")):
        return advice
    if message == "found character that cannot start any token":
        if character == "\t":
            return "YAML does not allow tabs for indentation", "indent with spaces"
        return f"text cannot start with {character} unless it is quoted", "put it in quotes"
    return PARSER_MESSAGES.get(message, (f"this is not valid YAML ({message})", QUOTE))


def explain_surrogate(escaped: str) -> tuple[str, str] | None:
    """Return the problem and the fix for a surrogate escape, which is valid in JSON but not in YAML.

    Return None if `escaped` contains no surrogate escape.
    """
    if pair := SURROGATES.search(escaped):
        character = int(f"{pair['high']}{pair['low']}", 16)
        character = 0x10000 + ((character >> 16 & 0x3FF) << 10) + (character & 0x3FF)
        return (
            f"YAML does not allow surrogate pairs such as {pair[0]}",
            f"write the character {chr(character)} itself, or \\U{character:08X}",
        )
    if SURROGATE.search(escaped):
        return "this escape is one half of a surrogate pair", "write the character itself"
    return None
