"""The table of all fields that a grant may have.

A new field needs a row in FIELDS, an attribute in `ClientGrant` and `GrantSpec`, and a property in the JSON Schema. All
code that reads, compares or sorts fields uses FIELDS, and needs no change for a new field. The module also defines who
may use a grant for each value of `organization_usage`.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

SUBJECT_CLIENT = "client"
ORGANIZATIONS = "organizations"


class FieldKind(Enum):
    """The type of a field's value."""

    TEXT = auto()
    FLAG = auto()
    SET = auto()


class FieldRole(Enum):
    """The role of a field: how reconciler uses the field."""

    KEY = auto()
    """A field that is part of the grant's identity, such as the application, the API or the subject type.

    Auth0 cannot change an identifying field of an existing grant.
    """
    SETTING = auto()
    """A field that reconciler sends to Auth0 to create or update a grant."""
    ASSOCIATION = auto()
    """A field that reconciler changes with separate requests, for example one request for each added organization."""
    FILE = auto()
    """A field that occurs only in grant files and that reconciler does not send to Auth0."""


class GrantField(NamedTuple):
    """A field of a grant."""

    name: str
    """The name of the field in grant files, Auth0's JSON, `ClientGrant` and `GrantSpec`."""
    kind: FieldKind
    """The type of the field's value."""
    role: FieldRole
    """The role of the field: how reconciler uses the field."""
    default: str | bool | frozenset[str] | None = None
    """The default value of the field, if a grant file or Auth0 omits the field."""
    has_variables: bool = False
    """True if grant files may use variables such as `${domain}` in the field."""
    plan_order: int = 0
    """The position of the field in plan output, if a plan can change the field."""
    label: str = ""
    """The label that the output of `list` shows before the field's value, or an empty string for no label."""
    widens_access: Callable[[Any, Any], bool] = lambda _before, _after: False
    """A function that takes the old and the new value of the field, and returns whether the change adds access."""


def _adds_items(before: frozenset[str] | None, after: frozenset[str] | None) -> bool:
    return bool((after or frozenset()) - (before or frozenset()))


def _switches_on(before: bool, after: bool) -> bool:  # noqa: FBT001 - old and new value of a boolean field
    return after and not before


def _admits_callers(before: str, after: str) -> bool:
    return bool(callers_gaining_access(before, after))


USAGE_DENY = "deny"
NO_ITEMS: frozenset[str] = frozenset()

# The order of the rows in FIELDS is the order of the fields in a formatted grant file.
FIELDS: tuple[GrantField, ...] = (
    GrantField("client", FieldKind.TEXT, FieldRole.KEY, has_variables=True),
    GrantField("clients", FieldKind.SET, FieldRole.FILE, has_variables=True),
    GrantField("client_id", FieldKind.TEXT, FieldRole.KEY, has_variables=True),
    GrantField("default_for", FieldKind.TEXT, FieldRole.KEY),
    GrantField("api", FieldKind.TEXT, FieldRole.KEY, has_variables=True),
    GrantField("audience", FieldKind.TEXT, FieldRole.KEY, has_variables=True),
    GrantField("tenants", FieldKind.SET, FieldRole.FILE, has_variables=True),
    GrantField("description", FieldKind.TEXT, FieldRole.FILE, default=""),
    GrantField("expires", FieldKind.TEXT, FieldRole.FILE, default=""),
    GrantField("subject_type", FieldKind.TEXT, FieldRole.KEY, default=SUBJECT_CLIENT),
    GrantField(
        "scope",
        FieldKind.SET,
        FieldRole.SETTING,
        default=NO_ITEMS,
        has_variables=True,
        plan_order=2,
        widens_access=_adds_items,
    ),
    GrantField(
        "allow_all_scopes",
        FieldKind.FLAG,
        FieldRole.SETTING,
        default=False,
        plan_order=1,
        label="all scopes",
        widens_access=_switches_on,
    ),
    GrantField(
        "organization_usage",
        FieldKind.TEXT,
        FieldRole.SETTING,
        default=USAGE_DENY,
        plan_order=4,
        label="organization_usage: ",
        widens_access=_admits_callers,
    ),
    GrantField(
        "allow_any_organization",
        FieldKind.FLAG,
        FieldRole.SETTING,
        default=False,
        plan_order=5,
        label="any organization",
        widens_access=_switches_on,
    ),
    GrantField(
        ORGANIZATIONS,
        FieldKind.SET,
        FieldRole.ASSOCIATION,
        has_variables=True,
        plan_order=6,
        label="organizations: ",
        widens_access=_adds_items,
    ),
    GrantField(
        "authorization_details_types",
        FieldKind.SET,
        FieldRole.SETTING,
        default=NO_ITEMS,
        plan_order=3,
        label="authorization_details_types: ",
        widens_access=_adds_items,
    ),
)
BY_NAME: Mapping[str, GrantField] = {each.name: each for each in FIELDS}

