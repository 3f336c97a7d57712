"""Read what a plan needs to know of the tenant: its grants always, all else only where a file needs it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from reconciler.auth0.client import ManagementClient, forbidden
from reconciler.auth0.errors import RefusedCallError
from reconciler.core.directory import ORGANIZATION_ID, Api, Application, Directory, Organization
from reconciler.core.grant import ObservedGrant
from reconciler.core.organizations import DeclaredOrganizations, may_have_organizations
from reconciler.core.pattern import Pattern
from reconciler.core.planner import Observation
from reconciler.core.spec import GrantSpec
from reconciler.errors import ReconcilerError
from reconciler.tasks import at_once

T = TypeVar("T")

NO_APPLICATIONS = (
    "files, manage, protect or policy name applications, but the token may not list them: give its application "
    "read:clients, or write client_id instead of client"
)
NO_THIRD_PARTIES = (
    "--prune has to know which applications belong to third parties, but the token may not list them: give its "
    "application read:clients"
)
NO_APIS = (
    "files, manage, protect or policy name APIs, but the token may not list them: give its application "
    "read:resource_servers, or write audience instead of api"
)
NO_ORGANIZATIONS = (
    "files name organizations, but the token may not list them: give its application read:organizations, "
    "or write ids instead of names"
)
NO_ASSOCIATIONS = (
    "files declare the organizations of grants, but the token may not read them: give its application "
    "read:organization_client_grants"
)
ORGANIZATIONS_UNREAD = "organizations of grants were not read: the token may not (read:organization_client_grants)"
SCOPES_UNCHECKED = "scopes were not checked: the token may not list APIs (read:resource_servers)"


@dataclass(frozen=True, slots=True)
class Needs:
    """Which listings are needed.

    Scopes alone can do without the listing of APIs where the token may not read it. `organizations` says that those of
    grants are needed, `organization_names` that there has to be a listing of all.
    """

    application_names: bool
    api_names: bool
    scopes: bool
    third_parties: bool = False
    organizations: bool = False
    organization_names: bool = False


def needs_of(specs: Iterable[GrantSpec], patterns: Iterable[Pattern], *, prunes: bool = False) -> Needs:
    """Return what must be read to plan `specs` where the configuration names grants by `patterns`."""
    specs, patterns = tuple(specs), tuple(patterns)
    return Needs(
        application_names=any(spec.client for spec in specs) or any(pattern.client for pattern in patterns),
        api_names=any(spec.api for spec in specs) or any(pattern.api for pattern in patterns),
        scopes=any(spec.scope or spec.allow_all_scopes or spec.default_for for spec in specs),
        third_parties=prunes,
        organizations=any(spec.organizations is not None for spec in specs),
        organization_names=any(
            not ORGANIZATION_ID.fullmatch(each) for spec in specs for each in spec.organizations or ()
        ),
    )


async def observe(client: ManagementClient, needs: Needs, *, everything: bool = False) -> Observation:
    """Read the tenant, independent listings at the same time; with `everything`, also what is not needed.

    What is not needed and may not be read is None.

    Raises:
        Auth0Error: if a listing fails: a plan comes from a complete read or not at all.
        ReconcilerError: if names are needed that the token may not read.
    """
    async with at_once() as group:
        grants = group.create_task(observe_grants(client))
        applications = group.create_task(_applications(client, needs, everything=everything))
        apis = group.create_task(_apis(client, needs, everything=everything))
        organizations = group.create_task(_organizations(client, needs))
    listed, listed_at = grants.result()
    notes = _unfamiliar(listed)
    if needs.scopes and apis.result() is None:
        notes.append(SCOPES_UNCHECKED)
    directory = Directory(applications.result(), apis.result(), organizations.result())
    return Observation(listed, directory, tuple(notes), listed_at=listed_at)


async def observe_grants(client: ManagementClient) -> tuple[tuple[ObservedGrant, ...], float]:
    """Return the tenant's grants, and when that listing ended by the event loop's clock. Raises as `observe` does."""
    grants = await client.grants()
    return grants, asyncio.get_running_loop().time()


async def observe_organizations(
    client: ManagementClient, observation: Observation, declared: DeclaredOrganizations
) -> Observation:
    """Add the organizations of the grants that they are declared for, or that go; nothing is read where none are.

    Raises:
        Auth0Error: if a listing fails.
        ReconcilerError: if the token may not read them.
    """
    if not declared:
        return observation
    try:
        concerned = declared.concerned(observation.grants, observation.directory)
        organized = await _with_organizations(client, observation, concerned)
        counted = await _counted(client, declared.gaining(organized.grants, organized.directory))
    except RefusedCallError as error:
        if forbidden(error):
            raise ReconcilerError(NO_ASSOCIATIONS) from error
        raise
    return replace(organized, organization_grants=counted)


async def survey(client: ManagementClient, needs: Needs) -> Observation:
    """Read all that the tenant has, as far as the token may; organizations only of the grants that allow some.

    Where it may not list organizations, those that grants have are known all the same. Raises as `observe` does.
    """
    observation = await observe(client, needs, everything=True)
    concerned = [each for each in observation.grants if may_have_organizations(each)]
    organized = await _unless_forbidden(_with_organizations(client, observation, concerned))
    if organized is None:
        return replace(observation, notes=(*observation.notes, ORGANIZATIONS_UNREAD))
    if not organized.directory.associated:
        return organized
    listed = await _unless_forbidden(client.organizations())
    return replace(organized, directory=replace(organized.directory, organizations=listed))


async def _unless_forbidden(reading: Awaitable[T]) -> T | None:
    try:
        return await reading
    except RefusedCallError as error:
        if not forbidden(error):
            raise
        return None


async def _with_organizations(
    client: ManagementClient, observation: Observation, concerned: Iterable[ObservedGrant]
) -> Observation:
    async with at_once() as group:
        tasks = {each.id: group.create_task(client.organizations_of(each.id)) for each in concerned}
    read = {identity: task.result() for identity, task in tasks.items()}
    met = {organization for organizations in read.values() for organization in organizations.values()}
    return replace(
        observation,
        grants=tuple(
            replace(each, grant=replace(each.grant, organizations=frozenset(read[each.id])))
            if each.id in read
            else each
            for each in observation.grants
        ),
        directory=replace(observation.directory, associated=tuple(sorted(met, key=lambda each: each.id))),
    )


async def _counted(client: ManagementClient, gaining: Iterable[str]) -> dict[str, int | None]:
    async with at_once() as group:
        counts = {each: group.create_task(client.associations.count(each)) for each in gaining}
    return {each: count.result() for each, count in counts.items()}


async def look_up(client: ManagementClient, needs: Needs) -> Directory:
    """Read the tenant's names only; raises as `observe` does. Scopes are nothing that a list of names checks."""
    async with at_once() as group:
        applications = group.create_task(_applications(client, needs))
        apis = group.create_task(_apis(client, replace(needs, scopes=False)))
        organizations = group.create_task(_organizations(client, needs))
    return Directory(applications.result(), apis.result(), organizations.result())


