"""Scope sets. A scope set is a named list of scopes in reconciler.yaml.

A grant declaration uses `@name` to refer to the scope set `name`.

In grant files, `@@` at the start of a scope means a single `@`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

PREFIX = "@"
SET_NAME = "[A-Za-z][A-Za-z0-9_-]*"
INVALID_REFERENCE = rf"^@($|[^@A-Za-z]|{SET_NAME}[^A-Za-z0-9_-])"
"""Matches a string that starts with `@`, but is neither the name of a scope set nor an escaped scope.

The JSON Schemas contain a copy of the regular expression INVALID_REFERENCE.
"""
_REFERENCE = re.compile(f"@({SET_NAME})")


class ExpandedScope(NamedTuple):
    """A scope, and its position in the field `scope` of a grant declaration.

    `item` is the index of the list item that contains the scope. `set_name` is the name of the scope set that contains
    the scope, or an empty string.
    """

    text: str
    item: int
    set_name: str = ""


def set_name_of(item: str) -> str:
    """Return the name of the scope set if the item looks like `@name`, or an empty string if the item is a scope."""
    found = _REFERENCE.fullmatch(item) if item.startswith(PREFIX) else None
    return found[1] if found else ""


def has_scope_sets(items: Iterable[str]) -> bool:
    """Return whether any item starts with `@`. An item that starts with `@` is a scope set or an escaped scope."""
    return any(item.startswith(PREFIX) for item in items)


def escape_scope(text: str) -> str:
    """Escape an `@` at the start of a scope, because `@name` refers to a scope set in grant files."""
    return f"{PREFIX}{text}" if text.startswith(PREFIX) else text


def unescape_scope(text: str) -> str:
    """Remove the escape that `escape_scope` added."""
    return text[1:] if text.startswith(PREFIX * 2) else text


def expand_scopes(items: Iterable[str], sets: Mapping[str, tuple[str, ...]]) -> list[ExpandedScope]:
    """Return the scopes of a grant declaration. Replace each scope set with its scopes.

    Ignore unknown scope sets.
    """
    scopes: list[ExpandedScope] = []
    for index, item in enumerate(items):
        if name := set_name_of(item):
            scopes += [ExpandedScope(unescape_scope(text), index, name) for text in sets.get(name, ())]
        else:
            scopes.append(ExpandedScope(unescape_scope(item), index))
    return scopes
