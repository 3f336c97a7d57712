"""An open tenant: load, observe, plan."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from reconciler.app.interruption import OUT_OF_TIME, within
from reconciler.app.options import PlanOptions
from reconciler.auth0.client import ManagementClient
from reconciler.concurrency import run_unless
from reconciler.config.tenants import Tenant
from reconciler.core.config_changes import sort_by_risk
from reconciler.core.config_rules import ConfigChange
from reconciler.core.guard_changes import compare_guards
from reconciler.core.guards import ProtectionRules
from reconciler.core.identity import IdentityCheck, identities_in
from reconciler.core.organizations import DeclaredOrganizations
from reconciler.core.outcome import Rollback
from reconciler.core.pattern import Pattern
from reconciler.core.plan import Plan, TenantName
from reconciler.core.planner import Observation, PlanRules, make_plan
from reconciler.core.policy import Policy
from reconciler.core.problems import Problem, Severity, errors
from reconciler.core.resolve import ListedGrant, as_resolved, resolve
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.read import LoadedGrants
from reconciler.observe import (
    RequiredListings,
    observe,
    observe_everything,
    observe_for_changes,
    observe_further,
    observe_names,
    observe_organizations,
    required_listings,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TenantPlan:
    """A plan, and the observation that it was made from."""

    plan: Plan
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSession:
    """An open tenant, with the grants that the files declare for it and the grants that they declared at the base.

    `deadline` is a time of the monotonic clock, which the event loop also uses. `note` shows a note to the user.
    `named` is true if the configuration declares the tenant. `address` has the options that select the tenant again.
    `identity` is what the tenant's identity is compared with, `notes` are part of every plan for it, and with `names`
    every plan knows all names. `config_changes` are those of reconciler.yaml since the base, where `guards` were the
    tenant's settings.
    """

    tenant: Tenant
    declared: LoadedGrants
    base: LoadedGrants | None
    plan_options: PlanOptions
    rollback: Rollback | None
    policy: Policy
    notes: tuple[str, ...]
    names: bool
    client: ManagementClient
    identity: IdentityCheck | None
    deadline: float
    folder: Path
    note: Callable[[str], None]
    named: bool
    address: Sequence[str]
    config_changes: tuple[ConfigChange, ...] = ()
    guards: Tenant | None = None

    @property
    def name(self) -> TenantName:
        """The name and domain of the tenant."""
        return self.tenant.title

    async def planned(self) -> TenantPlan:
        """Observe the tenant and plan. Raises Auth0Error, ReconcilerError, and the errors of `plan`."""
        observation = await self._in_time(self._observed())
        return TenantPlan(self.plan(observation), observation)

    async def surveyed(self) -> Observation:
        """Observe everything that the token may read. Raises Auth0Error, ReconcilerError."""
        return self._identified(await self._in_time(observe_everything(self.client, self._needs())))

    async def planned_from(self, known: Observation) -> TenantPlan:
        """Plan from an observation that was made for other files. Missing parts are read. Raises like `planned`."""
        observation = await self._in_time(self._observed_further(known))
        return TenantPlan(self.plan(observation), observation)

    def identities(self, observation: Observation) -> frozenset[str]:
        """Return the tenant's identities in the access token and in the list of APIs, if that was read."""
        if self.identity is None:
            return frozenset()
        return self.client.identities() | identities_in(observation.directory.apis or ())

    def _identified(self, observation: Observation) -> Observation:
        """Return the observation with notes about the tenant's identity. Raises like `IdentityCheck.verify`."""
        if self.identity is None:
            return observation
        seen = self.identities(observation)
        self.identity.verify(seen)
        notes = (*observation.notes, *self.identity.notes(seen))
        return replace(observation, notes=tuple(dict.fromkeys(notes)))

    async def _observed(self) -> Observation:
        return await self._completed(await observe(self.client, self._needs()))

    async def _observed_further(self, known: Observation) -> Observation:
        observed = await observe_further(self.client, known, self._needs())
        return await self._completed(observed)

    async def _completed(self, observation: Observation) -> Observation:
        """Read what only the declared changes need: organizations, and lists to check grants that gain access."""
        organized = await self._with_organizations(observation)
        return self._identified(await observe_for_changes(self.client, organized, self.declared.specs))

    async def _with_organizations(self, observation: Observation) -> Observation:
        pruned = self.protection() if self.plan_options.prune else None
        return await observe_organizations(self.client, observation, DeclaredOrganizations(self.declared.specs, pruned))

    def _needs(self) -> RequiredListings:
        any_name = (Pattern(client="*", api="*"),) if self.names else ()
        patterns = (*self.tenant.patterns, *self.policy.patterns, *any_name)
        specs = (*self.declared.specs, *(self.base.specs if self.base else ()))
        needs = required_listings(specs, patterns, prunes=self.plan_options.prune)
        told_by_name = needs.organizations and (self.names or bool(self.policy.schemas))
        return replace(needs, organization_names=needs.organization_names or told_by_name)

    async def listed(self) -> list[ListedGrant]:
        """Return the declared grants with the ids that the tenant has for names. Raises like `planned`."""
        directory = await self._in_time(observe_names(self.client, required_listings(self.declared.specs, ())))
        desired, problems = resolve(self.declared.specs, directory)
        if errors(problems):
            raise ProblemsError(tuple(sorted(problems)), self.declared.texts)
        return [as_resolved(each, directory) for each in desired]

    async def observe_again(self, before: Observation, abort: asyncio.Event) -> Observation | None:
        """Read the grants and their organizations again. Names are reused. Return None if `abort` comes first.

        Raises:
            ReconcilerError: if they cannot be read in time.
        """
        return await self._in_time(run_unless(abort, self._observed_again(before)))

    async def _observed_again(self, before: Observation) -> Observation:
        return await self._completed(replace(before, grants=await self.client.grants()))

    def plan(self, observation: Observation) -> Plan:
        """Return the plan, made before the deadline.

        Raises:
            RefusedError: like `make_plan`; ProblemsError, with the texts of the files.
            ReconcilerError: if the time limit is exceeded.
        """
        rules = PlanRules(
            protection=self.protection(),
            limits=self.plan_options.lift(self.tenant.limits),
            policy=self.policy,
            prune=self.plan_options.prune,
            create_only=self.plan_options.create_only,
            skip_missing=self.plan_options.skip_missing,
            base=self.base.specs if self.base else None,
            only_branch=self.plan_options.only_branch,
            rollback=self.rollback,
        )
        try:
            with within(self.deadline - monotonic()):
                plan = make_plan(self.declared.specs, observation, rules, self.name)
        except ProblemsError as error:
            raise ProblemsError(error.problems, self.declared.texts) from error
        changes = (*self._moved(plan, observation), *self.config_changes)
        return replace(plan, notes=(*self.notes, *plan.notes), config_changes=sort_by_risk(changes))

    def _moved(self, plan: Plan, observation: Observation) -> Iterator[ConfigChange]:
        """Yield a change of reconciler.yaml for grants that left or entered `manage` or `protect`."""
        if self.guards is None:
            return
        keys = {change.key for change in (*plan.changes, *(each.change for each in plan.blocked))}
        keys.update(each.key for each in observation.grants)
        yield from compare_guards(keys, observation.directory, self.guards, self.tenant)

    def warnings(self, plan: Plan) -> list[Problem]:
        """Return the warnings about the files, the files at the base, and the tenant."""
        of_base = (replace(each, severity=Severity.WARNING) for each in (self.base.problems if self.base else ()))
        return sorted([*self.declared.problems, *of_base, *plan.warnings])

    def protection(self) -> ProtectionRules:
        """Return the protection rules. Call it after the first request."""
        return ProtectionRules(
            self.client.own_key(),
            self.tenant.protect,
            self.tenant.managed_scope,
            self.tenant.own_applications,
            writers_are_own=self.rollback is None,
        )

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work` if it ends before the deadline.

        Raises:
            ReconcilerError: if the time is up.
        """
        try:
            async with asyncio.timeout_at(self.deadline):
                return await work
        except TimeoutError as error:
            raise ReconcilerError(OUT_OF_TIME) from error
