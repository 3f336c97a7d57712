"""Pure: refuse characters that mislead a reviewer of a file.

- Editors, Git and GitHub end a line at LF and CRLF only. YAML also ends a line at a lone CR, U+0085, U+2028 and U+2029,
  so text that looks like a comment could declare a grant.
- Invisible characters make different names look the same.
- Some characters change the direction of text, so that a line is shown in another order.

A file can still contain these characters as escapes in double quotes.
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
from reconciler.files.document import MAX_PROBLEMS, too_many_problems
from reconciler.files.layout import find_name_spans

LINE_ENDS = frozenset("\r\x85\u2028\u2029")
MISREAD_CLASS = r"\x85\u2028\u2029\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff"
"""Line ends that editors do not know, and characters that YAML does not allow (YAML 1.2, chapter 5.1)."""
MISREAD = re.compile(rf"[{MISREAD_CLASS}]|\r(?!\n)")
SUSPECT = re.compile(rf"[\r{MISREAD_CLASS}{character_class(INVISIBLE)}]")
"""One character class, because `re` searches it quickly. It also matches the CR of a CRLF, which is valid."""


def is_misread(text: str) -> bool:
    """Return whether the YAML parser would refuse the text, or count its lines in another way than an editor."""
    return bool(MISREAD.search(text))


def raw_character_problems(text: str, file: str) -> tuple[Problem, ...]:
    """Return a problem for each character of `text` that must be written as an escape, up to MAX_PROBLEMS."""
    problems = _problems(text, file)
    first = tuple(islice(problems, MAX_PROBLEMS))
    return (*first, too_many_problems(file)) if next(problems, None) else first


def _problems(text: str, file: str) -> Iterator[Problem]:
    names: Sequence[tuple[int, int]] | None = None
    line, start_of_line, counted = 1, 0, 0
    for found in SUSPECT.finditer(text):
        index, char = found.start(), found.group()
        if char == "\r" and text.startswith("\n", index + 1):
            continue
        if is_invisible(char) and belongs_to_text(text, index):
            names = find_name_spans(MISREAD.sub(" ", text)) if names is None else names
            if not _is_within(names, index):
                continue
        line += text.count("\n", counted, index)
        start_of_line = max(start_of_line, text.rfind("\n", counted, index) + 1)
        counted = index
        yield Problem(Source(file, line, index - start_of_line + 1), *_message(char))


def _is_within(spans: Sequence[tuple[int, int]], index: int) -> bool:
    position = bisect_right(spans, index, key=itemgetter(0)) - 1
    return position >= 0 and index < spans[position][1]


def _message(char: str) -> tuple[str, str]:
    """Return what is wrong with a character, and what to do."""
    name, written = character_name(char), f'write it as "{escape_for_yaml(char)}" in double quotes'
    if char == "\r":
        return f"{name} without a line feed is a line break only in YAML", f"end lines with LF or CRLF, or {written}"
    if char in LINE_ENDS:
        what = f"{name} is a line break only in YAML"
    elif not is_invisible(char):
        what = f"the control character {name} is not allowed in YAML"
    elif changes_direction(char):
        what = f"{name} changes the direction of text"
    elif char.isspace():
        return f"{name} looks like an ordinary space", f"write a space, or {written}"
    else:
        what = f"{name} is invisible"
    return what, f"remove it, or {written}"
