"""Pure: SQL that finds documents. Names are constants of the sandbox, and values are always bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition in SQL, with the values to bind."""

    sql: str
    values: tuple[object, ...] = ()


# The value of a column, or several allowed values. Boolean columns contain 0 and 1. A condition has any name.
Filters = Mapping[str, str | bool | Sequence[str] | Condition]
# The names of client grants and organizations in the table of associations.
_TIES = {
    "client_grants": ("grant_id", "organization_id"),
    "organizations": ("organization_id", "grant_id"),
}


# A filter that is not a column: the id of the associated grant or organization.
TIED_TO = "tied_to"


@dataclass(frozen=True, slots=True)
class Order:
    """The columns that sort a list, the first one first. Together they are unique."""

    columns: tuple[str, ...]
    is_descending: bool = False

    @property
    def sql(self) -> str:
        """The columns for ORDER BY."""
        return ", ".join(f"{column} DESC" if self.is_descending else column for column in self.columns)


BY_ID = Order(("id",))
BY_CREATION = Order(("rowid",))
NEWEST_FIRST = Order(("date", "id"), is_descending=True)
# Applications are listed in the order of their creation, and the global client comes last (recorded).
ORDERS: Mapping[str, Order] = {"clients": Order(("global", "rowid"))}


def order_of(table: str) -> Order:
    """Return the order in which the API lists a kind."""
    return ORDERS.get(table, BY_ID)


@dataclass(frozen=True, slots=True)
class Selection:
    """A table and a condition, `t WHERE …`, with the values to bind."""

    sql: str
    values: tuple[object, ...]


def selection(table: str, filters: Filters) -> Selection:
    """Return the selection for filters.

    Associations come first in the join, because there are fewer of them and their index is sorted by ids. Without other
    filters they suffice, because associated documents exist.
    """
    clauses: list[str] = ["true"]
    values: list[object] = []
    for column, wanted in filters.items():
        if column == TIED_TO:
            continue
        if isinstance(wanted, Condition):
            clauses.append(wanted.sql)
            values.extend(wanted.values)
            continue
        several = [wanted] if isinstance(wanted, str | bool) else wanted
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
