"""Pure: whether data fits a JSON Schema, and nothing more, in a fraction of the time that it takes to tell why not.

A schema becomes functions, once. What it says about the keys of a mapping is settled when the first mapping with just
these keys comes along: most rules for a grant are about keys that it does not have, and few sets of keys are in use.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from operator import gt, lt
from typing import Any

from reconciler.files.verdicts import Check, Part, Verdict, Within, all_of, as_check, check_of, counted, opposite

# What data and schemas hold is for schemas to say, not for Python's types, hence Any.
Schema = Mapping[str, Any]

SIDE_WORDS = frozenset(
    {
        *("$defs", "$schema", "default", "defaultSnippets", "description", "errorMessage", "examples"),
        *("markdownDescription", "title"),
        *("else", "then"),
    }
)
"""Keywords that refuse nothing, or not by themselves."""


def fitting(schema: Schema) -> Check:
    """Return what tells whether data fits `schema`, in JSON Schema 2020-12; its references go round in no circle.

    `uniqueItems` is about texts only. Where a keyword comes in that is not known here, data does not fit.
    """
    try:
        root = check_of([_part(schema, schema)])
    except _UnknownWordError:
        return lambda _: False

    def check(data: object) -> bool:
        try:
            return root(data)
        except _UnknownWordError:
            return False

    return check


class _UnknownWordError(Exception):
    """A schema says something that is not known here."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What a keyword of `schema`, a part of `root`, looks at: a mapping with these `keys`, or other data (None)."""

    schema: Schema
    root: Schema
    keys: frozenset[str] | None = None

    def through(self, schema: Schema) -> Verdict:
        """Return the verdict of another part on the same data."""
        return _verdict(replace(self, schema=schema))

    def inside(self, schema: Schema) -> Part:
        """Return another part, for what the data holds."""
        return _part(schema, self.root)


Word = Callable[[Any, _Look], Verdict]
"""Makes a verdict of what a keyword expects."""


def _part(schema: Schema, root: Schema) -> Part:
    return lambda keys: _verdict(_Look(schema, root, keys))


def _verdict(look: _Look) -> Verdict:
    words = look.schema.keys() - SIDE_WORDS
    if not WORDS.keys() >= words:
        raise _UnknownWordError
    return all_of(word(look.schema[name], look) for name, word in WORDS.items() if name in words)


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def _type(expected: str | list[str], look: _Look) -> Verdict:
    kinds = _listed(expected)
    if look.keys is not None:
        return "object" in kinds
    return counted((KINDS[kind] for kind in kinds), bool) if len(kinds) > 1 else KINDS[kinds[0]]


def _enum(expected: list[Any], look: _Look) -> Verdict:
    if all(isinstance(each, str) for each in expected):
        texts = frozenset(expected)
        return look.keys is None and (lambda value: isinstance(value, str) and value in texts)
    return counted((_const(each, look) for each in expected), bool)


def _const(expected: object, look: _Look) -> Verdict:
    """Compare as JSON does: no number is a boolean."""
    if isinstance(expected, dict) or (isinstance(expected, list) and expected):
        raise _UnknownWordError
    if isinstance(expected, bool) or expected is None:
        return look.keys is None and (lambda value: value is expected)
    return look.keys is None and (lambda value: value == expected and not isinstance(value, bool))


def _required(expected: list[str], look: _Look) -> Verdict:
    return look.keys is None or look.keys.issuperset(expected)


def _properties(expected: Mapping[str, Schema], look: _Look) -> Verdict:
    return Within({key: (look.inside(part),) for key, part in expected.items() if key in (look.keys or ())})


def _additional_properties(expected: bool | Schema, look: _Look) -> Verdict:  # noqa: FBT001 - the keyword's own
    more = (look.keys or frozenset()) - look.schema.get("properties", {}).keys()
    if isinstance(expected, bool):
        return expected or not more
    return Within(dict.fromkeys(more, (look.inside(expected),)))


def _property_names(expected: Schema, look: _Look) -> Verdict:
    return look.keys is None or all(map(check_of([look.inside(expected)]), look.keys))


def _items(expected: Schema, look: _Look) -> Verdict:
    return look.keys is not None or Within(items=(look.inside(expected),))


def _unique_items(expected: bool, look: _Look) -> Verdict:  # noqa: FBT001 - the keyword's own
    def distinct(value: object) -> bool:
        texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
        return len(set(texts)) == len(texts)

    return not expected or look.keys is not None or distinct


def _pattern(expected: str, look: _Look) -> Verdict:
    search = re.compile(expected).search
    return look.keys is not None or (lambda value: not isinstance(value, str) or search(value) is not None)


def _length(kind: type[str | list[Any]], beyond: Callable[[int, int], bool]) -> Word:
    def verdict(expected: int, look: _Look) -> Verdict:
        return look.keys is not None or (lambda value: not isinstance(value, kind) or not beyond(len(value), expected))

    return verdict


def _bound(beyond: Callable[[float, float], bool]) -> Word:
    def verdict(expected: float, look: _Look) -> Verdict:
        return look.keys is not None or (lambda value: not _is_number(value) or not beyond(value, expected))

    return verdict


def _if(expected: Schema, look: _Look) -> Verdict:
    condition = look.through(expected)
    then, otherwise = (look.through(look.schema.get(word, {})) for word in ("then", "else"))
    if isinstance(condition, bool):
        return then if condition else otherwise
    holds, good, bad = as_check(condition), as_check(then), as_check(otherwise)
    return lambda value: good(value) if holds(value) else bad(value)


def _ref(expected: str, look: _Look) -> Verdict:
    part = look.root
    for step in expected.removeprefix("#/").split("/"):
        if step not in part:
            raise _UnknownWordError
        part = part[step]
    return look.through(part)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


KINDS: Mapping[str, Check] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "null": lambda value: value is None,
    "number": _is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}

WORDS: Mapping[str, Word] = {
    "type": _type,  # what is of the wrong kind need not be looked at any more
    "$ref": _ref,
    "additionalProperties": _additional_properties,
    "allOf": lambda expected, look: all_of(map(look.through, expected)),
    "anyOf": lambda expected, look: counted(map(look.through, expected), bool),
    "const": _const,
    "enum": _enum,
    "if": _if,
    "items": _items,
    "maxItems": _length(list, gt),
    "maxLength": _length(str, gt),
    "maximum": _bound(gt),
    "minItems": _length(list, lt),
    "minLength": _length(str, lt),
    "minimum": _bound(lt),
    "not": lambda expected, look: opposite(look.through(expected)),
    "oneOf": lambda expected, look: counted(map(look.through, expected), lambda count: count == 1),
    "pattern": _pattern,
    "properties": _properties,
    "propertyNames": _property_names,
    "required": _required,
    "uniqueItems": _unique_items,
}
