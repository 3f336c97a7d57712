"""Read the tenant data that a plan needs: the grants, and the names of applications, APIs and organizations."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from reconciler.auth0.client import ManagementClient, is_forbidden
from reconciler.auth0.errors import RefusedCallError, UnreadableError
from reconciler.concurrency import task_group
from reconciler.core.characters import pluralize
from reconciler.core.directory import ORGANIZATION_ID, Directory, Organization, TenantList
from reconciler.core.grant import ObservedGrant
from reconciler.core.log_events import attribute
from reconciler.core.organizations import DeclaredOrganizations, may_have_organizations
from reconciler.core.pattern import Pattern
from reconciler.core.permissions import lists_to_read
from reconciler.core.plan import Create, Plan, Reason
from reconciler.core.planner import Observation
from reconciler.core.spec import GrantSpec
from reconciler.errors import ReconcilerError

T = TypeVar("T")

NO_APPLICATIONS = (
    "grant files, or the settings `manage`, `protect` or `policy`, mention applications by name, but the token "
    "lacks the permission read:clients: give the permission to reconciler's application, or write "
    "client_id instead of client"
)
NO_THIRD_PARTIES = (
    "a plan that deletes undeclared grants must know the third-party applications, but the token lacks the permission "
    "read:clients: give the permission to reconciler's application"
)
NO_APIS = (
    "grant files, or the settings `manage`, `protect` or `policy`, mention APIs by name, but the token lacks "
    "the permission read:resource_servers: give the permission to reconciler's application, or write "
    "audience instead of api"
)
NO_ORGANIZATIONS = (
    "files mention organizations by name, but the token lacks the permission read:organizations: give the permission "
    "to reconciler's application, or write ids instead of names"
)
NO_ASSOCIATIONS = (
    "files declare the organizations of grants, but the token lacks the permission read:organization_client_grants: "
    "give the permission to reconciler's application"
)
ORGANIZATIONS_NOT_SAVED = (
    "organizations of deleted grants are neither shown nor saved in the snapshot, because the token lacks the "
    "permission read:organization_client_grants"
)
ORGANIZATIONS_NOT_READ = (
    "organizations of grants were not read, because the token lacks the permission read:organization_client_grants"
)
NO_LOGS = "reconciler does not know who changed the grants, because the token lacks the permission read:logs"
MAX_COUNTED_ORGANIZATIONS = 100
"""If more than MAX_COUNTED_ORGANIZATIONS organizations gain grants, reconciler reads the list of all organizations."""
TOO_MANY_ORGANIZATION_IDS = (
    f"files give grants to more than {MAX_COUNTED_ORGANIZATIONS} organizations by id, but the token lacks the "
    "permission read:organizations: give the permission to reconciler's application"
)
MAX_ASSOCIATIONS = 1_000_000
"""The maximum total number of organizations in all grants of a tenant.

