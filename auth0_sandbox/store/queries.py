"""Pure: the SQL by which documents are found. Names in it are constants of the sandbox; values are always bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A column's value: one of several for a sequence. Columns of booleans hold 0 and 1.
Filters = Mapping[str, str | bool | Sequence[str]]
# What client grants and organizations are called where one is associated with the other.
_TIES = {
    "client_grants": ("grant_id", "organization_id"),
    "organizations": ("organization_id", "grant_id"),
}


# The name, among filters, of what is no column: the id of the grant or organization that is associated.
TIED_TO = "tied_to"


@dataclass(frozen=True, slots=True)
class Selection:
    """A table and a condition, `t WHERE …`, and the values to bind."""

    sql: str
    values: tuple[object, ...]


def selection(table: str, filters: Filters) -> Selection:
    """Return what the filters let through.

    Associations come first in the join, because they are the fewer and their index is in the order of ids; alone they
    do where nothing else is asked for, because what they tie exists.
    """
    clauses: list[str] = ["true"]
    values: list[object] = []
    for column, wanted in filters.items():
        if column == TIED_TO:
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
