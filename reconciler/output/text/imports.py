"""Pure: the result of an import of several tenants, as lines for people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.core.characters import join_some, pluralize, visible
from reconciler.core.variable_offers import VariableOffer
from reconciler.foreign.grants import LeftOut
from reconciler.output.styled import Line, Span, Style, line
from reconciler.output.text.lists import MAX_LISTED, remaining_count


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """The numbers of an import: written declarations, grants of all tenants, tenants, and grants that are not new."""

    declarations: int
    grants: int
    tenants: int
    declared: int
    left_out: int


def import_result_lines(counts: ImportCounts, files: Sequence[str], config: str, *, verbose: bool) -> Iterator[Line]:
    """Yield the numbers and the names of the files. `config` is the configuration if it was changed."""
    rest = f"{counts.declared} declared already, {counts.left_out} left out"
    of_tenants = f" of {counts.tenants} tenants" if counts.tenants > 1 else ""
    as_declarations = f" as {pluralize(counts.declarations, 'declaration')}" if counts.tenants > 1 else ""
    new = f"{pluralize(counts.grants, 'grant')}{of_tenants}{as_declarations} in {pluralize(len(files), 'new file')}"
    yield line(Span(f"Imported: {new if files else 'nothing new'}; {rest}.", Style.STRONG))
    listed = files[: len(files) if verbose else MAX_LISTED]
    for name in listed:
        yield line("    ", name)
    yield from remaining_count(len(files) - len(listed))
    if config:
        yield line("    ", visible(config), Span("  (variables and settings added)", Style.MUTED))


def offer_lines(offers: Sequence[VariableOffer], *, is_applied: bool) -> Iterator[Line]:
    """Yield the variables that were written, or that --variables would write."""
    if not offers:
        return
    title = "Variables:" if is_applied else "Values that differ regularly between tenants, as possible variables:"
    yield line()
    yield line(Span(title, Style.STRONG))
    for each in offers:
        values = ", ".join(f"{visible(value)} in {visible(tenant)}" for tenant, value in each.values.items())
        yield line("    ", f"${{{each.name}}}  {values}", Span(f"  ({pluralize(each.texts, 'text')})", Style.MUTED))
    if not is_applied:
        yield line("To write them as variables, remove the new files and run the command again with --variables.")


def left_out_lines(left_out: Sequence[LeftOut], *, verbose: bool) -> Iterator[Line]:
    """Yield what was not imported, with position and reason. `verbose` lists all of it."""
    listed = left_out[: len(left_out) if verbose else MAX_LISTED]
    for each in listed:
        tenants = f" [{join_some(each.tenants)}]" if each.tenants else ""
        yield line(
            Span(f"Left out: {visible(str(each.source))}: {visible(each.label)}{visible(tenants)}", Style.WARNING)
        )
        yield line("    ", visible(each.reason))
    yield from remaining_count(len(left_out) - len(listed))
