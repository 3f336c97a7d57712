"""The parts of a search expression in any syntax."""

from dataclasses import dataclass
from typing import Literal

Operator = Literal["eq", "ne", "sw", "ew", "co", "pr", "gt", "ge", "lt", "le"]
Value = str | bool | int | float


class UnsupportedQueryError(ValueError):
    """A query is not valid or not supported. The message contains the unsupported part."""


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """A field, an operator of SCIM and a value. The value of `pr` (is present) is empty."""

    field: str
    operator: Operator
    value: Value = ""


@dataclass(frozen=True, slots=True)
class Combined:
    """Several expressions. With `and`, all expressions must match. With `or`, one expression must match."""

    word: Literal["and", "or"]
    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Negated:
    """An expression that must not match."""

    part: "Expression"


Expression = FieldFilter | Combined | Negated


def field_filters(expression: Expression) -> list[FieldFilter]:
    """Return all field filters of an expression, in order."""
    match expression:
        case FieldFilter():
            return [expression]
        case Combined(parts=parts):
            return [each for part in parts for each in field_filters(part)]
        case Negated(part=part):
            return field_filters(part)


def combined(word: Literal["and", "or"], parts: list[Expression]) -> Expression:
    """Combine several expressions into one expression."""
    return parts[0] if len(parts) == 1 else Combined(word, tuple(parts))
