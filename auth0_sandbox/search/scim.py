"""Parse filter expressions of SCIM (RFC 7644, 3.4.2.2), such as `name sw "auth" and app_type eq "spa"`."""

import json
import re
from typing import cast, get_args

from auth0_sandbox.search.expressions import Expression, FieldFilter, Operator, UnsupportedQueryError, Value, combined

_TOKEN = re.compile(r'\s*(?P<token>"(?:\\.|[^"\\])*"|[()]|[^\s()"]+)')
_OPERATORS = frozenset(get_args(Operator))
MOST_LEVELS = 10


def parse_scim(text: str) -> Expression:
    """Return the parsed expression of the query `text`.

    Raises:
        UnsupportedQueryError: if the query is not valid, or contains `not`.
    """
    parser = _ScimParser(_tokens(text))
    found = parser.alternatives(0)
    if parser.next():
        raise UnsupportedQueryError(f'"{parser.next()}" is not expected; combine filters with and, or')
    return found


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        found = _TOKEN.match(text, position)
        if found is None:
            raise UnsupportedQueryError("a quotation mark is not closed")
        tokens.append(found["token"])
        position = found.end()
    return tokens


class _ScimParser:
    """Parses tokens from left to right. `and` binds stronger than `or`."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens

    def next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def alternatives(self, level: int) -> Expression:
        if level > MOST_LEVELS:
            raise UnsupportedQueryError(f"parentheses are nested more than {MOST_LEVELS} levels deep")
        parts = [self._all(level)]
        while self.next().lower() == "or":
            self._take()
            parts.append(self._all(level))
        return combined("or", parts)

    def _all(self, level: int) -> Expression:
        parts = [self._filter(level)]
        while self.next().lower() == "and":
            self._take()
            parts.append(self._filter(level))
        return combined("and", parts)

    def _filter(self, level: int) -> Expression:
        if self.next().lower() == "not":
            raise UnsupportedQueryError("the operator not is not supported")
        field = self._take()
        if field != "(":
            return self._field_filter(field)
        inner = self.alternatives(level + 1)
        if self._take() != ")":
            raise UnsupportedQueryError("a parenthesis is not closed")
        return inner

    def _field_filter(self, field: str) -> FieldFilter:
        word = self._take()
        if word.lower() not in _OPERATORS:
            raise UnsupportedQueryError(f'"{word}" is not an operator; use {", ".join(get_args(Operator))}')
        operator = cast("Operator", word.lower())
        return FieldFilter(field, operator) if operator == "pr" else FieldFilter(field, operator, _value(self._take()))

    def _take(self) -> str:
        if not self._tokens:
            raise UnsupportedQueryError("the query ends too early")
        return self._tokens.pop(0)


def _value(token: str) -> Value:
    try:
        value = json.loads(token)
    except ValueError as error:
        raise UnsupportedQueryError(f"the value {token} needs quotation marks") from error
    if not isinstance(value, str | bool | int | float):
        raise UnsupportedQueryError(f"the value {token} is not supported")
    return value
