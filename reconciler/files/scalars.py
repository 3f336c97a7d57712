"""Pure: resolve plain scalars by the core schema of YAML 1.2 (chapter 10.3.2). All other scalars are strings."""

import re

Scalar = str | int | float | bool | None

WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
DECIMAL = re.compile(r"[-+]?[0-9]+")
OCTAL = re.compile(r"0o[0-7]+")
HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

FIRST_OF_NUMBERS = "-+.0123456789"
FIRST_CHARACTERS = frozenset(FIRST_OF_NUMBERS + "~nNtTfF")
"""A non-empty scalar that starts with any other character is a string. This decides nearly all scalars quickly."""

MOST_CHARACTERS = 8 * 1024  # per scalar
MOST_DIGITS = 64  # Python refuses more than 4,300 digits, and no value here needs that many


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar.

    Raises:
        ValueError: The scalar is a number with too many digits.
    """
    if text in WORDS:
        return WORDS[text]
    if text[0] not in FIRST_OF_NUMBERS:
        return text
    if not FLOAT.fullmatch(text):  # decimal numbers match too, so one comparison decides most words
        return _prefixed(text)
    _refuse_long(text)
    return int(text) if DECIMAL.fullmatch(text) else float(text)


def _prefixed(text: str) -> Scalar:
    for pattern, base in ((OCTAL, 8), (HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            _refuse_long(text)
            return int(text[2:], base)
    return text


def _refuse_long(number: str) -> None:
    if len(number) > MOST_DIGITS:
        raise ValueError(f"a number of {len(number):,} characters is too long")
