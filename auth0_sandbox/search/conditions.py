"""Convert a search expression to an SQL condition, with the fields and operators of an endpoint."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from auth0_sandbox.search.expressions import (
    Combined,
    Expression,
    FieldFilter,
    Negated,
    Operator,
    UnsupportedQueryError,
    Value,
    field_filters,
)
from auth0_sandbox.search.lucene import parse_lucene
from auth0_sandbox.search.scim import parse_scim
from auth0_sandbox.store.documents import parse_time
from auth0_sandbox.store.queries import Condition, sql

MOST_OPERATIONS = 5
LONGEST_METADATA_VALUE = 64  # only the first 64 characters of a longer value are searchable in Auth0
EXACT: frozenset[Operator] = frozenset({"eq", "ne", "pr"})
PREFIX: frozenset[Operator] = EXACT | {"sw"}
TEXT: frozenset[Operator] = PREFIX | {"ew", "co"}
TIME: frozenset[Operator] = EXACT | {"gt", "ge", "lt", "le"}
_METADATA = re.compile(r"metadata\.(?P<key>[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?)")
_COMPARED: Mapping[Operator, str] = {"eq": "=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchField:
    """A searchable field: the SQL expression, the bound values of the expression, and the supported operators.

    `related` is a FROM clause with a condition, and selects the rows of another table that contain the field.
    """

    expression: str
    operators: frozenset[Operator]
    bound: tuple[object, ...] = ()
    kind: Literal["text", "flag", "time"] = "text"
    ignores_case: bool = False
    related: str = ""


def time_field(column: str) -> SearchField:
    """Return the search field of a time column. Times are compared in milliseconds."""
    return SearchField(expression=f"round({column} * 1000)", operators=TIME, kind="time")


@dataclass(frozen=True, slots=True)
class SearchFields:
    """The searchable fields of an endpoint. `metadata` is the attribute for `metadata.{key}`, or an empty text."""

    fields: Mapping[str, SearchField]
    metadata: str = ""

    def named(self, name: str) -> SearchField:
        """Return the search field with the name `name`.

        Raises:
            UnsupportedQueryError: if the endpoint cannot search this field.
        """
        found = _METADATA.fullmatch(name)
        if found and self.metadata:
            path = ".".join(f'"{key}"' for key in found["key"].split("."))
            shown = f"substr(json_extract(body, ?), 1, {LONGEST_METADATA_VALUE})"
            return SearchField(expression=shown, operators=TEXT, bound=(f"$.{self.metadata}.{path}",))
        if name not in self.fields:
            known = [*self.fields, *(["metadata.{key}"] if self.metadata else [])]
            raise UnsupportedQueryError(f'the field "{name}" is not supported; use {", ".join(known)}')
        return self.fields[name]


PARSERS: Mapping[str, Callable[[str], Expression]] = {"lucene": parse_lucene, "scim": parse_scim}


def condition_of(text: str, parser: str, known: SearchFields) -> Condition:
    """Return the SQL condition for the query `text` in the syntax `parser`.

    Raises:
        UnsupportedQueryError: if the query is not valid or not supported.
    """
    expression = PARSERS[parser](text)
    if len(field_filters(expression)) > MOST_OPERATIONS:
        raise UnsupportedQueryError(f"a query can have {MOST_OPERATIONS} filter operations at most")
    return _condition(expression, known)


def _condition(expression: Expression, known: SearchFields) -> Condition:
    match expression:
        case FieldFilter(field=name):
            return _field_filter(expression, known.named(name))
        case Combined(word=word, parts=parts):
            conditions = [_condition(part, known) for part in parts]
            joined = f" {word.upper()} ".join(each.sql for each in conditions)
            return Condition(f"({joined})", tuple(value for each in conditions for value in each.values))
        case Negated(part=part):
            inner = _condition(part, known)
            return Condition(f"NOT ifnull({inner.sql}, 0)", inner.values)


def _field_filter(field_filter: FieldFilter, field: SearchField) -> Condition:
    if field_filter.operator not in field.operators:
        supported = ", ".join(sorted(field.operators))
        raise UnsupportedQueryError(
            f'the field "{field_filter.field}" does not support {field_filter.operator}; use {supported}'
        )
    if field.related and field_filter.operator == "ne":
        equal = _field_filter(replace(field_filter, operator="eq"), field)
        return Condition(f"NOT {equal.sql}", equal.values)
    own = _own(field_filter, field)
    if not field.related:
        return own
    return Condition(sql("EXISTS (SELECT 1 FROM", field.related, "AND", own.sql, ")"), own.values)


def _own(field_filter: FieldFilter, field: SearchField) -> Condition:
    """Return the condition for the value of the field, without the related table."""
    shown = f"lower({field.expression})" if field.ignores_case else field.expression
    if field_filter.operator == "pr":
        return Condition(f"{shown} IS NOT NULL", field.bound)
    value = _value(field_filter, field)
    match field_filter.operator:
        case "ne":
            return Condition(f"{shown} IS NOT ?", (*field.bound, value))
        case "co":
            return Condition(f"instr({shown}, ?) > 0", (*field.bound, value))
        case "sw":
            return Condition(f"substr({shown}, 1, ?) = ?", (*field.bound, len(str(value)), value))
        case "ew":
            return Condition(f"substr({shown}, -?) = ?", (*field.bound, len(str(value)), value))
        case operator:
            return Condition(f"{shown} {_COMPARED[operator]} ?", (*field.bound, value))


def _value(field_filter: FieldFilter, field: SearchField) -> Value:
    """Return the value of a filter with the type of the field."""
    text = str(field_filter.value).lower() if isinstance(field_filter.value, bool) else str(field_filter.value)
    match field.kind:
        case "flag":
            if text not in {"true", "false"}:
                raise UnsupportedQueryError(f'the field "{field_filter.field}" needs true or false')
            return text == "true"
        case "time":
            return _milliseconds(field_filter.field, text)
        case "text":
            if not text:
                raise UnsupportedQueryError(f'the field "{field_filter.field}" needs a value')
            return text.lower() if field.ignores_case else text


def _milliseconds(name: str, text: str) -> int:
    try:
        return round(parse_time(text).timestamp() * 1000)
    except ValueError as error:
        raise UnsupportedQueryError(f'the field "{name}" needs a time in ISO 8601, not "{text}"') from error
