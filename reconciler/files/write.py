"""Write grants of a tenant as a grant file, in canonical order and without default values.

A snapshot contains ids, because ids are always unambiguous. An imported file contains names, because names are readable
and are often the same in several tenants.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from reconciler.core.characters import escape_for_yaml, has_invisible, is_invisible, visible
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
from reconciler.core.imports.shared_grants import Comments, FieldValue, NamedGrant, SharedGrant
from reconciler.core.scope_sets import escape_scope
from reconciler.core.tenant_filter import escape_variables

PLAIN = re.compile(r"[^\W\d_][\w ./:@+-]*")
TENANTS = "tenants"
RESERVED_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that some YAML parsers do not read as strings. For example, YAML 1.1 reads `no` as false."""
SHORT_ESCAPES = {each: json.dumps(each)[1:-1] for each in '"\\\b\f\n\r\t'}


def scalar(text: str) -> str:
    """Return `text` as a YAML scalar, in quotes unless every YAML parser reads the unquoted text as a string."""
    is_visible = text.isprintable() and not has_invisible(text)
    is_plain = PLAIN.fullmatch(text) and is_visible and text.lower() not in RESERVED_WORDS
    return text if is_plain and ": " not in text and text[-1] not in " :" else double_quoted(text)


def double_quoted(text: str) -> str:
    """Return `text` in double quotes, with an escape sequence for every invisible character."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in SHORT_ESCAPES:
        return SHORT_ESCAPES[character]
    return character if character.isprintable() and not is_invisible(character) else escape_for_yaml(character)


MAX_FILE_CHARACTERS = 2_000_000
"""The maximum size of a grant file that reconciler writes, in characters.

