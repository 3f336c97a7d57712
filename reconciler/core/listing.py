"""Pure: lists of grants: those that the files declare, and those that a tenant has."""

from dataclasses import dataclass
from datetime import datetime

from reconciler.core.directory import Directory
from reconciler.core.fields import SETTINGS, FieldKind
from reconciler.core.grant import ObservedGrant
from reconciler.core.plan import TenantName
from reconciler.core.resolve import DesiredGrant
from reconciler.core.selection import SelectionResult
from reconciler.core.spec import GrantSpec, PartialLocations

NOWHERE = PartialLocations((0, 0))


@dataclass(frozen=True, slots=True)
class ListedGrant:
    """A declared grant with the names and ids of its application and API. An unknown name or id is None."""

    spec: GrantSpec
    client: str | None
    client_id: str | None
    api: str | None
    audience: str | None

    @property
    def order(self) -> tuple[str, ...]:
        """The sort key of a list of grants."""
        texts = (self.client, self.client_id, self.spec.default_for, self.api, self.audience, self.spec.subject_type)
        return tuple(text or "" for text in texts)


def as_declared(spec: GrantSpec) -> ListedGrant:
    """Return a grant with the names and ids of its file."""
    return ListedGrant(spec, spec.client, spec.client_id, spec.api, spec.audience)


def as_resolved(desired: DesiredGrant, directory: Directory) -> ListedGrant:
    """Return a grant with the names and ids of the tenant."""
    key = desired.key
    return ListedGrant(desired.spec, directory.client_name(key), key.client_id, directory.api_name(key), key.audience)


def as_observed(observed: ObservedGrant, directory: Directory) -> ListedGrant:
    """Return a grant of the tenant with the names and ids of the tenant. Its source has no file."""
    grant, key = observed.grant, observed.key
    values = {each.name: getattr(grant, each.name) for each in SETTINGS}
    sets = {each.name: tuple(sorted(values[each.name])) for each in SETTINGS if each.kind is FieldKind.SET}
    organizations = grant.organizations
    labels = None if organizations is None else tuple(sorted(map(directory.organization_label, organizations)))
    spec = GrantSpec(
        "",
        NOWHERE,
        client_id=key.client_id,
        default_for=key.default_for or key.other_holder or None,
        audience=key.audience,
        subject_type=key.subject_type,
        organizations=labels,
        **{**values, **sets},
    )
    return ListedGrant(spec, directory.client_name(key), key.client_id, directory.api_name(key), key.audience)


@dataclass(frozen=True, slots=True)
class Listing:
    """The grants of one tenant.

    Attributes:
        tenant: The name and domain of the tenant.
        grants: The grants, in any order.
        now: The time of the run, which decides whether a declared grant has expired.
        resolved: Whether names and ids were read from the tenant.
        observed: Whether these are the grants that the tenant has, not those that the files declare.
        selection: The selection with its numbers, or None if all grants are listed.
        notes: Facts about what was not read.
    """

    tenant: TenantName
    grants: tuple[ListedGrant, ...]
    now: datetime
    resolved: bool = True
    observed: bool = False
    selection: SelectionResult | None = None
    notes: tuple[str, ...] = ()

    @property
    def sorted(self) -> list[ListedGrant]:
        """The grants, sorted by name."""
        return sorted(self.grants, key=lambda each: each.order)
