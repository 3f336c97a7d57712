"""Pure: what became of a tenant's grants when they were written to files, as a person reads it."""

from collections.abc import Iterator, Sequence

from reconciler.core.adopt import GrantImport
from reconciler.core.directory import Directory
from reconciler.core.quoting import counted
from reconciler.render.plan_words import grant_label
from reconciler.render.styled import Line, Span, Style, line

MOST_LISTED = 20


def left_out_lines(adoption: GrantImport, directory: Directory, *, every: bool) -> Iterator[Line]:
    """Yield the grants that went into no file, each with its reason; all only if `every` one is asked for."""
    for name, listing, permission in (
        ("Applications", directory.applications, "read:clients"),
        ("APIs", directory.apis, "read:resource_servers"),
    ):
        if listing is None:
            yield line(Span(f"{name} stand by id: the token may not list them ({permission}).", Style.WARNING))
    listed = adoption.left_out[: len(adoption.left_out) if every else MOST_LISTED]
    for each in listed:
        yield line(Span(f"Left out: {grant_label(each.key, directory)}", Style.WARNING))
        yield line("    ", each.why)
    yield from _more(len(adoption.left_out) - len(listed))


def adoption_lines(adoption: GrantImport, files: Sequence[str], *, every: bool) -> Iterator[Line]:
    """Yield the count of what was written, and the names of the `files`."""
    rest = f"{adoption.declared} declared already, {len(adoption.left_out)} left out"
    new = f"{counted(adoption.count, 'grant')} in {counted(len(files), 'new file')}" if files else "nothing new"
    yield line(Span(f"Imported: {new}; {rest}.", Style.STRONG))
    listed = files[: len(files) if every else MOST_LISTED]
    for name in listed:
        yield line("    ", name)
    yield from _more(len(files) - len(listed))


def _more(count: int) -> Iterator[Line]:
    if count:
        yield line("    ", Span(f"and {count} more; -v lists all", Style.MUTED))
