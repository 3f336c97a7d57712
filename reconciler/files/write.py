"""Pure: write grants of a tenant as a grant file, in canonical order and without defaults.

A snapshot uses ids, which are unambiguous in every state of the tenant. An import uses names, which people understand
and other tenants share.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.characters import escape_for_yaml, has_invisible, is_invisible
from reconciler.core.directory import ORGANIZATION_ID, Directory
from reconciler.core.expressible import (
    expressible_part,
    has_expressible_key,
    is_user_grant_on_my_organization,
    is_writable,
    reason_not_expressible,
)
from reconciler.core.fields import SETTINGS, SUBJECT_CLIENT, GrantField, field_order, grant_order
from reconciler.core.grant import ClientGrant, Key
from reconciler.core.quoting import visible
from reconciler.core.tenant_filter import escape_variables

PLAIN = re.compile(r"[^\W\d_][\w ./:@+-]*")
WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that some version of YAML does not read as text."""
SHORT = {each: json.dumps(each)[1:-1] for each in '"\\\b\f\n\r\t'}


def scalar(text: str) -> str:
    """Return `text` unquoted if it is certainly read as text, otherwise in double quotes."""
    is_visible = text.isprintable() and not has_invisible(text)
    is_plain = PLAIN.fullmatch(text) and is_visible and text.lower() not in WORDS
    return text if is_plain and ": " not in text and text[-1] not in " :" else quoted(text)