Without a maximum, the organizations of a tenant could fill the memory.
"""
MAX_UNKNOWN_FIELDS = 20
"""The maximum number of notes about unknown fields and values of grants."""
EMPTY_DIRECTORY = Directory()
NAMES = (TenantList.APPLICATIONS, TenantList.APIS)


class RequiredListings(NamedTuple):
    """The lists that a plan must read from the tenant: applications, APIs and organizations.

    If `application_names` or `third_parties` is true, the plan needs the list of applications. If `api_names` or
    `apis` is true, the plan needs the list of APIs, for names or for scopes and token lifetimes. If `organizations` is
    true, the plan needs the organizations of each grant. If `organization_names` is true, the plan needs the list of
    all organizations. If `api_names` is false, the list of APIs is optional. If the token may not read the optional
    list of APIs, the plan reports that scopes were not checked.
    """

    application_names: bool
    api_names: bool
    apis: bool
    third_parties: bool = False
    organizations: bool = False
    organization_names: bool = False


NO_LISTINGS = RequiredListings(application_names=False, api_names=False, apis=False)


def required_listings(
    specs: Iterable[GrantSpec], patterns: Iterable[Pattern], *, prunes: bool = False
) -> RequiredListings:
    """Return the lists that must be read to match `specs` and `patterns`, for example the list of applications."""
    specs, patterns = tuple(specs), tuple(patterns)
    return RequiredListings(
        application_names=any(spec.client for spec in specs) or any(pattern.client for pattern in patterns),
        api_names=any(spec.api for spec in specs) or any(pattern.api for pattern in patterns),
        apis=prunes or any(spec.scope or spec.allow_all_scopes or spec.default_for or spec.expires for spec in specs),
        third_parties=prunes,
        organizations=any(spec.organizations is not None for spec in specs),
        organization_names=any(
            not ORGANIZATION_ID.fullmatch(each) for spec in specs for each in spec.organizations or ()
        ),
    )


async def observe(client: ManagementClient, needs: RequiredListings, *, everything: bool = False) -> Observation:
    """Read the grants of the tenant, and each list that `needs` selects: applications, APIs or organizations.

    Independent lists are read at the same time. If `everything` is true, read the names of all applications and APIs.

    If the token is not allowed to read a list that the plan does not require, the returned observation contains None
    instead of the list.

    Raises:
        Auth0Error: if reading a list fails. A list that was read only partially is never used.
        ReconcilerError: if the token may not read a list that the plan requires.
    """
    async with task_group() as group:
        grants = group.create_task(client.grants())
        directory = group.create_task(_directory(client, needs, wanted=NAMES if everything else ()))
    return Observation(grants.result(), directory.result(), notes=_unknown_field_notes(grants.result()))


async def observe_further(client: ManagementClient, known: Observation, needs: RequiredListings) -> Observation:
    """Read the required lists that are missing in `known`.

    Return a copy of `known` that also contains the lists that were read.

    Raises Auth0Error and ReconcilerError.
    """
    return known._replace(directory=await _directory(client, needs, known.directory))


async def observe_for_changes(
    client: ManagementClient, observation: Observation, specs: Iterable[GrantSpec]
) -> Observation:
    """Read the lists that are needed to check the grants that the files add or change.

    Do not read lists for which the token lacks the permission.

    If the files neither create nor change a grant, do not send a request. Raises Auth0Error if reading a list fails.
    """
    lists = lists_to_read(specs, observation.grants, observation.directory)
    if not lists:
        return observation
    return observation._replace(directory=await _directory(client, NO_LISTINGS, observation.directory, wanted=lists))


async def observe_organizations(
    client: ManagementClient, observation: Observation, declared: DeclaredOrganizations
) -> Observation:
    """Read the organizations of each grant that is declared with organizations, and of each grant that may be deleted.

    If no file declares organizations, a missing permission to read organizations adds a note instead of raising an
    error.

    Raises:
        Auth0Error: if reading a list fails.
        ReconcilerError: if files declare organizations and the token may not read the organizations of grants.
    """
    if not declared.are_declared and not declared.may_delete:
        return observation
    try:
        grants_to_read = declared.grants_to_read(observation.grants, observation.directory)
        with_organizations = await _with_organizations(client, observation, grants_to_read)
        gaining_organizations = declared.organizations_gaining_grants(
            with_organizations.grants, with_organizations.directory
        )
        if (
            len(gaining_organizations) > MAX_COUNTED_ORGANIZATIONS
            and with_organizations.directory.organizations is None
        ):
            with_organizations = await _with_names(client, with_organizations)
            gaining_organizations = declared.organizations_gaining_grants(
                with_organizations.grants, with_organizations.directory
            )
        counts = await _count_grants(client, gaining_organizations)
    except RefusedCallError as error:
        if not is_forbidden(error):
            raise
        if declared.are_declared:
            raise ReconcilerError(NO_ASSOCIATIONS) from error
        return observation._replace(notes=tuple(dict.fromkeys((*observation.notes, ORGANIZATIONS_NOT_SAVED))))
    return with_organizations._replace(organization_grants=counts)


async def observe_everything(client: ManagementClient, needs: RequiredListings) -> Observation:
    """Read all data of the tenant that the token may read.

    Organizations are read only for grants that can have organizations.

    The organizations of a grant are read even if the token is not allowed to list all organizations of the tenant.
    Raises Auth0Error and ReconcilerError.
    """
    observation = await observe(client, needs, everything=True)
    grants_to_read = [each for each in observation.grants if may_have_organizations(each)]
    with_organizations = await _none_if_forbidden(_with_organizations(client, observation, grants_to_read))
    if with_organizations is None:
        return observation._replace(notes=(*observation.notes, ORGANIZATIONS_NOT_READ))
    if with_organizations.directory.organizations is not None or not with_organizations.directory.associated:
        return with_organizations
    listed = await _none_if_forbidden(client.organizations())
    return with_organizations._replace(directory=replace(with_organizations.directory, organizations=listed))


async def attribute_plan(client: ManagementClient, plan: Plan) -> Plan:
    """For each grant that is undeclared or differs from the files, find who last changed the grant.

    If every grant matches the files, the function does not read the tenant's logs. If the token lacks the
    permission read:logs, the function adds a note to the plan.

    Raises:
        Auth0Error: if the logs cannot be read.
    """
    changes = (*plan.changes, *(each.change for each in plan.blocked))
    grants = {each.key: "" if isinstance(each, Create) else each.before.id for each in changes}
    undeclared = (each.observed for each in plan.left_alone if each.reason in {Reason.UNMANAGED, Reason.REMOVED})
    grants |= {each.key: each.id for each in undeclared}
    if not grants:
        return plan
    logs = await _none_if_forbidden(client.log_events())
    if logs is None:
        return replace(plan, notes=(*plan.notes, NO_LOGS))
    return replace(plan, attributions=attribute(logs, grants))


async def _none_if_forbidden(reading: Awaitable[T]) -> T | None:
    try:
        return await reading
    except RefusedCallError as error:
        if not is_forbidden(error):
            raise
        return None


async def _with_organizations(
    client: ManagementClient, observation: Observation, grants_to_read: Iterable[ObservedGrant]
) -> Observation:
    unread = [each.id for each in grants_to_read if each.grant.organizations is None]
    read_of = _organizations_reader(client)
    async with task_group() as group:
        tasks = {each: group.create_task(read_of(each)) for each in unread}
    read = {identity: task.result() for identity, task in tasks.items()}
    found = {organization for organizations in read.values() for organization in organizations.values()}
    associated = found.union(observation.directory.associated)
    return observation._replace(
        grants=tuple(
            each._replace(grant=each.grant._replace(organizations=frozenset(read[each.id])))
            if each.id in read
            else each
            for each in observation.grants
        ),
        directory=replace(observation.directory, associated=tuple(sorted(associated, key=lambda each: each.id))),
    )


def _organizations_reader(
    client: ManagementClient,
) -> Callable[[str], Coroutine[Any, Any, Mapping[str, Organization]]]:
    """Return a function `read` that reads the organizations of a grant.

    The function `read` raises UnreadableError if the total number of organizations in all grants is too large.
    """
    total = 0

    async def read(grant_id: str) -> Mapping[str, Organization]:
        nonlocal total
        found = await client.organizations_of(grant_id)
        total += len(found)
        if total > MAX_ASSOCIATIONS:
            raise UnreadableError(
                f"the tenant has more than {MAX_ASSOCIATIONS:,} assignments of organizations to grants"
            )
        return found

    return read


async def _with_names(client: ManagementClient, observation: Observation) -> Observation:
    """Read the list of all organizations, so that reconciler recognizes unknown ids without a request for each id.

    Raises:
        ReconcilerError: if the token is not allowed to list organizations.
    """
    listed = await _none_if_forbidden(client.organizations())
    if listed is None:
        raise ReconcilerError(TOO_MANY_ORGANIZATION_IDS)
    return observation._replace(directory=replace(observation.directory, organizations=listed))


async def _count_grants(client: ManagementClient, gaining_organizations: Iterable[str]) -> dict[str, int | None]:
    async with task_group() as group:
        counts = {each: group.create_task(client.associations.count(each)) for each in gaining_organizations}
    return {each: count.result() for each, count in counts.items()}


async def observe_names(client: ManagementClient, needs: RequiredListings) -> Directory:
    """Read only the required names of the tenant's applications, APIs and organizations.

    Raises Auth0Error and ReconcilerError.
    """
    return await _directory(client, needs._replace(apis=False))


async def observe_readable_names(client: ManagementClient) -> Directory:
    """Read the names of applications, APIs and organizations.

    Skip names that the token is not allowed to read. Raises Auth0Error.
    """
    return await _directory(client, NO_LISTINGS, wanted=tuple(TenantList))


async def _directory(
    client: ManagementClient,
    needs: RequiredListings,
    known: Directory = EMPTY_DIRECTORY,
    *,
    wanted: Collection[TenantList] = (),
) -> Directory:
    """Read the lists in `needs`, and the lists in `wanted` that the token may read.

    Return a copy of `known` that also contains the lists that were read.

    Raises:
        ReconcilerError: if the token may not read a required list.
        Auth0Error: if reading a list fails.
    """
    needed = {
        TenantList.APPLICATIONS: NO_APPLICATIONS
        if needs.application_names
        else (NO_THIRD_PARTIES if needs.third_parties else ""),
        TenantList.APIS: NO_APIS if needs.api_names else "",
        TenantList.ORGANIZATIONS: NO_ORGANIZATIONS if needs.organization_names else "",
    }
    to_read = {each for each, message in needed.items() if message}.union(wanted)
    if needs.apis:
        to_read.add(TenantList.APIS)
    reads = {each for each in to_read - known.read if needed[each] or each not in known.refused}
    async with task_group() as group:
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
    """Read the list `name` if `name` is in `reads`, or return the previously read list `known`.

    If the token may not read the list, return None.
    """
    return await _none_if_forbidden(read()) if name in reads else known


def _unknown_field_notes(grants: Iterable[ObservedGrant]) -> tuple[str, ...]:
    """Return a note for each unknown field in the tenant's grants. Unknown fields are ignored."""
    counts = Counter(unknown for grant in grants for unknown in grant.unknown_fields)
    named = sorted(counts.items())[:MAX_UNKNOWN_FIELDS]
    others = len(counts) - len(named)
    return (
        *(f"ignored unknown {unknown} in {pluralize(count, 'grant')} of the tenant" for unknown, count in named),
        *((f"ignored {pluralize(others, 'other unknown field')} in grants of the tenant",) * bool(others)),
    )
