r"""Detect misleading names, such as names with lookalike or invisible characters, and escape strings for output.

Two names look alike if the function `skeleton` returns the same string for the two names. `skeleton` simplifies a name
in four steps:

1. Decompose the name with Unicode normalization form NFKD. Remove combining marks and invisible characters. Full-width,
  mathematical and accented letters become plain letters.
2. Replace non-Latin letters with the Latin letters that look the same (LOOKALIKES).
3. Replace `I`, `1` and `|` with `l`. Replace `0` with `O`. Replace `rn` with `m`. Replace `vv` with `w`.
4. Convert the name to lower case, trim spaces, and replace repeated spaces with a single space.

The simplification in `skeleton` follows the Unicode standard UTS 39, but uses a smaller table of lookalike letters. If
a name contains non-ASCII characters, the output shows the name together with the id. The id distinguishes two names
that differ only in lookalike letters.
"""

# ruff: noqa: RUF001 - the table LOOKALIKES must contain ambiguous letters

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import islice

Ranges = tuple[tuple[int, int], ...]

DEFAULT_IGNORABLE: Ranges = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
FORMAT: Ranges = (
    *((0x600, 0x605), (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2), (0xFFF9, 0xFFFB)),
    *((0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F)),
)
"""The invisible format characters (General_Category=Cf), except the characters in DEFAULT_IGNORABLE."""
BLANK: Ranges = ((0x2800, 0x2800), (0xFFFC, 0xFFFC), (0x13441, 0x13442), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159))
"""Symbols and letters without a visible glyph, such as BRAILLE PATTERN BLANK."""
SPACES: Ranges = (
    *((0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
"""The space characters (General_Category=Zs), except the normal space U+0020.

A space character other than U+0020 is invisible or looks like a normal space.
"""
DIRECTION: Ranges = ((0x61C, 0x61C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069))
"""The characters that change the direction of text (property Bidi_Control)."""

PICTOGRAPHS: Ranges = (
    *((0xA9, 0xA9), (0xAE, 0xAE), (0x203C, 0x203C), (0x2049, 0x2049), (0x2122, 0x2122), (0x2139, 0x2139)),
    *((0x2194, 0x2199), (0x21A9, 0x21AA), (0x231A, 0x231B), (0x2328, 0x2328), (0x2388, 0x2388), (0x23CF, 0x23CF)),
    *((0x23E9, 0x23F3), (0x23F8, 0x23FA), (0x24C2, 0x24C2), (0x25AA, 0x25AB), (0x25B6, 0x25B6), (0x25C0, 0x25C0)),
    *((0x25FB, 0x25FE), (0x2600, 0x2605), (0x2607, 0x2612), (0x2614, 0x2685), (0x2690, 0x2705), (0x2708, 0x2712)),
    *((0x2714, 0x2714), (0x2716, 0x2716), (0x271D, 0x271D), (0x2721, 0x2721), (0x2728, 0x2728), (0x2733, 0x2734)),
    *((0x2744, 0x2744), (0x2747, 0x2747), (0x274C, 0x274C), (0x274E, 0x274E), (0x2753, 0x2755), (0x2757, 0x2757)),
    *((0x2763, 0x2767), (0x2795, 0x2797), (0x27A1, 0x27A1), (0x27B0, 0x27B0), (0x27BF, 0x27BF), (0x2934, 0x2935)),
    *((0x2B05, 0x2B07), (0x2B1B, 0x2B1C), (0x2B50, 0x2B50), (0x2B55, 0x2B55), (0x3030, 0x3030), (0x303D, 0x303D)),
    *((0x3297, 0x3297), (0x3299, 0x3299), (0x1F000, 0x1F0FF), (0x1F10D, 0x1F10F), (0x1F12F, 0x1F12F)),
    *((0x1F16C, 0x1F171), (0x1F17E, 0x1F17F), (0x1F18E, 0x1F18E), (0x1F191, 0x1F19A), (0x1F1AD, 0x1F1E5)),
    *((0x1F201, 0x1F20F), (0x1F21A, 0x1F21A), (0x1F22F, 0x1F22F), (0x1F232, 0x1F23A), (0x1F23C, 0x1F23F)),
    *((0x1F249, 0x1F3FA), (0x1F400, 0x1F53D), (0x1F546, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F774, 0x1F77F)),
    *((0x1F7D5, 0x1F7FF), (0x1F80C, 0x1F80F), (0x1F848, 0x1F84F), (0x1F85A, 0x1F85F), (0x1F888, 0x1F88F)),
    *((0x1F8AE, 0x1F8FF), (0x1F90C, 0x1F93A), (0x1F93C, 0x1F945), (0x1F947, 0x1FAFF), (0x1FC00, 0x1FFFD)),
)
"""The characters that may start an emoji (property Extended_Pictographic).

The table PICTOGRAPHS omits the characters that start a keycap emoji or a flag emoji.
"""
SKIN_TONES: Ranges = ((0x1F3FB, 0x1F3FF),)
JOINED_SCRIPTS: Ranges = (
    *((0x600, 0x6FF), (0x700, 0x74F), (0x750, 0x77F), (0x7C0, 0x7FF), (0x840, 0x85F), (0x860, 0x86F), (0x870, 0x8FF)),
    *((0x900, 0x97F), (0x980, 0x9FF), (0xA00, 0xA7F), (0xA80, 0xAFF), (0xB00, 0xB7F), (0xB80, 0xBFF), (0xC00, 0xC7F)),
    *((0xC80, 0xCFF), (0xD00, 0xD7F), (0xD80, 0xDFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1800, 0x18AF)),
    *((0x1A20, 0x1AAF), (0x1B00, 0x1B7F), (0xA980, 0xA9DF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)),
    *((0x11000, 0x1107F), (0x11080, 0x110CF), (0x11100, 0x1114F), (0x1E900, 0x1E95F)),
)
"""The Unicode blocks of scripts that use invisible joiners between letters, such as Arabic and Devanagari."""

VARIATION_SELECTORS = frozenset("\ufe0e\ufe0f")
"""Two invisible characters that display the preceding character as text or as an emoji."""
JOINER, NON_JOINER = "\u200d", "\u200c"
JOINERS = frozenset({JOINER, NON_JOINER})
KEYCAP = re.compile(r"[0-9#*]\ufe0f\u20e3")

LAST_FOUR_DIGIT_CHARACTER = "\uffff"
CONTROL_NAMES = {
    "\0": "NULL",
    "\b": "BACKSPACE",
    "\v": "LINE TABULATION",
    "\f": "FORM FEED",
    "\r": "CARRIAGE RETURN",
    "\x1b": "ESCAPE",
    "\x7f": "DELETE",
    "\x85": "NEXT LINE",
}
"""The names of control characters. The module `unicodedata` has no names for control characters."""


def _merge(*tables: Ranges) -> Ranges:
    """Merge tables of code point ranges into one table, sorted by code point.

    The code point ranges must not overlap.
    """
    return tuple(sorted(each for table in tables for each in table))


def character_class(*tables: Ranges) -> str:
    """Convert code point ranges to a character class for a regular expression, without the square brackets."""
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in _merge(*tables))


INVISIBLE = _merge(DEFAULT_IGNORABLE, FORMAT, BLANK, SPACES)
_SEARCH = re.compile(f"[{character_class(INVISIBLE)}]")


def is_invisible(char: str) -> bool:
    """Return whether `char` is invisible, looks like a space, or changes the direction of text.

    Return False for control characters, surrogates and line ends, which `str.isprintable` reports as not printable.
    """
    return _is_in(INVISIBLE, char)


def has_invisible(text: str) -> bool:
    """Return whether `text` contains an invisible character."""
    return not text.isascii() and bool(_SEARCH.search(text))


def escape_for_yaml(char: str) -> str:
    r"""Return the escape sequence of a character for a YAML string in double quotes, such as `\u200b`."""
    return f"\\U{ord(char):08x}" if char > LAST_FOUR_DIGIT_CHARACTER else f"\\u{ord(char):04x}"


def character_name(char: str) -> str:
    """Return the code point and the name of a character, such as `U+200B ZERO WIDTH SPACE`.

    If the character has no name, return only the code point.
    """
    return f"U+{ord(char):04X} {unicodedata.name(char, CONTROL_NAMES.get(char, ''))}".rstrip()


def changes_direction(char: str) -> bool:
    """Return whether `char` controls the direction of text (left to right, or right to left)."""
    return _is_in(DIRECTION, char)


def belongs_to_text(text: str, index: int) -> bool:
    """Return whether the invisible character at `index` is needed for the correct display of the text.

    The correct display of a text may need the following invisible characters:

    - a variation selector after an emoji
    - a joiner inside an emoji
    - a joiner or non-joiner between two letters of a script that uses joiners, such as Arabic
    - a typographic space
    """
    char = text[index]
    if char not in JOINERS and char not in VARIATION_SELECTORS:
        return char.isspace()
    before, after = text[max(index - 1, 0) : index], text[index + 1 : index + 2]
    if char in VARIATION_SELECTORS:
        return _is_in(PICTOGRAPHS, before) or bool(KEYCAP.match(text, max(index - 1, 0)))
    is_within_emoji = char == JOINER and _is_in(PICTOGRAPHS, after) and _ends_emoji(text, index)
    return is_within_emoji or _are_joined_letters(before, after)


def _ends_emoji(text: str, end: int) -> bool:
    """Return whether the text before index `end` ends with an emoji, including a variation selector or a skin tone."""
    last, earlier = text[max(end - 1, 0) : end], text[max(end - 2, 0) : max(end - 1, 0)]
    is_modifier = last in VARIATION_SELECTORS or _is_in(SKIN_TONES, last)
    return _is_in(PICTOGRAPHS, earlier if is_modifier else last)


def _are_joined_letters(one: str, other: str) -> bool:
    """Return whether two characters are letters or combining marks of the same script in JOINED_SCRIPTS."""
    script = _range_of(JOINED_SCRIPTS, one)
    return script >= 0 and script == _range_of(JOINED_SCRIPTS, other) and _is_letter(one) and _is_letter(other)


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LM" and not is_invisible(char)


def _is_in(ranges: Ranges, char: str) -> bool:
    return _range_of(ranges, char) >= 0


def _range_of(ranges: Ranges, char: str) -> int:
    """Return the index of the code point range that contains `char`, or -1 if no range contains `char`.

    Return -1 if `char` is empty.
    """
    if not char:
        return -1
    number = bisect_right(ranges, (ord(char), 0x110000)) - 1
    return number if number >= 0 and ord(char) <= ranges[number][1] else -1


MAX_NAME_LENGTH = 100
ARROW = "->"
OUTER_OR_REPEATED_SPACES = re.compile(r"^ +| +$|(?<= ) +")
CACHE_SIZE = 4096

LOOKALIKES: Mapping[str, str] = {
    "A": "АΑ",
    "B": "ВΒ",
    "C": "СϹ",
    "D": "Đ",
    "E": "ЕΕ",
    "F": "Ϝ",
    "G": "Ԍ",
    "H": "НΗĦ",
    "I": "ІӀΙ",
    "J": "ЈͿ",
    "K": "КΚ",
    "L": "ԼŁ",
    "M": "МΜ",
    "N": "Ν",
    "O": "ОΟՕØ",
    "P": "РΡ",
    "Q": "Ԛ",
    "S": "ЅՏ",
    "T": "ТΤŦ",
    "U": "Ս",
    "W": "Ԝ",
    "X": "ХΧ",
    "Y": "УΥҮ",
    "Z": "Ζ",
    "a": "аαɑᴀ",
    "b": "ЬвьʙƄ",
    "c": "сϲᴄ",
    "d": "ԁđᴅ",
    "e": "еεҽᴇ",
    "f": "ſ",
    "g": "ɡցɢ",
    "h": "һհнħʜ",
    "i": "іιıɩɪ",
    "j": "јϳᴊ",
    "k": "кκᴋ",
    "l": "ӏլłʟǀ∣",
    "m": "мᴍ",
    "n": "пηոɴ",
    "o": "оοօøᴏ",
    "p": "рρᴘ",
    "q": "ԛզ",
    "r": "гʀ",
    "s": "ѕꜱ",
    "t": "тτŧᴛ",
    "u": "иυսᴜ",
    "v": "νᴠѵ",
    "w": "ѡωԝᴡ",
    "x": "хχ",
    "y": "уγүʏ",
    "z": "ᴢ",
    "-": "‐‑‒–—−",
    "'": "’‘ʼ",
    "/": "⁄∕",
    "3": "ЗзӠ",
}
"""For each ASCII character, the Unicode characters that look like the ASCII character.

The table omits accented letters and similar characters, which Unicode normalization (NFKD) replaces.
"""
TO_ASCII = {ord(char): plain for plain, chars in LOOKALIKES.items() for char in chars}
ASCII_LOOKALIKES = str.maketrans("I1|0", "lllO")


def to_latin(text: str) -> str:
    """Replace non-Latin letters with Latin letters that look the same, and remove combining marks."""
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFKD", text)
    letters = "".join(
        char for char in parts if not unicodedata.category(char).startswith("M") and not is_invisible(char)
    )
    return letters.translate(TO_ASCII)


def skeleton(name: str) -> str:
    """Return a simplified form of a name. Two names look alike if their simplified forms are equal."""
    plain = to_latin(name).translate(ASCII_LOOKALIKES).casefold()
    return " ".join(plain.replace("rn", "m").replace("vv", "w").split())


@lru_cache(CACHE_SIZE)
def is_deceptive(name: str) -> bool:
    """Return whether a reader may misread the name.

    If a reader may misread a name, the output must show the id after the name.

    Return True in any of the following cases:

    - The name contains a backslash or a character outside printable ASCII.
    - The name starts or ends with a space, or contains several spaces in a row.
    - The name is longer than 100 characters.
    - The name contains `->` or starts with `default for`, like the label of a grant.
    """
    return (
        not name.isascii()
        or not name.isprintable()
        or "\\" in name
        or len(name) > MAX_NAME_LENGTH
        or OUTER_OR_REPEATED_SPACES.search(name) is not None
        or ARROW in name
        or name.startswith("default for ")
    )


def escape_spaces(name: str) -> str:
    r"""Replace each space at the start or end of a name, and each repeated space, with `\x20`."""
    return OUTER_OR_REPEATED_SPACES.sub(lambda found: r"\x20" * len(found[0]), name)


MAX_LENGTH = 60
MAX_WORDS = 10


def visible(text: str) -> str:
    """Escape the characters that a reader cannot see, such as control characters, joiners and unusual spaces.

    After escaping, invisible characters cannot make two names look equal. An escaped name cannot send commands to a
    terminal, a web page or a workflow runner. For example, GitHub Actions reads a line as a command if the line starts
    with `::` or contains `##[`.
    """
    shown = text
    if not text.isprintable() or has_invisible(text):
        shown = "".join(
            char if char.isprintable() and not is_invisible(char) else char.encode("unicode_escape").decode()
            for char in text
        )
    if shown.lstrip().startswith("::"):
        shown = shown.replace("::", r"\x3a:", 1)
    return shown.replace("##[", r"#\x23[")


def quote_text(text: str) -> str:
    """Escape `text` for output and add double quotes. Shorten a string of more than 60 characters."""
    return f'"{visible(_cut(text))}"'


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"


def shorten(text: str, most: int) -> str:
    """Shorten `text` to about `most` characters.

    Replace the middle of `text` with the number of removed characters.
    """
    if len(text) <= most:
        return text
    end = most // 3
    begin = most - end
    return f"{text[:begin]}… ({len(text) - most:,} characters left out) …{text[-end:]}"


def join_words(words: list[str], conjunction: str) -> str:
    """Join words with commas, and put `conjunction` before the last word: `a, b and c`."""
    return f" {conjunction} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def join_some(words: Collection[str], conjunction: str = "and") -> str:
    """Join the first ten words into a list such as `a, b and c`, and shorten long words.

    If `words` contains more than ten words, end the list with the number of omitted words.
    """
    more = len(words) - MAX_WORDS
    shown = [visible(_cut(word)) for word in islice(words, MAX_WORDS)]
    return join_words([*shown, f"{more} more"] if more > 0 else shown, conjunction)


def join_first(texts: Sequence[str], most: int) -> str:
    """Join the first `most` texts with commas, and add the number of omitted texts: `a, b and 3 more`."""
    more = len(texts) - most
    return f"{', '.join(texts[:most])}{f' and {more} more' if more > 0 else ''}"


def pluralize(count: int, noun: str) -> str:
    """Return the count and the noun, for example `1 grant` or `2 grants`."""
    return f"{count} {noun}{'s' * (count != 1)}"
