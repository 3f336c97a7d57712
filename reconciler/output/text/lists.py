"""Write lists of grants as text, JSON and CSV, and the results of imports as text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.artifacts.serialization import Json, tenant_json
from reconciler.core.characters import join_some, pluralize, visible
from reconciler.core.directory import Directory
from reconciler.core.expiry import has_expired
from reconciler.core.fields import BY_NAME, ORGANIZATIONS, SETTINGS, SUBJECT_CLIENT
from reconciler.core.imports.selection import GrantImport
from reconciler.core.imports.variable_offers import VariableOffer
from reconciler.core.listing import ListedGrant, Listing
from reconciler.core.plan_risks import grant_label
from reconciler.core.spec import GrantSpec
from reconciler.foreign.grants import LeftOut
from reconciler.output.escape import csv_line
from reconciler.output.styled import INDENT, WIDTH, Line, Span, Style, line, note_lines, wrap_words
from reconciler.output.words import expired_text, expiry_parts, setting_texts


def listing_lines(listing: Listing) -> Iterator[Line]:
    """Yield lines that describe each grant, sorted by name and wrapped to 80 columns.

    The lines for a grant contain the ids, the declaration, the expiry date and the settings of the grant.
    """
    yield line(Span(f"Tenant {visible(str(listing.tenant))}", Style.STRONG))
    yield line()
    for each in listing.sorted:
        yield from _grant(each, listing.now)
    yield from note_lines(listing.notes)
    state = "In the tenant" if listing.observed else "Declared"
    others = f"; {listing.selection.others} not selected" if listing.selection and not listing.observed else ""
    yield line(Span(f"{state}: {pluralize(len(listing.grants), 'grant')}{others}.", Style.STRONG))


def listing_json(listing: Listing) -> Json:
    """Return the grants of a tenant as JSON data.

    `resolved` is true if reconciler read the names and ids of the grants from the tenant. `observed` is true if the
    grants come from the tenant and not from files.

    The data of a grant contains all fields, `expired` (true or false), and `source` (the location of the declaration).
    If the grants come from the tenant and not from files, `source` is null.
    """
    return {
        "tenant": tenant_json(listing.tenant),
        "resolved": listing.resolved,
        "observed": listing.observed,
        "grants": [_json(each, listing.now) for each in listing.sorted],
        "notes": list(listing.notes),
    }


LISTING_COLUMNS = (
    *("tenant", "client", "client_id", "default_for", "api", "audience", "subject_type"),
    *(field.name for field in (*SETTINGS, BY_NAME[ORGANIZATIONS])),
    *("description", "expires", "expired", "declared_at"),
)


def listings_csv(listings: Sequence[Listing]) -> str:
    """Return the grants of all tenants as CSV (RFC 4180). In a cell with several values, spaces separate the values.

    The last rows contain the notes about data that reconciler did not read.
    """
    rows: list[Sequence[str]] = [LISTING_COLUMNS]
    for listing in listings:
        for each in listing.sorted:
            more = {"tenant": listing.tenant.label, "declared_at": _location(each.spec)}
            values: dict[str, object] = {**_json(each, listing.now), **more}
            rows.append([_csv_text(values[name]) for name in LISTING_COLUMNS])
    rows += [[f"# {listing.tenant.label}: {note}"] for listing in listings for note in listing.notes]
    return "".join(map(csv_line, rows))


def _csv_text(value: object) -> str:
    match value:
        case None:
            return ""
        case list():
            return " ".join(map(str, value))
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _location(spec: GrantSpec) -> str:
    """Return the location of a declaration as `FILE:LINE`.

    If the grant comes from the tenant and not from a file, return an empty string.
    """
    return f"{spec.source.file}:{spec.source.line}" if spec.file else ""


def _grant(each: ListedGrant, now: datetime) -> Iterator[Line]:
    spec = each.spec
    holder = each.client or each.client_id or f"default for {spec.default_for}"
    subject = "" if spec.subject_type == SUBJECT_CLIENT else f" ({spec.subject_type})"
    label = f"{holder} -> {each.api or each.audience}{subject}"
    yield line("  ", Span(visible(label), Style.STRONG))
    ids = f"{each.client_id} -> {each.audience}"
    if each.client and each.client_id and each.audience:
        yield line(INDENT, Span(visible(ids), Style.MUTED))
    described = "  ".join(filter(None, (_location(spec), spec.description)))
    end = [expired_text(spec)] if has_expired(spec, now) else expiry_parts(spec)
    for text in filter(None, (described, *end, *setting_texts(spec))):
        yield from (line(INDENT, part) for part in wrap_words(text, WIDTH - len(INDENT)))
    yield line()


def _json(each: ListedGrant, now: datetime) -> Json:
    spec, source = each.spec, each.spec.source
    values = ((field.name, getattr(spec, field.name)) for field in (*SETTINGS, BY_NAME[ORGANIZATIONS]))
    return {
        "client": each.client,
        "client_id": each.client_id,
        "default_for": spec.default_for,
        "api": each.api,
        "audience": each.audience,
        "subject_type": spec.subject_type,
        **{name: sorted(set(value)) if isinstance(value, tuple) else value for name, value in values},
        "description": spec.description,
        "expires": spec.expires or None,
        "expired": has_expired(spec, now),
        "source": {"file": source.file, "line": source.line, "column": source.column} if spec.file else None,
    }


MAX_LISTED = 20


def left_out_lines(grant_import: GrantImport, directory: Directory, *, verbose: bool) -> Iterator[Line]:
    """Yield each grant that was not imported, with the reason.

    If `verbose` is false, yield at most MAX_LISTED grants.
    """
    for name, listing, permission in (
        ("Applications", directory.applications, "read:clients"),
        ("APIs", directory.apis, "read:resource_servers"),
    ):
        if listing is None:
            text = f"{name} are shown by id, because the token lacks the permission {permission}."
            yield line(Span(text, Style.WARNING))
    listed = grant_import.left_out[: len(grant_import.left_out) if verbose else MAX_LISTED]
    for each in listed:
        yield line(Span(f"Left out: {grant_label(each.key, directory)}", Style.WARNING))
        yield line("    ", each.reason)
    yield from remaining_count(len(grant_import.left_out) - len(listed))


def remaining_count(count: int) -> Iterator[Line]:
    """Yield a line with the number of omitted lines, unless the number is 0."""
    if count:
        yield line("    ", Span(f"and {count} more; use -v to list all", Style.MUTED))


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """The numbers in the summary of an import.

    `grants` is the number of imported grants of all tenants. `declared` is the number of grants that a file already
    declares. `left_out` is the number of grants that were not imported. If the import reads several tenants,
    `declarations` is the number of declarations that the import wrote to files.
    """

    grants: int
    declared: int
    left_out: int
    tenants: int = 1
    declarations: int = 0


def import_lines(counts: ImportCounts, files: Sequence[str], config: str = "", *, verbose: bool) -> Iterator[Line]:
    """Yield lines with the number of imported grants and the names of the new files.

    `config` is the name of the configuration file if the import changed the file, or an empty string.
    """
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
    """Yield the variables that the import wrote to reconciler.yaml.

    If the user did not set `--variables`, yield the variables that `--variables` would write.
    """
    if not offers:
        return
    title = "Variables:" if is_applied else "Possible variables, whose values differ between tenants:"
    yield line()
    yield line(Span(title, Style.STRONG))
    for each in offers:
        values = ", ".join(f"{visible(value)} in {visible(tenant)}" for tenant, value in each.values.items())
        yield line("    ", f"${{{each.name}}}  {values}", Span(f"  ({pluralize(each.texts, 'text')})", Style.MUTED))
    if not is_applied:
        yield line("To write the values as variables, remove the new files and run the command again with --variables.")


def not_imported_lines(left_out: Sequence[LeftOut], *, verbose: bool) -> Iterator[Line]:
    """Yield the position of each grant or value that an import from another tool left out, and the reason.

    If `verbose` is false, yield at most MAX_LISTED entries of `left_out`.
    """
    listed = left_out[: len(left_out) if verbose else MAX_LISTED]
    for each in listed:
        tenants = f" [{join_some(each.tenants)}]" if each.tenants else ""
        yield line(
            Span(f"Left out: {visible(str(each.source))}: {visible(each.label)}{visible(tenants)}", Style.WARNING)
        )
        yield line("    ", visible(each.reason))
    yield from remaining_count(len(left_out) - len(listed))
