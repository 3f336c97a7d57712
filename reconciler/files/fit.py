"""Pure: whether data fits a JSON Schema, and nothing more, in a fraction of the time that it takes to tell why not.

A schema becomes functions, once. What it says about the keys of a mapping is settled when the first mapping with just
these keys comes along: most rules for a grant are about keys that it does not have, and few sets of keys are in use.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import gt, lt
from typing import Any

# What data and schemas hold is for schemas to say, not for Python's types, hence Any.
Schema = Mapping[str, Any]
Check = Callable[[Any], bool]
Verdict = Check | bool
"""What is left to look at: a check, or nothing where all is settled already."""

MOST_SETS_OF_KEYS = 256
"""How many are remembered for each mapping that a schema describes."""
MOST_TEXTS = 4096
"""How many are remembered for each place where a schema describes one."""
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
        root = _check(schema, schema)
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

    def inside(self, schema: Schema) -> Check:
        """Return the check of another part for what the data holds."""
        return _check(schema, self.root)


Word = Callable[[Any, _Look], Verdict]
"""Makes a verdict of what a keyword expects."""


def _check(schema: Schema, root: Schema) -> Check:
    look = _Look(schema, root)
    of_others = _as_check(_verdict(look))
    if "object" not in _listed(schema.get("type", "object")):
        return of_others

    @lru_cache(maxsize=MOST_SETS_OF_KEYS)
    def of_mapping(*keys: str) -> Check:
        return _as_check(_verdict(replace(look, keys=frozenset(keys))))

    return lambda value: of_mapping(*value)(value) if isinstance(value, dict) else of_others(value)


def _verdict(look: _Look) -> Verdict:
    words = look.schema.keys() - SIDE_WORDS
    if not WORDS.keys() >= words:
        raise _UnknownWordError
    return _all(word(look.schema[name], look) for name, word in WORDS.items() if name in words)


@dataclass(frozen=True, slots=True)
class _AtKeys:
    """What is left to look at in the values of a mapping: each key with its checks."""

    checks: Mapping[str, tuple[Check, ...]]

    def __call__(self, mapping: Mapping[str, object]) -> bool:
        return all(check(mapping[key]) for key, checks in self.checks.items() for check in checks)

    def at_once(self) -> Check:
        """Return the same in a form that takes less time: all checks of a value together."""
        pairs = tuple((key, _remembering(_in_turn(checks))) for key, checks in self.checks.items())

        def check(mapping: Mapping[str, object]) -> bool:
            for key, each in pairs:  # noqa: SIM110 - all() takes twice as long for a few
                if not each(mapping[key]):
                    return False
            return True

        return check


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    """Return one verdict for several; what they say of the value of one key is brought together."""
    checks: list[Check] = []
    at_keys: dict[str, tuple[Check, ...]] = {}
    for verdict in verdicts:
        if verdict is False:
            return False
        if isinstance(verdict, _AtKeys):
            for key, more in verdict.checks.items():
                at_keys[key] = (*at_keys.get(key, ()), *more)
        elif verdict is not True:
            checks.append(verdict)
    if not at_keys:
        return _in_turn(tuple(checks)) if checks else True
    return _in_turn((*checks, _AtKeys(at_keys).at_once())) if checks else _AtKeys(at_keys)


def _remembering(check: Check) -> Check:
    """Remember the verdicts on texts: the names of applications, APIs and scopes come again and again."""
    of_text = lru_cache(maxsize=MOST_TEXTS)(check)
    return lambda value: of_text(value) if isinstance(value, str) else check(value)


def _in_turn(checks: tuple[Check, ...]) -> Check:
    if len(checks) == 1:
        return checks[0]

    def check(value: object) -> bool:
        for each in checks:  # noqa: SIM110 - all() takes twice as long for two or three
            if not each(value):
                return False
        return True

    return check


def _as_check(verdict: Verdict) -> Check:
    if isinstance(verdict, _AtKeys):
        return verdict.at_once()
    return verdict if callable(verdict) else lambda _: verdict


def _not(verdict: Verdict) -> Verdict:
    return (lambda value: not verdict(value)) if callable(verdict) else not verdict


def _count(verdicts: Iterable[Verdict], counts: Callable[[int], bool]) -> Verdict:
    """Settle how many of `verdicts` are good, if that can be."""
    verdicts = tuple(verdicts)
    if not any(map(callable, verdicts)):
        return counts(sum(map(bool, verdicts)))
    checks = [_as_check(verdict) for verdict in verdicts]
    return lambda value: counts(sum(check(value) for check in checks))


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def _type(expected: str | list[str], look: _Look) -> Verdict:
    kinds = _listed(expected)
    if look.keys is not None:
        return "object" in kinds
    return _count((KINDS[kind] for kind in kinds), bool) if len(kinds) > 1 else KINDS[kinds[0]]


def _enum(expected: list[Any], look: _Look) -> Verdict:
    if all(isinstance(each, str) for each in expected):
        texts = frozenset(expected)
        return look.keys is None and (lambda value: isinstance(value, str) and value in texts)
    return _count((_const(each, look) for each in expected), bool)


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
    return _all(_AtKeys({key: (look.inside(part),)}) for key, part in expected.items() if key in (look.keys or ()))


def _additional_properties(expected: bool | Schema, look: _Look) -> Verdict:  # noqa: FBT001 - the keyword's own
    more = (look.keys or frozenset()) - look.schema.get("properties", {}).keys()
    if isinstance(expected, bool):
        return expected or not more
    return _all(_AtKeys({key: (look.inside(expected),)}) for key in more)


def _property_names(expected: Schema, look: _Look) -> Verdict:
    return look.keys is None or all(map(look.inside(expected), look.keys))


def _items(expected: Schema, look: _Look) -> Verdict:
    check = _remembering(look.inside(expected))

    def each(value: object) -> bool:
        return not isinstance(value, list) or all(map(check, value))

    return look.keys is not None or each


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
    if not callable(condition):
        return then if condition else otherwise
    good, bad = _as_check(then), _as_check(otherwise)
    return lambda value: good(value) if condition(value) else bad(value)


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
    "allOf": lambda expected, look: _all(map(look.through, expected)),
    "anyOf": lambda expected, look: _count(map(look.through, expected), bool),
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
    "not": lambda expected, look: _not(look.through(expected)),
    "oneOf": lambda expected, look: _count(map(look.through, expected), lambda count: count == 1),
    "pattern": _pattern,
    "properties": _properties,
    "propertyNames": _property_names,
    "required": _required,
    "uniqueItems": _unique_items,
}
