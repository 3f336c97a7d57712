"""Parse filter expressions of SCIM (RFC 7644, 3.4.2.2), such as `name sw "auth" and app_type eq "spa"`."""

import json
import re
from typing import cast, get_args

from auth0_sandbox.search.expressions import (
    Expression,
    ExpressionParser,
    FieldFilter,
    Operator,
    UnsupportedQueryError,
    Value,
)

_TOKEN = re.compile(r'\s*(?P<token>"(?:\\.|[^"\\])*"|[()]|[^\s()"]+)')
_OPERATORS = frozenset(get_args(Operator))


def parse_scim(text: str) -> Expression:
    """Return the parsed expression of the query `text`.

    Raises:
        UnsupportedQueryError: if the query is not valid, or contains `not`.
    """
    return _ScimParser(_tokens(text)).parse("combine filters with and, or")


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


class _ScimParser(ExpressionParser):
    def _word(self, token: str) -> str:
        return token.lower()

    def _term(self, level: int) -> Expression:
        if self._next().lower() == "not":
            raise UnsupportedQueryError("the operator not is not supported")
        field = self._take()
        return self._group(level) if field == "(" else self._field_filter(field)

    def _field_filter(self, field: str) -> FieldFilter:
        word = self._take()
        if word.lower() not in _OPERATORS:
            raise UnsupportedQueryError(f'"{word}" is not an operator; use {", ".join(get_args(Operator))}')
        operator = cast("Operator", word.lower())
        return FieldFilter(field, operator) if operator == "pr" else FieldFilter(field, operator, _value(self._take()))


def _value(token: str) -> Value:
    try:
        value = json.loads(token)
    except ValueError as error:
        raise UnsupportedQueryError(f"the value {token} needs quotation marks") from error
    if not isinstance(value, str | bool | int | float):
        raise UnsupportedQueryError(f"the value {token} is not supported")
    return value
