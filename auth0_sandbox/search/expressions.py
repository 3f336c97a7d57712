"""The parts of a search expression in any syntax, and a parser for the words that combine them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Operator = Literal["eq", "ne", "sw", "ew", "co", "pr", "gt", "ge", "lt", "le"]
Value = str | bool | int | float
MOST_LEVELS = 10


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


class ExpressionParser(ABC):
    """Parses tokens from left to right. `and` binds stronger than `or`."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens

    def parse(self, advice: str) -> Expression:
        """Parse all tokens as one expression. `advice` is the end of an error message and says how to combine terms.

        Raises:
            UnsupportedQueryError: if the tokens are not an expression.
        """
        found = self._alternatives(0)
        if self._tokens:
            raise UnsupportedQueryError(f'"{self._tokens[0]}" is not expected; {advice}')
        return found

    @abstractmethod
    def _word(self, token: str) -> str:
        """Return `and` or `or` for a token that combines expressions."""

    @abstractmethod
    def _term(self, level: int) -> Expression:
        """Parse a filter, or a group of expressions in parentheses."""

    def _alternatives(self, level: int) -> Expression:
        if level > MOST_LEVELS:
            raise UnsupportedQueryError(f"parentheses are nested more than {MOST_LEVELS} levels deep")
        return self._combined("or", lambda: self._combined("and", lambda: self._term(level)))

    def _combined(self, word: Literal["and", "or"], parse_part: Callable[[], Expression]) -> Expression:
        parts = [parse_part()]
        while self._word(self._next()) == word:
            self._take()
            parts.append(parse_part())
        return parts[0] if len(parts) == 1 else Combined(word, tuple(parts))

    def _group(self, level: int) -> Expression:
        """Parse the expression after an opening parenthesis, and the closing parenthesis."""
        inner = self._alternatives(level + 1)
        if self._take() != ")":
            raise UnsupportedQueryError("a parenthesis is not closed")
        return inner

    def _next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _take(self) -> str:
        if not self._tokens:
            raise UnsupportedQueryError("the query ends too early")
        return self._tokens.pop(0)
