"""Pure: grant files that are laid out plainly, as `import` writes them, read at a glance.

This knows a sliver of YAML in which no line can mean two things, and reads it in a third of the time that the parser
takes. Whatever is beyond it, or wrong, is left to the parser; of what is read here, both say the same, places and all.
"""

import re
from typing import NamedTuple

from reconciler.files.document import Mapping, Places, Sequence
from reconciler.files.scalars import FIRST_CHARACTERS, MOST_CHARACTERS, Scalar, resolve

WORD = r"[\w./$@()+;=&-]+(?::[\w./$@()+;=&-]+)*"  # no colon at its end: that would make it a key
WORD_IN_BLOCK = WORD.replace("@", "@{},")
PLAIN = rf"(?![-@&]){WORD}(?: {WORD})*"
PLAIN_IN_BLOCK = rf"(?![-@{{}},&]){WORD_IN_BLOCK}(?: {WORD_IN_BLOCK})*"
QUOTED = r'"[\w !#-\[\]^`{|}~]*"'  # whatever prints but for quotes and backslashes
ITEM_OF_LIST = rf"(?:{PLAIN}|{QUOTED})"
LIST = rf"\[(?:{ITEM_OF_LIST}(?:, {ITEM_OF_LIST})*)?\]"
SCALAR = rf"(?:{PLAIN_IN_BLOCK}|{QUOTED})"
KEY = r"(?!(?:true|false|null):)[a-z_]+:"
COMMENT = r"#[\w !-~]*"
END = rf"(?: +{COMMENT})?\n"
FIELD = rf"{KEY}(?: (?:{SCALAR}|{LIST}){END}|{END}(?:      - {SCALAR}{END})+)"
BETWEEN = rf"(?: *{COMMENT}\n|\n)*"
HEAD = re.compile(rf"(?P<between>{BETWEEN})grants:{END}")
GRANT = re.compile(rf"(?P<between>{BETWEEN})  - (?P<fields>{FIELD}(?:    {FIELD})*)")
TAIL = re.compile(BETWEEN)
ITEMS_OF_LIST = re.compile(ITEM_OF_LIST)
WITH_COMMENT = re.compile(rf"(  - {SCALAR}|{KEY}(?: (?:{SCALAR}|{LIST}))?) +{COMMENT}")


class Spot(NamedTuple):
    """Where something begins, counted from 0, as the parser counts."""

    index: int  # type: ignore[assignment] # it hides a method of tuples that nobody needs
    line: int
    column: int


def at_a_glance(text: str, places: Places) -> Mapping | None:
    """Return the data of a file, with `places` to ask where everything stands; None: let the parser read it."""
    try:
        return _grants(text, places)
    except ValueError:  # a number of absurd length
        return None


def _grants(text: str, places: Places) -> Mapping | None:
    head = HEAD.match(text)
    first = head and GRANT.match(text, head.end())
    if not head or not first:
        return None
    root = Mapping(_spot(text, head.end("between")), places)
    root["grants"] = items = Sequence(_spot(text, first.start("fields") - len("- ")), places)
    end, line = head.end(), text.count("\n", 0, head.end())
    while found := GRANT.match(text, end):
        begin, after = found.span("fields")
        line += text.count("\n", end, begin)
        grant = _grant(text[begin : after - 1], Spot(begin, line, len("  - ")), places)
        if grant is None:
            return None
        items.append(grant)
        line += text.count("\n", begin, after)
        end = after
    return root if TAIL.fullmatch(text, end) else None


def _grant(fields: str, begin: Spot, places: Places) -> Mapping | None:
    """Return one grant; None where it says something twice, or something so long that it may be a problem."""
    if len(fields) > MOST_CHARACTERS:
        return None
    grant, (index, line, _) = Mapping(begin, places), begin
    items = Sequence()
    for said in fields.split("\n    "):
        before = _before_comment(said) if "#" in said else said
        if before[0] == " ":
            items.append(_scalar(before[len("  - ") :]))
        else:
            key, _, value = before.removesuffix(":").partition(": ")
            if key in grant:
                return None
            if value and value[0] != "[":
                grant[key] = _scalar(value)
            elif value:
                ahead = len(key) + len(": ")
                grant[key] = inline = Sequence(Spot(index + ahead, line, len("    ") + ahead), places)
                inline.extend(map(_scalar, ITEMS_OF_LIST.findall(value)))
            else:
                spot = Spot(index + len(said) + len("\n      "), line + 1, len("      "))
                grant[key] = items = Sequence(spot, places)
        index += len(said) + len("\n    ")
        line += 1
    return grant


def _before_comment(said: str) -> str:
    commented = WITH_COMMENT.fullmatch(said)
    return commented[1] if commented else said


def _scalar(text: str) -> Scalar:
    if text[0] in FIRST_CHARACTERS:
        return resolve(text)
    return text[1:-1] if text[0] == '"' else text


def _spot(text: str, index: int) -> Spot:
    return Spot(index, text.count("\n", 0, index), index - text.rfind("\n", 0, index) - 1)
