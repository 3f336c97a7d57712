"""The grants that the command `list` shows."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from reconciler.core.directory import Directory
from reconciler.core.fields import SETTINGS, FieldKind
from reconciler.core.grant import ObservedGrant
from reconciler.core.identity import TenantName
from reconciler.core.resolve import DesiredGrant
from reconciler.core.selection import SelectionResult
from reconciler.core.spec import GrantSpec, PartialLocations

NOWHERE = PartialLocations((0, 0))


class ListedGrant(NamedTuple):
    """A grant in the output of `list`, with the names and ids of the application and the API.

    An unknown name or id is None.
    """

    spec: GrantSpec
    client: str | None
    client_id: str | None
    api: str | None
    audience: str | None

    @property
    def order(self) -> tuple[str, ...]:
        """The sort key of the grant in the output of `list`."""
        texts = (self.client, self.client_id, self.spec.default_for, self.api, self.audience, self.spec.subject_type)
        return tuple(text or "" for text in texts)


def as_declared(spec: GrantSpec) -> ListedGrant:
    """Convert a declaration to a `ListedGrant` with the names and ids from the grant file."""
    return ListedGrant(spec, spec.client, spec.client_id, spec.api, spec.audience)


def as_resolved(desired: DesiredGrant, directory: Directory) -> ListedGrant:
    """Convert a declared grant to a `ListedGrant` with the names and ids from the tenant."""
    key = desired.key
    return ListedGrant(desired.spec, directory.client_name(key), key.client_id, directory.api_name(key), key.audience)


def as_observed(observed: ObservedGrant, directory: Directory) -> ListedGrant:
    """Convert a grant of the tenant to a `ListedGrant` with the names and ids from the tenant.

    The returned `ListedGrant` has no position in a grant file.
    """
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
    """The grants of a tenant that the command `list` shows."""

    tenant: TenantName
    """The name and domain of the tenant."""
    grants: tuple[ListedGrant, ...]
    """The grants of the tenant, in any order."""
    now: datetime
    """The time of the run. A declared grant has expired if its expiry date is before the time of the run."""
    resolved: bool = True
    """True if reconciler read the names and ids of the grants from the tenant."""
    observed: bool = False
    """True if the grants come from the tenant, and False if the grants come from the grant files."""
    selection: SelectionResult | None = None
    """The grants that the user selected with options, or None if `list` shows all grants."""
    notes: tuple[str, ...] = ()
    """Messages about data that reconciler did not read from the tenant."""

    @property
    def sorted(self) -> list[ListedGrant]:
        """The grants of the tenant, sorted by name, then by id, then by subject type."""
        return sorted(self.grants, key=lambda each: each.order)
