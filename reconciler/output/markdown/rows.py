"""Format the rows of the changes table that appears in a pull request comment.

The row of a grant contains the change, the risks and the location of the declaration.

The rows are written in HTML, because a `|` in a name would end the cell of a Markdown table.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from reconciler.artifacts.serialization import action_of
from reconciler.core.characters import shorten
from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Directory
from reconciler.core.plan import Change, Delete, Plan
from reconciler.core.plan_risks import LOWEST_SEVERITY, grant_label, severities
from reconciler.core.problems import Level, Risk, Source
from reconciler.core.removals import NoLongerDeclared, Removal, earlier_source
from reconciler.core.risks import RULE_ORDER
from reconciler.core.scopes import scope_order
from reconciler.output.escape import element
from reconciler.output.source_links import SourceLinks
from reconciler.output.words import (
    SHOWN_LEVELS,
    SYMBOLS,
    expired_text,
    expiry_parts,
    field_effect,
    no_longer_declared_label,
    scope_label,
    scope_set_labels,
    value_text,
)

HEAD = "<table>\n<tr><th></th><th>grant</th><th>change</th><th>risk</th><th>declared</th></tr>\n"
TAIL = "</table>\n\n"
MINUS = "\N{MINUS SIGN}"
"""The minus sign before a removed scope. A hyphen is not suitable, because browsers may break a line after a hyphen."""
MAX_ITEMS_IN_ROW = 6
MAX_ITEM_LENGTH = 60
MAX_RISKS_IN_ROW = 6


@dataclass(frozen=True, slots=True)
class RowLimits:
    """Limits for the parts of a row that a pull request can make arbitrarily long."""

    folded_bytes: int = 0
    """The maximum number of bytes of the collapsed part of a list, for each field."""
    description_length: int = 20
    """The maximum number of characters of a description."""


SMALL_ROW = RowLimits()
"""The limits of a row in a long comment. With these limits, long descriptions cannot displace other changes."""


def worst_first(changes: Iterable[Change], plan: Plan) -> list[Change]:
    """Sort changes for the table in a comment.

    Critical changes come first, then blocked changes. Changes with a higher risk come before changes with a lower risk.
    If the risks are equal, the change that adds the more dangerous scope comes first. Equal changes keep their order.
    """
    orders = {
        key: min((risk.level.order, RULE_ORDER.get(risk.rule, len(RULE_ORDER))) for risk in risks)
        for key, risks in plan.risks.items()
        if risks
    }
    blocked = {each.change.key for each in plan.blocked}
    severity = severities(plan)
    no_risk = (len(Level), 0)
    return sorted(
        changes,
        key=lambda each: (
            not is_critical(each, plan),
            each.key not in blocked,
            orders.get(each.key, no_risk),
            severity.get(each.key, LOWEST_SEVERITY),
        ),
    )


def is_critical(change: Change, plan: Plan) -> bool:
    """Return whether a change has a critical risk."""
    return any(risk.level is Level.CRITICAL for risk in plan.risks.get(change.key, ()))


def change_row(change: Change, plan: Plan, links: SourceLinks, *, reason: str, limits: RowLimits) -> str:
    """Return the table row of a change. `reason` is the reason why the change is blocked, or an empty string.

    The row collapses the end of a long list of values.
    """
    blocked = [f"<b>blocked</b> {element(reason)}"] if reason else []
    return table_row(
        f"{SYMBOLS[action_of(change)]} {action_of(change)}",
        element(grant_label(change.key, plan.directory)),
        "<br>".join(_short_change(field, change, plan.directory, limits.folded_bytes) for field in change.fields),
        "<br>".join((*blocked, *_risks(plan.risks.get(change.key, ())))),
        "<br>".join(_declared(change, plan, links, limits.description_length)),
    )


def removal_row(each: NoLongerDeclared, plan: Plan, links: SourceLinks) -> str:
    """Return the table row of a grant that is no longer declared but keeps its access."""
    return table_row(
        "! access stays",
        element(no_longer_declared_label(each, plan.directory)),
        f"no longer declared{f'; {element(each.reason)}' if each.reason else ''}",
        "<br>".join(_risks(plan.risks.get(each.key, ()))),
        _linked(earlier_source(each.source), links.link_at_commit(each.source, each.commit)),
    )


def table_row(*cells: str) -> str:
    """Return a row of an HTML table. The cells contain HTML."""
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"


def _risks(risks: Sequence[Risk]) -> Iterator[str]:
    """Yield the message and the risk rule of each critical or high risk.

    If all risks of a change are low, yield only the risk level, because the messages of low-level risks restate the
    change.
    """
    shown = [risk for risk in risks if risk.level in SHOWN_LEVELS]
    for risk in shown[:MAX_RISKS_IN_ROW]:
        yield f"<b>{risk.level}</b> {element(risk.message)} ({element(risk.rule)})"
    if len(shown) > MAX_RISKS_IN_ROW:
        yield f"+{len(shown) - MAX_RISKS_IN_ROW} more"
    if risks and not shown:
        yield str(risks[0].level)


def _declared(change: Change, plan: Plan, links: SourceLinks, max_length: int) -> Iterator[str]:
    """Yield the file, line, description and expiry date of the declaration.

    The description is shortened to about `max_length` characters.

    Also yield who changed the grant in the tenant, if known.
    """
    if not isinstance(change, Delete):
        spec = change.after.spec
        yield _linked_source(spec.source, links)
        if spec.description:
            yield element(spec.description, max_length)
        yield from expiry_parts(spec)
    elif change.expired is not None:
        yield _linked_source(change.expired.source, links)
        yield expired_text(change.expired)
    elif change.removal is not None:
        yield from _removal(change.removal, links)
    if change.key in plan.attributions:
        yield f"in the tenant: {element(plan.attributions[change.key])}"


def _removal(removal: Removal, links: SourceLinks) -> Iterator[str]:
    """Yield the file and line that declared a deleted grant, and the commit that removed the declaration."""
    source: Source = removal.spec.source
    address = links.link_at_commit(source, removal.commit, is_from_root=removal.is_from_history)
    yield _linked(earlier_source(source), address)
    if removal.removed_by:
        yield f"removed by {element(str(removal.removed_by))}"


def _linked_source(source: Source, links: SourceLinks) -> str:
    return _linked(f"{source.file}:{source.line}", links.link_to(source))


def _linked(text: str, address: str) -> str:
    return f'<a href="{escape(address)}">{element(text)}</a>' if address else element(text)


def _short_change(field: FieldChange, change: Change, directory: Directory, max_folded_bytes: int) -> str:
    match field:
        case SetChange():
            name = "" if field.field == "scope" else f"{field.field}: "
            return f"{name}{_items(field, change, directory, max_folded_bytes)}"
        case ValueChange(before=None):
            return f"{field.field}: {element(value_text(field.after))}"
        case ValueChange(after=None):
            return f"{field.field}: no longer {element(value_text(field.before))}"
        case ValueChange():
            effect = field_effect(field)
            values = f"{field.field}: {element(value_text(field.before))} to {element(value_text(field.after))}"
            return f"{values} ({effect})" if effect else values


def _items(field: SetChange, change: Change, directory: Directory, max_folded_bytes: int) -> str:
    """Return the items that a change adds to a list or removes from a list, for example scopes.

    In a long list, only the first items are visible until a reader opens the list. The most dangerous added scopes come
    first in a long list.
    """
    label = directory.organization_label if field.field == "organizations" else scope_label
    added: Iterable[str] = field.added
    if field.field == "scope" and len(field.added) + len(field.removed) > MAX_ITEMS_IN_ROW:
        added = sorted(field.added, key=lambda scope: scope_order(change.key.audience, scope))
    sets = scope_set_labels(change) if field.field == "scope" else {}
    names = {each: f" ({sets[each]})" for each in sets}
    items = [f"+{label(each)}{names.get(each, '')}" for each in added] + [
        f"{MINUS}{label(each)}" for each in field.removed
    ]
    shown = " ".join(element(shorten(each, MAX_ITEM_LENGTH)) for each in items[:MAX_ITEMS_IN_ROW])
    more = items[MAX_ITEMS_IN_ROW:]
    if not more:
        return shown
    folded = list(_first_elements(more, max_folded_bytes))
    removed = min(len(field.removed), len(more))
    title = f"+{len(more)} more{f' ({removed} removed)' if removed else ''}"
    if not folded:
        return f"{shown} {title}"
    rest = f" … and {len(more) - len(folded)} more" if len(folded) < len(more) else ""
    return f"{shown} <details><summary>{title}</summary>{' '.join(folded)}{rest}</details>"


def _first_elements(items: Iterable[str], max_bytes: int) -> Iterator[str]:
    for item in items:
        text = element(item)
        max_bytes -= len(text.encode(errors="surrogatepass")) + 1
        if max_bytes < 0:
            return
        yield text
