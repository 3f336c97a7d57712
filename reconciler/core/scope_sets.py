"""Pure: scope sets, which are named lists of scopes in reconciler.yaml. A grant names a set as `@name` in its scopes.

A scope that starts with `@` itself is written with `@@`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

PREFIX = "@"
SET_NAME = "[A-Za-z][A-Za-z0-9_-]*"
INVALID_REFERENCE = rf"^@(?!@|{SET_NAME}$)"
"""Matches an item that starts with `@` and is neither a scope set nor an escaped scope. The JSON Schemas contain it."""
_REFERENCE = re.compile(f"@({SET_NAME})")


class ExpandedScope(NamedTuple):
    """A scope, the index of the item that it comes from, and the name of the set or an empty text."""

    text: str
    item: int
    set_name: str = ""


def set_name_of(item: str) -> str:
    """Return the name of the scope set that an item refers to, or an empty text."""
    found = _REFERENCE.fullmatch(item) if item.startswith(PREFIX) else None
    return found[1] if found else ""


def has_scope_sets(items: Iterable[str]) -> bool:
    """Return whether an item refers to a set or is an escaped scope, so that it must be expanded."""
    return any(item.startswith(PREFIX) for item in items)


def escape_scope(text: str) -> str:
    """Escape a scope that starts with `@`, so that it is not read as the name of a set."""
    return f"{PREFIX}{text}" if text.startswith(PREFIX) else text


def unescape_scope(text: str) -> str:
    """Return the scope that `escape_scope` has escaped."""
    return text[1:] if text.startswith(PREFIX * 2) else text


def expand_scopes(items: Iterable[str], sets: Mapping[str, tuple[str, ...]]) -> list[ExpandedScope]:
    """Return the scopes of a grant, with the content of sets in place of their names. Unknown sets are left out."""
    scopes: list[ExpandedScope] = []
    for index, item in enumerate(items):
        if name := set_name_of(item):
            scopes += [ExpandedScope(unescape_scope(text), index, name) for text in sets.get(name, ())]
        else:
            scopes.append(ExpandedScope(unescape_scope(item), index))
    return scopes
