"""Pure: scope sets, which are named lists of scopes in reconciler.yaml. A grant refers to a scope set with `@name`.

In grant files, `@@` is the escape of `@` at the start of a scope.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

PREFIX = "@"
SET_NAME = "[A-Za-z][A-Za-z0-9_-]*"
INVALID_REFERENCE = rf"^@(?!@|{SET_NAME}$)"
"""Matches an item that starts with `@` but is neither a scope set nor an escaped scope.

The JSON Schemas contain the same expression.
"""
_REFERENCE = re.compile(f"@({SET_NAME})")


class ExpandedScope(NamedTuple):
    """A scope with its origin in the file.

    `item` is the index of the list item that contains the scope. `set_name` is the name of the scope set, or empty.
    """

    text: str
    item: int
    set_name: str = ""


def set_name_of(item: str) -> str:
    """Return the name of the scope set in an item such as `@name`. Return an empty string for other items."""
    found = _REFERENCE.fullmatch(item) if item.startswith(PREFIX) else None
    return found[1] if found else ""


def has_scope_sets(items: Iterable[str]) -> bool:
    """Return whether any item is a scope set or an escaped scope, so that the items must be expanded."""
    return any(item.startswith(PREFIX) for item in items)


def escape_scope(text: str) -> str:
    """Escape a scope that starts with `@`, so that the scope is not read as the name of a scope set."""
    return f"{PREFIX}{text}" if text.startswith(PREFIX) else text


def unescape_scope(text: str) -> str:
    """Return the original scope of a text that `escape_scope` returned."""
    return text[1:] if text.startswith(PREFIX * 2) else text


def expand_scopes(items: Iterable[str], sets: Mapping[str, tuple[str, ...]]) -> list[ExpandedScope]:
    """Return the scopes of a grant. Replace the names of scope sets by their scopes. Leave out unknown scope sets."""
    scopes: list[ExpandedScope] = []
    for index, item in enumerate(items):
        if name := set_name_of(item):
            scopes += [ExpandedScope(unescape_scope(text), index, name) for text in sets.get(name, ())]
        else:
            scopes.append(ExpandedScope(unescape_scope(item), index))
    return scopes
