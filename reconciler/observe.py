"""Read what a plan needs to know of the tenant: its grants always, names and scopes only where a file needs them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.auth0.client import ManagementClient, forbidden
from reconciler.auth0.errors import RefusedCallError
from reconciler.core.directory import Api, Application, Directory
from reconciler.core.grant import ObservedGrant
from reconciler.core.pattern import Pattern
from reconciler.core.planner import Observation
from reconciler.core.spec import GrantSpec
from reconciler.errors import ReconcilerError
from reconciler.tasks import at_once

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
SCOPES_UNCHECKED = "scopes were not checked: the token may not list APIs (read:resource_servers)"


@dataclass(frozen=True, slots=True)
class Needs:
    """Which listings are needed; scopes alone can do without the listing of APIs where the token may not read it."""

    application_names: bool
    api_names: bool
    scopes: bool
    third_parties: bool = False


def needs_of(specs: Iterable[GrantSpec], patterns: Iterable[Pattern], *, prunes: bool = False) -> Needs:
    """Return what must be read to plan `specs` where the configuration names grants by `patterns`."""
    specs, patterns = tuple(specs), tuple(patterns)
    return Needs(
        application_names=any(spec.client for spec in specs) or any(pattern.client for pattern in patterns),
        api_names=any(spec.api for spec in specs) or any(pattern.api for pattern in patterns),
        scopes=any(spec.scope or spec.allow_all_scopes or spec.default_for for spec in specs),
        third_parties=prunes,
    )


async def observe(client: ManagementClient, needs: Needs, *, everything: bool = False) -> Observation:
    """Read the tenant, independent listings at the same time; with `everything`, also what is not needed.

    What is not needed and may not be read is None.

    Raises:
        Auth0Error: if a listing fails: a plan comes from a complete read or not at all.
        ReconcilerError: if names are needed that the token may not read.
    """
    async with at_once() as group:
        grants = group.create_task(client.grants())
        applications = group.create_task(_applications(client, needs, everything=everything))
        apis = group.create_task(_apis(client, needs, everything=everything))
    notes = _unfamiliar(grants.result())
    if needs.scopes and apis.result() is None:
        notes.append(SCOPES_UNCHECKED)
    return Observation(grants.result(), Directory(applications.result(), apis.result()), tuple(notes))


async def look_up(client: ManagementClient, needs: Needs) -> Directory:
    """Read the tenant's names only; raises as `observe` does. Scopes are nothing that a list of names checks."""
    async with at_once() as group:
        applications = group.create_task(_applications(client, needs))
        apis = group.create_task(_apis(client, replace(needs, scopes=False)))
    return Directory(applications.result(), apis.result())


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
