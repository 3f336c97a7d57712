"""SQL that finds documents. Names are constants of the sandbox, and values are always bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition in SQL, with the values to bind."""

    sql: str
    values: tuple[object, ...] = ()


# Filters by column: a value, or several allowed values. Boolean columns contain 0 and 1. The name of a condition is
# ignored.
Filters = Mapping[str, str | bool | Sequence[str] | Condition]
# The columns of client grants and organizations in the table of associations.
_TIES = {
    "client_grants": ("grant_id", "organization_id"),
    "organizations": ("organization_id", "grant_id"),
}


# The name of a filter that is not a column: the id of the associated grant or organization.
TIED_TO = "tied_to"


@dataclass(frozen=True, slots=True)
class Order:
    """The columns that sort a listing, the most important column first. The combination of the columns is unique."""

    columns: tuple[str, ...]
    is_descending: bool = False

    @property
    def sql(self) -> str:
        """The columns as text for ORDER BY."""
        return ", ".join(f"{column} DESC" if self.is_descending else column for column in self.columns)


BY_ID = Order(("id",))
BY_CREATION = Order(("rowid",))
NEWEST_FIRST = Order(("date", "id"), is_descending=True)
# In recorded responses, applications have the order of their creation, and the global client comes last.
ORDERS: Mapping[str, Order] = {"clients": Order(("global", "rowid"))}


def order_of(table: str) -> Order:
    """Return the order of the API's listing for a kind of documents."""
    return ORDERS.get(table, BY_ID)


@dataclass(frozen=True, slots=True)
class Selection:
    """A table and a condition, `t WHERE …`, with the values to bind."""

    sql: str
    values: tuple[object, ...]


def selection(table: str, filters: Filters) -> Selection:
    """Return the selection of the documents that match the filters.

    Associations come first in the join, because fewer associations exist and their index is sorted by ids. Without
    other filters, the table of associations suffices, because associated documents always exist.
    """
    clauses: list[str] = ["true"]
    values: list[object] = []
    for column, allowed in filters.items():
        if column == TIED_TO:
            continue
        if isinstance(allowed, Condition):
            clauses.append(allowed.sql)
            values.extend(allowed.values)
            continue
        several = [allowed] if isinstance(allowed, str | bool) else allowed
        clauses.append(f"{column} IN ({', '.join('?' * len(several))})")
        values.extend(several)
    where = " AND ".join(clauses)
    if TIED_TO not in filters:
        return Selection(sql(table, "WHERE", where), tuple(values))
    own, other = _TIES[table]
    ties = sql("(SELECT", own, "AS id FROM organization_client_grants WHERE", other, "= ?)")
    source = ties if len(filters) == 1 else sql(ties, "CROSS JOIN", table, "USING (id)")
    return Selection(sql(source, "WHERE", where), (filters[TIED_TO], *values))


def sql(*parts: str) -> str:
    """Join the parts of a statement."""
    return " ".join(parts)
