"""Read what a plan needs to know of the tenant: its grants always, all else only where a file needs it."""

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
LOST_UNSEEN = (
    "organizations that lose a deleted grant are neither shown nor kept in the snapshot: the token may not read them "
    "(read:organization_client_grants)"
)
ORGANIZATIONS_UNREAD = "organizations of grants were not read: the token may not (read:organization_client_grants)"
MOST_COUNTED = 100
"""Organizations whose grants are counted, one request each, although nobody has listed what organizations exist."""
MANY_ORGANIZATIONS = (
    f"files give grants to more than {MOST_COUNTED} organizations by their ids, but the token may not list them: give "
    "its application read:organizations"
)
MOST_ASSOCIATIONS = 1_000_000
"""Organizations of all grants together. They have to fit into memory."""
MOST_UNFAMILIAR = 20
"""Notes about fields and values that this version does not know."""
NOTHING_KNOWN = Directory()
NAMES = (TenantList.APPLICATIONS, TenantList.APIS)


@dataclass(frozen=True, slots=True)
class RequiredListings:
    """Which listings are needed.

    If the token may not list APIs and only `scopes` needs them, scopes are reported as not checked. `organizations`
    says that those of grants are needed, `organization_names` that the list of all is.
    """

    application_names: bool
    api_names: bool
    scopes: bool
    third_parties: bool = False
    organizations: bool = False
    organization_names: bool = False


NO_NEEDS = RequiredListings(application_names=False, api_names=False, scopes=False)


def needs_of(specs: Iterable[GrantSpec], patterns: Iterable[Pattern], *, prunes: bool = False) -> RequiredListings:
    """Return what must be read to plan `specs` where the configuration names grants by `patterns`."""
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
    """Read the tenant, independent listings at the same time; with `everything`, also what is not needed.

    What is not needed and may not be read is None.

    Raises:
        Auth0Error: if a listing fails: a plan comes from a complete read or not at all.
        ReconcilerError: if names are needed that the token may not read.
    """
    async with at_once() as group:
        grants = group.create_task(client.grants())
        directory = group.create_task(_directory(client, needs, wanted=NAMES if everything else ()))
    return Observation(grants.result(), directory.result(), notes=_unfamiliar(grants.result()))


async def observe_further(client: ManagementClient, known: Observation, needs: RequiredListings) -> Observation:
    """Return what was observed for other needs, with what these ask for beyond it; raises as `observe` does."""
    return replace(known, directory=await _directory(client, needs, known.directory))


async def observe_for_changes(
    client: ManagementClient, observation: Observation, specs: Iterable[GrantSpec]
) -> Observation:
    """Read the lists that are needed to judge what `specs` create or widen, as far as the token may read them.

    Reads nothing if nothing is created or widened. Raises Auth0Error if a listing fails.
    """
    lists = lists_for_changes(specs, observation.grants, observation.directory)
    if not lists:
        return observation
    return replace(observation, directory=await _directory(client, NO_NEEDS, observation.directory, wanted=lists))


async def observe_organizations(
    client: ManagementClient, observation: Observation, declared: DeclaredOrganizations
) -> Observation:
    """Add the organizations of the grants that they are declared for, or that go; of no others are they read.

    Where only a delete asks for them, and the token may not read them, a note says so.

    Raises:
        Auth0Error: if a listing fails.
        ReconcilerError: if the token may not read what files declare.
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
    """Read all that the tenant has, as far as the token may; organizations only of the grants that allow some.

    Where it may not list organizations, those that grants have are known all the same. Raises as `observe` does.
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
    """Return what reads the organizations of grants, and refuses more for all grants together than can be true."""
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
    """List the organizations, so that ids that none has are found by one listing and not by a request for each.

    Raises:
        ReconcilerError: if the token may not list them.
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
    """Read the tenant's names only; raises as `observe` does. Scopes are nothing that a list of names checks."""
    return await _directory(client, replace(needs, scopes=False))


async def _directory(
    client: ManagementClient,
    needs: RequiredListings,
    known: Directory = NOTHING_KNOWN,
    *,
    wanted: Collection[TenantList] = (),
) -> Directory:
    """Return `known` with the lists that are needed, and with those of `wanted` that the token may read.

    Raises:
        ReconcilerError: if the token may not read a list that is needed.
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
    """Return a list if it is to be read, else `known`; None if the token may not read it."""
    return await _unless_forbidden(read()) if name in reads else known


def _unfamiliar(grants: Iterable[ObservedGrant]) -> tuple[str, ...]:
    """Return a note for each field of grants that this version does not know and ignores."""
    counts = Counter(thing for grant in grants for thing in grant.unfamiliar)
    named = sorted(counts.items())[:MOST_UNFAMILIAR]
    others = len(counts) - len(named)
    return (
        *(f"ignored in {counted(count, 'grant')} of the tenant, because unknown: {thing}" for thing, count in named),
        *((f"ignored in grants of the tenant, because unknown: {counted(others, 'other field')}",) * bool(others)),
    )