def quoted(text: str) -> str:
    """Return `text` in double quotes, with an escape for every invisible character."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in SHORT:
        return SHORT[character]
    return character if character.isprintable() and not is_invisible(character) else escape_for_yaml(character)


MOST_CHARACTERS_IN_A_FILE = 2_000_000
"""The size limit of a written file. Grant files are read up to 5 MB, and non-ASCII characters take several bytes."""
CHARACTERS_OF_A_GRANT = 400
CHARACTERS_BESIDE_A_SCOPE = 9

Said = str | bool | list[str]
Saying = Callable[[str], str]
"""Converts a text of the tenant for a file. It may insert variables."""


@dataclass(frozen=True, slots=True)
class FileHeader:
    """The comments at the top of an imported file, and the only tenant that it applies to, if any."""

    comments: Sequence[str]
    tenant: str | None = None


def snapshot_file(
    grants: Iterable[ClientGrant], directory: Directory, title: str, run: str, only_for: str | None = None
) -> str:
    """Return the file of a snapshot: `grants` sorted by key, after a comment with `title`.

    Names appear only in comments, because a snapshot must keep ids. Grants that a file cannot express appear in
    comments too. `only_for` names the only tenant that the file applies to.
    """
    ordered = sorted(grants, key=lambda grant: grant.key.order)
    lines = [line for grant in ordered for line in _kept(grant, directory)]
    declares = any(not line.startswith("#") for line in lines)
    return "\n".join(
        [
            f"# {visible(title)}",
            f"snapshot: {quoted(run)}",
            *([] if only_for is None else [f"tenants: [{scalar(only_for)}]"]),
            "grants:" if declares else "grants: []",
            *lines,
            "",
        ]
    )


def import_file(
    grants: Iterable[ClientGrant], directory: Directory, heading: FileHeader, say: Saying = escape_variables
) -> str:
    """Return the grant file that declares `grants`, which must be expressible. Names are used if possible."""
    items = sorted(
        ((_imported(grant, directory, say), grant) for grant in grants), key=lambda item: grant_order(item[0])
    )
    lines = [line for said, grant in items for line in ("", *_listed(said, _comments(grant, directory)))]
    tenants = [] if heading.tenant is None else [f"tenants: [{scalar(heading.tenant)}]"]
    return "\n".join([*(f"# {visible(each)}" for each in heading.comments), *tenants, "grants:", *lines[1:], ""])


def _imported(grant: ClientGrant, directory: Directory, say: Saying) -> dict[str, Said]:
    return _by_name(grant.key, directory, say) | _settings(grant, say) | _organizations(grant, directory, say)


def portions(grants: Iterable[ClientGrant]) -> list[list[ClientGrant]]:
    """Split grants, sorted by key, into files that are small enough to be read."""
    parts: list[list[ClientGrant]] = [[]]
    written = 0
    for grant in sorted(grants, key=lambda grant: grant.key.order):
        size = CHARACTERS_OF_A_GRANT + sum(CHARACTERS_BESIDE_A_SCOPE + len(scope) for scope in grant.scope)
        if written + size > MOST_CHARACTERS_IN_A_FILE and parts[-1]:
            parts.append([])
            written = 0
        parts[-1].append(grant)
        written += size
    return parts


def _kept(grant: ClientGrant, directory: Directory) -> Iterator[str]:
    """Yield the lines of a grant in a snapshot."""
    why = reason_not_expressible(grant)
    if why is None:
        yield from _by_ids(grant, directory)
    elif has_expressible_key(grant.key):
        yield f"# a grant file cannot express all of the next grant: {visible(why)}; this stays unchanged"
        yield from _by_ids(expressible_part(grant), directory)
    else:
        yield "# a grant file cannot express this grant; restore it by hand:"
        yield from (f"# {line}" for line in _by_ids(grant, directory))


def _by_ids(grant: ClientGrant, directory: Directory) -> Iterator[str]:
    said = _by_id(grant.key, escape_variables) | _settings(grant, escape_variables)
    if grant.organizations is not None:
        said["organizations"] = sorted(map(escape_variables, grant.organizations))
    yield from _listed(said, _comments_of_ids(grant, directory))


def _by_id(key: Key, say: Saying) -> dict[str, Said]:
    holder = ("default_for", key.default_for or "") if key.client_id is None else ("client_id", say(key.client_id))
    return dict([holder, ("audience", say(key.audience))])


def _by_name(key: Key, directory: Directory, say: Saying) -> dict[str, Said]:
    """Return the fields for the holder and the API. A name is used if it is unambiguous, otherwise the id."""
    said = _by_id(key, say)
    client, api = directory.client_name(key), directory.api_name(key)
    if client and is_writable(client) and len(directory.client_ids_by_name[client]) == 1:
        said = {"client": say(client), "audience": said["audience"]}
    if (
        api
        and is_writable(api)
        and not is_user_grant_on_my_organization(key)
        and len(directory.identifiers_by_name[api]) == 1
    ):
        said = {name: value for name, value in said.items() if name != "audience"} | {"api": say(api)}
    return said


def _organizations(grant: ClientGrant, directory: Directory, say: Saying) -> dict[str, Said]:
    """Return the organizations, by name if a plan can resolve it. Without organizations, return nothing."""
    said = [say(_organization(each, directory)) for each in grant.organizations or ()]
    return {"organizations": sorted(said)} if said else {}


def _organization(identity: str, directory: Directory) -> str:
    name = directory.organization_name(identity) or identity
    known = directory.organizations is not None and directory.find_organizations(name) == (identity,)
    return name if known and is_writable(name) and not ORGANIZATION_ID.fullmatch(name) else identity


def _comments_of_ids(grant: ClientGrant, directory: Directory) -> Mapping[str, str]:
    organizations = sorted(grant.organizations or ())
    known = not directory.organizations_by_id.keys().isdisjoint(organizations)
    names = ", ".join(directory.organization_name(each) or each for each in organizations) if known else ""
    return {"client_id": directory.client_name(grant.key) or "", "organizations": names}


def _comments(grant: ClientGrant, directory: Directory) -> Mapping[str, str]:
    """Return the names to write as comments next to ids."""
    beside = {**_comments_of_ids(grant, directory), "audience": directory.api_name(grant.key) or ""}
    return beside if directory.organizations is None else {**beside, "organizations": ""}


def _settings(grant: ClientGrant, say: Saying) -> dict[str, Said]:
    """Return the settings that differ from their defaults."""
    values = {each.name: _value(getattr(grant, each.name), each, say) for each in SETTINGS}
    defaults = {each.name: _value(each.default, each, say) for each in SETTINGS}
    changed = {name: value for name, value in values.items() if value != defaults[name]}
    subject = grant.key.subject_type
    return changed if subject == SUBJECT_CLIENT else {"subject_type": subject, **changed}


def _value(value: Any, field: GrantField, say: Saying) -> Said:  # noqa: ANN401 - a value of any field
    if isinstance(value, frozenset):
        return sorted(map(say, value) if field.has_variables else value)
    return value or ""


def _listed(said: Mapping[str, Said], comments: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of one item under `grants:`."""
    start = "  - "
    for name, value in sorted(said.items(), key=lambda item: field_order(item[0])):
        comment = f"  # {visible(comments[name])}" if comments.get(name) else ""
        match value:
            case bool():
                yield f"{start}{name}: {str(value).lower()}"
            case str():
                yield f"{start}{name}: {scalar(value)}{comment}"
            case []:
                yield f"{start}{name}: []"
            case _:
                yield f"{start}{name}:{comment}"
                yield from (f"      - {scalar(item)}" for item in value)
        start = "    "
