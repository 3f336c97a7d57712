"""Determine how long issued access tokens stay usable after a change removes access from a grant.

Auth0 does not revoke access tokens when a client grant changes. An access token stays valid until the end of the token
lifetime. The token lifetime is a setting of the API (`token_lifetime`).
"""

from collections.abc import Iterable, Iterator

from reconciler.core.characters import join_some, pluralize
from reconciler.core.directory import Directory
from reconciler.core.grant import Key
from reconciler.core.plan import Change, removes_access

LONG_LIFETIME_SECONDS = 86_400
"""The token lifetime that Auth0 gives to custom APIs by default, in seconds.

A token lifetime of more than LONG_LIFETIME_SECONDS is a risk if a change removes a critical scope.
"""
NOT_KNOWN = "not known"
UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def duration(seconds: int | None) -> str:
    """Format a duration as a whole number of the largest possible unit, such as `36 hours`.

    Return `not known` if `seconds` is None.
    """
    if seconds is None:
        return NOT_KNOWN
    size, unit = next(((size, unit) for size, unit in UNITS if seconds and seconds % size == 0), (1, "second"))
    return pluralize(seconds // size, unit)


def token_lifetime(key: Key, directory: Directory) -> int | None:
    """Return the token lifetime of a grant's API in seconds, or None if the lifetime is unknown."""
    api = directory.apis_by_identifier.get(key.audience)
    return api.token_lifetime if api else None


def lifetime_notes(changes: Iterable[Change], directory: Directory) -> Iterator[str]:
    """Yield notes about issued tokens that remain valid after the changes.

    APIs with the same token lifetime share one note.
    """
    apis: dict[int | None, dict[str, None]] = {}
    for change in changes:
        if removes_access(change):
            lifetime = token_lifetime(change.key, directory)
            apis.setdefault(lifetime, {})[directory.api_label(change.key)] = None
    for lifetime in sorted(apis, key=lambda each: -1 if each is None else each, reverse=True):
        how_long = "for an unknown time" if lifetime is None else f"for up to {duration(lifetime)}"
        yield f"tokens that were issued earlier keep the removed access {how_long}: {join_some(sorted(apis[lifetime]))}"
