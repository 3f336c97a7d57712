# ruff: noqa: RUF001 - the table is about such letters
r"""Pure: names that look like other names, and names that do not show what they are.

Two names are confusable if their skeletons are equal. The skeleton of a name is made in this order:

1. Decompose the name (NFKD), and drop marks and invisible characters: full-width, mathematical and accented letters
   become plain ones.
2. Replace letters of other scripts that look like Latin letters (LOOKALIKES).
3. Replace `I`, `1` and `|` by `l`, `0` by `O`, `rn` by `m` and `vv` by `w`.
4. Ignore case, blanks at the ends, and the number of blanks in a row.

This is the method of Unicode's UTS 39 with a small table. A name beyond ASCII is always shown with its id, so that a
letter which the table lacks hides nothing.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from reconciler.core.invisible import is_invisible

LONGEST_NAME = 100
ARROW = "->"
BLANKS = re.compile(r"^ +| +$|(?<= ) +")
MOST_REMEMBERED = 4096

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
"""Letters of other scripts, and Latin ones that NFKD leaves as they are, by the ASCII character that they look like."""
TO_ASCII = {ord(char): plain for plain, chars in LOOKALIKES.items() for char in chars}
ALIKE_IN_ASCII = str.maketrans("I1|0", "lllO")


def latin(text: str) -> str:
    """Return `text` in the Latin letters that it looks like."""
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFKD", text)
    letters = "".join(
        char for char in parts if not unicodedata.category(char).startswith("M") and not is_invisible(char)
    )
    return letters.translate(TO_ASCII)


def skeleton(name: str) -> str:
    """Return what names that look alike have in common."""
    plain = latin(name).translate(ALIKE_IN_ASCII).casefold()
    return " ".join(plain.replace("rn", "m").replace("vv", "w").split())


@lru_cache(MOST_REMEMBERED)
def is_deceptive(name: str) -> bool:
    """Return whether a reader may not see what a name is, so that its id has to be shown.

    It has characters beyond printable ASCII or a backslash, is long, has blanks at an end or several in a row, contains
    the arrow of a label, or begins like the label of a default grant.
    """
    return (
        not name.isascii()
        or not name.isprintable()
        or "\\" in name
        or len(name) > LONGEST_NAME
        or BLANKS.search(name) is not None
        or ARROW in name
        or name.startswith("default for ")
    )


def with_visible_blanks(name: str) -> str:
    r"""Return a name with `\x20` for each blank that a reader cannot see: at the ends, and after another blank."""
    return BLANKS.sub(lambda found: r"\x20" * len(found[0]), name)
