"""Pure: the canonical order of grant files: of the fields of a grant, and of the grants among each other."""

from collections.abc import Mapping

FIELDS = (
    *("client", "client_id", "default_for", "api", "audience", "tenants"),
    *("description", "subject_type", "scope", "allow_all_scopes"),
    *("organization_usage", "allow_any_organization", "organizations", "authorization_details_types"),
)
"""Who, what for, where, why, then what is allowed."""
HOLDERS = ("client", "client_id", "default_for")
APIS = ("api", "audience")
SETS = frozenset({"scope", "organizations", "authorization_details_types"})
"""Fields whose items have no order of their own; they are sorted."""

_PLACES = {name: place for place, name in enumerate(FIELDS)}


def field_order(name: str) -> int:
    """Return what fields are sorted by; those that are not known here come last."""
    return _PLACES.get(name, len(_PLACES))


def grant_order(said: Mapping[str, object]) -> tuple[str, ...]:
    """Return what grants are sorted by, from what a file says of one: the holder, then the API, then the subject."""
    parts = (next(((str(said[name]), name) for name in names if name in said), ("", "")) for names in (HOLDERS, APIS))
    return (*(text for part in parts for text in part), str(said.get("subject_type", "")))
