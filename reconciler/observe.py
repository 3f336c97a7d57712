"""Read the part of a tenant that a plan needs: always the grants, everything else only if a file needs it."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from reconciler.auth0.client import ManagementClient, forbidden
from reconciler.auth0.errors import RefusedCallError, UnreadableError
from reconciler.concurrency import at_once
from reconciler.core.directory import ORGANIZATION_ID, Directory, Organization, TenantList
from reconciler.core.grant import ObservedGrant
from reconciler.core.organizations import DeclaredOrganizations, may_have_organizations
from reconciler.core.pattern import Pattern
from reconciler.core.permissions import lists_for_changes
from reconciler.core.planner import Observation
from reconciler.core.quoting import counted
from reconciler.core.spec import GrantSpec
from reconciler.errors import ReconcilerError

T = TypeVar("T")

NO_APPLICATIONS = (
    "files, manage, protect or policy name applications, but the token may not list them: give its application "
    "read:clients, or write client_id instead of client"
)
NO_THIRD_PARTIES = (
    "--prune must know which applications belong to third parties, but the token may not list them: give its "
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
LOST_UNSEEN = (
    "organizations of deleted grants are neither shown nor saved in the snapshot: the token may not read "
    "them (read:organization_client_grants)"
)
ORGANIZATIONS_UNREAD = "organizations of grants were not read: the token may not (read:organization_client_grants)"
MOST_COUNTED = 100
"""The limit for organizations whose grants are counted one by one, without a list of all organizations."""
MANY_ORGANIZATIONS = (
    f"files give grants to more than {MOST_COUNTED} organizations by id, but the token may not list "
    "organizations: give its application read:organizations"
)
MOST_ASSOCIATIONS = 1_000_000
"""The limit for organizations of all grants together, which must fit into memory."""
MOST_UNFAMILIAR = 20
"""The limit for notes about unknown fields and values."""
NOTHING_KNOWN = Directory()
NAMES = (TenantList.APPLICATIONS, TenantList.APIS)


@dataclass(frozen=True, slots=True)
class RequiredListings:
    """The listings to read.

    If only `scopes` needs the APIs and the token may not list them, scopes are reported as not checked. `organizations`
    reads the organizations of grants. `organization_names` reads the list of all organizations.
    """

    application_names: bool
    api_names: bool
    scopes: bool
    third_parties: bool = False
    organizations: bool = False
    organization_names: bool = False


NO_NEEDS = RequiredListings(application_names=False, api_names=False, scopes=False)


def needs_of(specs: Iterable[GrantSpec], patterns: Iterable[Pattern], *, prunes: bool = False) -> RequiredListings:
    """Return the listings that a plan of `specs` needs if the configuration contains `patterns`."""
    specs, patterns = tuple(specs), tuple(patterns)
    return RequiredListings(
        application_names=any(spec.client for spec in specs) or any(pattern.client for pattern in patterns),
        api_names=any(spec.api for spec in specs) or any(pattern.api for pattern in patterns),
        scopes=any(spec.scope or spec.allow_all_scopes or spec.default_for for spec in specs),
        third_parties=prunes,
        organizations=any(spec.organizations is not None for spec in specs),
        organization_names=any(
            not ORGANIZATION_ID.fullmatch(each) for spec in specs for each in spec.organizations or ()
        ),
    )


async def observe(client: ManagementClient, needs: RequiredListings, *, everything: bool = False) -> Observation:
    """Read the tenant, independent listings at the same time. With `everything`, also read what is not needed.

    A listing that is not needed and not permitted is None.

    Raises:
        Auth0Error: if a listing fails. There is no plan from an incomplete read.
        ReconcilerError: if the token may not read needed names.
    """
    async with at_once() as group:
        grants = group.create_task(client.grants())
        directory = group.create_task(_directory(client, needs, wanted=NAMES if everything else ()))
    return Observation(grants.result(), directory.result(), notes=_unfamiliar(grants.result()))


async def observe_further(client: ManagementClient, known: Observation, needs: RequiredListings) -> Observation:
    """Return `known` with the additional listings of `needs`. Raises like `observe`."""
    return replace(known, directory=await _directory(client, needs, known.directory))


async def observe_for_changes(
    client: ManagementClient, observation: Observation, specs: Iterable[GrantSpec]
) -> Observation:
    """Read the lists that are needed to check created and widened grants, if the token may read them.

    Nothing is read if nothing is created or widened. Raises Auth0Error if a listing fails.
    """
    lists = lists_for_changes(specs, observation.grants, observation.directory)
    if not lists:
        return observation
    return replace(observation, directory=await _directory(client, NO_NEEDS, observation.directory, wanted=lists))


async def observe_organizations(
    client: ManagementClient, observation: Observation, declared: DeclaredOrganizations
) -> Observation:
    """Add the organizations of grants that declare organizations or are deleted.

    If only a delete needs them and the token may not read them, a note says so.

    Raises:
        Auth0Error: if a listing fails.
        ReconcilerError: if the token may not read organizations that files declare.
    """
    if not declared.are_said and declared.pruned is None:
        return observation
    try:
        concerned = declared.concerned(observation.grants, observation.directory)
        organized = await _with_organizations(client, observation, concerned)
        gaining = declared.gaining(organized.grants, organized.directory)
        if len(gaining) > MOST_COUNTED and organized.directory.organizations is None:
            organized = await _with_names(client, organized)
            gaining = declared.gaining(organized.grants, organized.directory)
        counts = await _counted(client, gaining)
    except RefusedCallError as error:
        if not forbidden(error):
            raise
        if declared.are_said:
            raise ReconcilerError(NO_ASSOCIATIONS) from error
        return replace(observation, notes=tuple(dict.fromkeys((*observation.notes, LOST_UNSEEN))))
    return replace(organized, organization_grants=counts)


async def survey(client: ManagementClient, needs: RequiredListings) -> Observation:
    """Read everything that the token may read. Organizations are read only for grants that allow some.

    Without permission to list organizations, the organizations of grants are known nevertheless. Raises like `observe`.
    """
    observation = await observe(client, needs, everything=True)
    concerned = [each for each in observation.grants if may_have_organizations(each)]
    organized = await _unless_forbidden(_with_organizations(client, observation, concerned))
    if organized is None:
        return replace(observation, notes=(*observation.notes, ORGANIZATIONS_UNREAD))
    if organized.directory.organizations is not None or not organized.directory.associated:
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
    unread = [each.id for each in concerned if each.grant.organizations is None]
    read_of = _organizations_reader(client)
    async with at_once() as group:
        tasks = {each: group.create_task(read_of(each)) for each in unread}
    read = {identity: task.result() for identity, task in tasks.items()}
    found = {organization for organizations in read.values() for organization in organizations.values()}
    met = found.union(observation.directory.associated)
    return replace(
        observation,
        grants=tuple(
            each._replace(grant=each.grant._replace(organizations=frozenset(read[each.id])))
            if each.id in read
            else each
            for each in observation.grants
        ),
        directory=replace(observation.directory, associated=tuple(sorted(met, key=lambda each: each.id))),
    )


def _organizations_reader(
    client: ManagementClient,
) -> Callable[[str], Coroutine[Any, Any, Mapping[str, Organization]]]:
    """Return a function that reads the organizations of a grant.

    It raises an error if all grants have too many together.
    """
    total = 0

    async def read(grant_id: str) -> Mapping[str, Organization]:
        nonlocal total
        found = await client.organizations_of(grant_id)
        total += len(found)
        if total > MOST_ASSOCIATIONS:
            raise UnreadableError(f"the tenant lists more than {MOST_ASSOCIATIONS:,} organizations of grants")
        return found

    return read


async def _with_names(client: ManagementClient, observation: Observation) -> Observation:
    """List the organizations, so that one request finds unknown ids.

    Raises:
        ReconcilerError: if the token may not list organizations.
    """
    listed = await _unless_forbidden(client.organizations())
    if listed is None:
        raise ReconcilerError(MANY_ORGANIZATIONS)
    return replace(observation, directory=replace(observation.directory, organizations=listed))


async def _counted(client: ManagementClient, gaining: Iterable[str]) -> dict[str, int | None]:
    async with at_once() as group:
        counts = {each: group.create_task(client.associations.count(each)) for each in gaining}
    return {each: count.result() for each, count in counts.items()}


async def look_up(client: ManagementClient, needs: RequiredListings) -> Directory:
    """Read only the tenant's names. Raises like `observe`."""
    return await _directory(client, replace(needs, scopes=False))


