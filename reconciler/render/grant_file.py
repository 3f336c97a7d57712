"""Pure: grants of a tenant as the text of a grant file, by ids, which any tenant's state fits into."""

import json
import re
from collections.abc import Iterable, Iterator

from reconciler.core.directory import Directory
from reconciler.core.grant import SUBJECT_CLIENT, SUBJECT_USER, USAGE_DENY, USAGE_WIDTH, ClientGrant
from reconciler.core.quoting import visible

LONGEST_TEXT = 255  # of the contract's limits the tightest
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LAST_OF_JSON = "\uffff"  # JSON writes what lies beyond as two escapes


def snapshot_file(grants: Iterable[ClientGrant], directory: Directory, title: str, run: str) -> str:
    """Return the grant file of a snapshot: `grants` sorted by key, under a comment that says `title`.

    Names stand in comments only: ids are what a snapshot has to keep. A grant that no file can declare (a setting that
    the contract of grant files does not know) stands in a comment, too.
    """
    ordered = sorted(grants, key=lambda grant: grant.key.order)
    lines = [line for grant in ordered for line in _lines(grant, directory)]
    declares = any(not line.startswith("#") for line in lines)
    return "\n".join(
        [f"# {visible(title)}", f"snapshot: {quoted(run)}", "grants:" if declares else "grants: []", *lines, ""]
    )


def declarable(grant: ClientGrant) -> bool:
    """Return whether a grant file can say what `grant` says; tenants hold what the contract does not allow any more."""
    by_client = grant.key.subject_type == SUBJECT_CLIENT and grant.key.default_for is None
    settings = grant.organization_usage != USAGE_DENY or grant.allow_any_organization
    of_organizations = settings or grant.organizations is not None
    texts = (*grant.scope, *grant.authorization_details_types)
    return (
        grant.key.subject_type in {SUBJECT_CLIENT, SUBJECT_USER}
        and grant.organization_usage in USAGE_WIDTH
        and (by_client or not of_organizations)
        and (grant.organization_usage != USAGE_DENY or not grant.allow_any_organization)
        and (grant.key.subject_type == SUBJECT_USER or not grant.authorization_details_types)
        and all(text and len(text) <= LONGEST_TEXT and not CONTROL.search(text) for text in texts)
    )


def quoted(text: str) -> str:
    """Return `text` as a double-quoted scalar, with all beyond ASCII written out; JSON's pairs are no YAML."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    return f"\\U{ord(character):08x}" if character > LAST_OF_JSON else json.dumps(character)[1:-1]


def _lines(grant: ClientGrant, directory: Directory) -> Iterator[str]:
    if declarable(grant):
        yield from _declared(grant, directory)
    else:
        yield "# no grant file can declare this one; give it back by hand:"
        yield from (f"# {line}" for line in _declared(grant, directory))


def _declared(grant: ClientGrant, directory: Directory) -> Iterator[str]:
    name = directory.client_name(grant.key)
    comment = f"  # {visible(name)}" if name else ""
    if grant.key.client_id is None:
        yield f"  - default_for: {quoted(grant.key.default_for or '')}"
    else:
        yield f"  - client_id: {quoted(grant.key.client_id)}{comment}"
    for field, value in _fields(grant):
        yield f"    {field}: {value}"
    if grant.organizations is not None:
        yield f"    organizations: {_list(grant.organizations)}{_named(grant.organizations, directory)}"


def _fields(grant: ClientGrant) -> Iterator[tuple[str, str]]:
    plain = ClientGrant(grant.key)
    yield "audience", quoted(grant.key.audience)
    if grant.key.subject_type != "client":
        yield "subject_type", quoted(grant.key.subject_type)
    if not grant.allow_all_scopes:
        yield "scope", _list(grant.scope)
    for field in ("allow_all_scopes", "organization_usage", "allow_any_organization"):
        if getattr(grant, field) != getattr(plain, field):
            yield field, json.dumps(getattr(grant, field))
    if grant.authorization_details_types:
        yield "authorization_details_types", _list(grant.authorization_details_types)


def _named(organizations: Iterable[str], directory: Directory) -> str:
    """Return a comment with the names of organizations, in the order of their ids; nothing where none is known."""
    ids = sorted(organizations)
    labels = [visible(directory.organization_label(each)) for each in ids]
    return f"  # {', '.join(labels)}" if not directory.organizations_by_id.keys().isdisjoint(ids) else ""


def _list(items: Iterable[str]) -> str:
    return f"[{', '.join(quoted(item) for item in sorted(items))}]"