HOLDERS = ("client", "client_id", "default_for")
APIS = ("api", "audience")
SETS = frozenset(each.name for each in FIELDS if each.kind is FieldKind.SET and each.role is not FieldRole.FILE)
"""The names of the fields with several values, such as `scope`, except the fields that occur only in grant files."""
SETTINGS = tuple(each for each in FIELDS if each.role is FieldRole.SETTING)
"""The fields that reconciler sends to Auth0 to create or update a grant."""
CHANGEABLE = tuple(
    sorted((*SETTINGS, BY_NAME[ORGANIZATIONS]), key=lambda each: each.plan_order)  # sorts the fields for plan output
)
"""The fields that an update may change, in the order of plan output."""

IN_FILE_ORDER = tuple(each for each in FIELDS if each in CHANGEABLE)
"""The fields that an update may change, in the order of a formatted grant file."""

_POSITIONS = {each.name: position for position, each in enumerate(FIELDS)}


def field_order(name: str) -> int:
    """Return the position of a field in a formatted grant file. Unknown fields come last."""
    return _POSITIONS.get(name, len(_POSITIONS))


def grant_order(values: Mapping[str, object]) -> tuple[str, ...]:
    """Return a sort key for the grants in a formatted grant file: application, API and subject type."""
    parts = (
        next(((str(values[name]), name) for name in names if name in values), ("", ""))
        for names in (("clients", *HOLDERS), APIS)
    )
    return (*(text for part in parts for text in part), str(values.get("subject_type", "")))


def plain_value(value: object) -> Any:  # noqa: ANN401 - the result is JSON data of any type
    """Convert a field's value for JSON output. Convert a set to a sorted list."""
    return sorted(value) if isinstance(value, frozenset) else value


WITHOUT_ORGANIZATION = "callers without an organization"
WITH_ORGANIZATION = "callers with an organization"
ALL_CALLERS = frozenset({WITHOUT_ORGANIZATION, WITH_ORGANIZATION})

CALLERS: Mapping[str, frozenset[str]] = {
    USAGE_DENY: frozenset({WITHOUT_ORGANIZATION}),
    "require": frozenset({WITH_ORGANIZATION}),
    "allow": ALL_CALLERS,
}
"""For each value of `organization_usage`, the token requests (with or without an organization) that a grant allows.

The data comes from Auth0's documentation of `organization_usage`.
"""


def callers_gaining_access(before: str, after: str) -> frozenset[str]:
    """Return the token requests (with or without an organization) that only the new `organization_usage` allows.

    If `after` is an unknown value, assume that the grant allows all token requests.
    """
    if before == after:
        return frozenset()
    return CALLERS.get(after, ALL_CALLERS) - CALLERS.get(before, frozenset())


def callers_losing_access(before: str, after: str) -> frozenset[str]:
    """Return the token requests (with or without an organization) that only the old `organization_usage` allows.

    If `before` is an unknown value, assume that the grant allowed all token requests.
    """
    return callers_gaining_access(after, before)


def admits_organizations(usage: str) -> bool:
    """Return whether callers with an organization may use a grant with the given value of `organization_usage`."""
    return WITH_ORGANIZATION in CALLERS.get(usage, ALL_CALLERS)


def admits_callers_without_organization(usage: str) -> bool:
    """Return whether callers without an organization may use a grant with the given value of `organization_usage`."""
    return WITHOUT_ORGANIZATION in CALLERS.get(usage, ALL_CALLERS)


def describe_effect(before: str, after: str) -> str:
    """Describe which callers gain or lose access if `organization_usage` changes.

    Return an empty string if `organization_usage` does not change.
    """
    gains, losses = sorted(callers_gaining_access(before, after)), sorted(callers_losing_access(before, after))
    parts = [f"{' and '.join(gains)} gain access"] if gains else []
    parts += [f"{' and '.join(losses)} lose access"] if losses else []
    return "; ".join(parts)