async def _directory(
    client: ManagementClient,
    needs: RequiredListings,
    known: Directory = NOTHING_KNOWN,
    *,
    wanted: Collection[TenantList] = (),
) -> Directory:
    """Return `known` with the needed lists, and with those of `wanted` that the token may read.

    Raises:
        ReconcilerError: if the token may not read a needed list.
        Auth0Error: if a listing fails.
    """
    needed = {
        TenantList.APPLICATIONS: NO_APPLICATIONS
        if needs.application_names
        else (NO_THIRD_PARTIES if needs.third_parties else ""),
        TenantList.APIS: NO_APIS if needs.api_names else "",
        TenantList.ORGANIZATIONS: NO_ORGANIZATIONS if needs.organization_names else "",
    }
    asked = {each for each, message in needed.items() if message}.union(wanted)
    if needs.scopes:
        asked.add(TenantList.APIS)
    reads = {each for each in asked - known.read if needed[each] or each not in known.refused}
    async with at_once() as group:
        applications = group.create_task(
            _listing(client.applications, known.applications, reads, TenantList.APPLICATIONS)
        )
        apis = group.create_task(_listing(client.apis, known.apis, reads, TenantList.APIS))
        organizations = group.create_task(
            _listing(client.organizations, known.organizations, reads, TenantList.ORGANIZATIONS)
        )
    directory = Directory(applications.result(), apis.result(), organizations.result(), known.associated)
    refused = reads - directory.read
    if message := next((needed[each] for each in TenantList if each in refused and needed[each]), ""):
        raise ReconcilerError(message)
    return replace(directory, refused=(known.refused | refused) - directory.read)


async def _listing(
    read: Callable[[], Awaitable[T]], known: T | None, reads: Collection[TenantList], name: TenantList
) -> T | None:
    """Return the list if it is to be read, otherwise `known`. Return None if the token may not read it."""
    return await _unless_forbidden(read()) if name in reads else known


def _unfamiliar(grants: Iterable[ObservedGrant]) -> tuple[str, ...]:
    """Return a note for each field of grants that this version does not know and ignores."""
    counts = Counter(thing for grant in grants for thing in grant.unfamiliar)
    named = sorted(counts.items())[:MOST_UNFAMILIAR]
    others = len(counts) - len(named)
    return (
        *(f"ignored unknown {thing} in {counted(count, 'grant')} of the tenant" for thing, count in named),
        *((f"ignored {counted(others, 'other unknown field')} in grants of the tenant",) * bool(others)),
    )
