"""Pure: grants of a tenant as the text of a grant file, by ids, which any tenant's state fits into."""

import json
from collections.abc import Iterable, Iterator

from reconciler.core.directory import Directory
from reconciler.core.grant import ClientGrant
from reconciler.core.quoting import visible

LAST_OF_JSON = "\uffff"  # JSON writes what lies beyond as two escapes


def grant_file(grants: Iterable[ClientGrant], directory: Directory, title: str) -> str:
    """Return a grant file that declares `grants`, sorted by key, under a comment that says `title`.

    Names stand in comments only: ids are what a snapshot has to keep.
    """
    ordered = sorted(grants, key=lambda grant: grant.key.order)
    lines = [line for grant in ordered for line in _lines(grant, directory)]
    return "\n".join([f"# {visible(title)}", "grants:" if lines else "grants: []", *lines, ""])


def quoted(text: str) -> str:
    """Return `text` as a double-quoted scalar, with all beyond ASCII written out; JSON's pairs are no YAML."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    return f"\\U{ord(character):08x}" if character > LAST_OF_JSON else json.dumps(character)[1:-1]


def _lines(grant: ClientGrant, directory: Directory) -> Iterator[str]:
    name = directory.client_name(grant.key)
    comment = f"  # {visible(name)}" if name else ""
    if grant.key.client_id is None:
        yield f"  - default_for: {quoted(grant.key.default_for or '')}"
    else:
        yield f"  - client_id: {quoted(grant.key.client_id)}{comment}"
    for field, value in _fields(grant):
        yield f"    {field}: {value}"


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


def _list(items: Iterable[str]) -> str:
    return f"[{', '.join(quoted(item) for item in sorted(items))}]"
