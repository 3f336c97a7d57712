"""Validate values against a JSON Schema with the messages of the API's validator, z-schema.

The validator supports only the keywords in the project's OpenAPI document. Like Auth0's API, the validator reports only
the first violation.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import gt, lt
from typing import Any

from auth0_sandbox.store.documents import Schema, dump

_TYPE_NAMES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    str: "string",
    dict: "object",
    list: "array",
}
# the type of a keyword's value depends on the keyword
Keyword = Callable[[object, Any], str | None]


@dataclass(frozen=True, slots=True)
class RequestViolation:
    """A violation of a schema, with its property. For the root, `place` and `description` are empty."""

    text: str
    place: str = ""
    description: str = ""

    def __str__(self) -> str:
        """Return `'text' on property place (description).`, the last part of the API's messages."""
        place = f" on property {self.place}" if self.place else ""
        description = f" ({self.description})" if place and self.description else ""
        return f"'{self.text}'{place}{description}."


def violation(value: object, schema: Schema) -> RequestViolation | None:
    """Return the first violation of `schema` (without `$ref`) by `value`, or None.

    The violation of a parent comes before violations of its parts.
    """
    return next(_violations(value, schema, ""), None)


def type_name(value: object) -> str:
    """Return the JSON type of `value`. The type of a whole number is `integer`."""
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return _TYPE_NAMES[type(value)]


def _violations(value: object, schema: Schema, place: str) -> Iterator[RequestViolation]:
    for keyword, check in _KEYWORDS.items():
        if keyword in schema and (text := check(value, schema[keyword])):
            yield RequestViolation(text, place, schema.get("description", ""))
    if isinstance(value, dict):
        yield from _in_properties(value, schema, place)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _violations(item, schema["items"], f"{place}[{index}]")


def _in_properties(value: dict[str, object], schema: Schema, place: str) -> Iterator[RequestViolation]:
    known = schema.get("properties", {})
    unknown = [name for name in value if name not in known]
    if unknown and schema.get("additionalProperties") is False:
        yield RequestViolation(
            f"Additional properties not allowed: {','.join(unknown)}", place, schema.get("description", "")
        )
    for name, item in value.items():
        if name in known:
            yield from _violations(item, known[name], f"{place}.{name}" if place else name)


def _type(value: object, expected: str | list[str]) -> str | None:
    found = type_name(value)
    types = [expected] if isinstance(expected, str) else expected
    if found in types or (found == "integer" and "number" in types):
        return None
    return f"Expected type {','.join(types)} but found type {found}"


def _enum(value: object, choices: list[object]) -> str | None:
    # 0 and False are equal in Python and different in JSON
    matches = any(value == choice and type(value) is type(choice) for choice in choices)
    return None if matches else f"No enum match for: {value if isinstance(value, str) else dump(value)}"


def _required(value: object, names: list[str]) -> str | None:
    missing = [name for name in names if name not in value] if isinstance(value, dict) else []
    return f"Missing required property: {missing[0]}" if missing else None


def _limit(kind: Any, size: Callable[[Any], float], exceeds: Callable[[float, float], bool], message: str) -> Keyword:  # noqa: ANN401 - `isinstance` accepts a type or a tuple
    """Return a function that checks the size of a value of the type `kind` against a limit.

    The placeholders in `message` are the size and the limit.
    """

    def check(value: object, limit: Any) -> str | None:  # noqa: ANN401 - JSON Schema defines the type
        is_exceeded = isinstance(value, kind) and exceeds(size(value), limit)
        return message.format(size(value), limit) if is_exceeded else None

    return check


def _itself(value: float) -> float:
    return value


def _pattern(value: object, pattern: str) -> str | None:
    # in JSON Schema, $ matches only the end of the text; in Python, $ also matches before a final line break
    exact = f"{pattern[:-1]}\\Z" if pattern.endswith("$") else pattern
    differs = isinstance(value, str) and not re.search(exact, value)
    return f"String does not match pattern {pattern}: {value}" if differs else None


_KEYWORDS: dict[str, Keyword] = {
    "type": _type,
    "enum": _enum,
    "minProperties": _limit(dict, len, lt, "Too few properties defined ({}), minimum {}"),
    "required": _required,
    "minLength": _limit(str, len, lt, "String is too short ({} chars), minimum {}"),
    "maxLength": _limit(str, len, gt, "String is too long ({} chars), maximum {}"),
    "minimum": _limit(int | float, _itself, lt, "Value {} is less than minimum {}"),
    "maximum": _limit(int | float, _itself, gt, "Value {} is greater than maximum {}"),
    "maxItems": _limit(list, len, gt, "Array is too long ({}), maximum {}"),
    "pattern": _pattern,
}
UNDERSTOOD = frozenset(_KEYWORDS)