reconciler reads only files of at most 5 MB, and a character may take several bytes.
"""
GRANT_OVERHEAD_CHARACTERS = 400
SCOPE_OVERHEAD_CHARACTERS = 9

T = TypeVar("T")
TextConverter = Callable[[str], str]
"""A function that converts a value of the tenant to a value for a grant file, for example by inserting variables."""


def snapshot_file(
    grants: Iterable[ClientGrant], directory: Directory, title: str, run: str, only_for: str | None = None
) -> str:
    """Return the text of a snapshot file.

    The file contains the grants sorted by application, API and subject type. The fields contain ids, and comments
    contain the names. If a grant file cannot express a grant, the grant is written as a comment.

    The first line is a comment with `title`. The value of the key `snapshot` is `run`, the name of the run. If
    `only_for` is the name of a tenant, the file applies only to this tenant.
    """
    ordered = sorted(grants, key=lambda grant: grant.key.order)
    lines = [line for grant in ordered for line in _snapshot_lines(grant, directory)]
    declares = any(not line.startswith("#") for line in lines)
    return "\n".join(
        [
            f"# {visible(title)}",
            f"snapshot: {double_quoted(run)}",
            *([] if only_for is None else [f"tenants: [{scalar(only_for)}]"]),
            "grants:" if declares else "grants: []",
            *lines,
            "",
        ]
    )


def import_file(
    grants: Iterable[ClientGrant],
    directory: Directory,
    comments: Iterable[str],
    tenant: str | None = None,
    convert: TextConverter = escape_variables,
) -> str:
    """Return the text of a grant file that declares `grants`, with names instead of ids where possible.

    `grants` must not contain grants that a grant file cannot express. The file starts with `comments`. If `tenant` is
    the name of a tenant, the file applies only to this tenant.
    """
    named = sorted(
        (named_grant(grant, directory, convert) for grant in grants), key=lambda each: grant_order(each.fields)
    )
    return shared_file([SharedGrant(each, None if tenant is None else (tenant,)) for each in named], comments)


def shared_file(declarations: Sequence[SharedGrant], comments: Iterable[str]) -> str:
    """Return the text of a grant file with declarations that may apply to several tenants.

    If all declarations apply to equal lists of tenants, the file contains the list only once, at the top.
    """
    of_tenants = {each.tenants for each in declarations}
    tenants = next(iter(of_tenants)) if len(of_tenants) == 1 else None
    top = [] if tenants is None else [f"tenants: [{', '.join(map(scalar, tenants))}]"]
    lines = []
    for each in declarations:
        is_limited = tenants is None and each.tenants is not None
        fields = {**each.grant.fields, **({TENANTS: each.tenants or ()} if is_limited else {})}
        lines += ["", *_commented_lines(replace(each.grant, fields=fields))]
    return "\n".join([*(f"# {visible(each)}" for each in comments), *top, "grants:", *lines[1:], ""])


def named_grant(grant: ClientGrant, directory: Directory, convert: TextConverter = escape_variables) -> NamedGrant:
    """Return a grant declaration with names instead of ids where possible.

    If the name for an id is ambiguous, the declaration contains the id, and a comment contains the name.
    """
    return _with_trailing_comments(_imported(grant, directory, convert), _comments(grant, directory))


def _imported(grant: ClientGrant, directory: Directory, convert: TextConverter) -> dict[str, FieldValue]:
    fields = _key_by_name(grant.key, directory, convert) | _settings(grant, convert)
    organizations = [convert(organization_text(each, directory)) for each in grant.organizations or ()]
    return fields | ({"organizations": tuple(sorted(organizations))} if organizations else {})


def split_by_size(grants: Iterable[ClientGrant]) -> list[list[ClientGrant]]:
    """Sort grants and divide the grants among several files, so that no file is too large to read."""

    def size_of(grant: ClientGrant) -> int:
        return GRANT_OVERHEAD_CHARACTERS + sum(SCOPE_OVERHEAD_CHARACTERS + len(scope) for scope in grant.scope)

    return _split(sorted(grants, key=lambda grant: grant.key.order), size_of)


def split_declarations(declarations: Iterable[SharedGrant]) -> list[list[SharedGrant]]:
    """Divide grant declarations among several files, so that no file is too large to read."""
    return _split(declarations, lambda each: GRANT_OVERHEAD_CHARACTERS + sum(map(len, _commented_lines(each.grant))))


def _split(items: Iterable[T], size_of: Callable[[T], int]) -> list[list[T]]:
    parts: list[list[T]] = [[]]
    size_of_part = 0
    for item in items:
        size = size_of(item)
        if size_of_part + size > MAX_FILE_CHARACTERS and parts[-1]:
            parts.append([])
            size_of_part = 0
        parts[-1].append(item)
        size_of_part += size
    return parts


def _snapshot_lines(grant: ClientGrant, directory: Directory) -> Iterator[str]:
    """Yield the lines of a grant in a snapshot file."""
    reason = reason_not_expressible(grant)
    if reason is None:
        yield from _lines_by_id(grant, directory)
    elif has_expressible_key(grant.key):
        yield f"# a grant file cannot fully express the next grant: {visible(reason)}; missing values stay unchanged"
        yield from _lines_by_id(expressible_part(grant), directory)
    else:
        yield "# a grant file cannot express this grant; restore it by hand:"
        yield from (f"# {line}" for line in _lines_by_id(grant, directory))


def _lines_by_id(grant: ClientGrant, directory: Directory) -> Iterator[str]:
    fields = _key_by_id(grant.key, escape_variables) | _settings(grant, escape_variables)
    if grant.organizations is not None:
        fields["organizations"] = tuple(sorted(map(escape_variables, grant.organizations)))
    yield from _commented_lines(_with_trailing_comments(fields, _id_comments(grant, directory)))


def _key_by_id(key: Key, convert: TextConverter) -> dict[str, FieldValue]:
    holder = ("default_for", key.default_for or "") if key.client_id is None else ("client_id", convert(key.client_id))
    return dict([holder, ("audience", convert(key.audience))])


def _key_by_name(key: Key, directory: Directory, convert: TextConverter) -> dict[str, FieldValue]:
    """Return the fields of a declaration that contain the application (or `default_for`) and the API of a grant.

    A field contains a name if the name is unambiguous, and an id if the name is ambiguous or unknown.
    """
    fields = _key_by_id(key, convert)
    client, api = directory.client_name(key), directory.api_name(key)
    if client and is_writable(client) and len(directory.client_ids_by_name[client]) == 1:
        fields = {"client": convert(client), "audience": fields["audience"]}
    if (
        api
        and is_writable(api)
        and not is_user_grant_on_my_organization(key)
        and len(directory.identifiers_by_name[api]) == 1
    ):
        fields = {name: value for name, value in fields.items() if name != "audience"} | {"api": convert(api)}
    return fields


def organization_text(identity: str, directory: Directory) -> str:
    """Return the name of an organization, or the id if the name does not identify the organization."""
    name = directory.organization_name(identity) or identity
    known = directory.organizations is not None and directory.find_organizations(name) == (identity,)
    return name if known and is_writable(name) and not ORGANIZATION_ID.fullmatch(name) else identity


def _id_comments(grant: ClientGrant, directory: Directory) -> Mapping[str, str]:
    organizations = sorted(grant.organizations or ())
    known = not directory.organizations_by_id.keys().isdisjoint(organizations)
    names = ", ".join(directory.organization_name(each) or each for each in organizations) if known else ""
    return {"client_id": directory.client_name(grant.key) or "", "organizations": names}


def _comments(grant: ClientGrant, directory: Directory) -> Mapping[str, str]:
    """For each field that contains ids, return a comment with the names of the applications, APIs or organizations."""
    comments = {**_id_comments(grant, directory), "audience": directory.api_name(grant.key) or ""}
    return comments if directory.organizations is None else {**comments, "organizations": ""}


def _settings(grant: ClientGrant, convert: TextConverter) -> dict[str, FieldValue]:
    """Return the settings of a grant that differ from their defaults."""
    values = {each.name: _value(getattr(grant, each.name), each, convert) for each in SETTINGS}
    defaults = {each.name: _value(each.default, each, convert) for each in SETTINGS}
    changed = {name: value for name, value in values.items() if value != defaults[name]}
    subject = grant.key.subject_type
    return changed if subject == SUBJECT_CLIENT else {"subject_type": subject, **changed}


def _value(value: Any, field: GrantField, convert: TextConverter) -> FieldValue:  # noqa: ANN401 - the function accepts the value of any grant field
    if isinstance(value, frozenset):
        texts = map(convert, value) if field.has_variables else value
        return tuple(sorted(map(escape_scope, texts) if field.name == "scope" else texts))
    return value or ""


def _with_trailing_comments(fields: Mapping[str, FieldValue], comments: Mapping[str, str]) -> NamedGrant:
    texts = {(name, ""): Comments(trailing=text) for name, text in comments.items() if text}
    return NamedGrant(fields=fields, comments=texts)


def _commented_lines(grant: NamedGrant) -> Iterator[str]:
    """Yield the lines that declare a grant in a grant file, including the comments of the grant."""
    yield from _comment_lines("  ", grant.above)
    start = "  - "
    for name, value in sorted(grant.fields.items(), key=lambda item: field_order(item[0])):
        comments = grant.comments.get((name, ""), Comments())
        yield from _comment_lines("  " if start == "  - " else "    ", comments.above)
        match value:
            case bool():
                yield f"{start}{name}: {str(value).lower()}{_trailing(comments)}"
            case str():
                yield f"{start}{name}: {scalar(value)}{_trailing(comments)}"
            case ():
                yield f"{start}{name}: []{_trailing(comments)}"
            case _ if name == TENANTS:
                yield f"{start}{name}: [{', '.join(map(scalar, value))}]"
            case _:
                yield f"{start}{name}:{_trailing(comments)}"
                for item in value:
                    of_item = grant.comments.get((name, item), Comments())
                    yield from _comment_lines("      ", of_item.above)
                    yield f"      - {scalar(item)}{_trailing(of_item)}"
        start = "    "
    yield from _comment_lines("    ", grant.after)


def _comment_lines(indent: str, comments: Iterable[str]) -> Iterator[str]:
    return (f"{indent}# {visible(text)}".rstrip() for text in comments)


def _trailing(comments: Comments) -> str:
    return f"  # {visible(comments.trailing)}" if comments.trailing else ""
