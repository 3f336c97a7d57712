"""Pure: `${name}` in a text, which stands for a value that differs from tenant to tenant; `$${` is a plain `${`."""

import re
from collections.abc import Mapping

NAME = "[A-Za-z][A-Za-z0-9_]*"
BUILT_IN = "domain"
"""The one name that every tenant has: its host."""
OPENING = "${"
BROKEN = rf"(^|[^$])\$\{{(?!{NAME}\}})"
"""What begins like a placeholder and is none, in JSON Schema's regular expressions as well."""
_PLACEHOLDER = re.compile(rf"\$(?:\$(?=\{{)|\{{(?P<name>{NAME})\}})")


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of the placeholders in `text`, in their order."""
    if OPENING not in text:
        return ()
    return tuple(name for match in _PLACEHOLDER.finditer(text) if (name := match["name"]))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with the values in the places of their names; a name without a value stays as it is."""
    if OPENING not in text:
        return text
    return _PLACEHOLDER.sub(lambda match: values.get(match["name"], match[0]) if match["name"] else "$", text)


def literal(text: str) -> str:
    """Return how a file says `text` itself: filling gives it back, whatever is in it."""
    return text.replace(OPENING, "$${")


def restored(text: str, values: Mapping[str, str]) -> str:
    """Return how a file says `text` where it can by names: by that of an equal value, or of the host within it.

    Filling with the same values gives `text` back.
    """
    equal = sorted(name for name, value in values.items() if value == text)
    if equal:
        return f"${{{equal[0]}}}"
    host = values.get(BUILT_IN)
    named = f"${{{BUILT_IN}}}".join(map(literal, text.split(host))) if host else literal(text)
    return named if filled(named, values) == text else literal(text)
