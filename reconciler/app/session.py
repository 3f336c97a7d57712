"""Read the grants of a connected tenant and plan the changes."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from reconciler.app.options import PlanOptions
from reconciler.app.time_limit import TIME_LIMIT_EXCEEDED, time_limit
from reconciler.auth0.client import ManagementClient
from reconciler.concurrency import run_unless
from reconciler.core.config_rules import ConfigChange, sort_by_risk
from reconciler.core.directory import Directory
from reconciler.core.expiry import split_expired
from reconciler.core.guards import ProtectionRules
from reconciler.core.identity import IdentityCheck, TenantName, identities_in
from reconciler.core.organizations import DeclaredOrganizations
from reconciler.core.outcome import Rollback
from reconciler.core.pattern import Pattern
from reconciler.core.plan import Plan
from reconciler.core.planner import Observation, PlanRules, make_plan
from reconciler.core.problems import Problem, Severity
from reconciler.core.removals import Removal
from reconciler.core.selection import EVERYTHING, GrantSelection
from reconciler.core.settings import Policy
from reconciler.core.tenant import Tenant
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.read import LoadedGrants
from reconciler.observe import (
    RequiredListings,
    attribute_plan,
    observe,
    observe_everything,
    observe_for_changes,
    observe_further,
    observe_names,
    observe_organizations,
    observe_readable_names,
    required_listings,
)

T = TypeVar("T")


class TenantPlan(NamedTuple):
    """A plan, and the data of the tenant that the plan is based on."""

    plan: Plan
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSession:
    """A connected tenant and the grants that the files declare for the tenant."""

    tenant: Tenant
    """The settings of the tenant."""
    declared: LoadedGrants
    """The grants that the files declare for the tenant."""
    base: LoadedGrants | None
    """The grants that the files in the revision of --base declare, or None without --base."""
    removals: tuple[Removal, ...] | None
    """The grants that only earlier commits declare, or None without --prune-removed."""
    plan_options: PlanOptions
    """The options that decide which changes a plan contains."""
    now: datetime
    """The time at which the run started."""
    rollback: Rollback | None
    """The snapshot that the run restores, or None if the grant files are not a snapshot."""
    policy: Policy
    """The policy that every plan must follow."""
    notes: tuple[str, ...]
    """The notes that every plan for the tenant contains."""
    with_names: bool
    """True if every plan contains the names of all applications, APIs and organizations of the tenant."""
    client: ManagementClient
    """The client of the Management API."""
    identity: IdentityCheck | None
    """The check that the connected tenant is the configured tenant.

    If the tenant is a sandbox, `identity` is None.
    """
    deadline: float
    """The time at which the time limit ends, on the monotonic clock that Python and the event loop share."""
    folder: Path
    """The folder .reconciler."""
    note: Callable[[str], None]
    """Prints a note for the user."""
    is_declared: bool
    """True if the configuration declares the tenant."""
    tenant_options: Sequence[str]
    """The command-line options that select the tenant."""
    config_changes: tuple[ConfigChange, ...] = ()
    """The differences between reconciler.yaml in the revision of --base and in the checkout."""
    tenant_at_base: Tenant | None = None
    """The settings of the tenant in the revision of --base, or None."""
    selection: GrantSelection = EVERYTHING
    """The selected grants. A plan or a list of grants contains only the selected grants."""

    @property
    def name(self) -> TenantName:
        """The name and domain of the tenant."""
        return self.tenant.title

    async def observe_and_plan(self) -> TenantPlan:
        """Read the required data of the tenant and make a plan.

        Raises Auth0Error, ReconcilerError, and the errors of `plan`.
        """
        observation = await self._before_deadline(self._observe())
        plan = self.plan(observation)
        if self.plan_options.attribute:
            plan = await self._before_deadline(attribute_plan(self.client, plan))
        return TenantPlan(plan, observation)

    async def observe_all(self) -> Observation:
        """Read all data of the tenant that the token may read. Raises Auth0Error, ReconcilerError."""
        return self._verify_identity(
            await self._before_deadline(observe_everything(self.client, self._required_listings()))
        )

    async def observe_grants(self) -> Observation:
        """Read the grants, and the names of all applications and APIs that the token may list.

        Raises Auth0Error, ReconcilerError.
        """
        return self._verify_identity(
            await self._before_deadline(observe(self.client, self._required_listings(), everything=True))
        )

    async def plan_from(self, known: Observation) -> TenantPlan:
        """Make a plan from tenant data that was read earlier.

        Before planning, read the required data that `known` does not contain. Raises Auth0Error, ReconcilerError, and
        the errors of `plan`.
        """
        observation = await self._before_deadline(self._observe_further(known))
        return TenantPlan(self.plan(observation), observation)

    def identities(self, observation: Observation) -> frozenset[str]:
        """Return the identifiers that Auth0 assigned to the tenant, from the access token and the list of APIs."""
        if self.identity is None:
            return frozenset()
        return self.client.identities() | identities_in(observation.directory.apis or ())

    def _verify_identity(self, observation: Observation) -> Observation:
        """Check that the connected tenant is the configured tenant.

        Return a copy of `observation` with the notes of the check.

        Raises ReconcilerError if the connected tenant is not the configured tenant.
        """
        if self.identity is None:
            return observation
        identities = self.identities(observation)
        self.identity.verify(identities)
        notes = (*observation.notes, *self.identity.notes(identities))
        return observation._replace(notes=tuple(dict.fromkeys(notes)))

    async def _observe(self) -> Observation:
        return await self._complete(await observe(self.client, self._required_listings()))

    async def _observe_further(self, known: Observation) -> Observation:
        observed = await observe_further(self.client, known, self._required_listings())
        return await self._complete(observed)

    async def _complete(self, observation: Observation) -> Observation:
        """Read the organizations of grants, and the lists needed to check grants that are new or gain access."""
        valid, expired = split_expired(self.declared.specs, self.now)
        prune_protection = self.protection() if self.plan_options.deletes else None
        declared = DeclaredOrganizations(valid, prune_protection, self.removals, expired)
        with_organizations = await observe_organizations(self.client, observation, declared)
        return self._verify_identity(await observe_for_changes(self.client, with_organizations, valid))

    def _required_listings(self) -> RequiredListings:
        any_name = (Pattern(client="*", api="*"),) if self.with_names else ()
        patterns = (*self.tenant.patterns, *self.policy.patterns, *self.selection.patterns, *any_name)
        removed = tuple(removal.spec for removal in self.removals or ())
        valid, expired = split_expired(self.declared.specs, self.now)
        specs = (*valid, *expired, *(self.base.specs if self.base else ()), *removed)
        prunes = self.plan_options.prune or any(not removal.is_side for removal in self.removals or ())
        needs = required_listings(specs, patterns, prunes=prunes)
        needs_names = needs.organizations and (self.with_names or bool(self.policy.schemas))
        return needs._replace(organization_names=needs.organization_names or needs_names)

    async def read_names(self) -> Directory:
        """Return the names that the grant files and the selection need. Raises Auth0Error, ReconcilerError."""
        needs = required_listings(self.declared.specs, self.selection.patterns)
        return await self._before_deadline(observe_names(self.client, needs))

    async def read_directory(self) -> Directory:
        """Return the names of applications, APIs and organizations of the tenant.

        Omit names that the access token has no permission to read.

        Raises Auth0Error, ReconcilerError.
        """
        return await self._before_deadline(observe_readable_names(self.client))

    async def observe_again(self, before: Observation, abort: asyncio.Event) -> Observation | None:
        """Read the grants and the organizations of grants again.

        Application names and API names are not read again, but copied from `before`.

        Return None if `abort` is set while the method reads the tenant.

        Raises:
            ReconcilerError: if the tenant cannot be read within the time limit.
        """
        return await self._before_deadline(run_unless(abort, self._observe_again(before)))

    async def _observe_again(self, before: Observation) -> Observation:
        return await self._complete(before._replace(grants=await self.client.grants()))

    def plan(self, observation: Observation) -> Plan:
        """Make a plan from the data of the tenant.

        Raises:
            RefusedError: if a safety rule (guard) refuses the run.
            ProblemsError: if the files have problems.
            ReconcilerError: if the time limit is exceeded.
        """
        rules = PlanRules(
            now=self.now,
            warn_before=self.tenant.warn_before,
            only_expired=self.plan_options.only_expired,
            protection=self.protection(),
            limits=self.plan_options.override_limits(self.tenant.limits),
            policy=self.policy,
            prune=self.plan_options.prune,
            create_only=self.plan_options.create_only,
            skip_missing=self.plan_options.skip_missing,
            base=self.base.specs if self.base else None,
            base_commit=self.base.commit if self.base else "",
            only_branch=self.plan_options.only_branch,
            removals=self.removals or (),
            rollback=self.rollback,
            selection=self.selection,
            of_all_tenants=self.declared.of_all_tenants,
        )
        try:
            with time_limit(self.deadline - monotonic()):
                plan = make_plan(self.declared.specs, observation, rules, self.name)
        except ProblemsError as error:
            raise ProblemsError(error.problems, self.declared.texts) from error
        changes = (*self._guard_changes(plan, observation), *self.config_changes)
        return replace(plan, notes=(*self.notes, *plan.notes), config_changes=sort_by_risk(changes))

    def _guard_changes(self, plan: Plan, observation: Observation) -> Iterator[ConfigChange]:
        """Yield each change of `manage` or `protect` in reconciler.yaml that affects a grant."""
        if self.tenant_at_base is None:
            return
        from reconciler.core.config_changes import compare_guards

        keys = {change.key for change in (*plan.changes, *(each.change for each in plan.blocked))}
        keys.update(each.key for each in observation.grants)
        yield from compare_guards(keys, observation.directory, self.tenant_at_base, self.tenant)

    def warnings(self, plan: Plan) -> list[Problem]:
        """Return the warnings about the tenant and the grant files.

        With --base, the result includes warnings about the grant files in the revision of --base.
        """
        base_problems = (each._replace(severity=Severity.WARNING) for each in (self.base.problems if self.base else ()))
        return sorted([*self.declared.problems, *base_problems, *plan.warnings])

    def protection(self) -> ProtectionRules:
        """Return the rules that protect grants from changes.

        Send at least one request before calling `protection`, because the rules contain data from the access token of
        the request.
        """
        return ProtectionRules(
            self.client.own_key(),
            self.tenant.protect,
            self.tenant.managed_scope,
            self.tenant.own_applications,
            writers_are_own=self.rollback is None,
        )

    async def _before_deadline(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`, or raise ReconcilerError at the end of the time limit.

        Raises:
            ReconcilerError: if the time limit is exceeded.
        """
        try:
            async with asyncio.timeout_at(self.deadline):
                return await work
        except TimeoutError as error:
            raise ReconcilerError(TIME_LIMIT_EXCEEDED) from error
