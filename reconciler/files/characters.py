"""Pure: refuse characters that a reviewer cannot see, or that a reviewer and the YAML parser read differently.

Editors, Git and GitHub end a line at LF and CRLF. YAML also ends a line at a lone CR, U+0085, U+2028 and U+2029, so the
end of a comment could declare a grant. Invisible characters make two names look the same. Characters that change the
direction of text show a line in another order. Double quotes allow all of them as escapes.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter

from reconciler.core.characters import (
    INVISIBLE,
    belongs_to_text,
    changes_direction,
    character_class,
    character_name,
    escape_for_yaml,
    is_invisible,
)
from reconciler.core.problems import Problem, Source
from reconciler.files.document import MOST_PROBLEMS, too_many
from reconciler.files.layout import name_spans

LINE_ENDS = frozenset("\r\x85\u2028\u2029")
MISREAD_CLASS = r"\x85\u2028\u2029\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff"
"""Line ends unknown to editors, and characters that YAML does not allow (chapter 5.1)."""
MISREAD = re.compile(rf"[{MISREAD_CLASS}]|\r(?!\n)")
SUSPECT = re.compile(rf"[\r{MISREAD_CLASS}{character_class(INVISIBLE)}]")
"""A single character class, which `re` searches quickly. A CR before a LF also matches but is valid."""


def is_misread(text: str) -> bool:
    """Return whether the YAML parser would refuse the text or count its lines differently from an editor."""
    return bool(MISREAD.search(text))


def raw_character_problems(text: str, file: str) -> tuple[Problem, ...]:
    """Return a problem for each character of `text` that must be written as an escape, up to MOST_PROBLEMS."""
    problems = _problems(text, file)
    first = tuple(islice(problems, MOST_PROBLEMS))
    return (*first, too_many(file)) if next(problems, None) else first


def _problems(text: str, file: str) -> Iterator[Problem]:
    names: Sequence[tuple[int, int]] | None = None
    line, start_of_line, seen = 1, 0, 0
    for found in SUSPECT.finditer(text):
        index, char = found.start(), found.group()
        if char == "\r" and text.startswith("\n", index + 1):
            continue
        if is_invisible(char) and belongs_to_text(text, index):
            names = name_spans(MISREAD.sub(" ", text)) if names is None else names
            if not _is_within(names, index):
                continue
        line += text.count("\n", seen, index)
        start_of_line = max(start_of_line, text.rfind("\n", seen, index) + 1)
        seen = index
        yield Problem(Source(file, line, index - start_of_line + 1), *_message(char))


def _is_within(spans: Sequence[tuple[int, int]], index: int) -> bool:
    place = bisect_right(spans, index, key=itemgetter(0)) - 1
    return place >= 0 and index < spans[place][1]


def _message(char: str) -> tuple[str, str]:
    """Return what is wrong with a character, and what to do."""
    name, written = character_name(char), f'write it as "{escape_for_yaml(char)}" in double quotes'
    if char == "\r":
        return f"{name} without a line feed ends a line in YAML only", f"end lines with LF or CRLF, or {written}"
    if char in LINE_ENDS:
        what = f"{name} ends a line in YAML only"
    elif not is_invisible(char):
        what = f"the control character {name} is not allowed in YAML"
    elif changes_direction(char):
        what = f"{name} changes the direction of text"
    elif char.isspace():
        return f"{name} looks like an ordinary space", f"write a space, or {written}"
    else:
        what = f"{name} is invisible"
    return what, f"remove it, or {written}"