def _unfamiliar(grants: Iterable[ObservedGrant]) -> list[str]:
    """Return a note for each thing that grants say and this version does not know; it is passed over."""
    counted = Counter(thing for grant in grants for thing in grant.unfamiliar)
    return [
        f"passed over in {count} of the tenant's grants, because unknown: {thing}"
        for thing, count in sorted(counted.items())
    ]


async def _applications(
    client: ManagementClient, needs: Needs, *, everything: bool = False
) -> tuple[Application, ...] | None:
    needed = needs.application_names or needs.third_parties
    if not needed and not everything:
        return None
    try:
        return await client.applications()
    except RefusedCallError as error:
        if not forbidden(error):
            raise
        if needed:
            raise ReconcilerError(NO_APPLICATIONS if needs.application_names else NO_THIRD_PARTIES) from error
        return None


async def _apis(client: ManagementClient, needs: Needs, *, everything: bool = False) -> tuple[Api, ...] | None:
    if not needs.api_names and not needs.scopes and not everything:
        return None
    try:
        return await client.apis()
    except RefusedCallError as error:
        if not forbidden(error):
            raise
        if needs.api_names:
            raise ReconcilerError(NO_APIS) from error
        return None


async def _organizations(client: ManagementClient, needs: Needs) -> tuple[Organization, ...] | None:
    if not needs.organization_names:
        return None
    try:
        return await client.organizations()
    except RefusedCallError as error:
        if forbidden(error):
            raise ReconcilerError(NO_ORGANIZATIONS) from error
        raise
