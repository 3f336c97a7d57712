"""Determine which permissions a plan needs, and which of the tenant's lists reconciler must read."""

from collections.abc import Iterable, Iterator

from reconciler.core.checks import required_lists
from reconciler.core.diff import SetChange
from reconciler.core.directory import Directory, TenantList
from reconciler.core.fields import ORGANIZATIONS
from reconciler.core.grant import ObservedGrant, index_by_key, widens
from reconciler.core.plan import Change, Create, Delete, Plan, Update
from reconciler.core.resolve import resolve
from reconciler.core.risks import RULE_LISTS
from reconciler.core.spec import GrantSpec


def lists_to_read(
    specs: Iterable[GrantSpec], grants: Iterable[ObservedGrant], directory: Directory
) -> frozenset[TenantList]:
    """Return the lists that reconciler must still read to check the grants that the files add or change.

    Each changed grant needs the list of APIs, which contains the lifetime of tokens. Earlier tokens keep removed access
    until they expire.

    Omit lists that the access token has no permission to read.
    """
    missing = frozenset(TenantList) - directory.settled
    if not missing:
        return frozenset()
    observed, needed = index_by_key(grants), set[TenantList]()
    for each in resolve(specs, directory)[0]:
        before = observed.get(each.key)
        if before is not None:
            if before.grant == each.grant:
                continue
            needed.add(TenantList.APIS)
        if before is None or widens(before.grant, each.grant):
            needed |= RULE_LISTS | required_lists(each, before, directory)
        if missing <= needed:
            break
    return missing & needed


READ_PERMISSIONS = ("read:client_grants", "read:clients", "read:resource_servers")
WRITE_PERMISSIONS = ("create:client_grants", "update:client_grants", "delete:client_grants")
READ_ORGANIZATION_PERMISSIONS = ("read:organizations", "read:organization_client_grants")
WRITE_ORGANIZATION_PERMISSIONS = ("create:organization_client_grants", "delete:organization_client_grants")
"""The additional permissions that an access token needs to change organizations of grants."""


def needed_permissions(*, has_organizations: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the permissions that `plan` needs, and the additional permissions that `apply` needs."""
    if has_organizations:
        return (*READ_PERMISSIONS, *READ_ORGANIZATION_PERMISSIONS), (
            *WRITE_PERMISSIONS,
            *WRITE_ORGANIZATION_PERMISSIONS,
        )
    return READ_PERMISSIONS, WRITE_PERMISSIONS


def missing_permissions(plan: Plan, held: frozenset[str] | None) -> list[str]:
    """Return the permissions that the access token lacks for the changes of a plan, sorted.

    `held` contains the permissions of the access token. If `held` is None, the permissions are unknown and the function
    returns an empty list.
    """
    if held is None:
        return []
    return sorted({permission for change in plan.changes for permission in _permissions(change)} - held)


def _permissions(change: Change) -> Iterator[str]:
    match change:
        case Create():
            yield "create:client_grants"
            yield from _for_organizations(change)
        case Update():
            if any(field.field != ORGANIZATIONS for field in change.fields):
                yield "update:client_grants"
            yield from _for_organizations(change)
        case Delete():
            yield "delete:client_grants"


def _for_organizations(change: Create | Update) -> Iterator[str]:
    for field in change.fields:
        match field:
            case SetChange(field="organizations"):
                if field.added:
                    yield "create:organization_client_grants"
                if field.removed:
                    yield "delete:organization_client_grants"
            case _:
                pass
