"""Parse the part of Lucene's query syntax that Auth0 documents for search endpoints.

Terms are `field:value`, `field:"a phrase"`, `field:prefix*`, `field:*part*`, `field:[from TO to]` and `_exists_:field`.
"""

import re

from auth0_sandbox.search.expressions import (
    Combined,
    Expression,
    ExpressionParser,
    FieldFilter,
    Negated,
    Operator,
    UnsupportedQueryError,
)

_TOKEN = re.compile(
    r"""\s*(?P<token>
        [()]
      | (?:\\.|[^\s()\\:"\[{])+ : (?: "(?:\\.|[^"\\])*" | [\[{][^\]}]*[\]}] | (?:\\.|[^\s()\\"])+ )
      | [^\s()]+
    )""",
    re.VERBOSE,
)
_RANGE = re.compile(r"(?P<open>[\[{])\s*(?P<low>\S+)\s+TO\s+(?P<high>\S+?)\s*(?P<close>[\]}])")
_EXISTS = "_exists_"
_WORDS = {"AND": "and", "&&": "and", "OR": "or", "||": "or"}


def parse_lucene(text: str) -> Expression:
    """Return the parsed expression of the query `text`.

    Raises:
        UnsupportedQueryError: if the query is not valid, or uses an unsupported part of the syntax.
    """
    tokens = [found["token"] for found in _TOKEN.finditer(text)]
    return _LuceneParser(tokens).parse("combine terms with AND, OR")


class _LuceneParser(ExpressionParser):
    def _word(self, token: str) -> str:
        return _WORDS.get(token, "")

    def _term(self, level: int) -> Expression:
        term = self._take()
        if term in {"NOT", "!"}:
            return Negated(self._term(level))
        if term.startswith("-"):
            return Negated(_field_filter(term[1:]))
        return self._group(level) if term == "(" else _field_filter(term)


def _field_filter(term: str) -> Expression:
    found = re.fullmatch(r'(?P<field>(?:\\.|[^\\:"])+):(?P<value>.+)', term, re.DOTALL)
    if found is None:
        raise UnsupportedQueryError(f'"{term}" is not a term; write field:value')
    field, value = _plain(found["field"]), found["value"]
    if field == _EXISTS:
        return FieldFilter(value, "pr")
    if value.startswith('"'):
        return FieldFilter(field, "eq", _plain(value[1:-1]))
    if value[0] in "[{":
        return _range(field, value)
    if value[0] in "<>" or value[-1] == "~" or "^" in value:
        raise UnsupportedQueryError(f'the value "{value}" is not supported; use a text, a wildcard or a range')
    return _wildcard(field, value)


def _range(field: str, value: str) -> Expression:
    found = _RANGE.fullmatch(value)
    if found is None:
        raise UnsupportedQueryError(f'"{value}" is not a range; write [from TO to]')
    parts: list[Expression] = []
    if found["low"] != "*":
        parts.append(FieldFilter(field, "ge" if found["open"] == "[" else "gt", found["low"].strip('"')))
    if found["high"] != "*":
        parts.append(FieldFilter(field, "le" if found["close"] == "]" else "lt", found["high"].strip('"')))
    if not parts:
        return FieldFilter(field, "pr")
    return parts[0] if len(parts) == 1 else Combined("and", tuple(parts))


def _wildcard(field: str, value: str) -> FieldFilter:
    if value == "*":
        return FieldFilter(field, "pr")
    begins, ends = value.startswith("*"), value.endswith("*") and not value.endswith("\\*")
    inner = value[begins : len(value) - ends]
    if re.search(r"(?<!\\)[*?]", inner):
        raise UnsupportedQueryError(f'the wildcard in "{value}" is supported at the start and at the end only')
    operators: dict[tuple[bool, bool], Operator] = {(False, True): "sw", (True, False): "ew", (True, True): "co"}
    return FieldFilter(field, operators.get((begins, ends), "eq"), _plain(inner))


def _plain(text: str) -> str:
    """Return a text without the backslashes that escape characters."""
    return re.sub(r"\\(.)", r"\1", text)
