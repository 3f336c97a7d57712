"""The table of all fields that a grant may have.

A new field needs a row in FIELDS, an attribute in `ClientGrant` and `GrantSpec`, and a property in the JSON Schema. No
other code needs a change, because reading files, comparing grants and sorting fields all use the table. The end of the
module defines who may use a grant for each value of `organization_usage`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

SUBJECT_CLIENT = "client"
ORGANIZATIONS = "organizations"


class FieldKind(Enum):
    """The type of a field's value."""

    TEXT = auto()
    FLAG = auto()
    SET = auto()


class FieldRole(Enum):
    """The purpose of a field."""

    KEY = auto()
    """The field identifies the grant: the application (or `default_for`), the API or the subject type.

    Auth0 cannot change this field of an existing grant.
    """
    SETTING = auto()
    """The field is part of the requests that create or update a grant."""
    ASSOCIATION = auto()
    """Separate requests change this field, for example a request for each added organization."""
    FILE = auto()
    """The field occurs only in grant files, and reconciler does not send the field to Auth0."""


@dataclass(frozen=True, slots=True)
class GrantField:
    """A field of a grant."""

    name: str
    """The name of the field in grant files, in Auth0's JSON, and as an attribute of `ClientGrant` and `GrantSpec`."""
    kind: FieldKind
    """The type of the field's value."""
    role: FieldRole
    """The purpose of the field."""
    default: str | bool | frozenset[str] | None = None
    """The value if a grant file or Auth0 omits the field."""
    has_variables: bool = False
    """True if grant files may use variables such as `${domain}` in the field."""
    plan_order: int = 0
    """The position of the field in plan output, if a plan can change the field."""
    label: str = ""
    """The text before the value in a list of grants. If empty, the list shows only the value."""
    widens_access: Callable[[Any, Any], bool] = lambda _before, _after: False
    """A function that returns whether the second value allows access that the first value does not allow."""


def _adds_items(before: frozenset[str] | None, after: frozenset[str] | None) -> bool:
    return bool((after or frozenset()) - (before or frozenset()))


def _switches_on(before: bool, after: bool) -> bool:  # noqa: FBT001 - the parameters are values of a field
    return after and not before


def _admits_callers(before: str, after: str) -> bool:
    return bool(callers_gaining_access(before, after))


USAGE_DENY = "deny"
NO_ITEMS: frozenset[str] = frozenset()

# The order of these rows is the order of the fields in a formatted file.
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
"""The names of the fields that contain a set, except the fields that occur only in grant files."""
SETTINGS = tuple(each for each in FIELDS if each.role is FieldRole.SETTING)
"""The fields in the requests that create or update a grant."""
CHANGEABLE = tuple(
    sorted((*SETTINGS, BY_NAME[ORGANIZATIONS]), key=lambda each: each.plan_order)  # in the order of a plan
)
"""The fields that an update may change, in the order of plan output."""

IN_FILE_ORDER = tuple(each for each in FIELDS if each in CHANGEABLE)
"""The fields that an update may change, in the order of a formatted file."""

_POSITIONS = {each.name: position for position, each in enumerate(FIELDS)}


def field_order(name: str) -> int:
    """Return the position of a field in a formatted file. Unknown fields come last."""
    return _POSITIONS.get(name, len(_POSITIONS))


def grant_order(values: Mapping[str, object]) -> tuple[str, ...]:
    """Return a key that sorts the grants of a formatted file by application, API and subject type."""
    parts = (
        next(((str(values[name]), name) for name in names if name in values), ("", ""))
        for names in (("clients", *HOLDERS), APIS)
    )
    return (*(text for part in parts for text in part), str(values.get("subject_type", "")))


def plain_value(value: object) -> Any:  # noqa: ANN401 - JSON data
    """Convert the value of a field for JSON output. A set becomes a sorted list."""
    return sorted(value) if isinstance(value, frozenset) else value


WITHOUT_ORGANIZATION = "callers without an organization"
WITH_ORGANIZATION = "callers with an organization"
ALL_CALLERS = frozenset({WITHOUT_ORGANIZATION, WITH_ORGANIZATION})

CALLERS: Mapping[str, frozenset[str]] = {
    USAGE_DENY: frozenset({WITHOUT_ORGANIZATION}),
    "require": frozenset({WITH_ORGANIZATION}),
    "allow": ALL_CALLERS,
}
"""The callers that may use a grant, by value of `organization_usage`.

Source: Auth0's documentation of `organization_usage`.
"""


def callers_gaining_access(before: str, after: str) -> frozenset[str]:
    """Return the callers that gain access if `organization_usage` changes.

    Treat an unknown value of `after` as access for all callers.
    """
    if before == after:
        return frozenset()
    return CALLERS.get(after, ALL_CALLERS) - CALLERS.get(before, frozenset())


def callers_losing_access(before: str, after: str) -> frozenset[str]:
    """Return the callers that lose access if `organization_usage` changes.

    Treat an unknown value of `before` as access for all callers.
    """
    return callers_gaining_access(after, before)


def admits_organizations(usage: str) -> bool:
    """Return whether callers with an organization may use a grant with the given value of `organization_usage`."""
    return WITH_ORGANIZATION in CALLERS.get(usage, ALL_CALLERS)


def describe_effect(before: str, after: str) -> str:
    """Describe which callers gain or lose access if `organization_usage` changes.

    If the values are equal, return an empty string.
    """
    gains, losses = sorted(callers_gaining_access(before, after)), sorted(callers_losing_access(before, after))
    parts = [f"{' and '.join(gains)} gain access"] if gains else []
    parts += [f"{' and '.join(losses)} lose access"] if losses else []
    return "; ".join(parts)
