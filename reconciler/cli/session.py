"""What `plan` and `apply` share: the files read, the tenant chosen and reached, a plan made."""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from reconciler.auth0.backoff import Persistence
from reconciler.auth0.client import ManagementClient
from reconciler.auth0.management import Manner
from reconciler.auth0.pace import Pacing
from reconciler.cli.console import Console
from reconciler.cli.options import Options
from reconciler.cli.reaching import Reach
from reconciler.cli.settings import own_folder, read_settings
from reconciler.cli.shaping import Shape
from reconciler.config import Tenant, choose_tenant
from reconciler.connect import open_tenant
from reconciler.core.guards import Untouchable
from reconciler.core.organizations import DeclaredOrganizations
from reconciler.core.plan import Plan, TenantName
from reconciler.core.planner import Observation, Rules, make_plan
from reconciler.core.policy import Policy
from reconciler.core.problems import Problem, errors
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.read import Declared, read_grants
from reconciler.observe import Needs, needs_of, observe, observe_organizations
from reconciler.tasks import unless

T = TypeVar("T")

SECOND_LOOK_SECONDS = 60.0
"""What the look after the last write may take even where the time is up: what was done has to be known."""
OUT_OF_TIME = "the time is up (--timeout)"


@dataclass(frozen=True, slots=True)
class Session:
    """A tenant within reach, and what the files declare for it."""

    tenant: Tenant
    declared: Declared
    shape: Shape
    policy: Policy
    client: ManagementClient
    runner: asyncio.Runner
    deadline: float
    folder: Path

    def observe(self) -> Observation:
        """Read of the tenant what the files need. Raises Auth0Error, ReconcilerError."""

        async def read() -> Observation:
            return await self._with_organizations(await observe(self.client, self._needs()))

        return self.run(read())

    async def _with_organizations(self, observation: Observation) -> Observation:
        pruned = self.untouchable() if self.shape.prune else None
        return await observe_organizations(self.client, observation, DeclaredOrganizations(self.declared.specs, pruned))

    def _needs(self) -> Needs:
        patterns = [*self.tenant.protect, *(rule.grants for rule in self.policy.rules)]
        return needs_of(self.declared.specs, patterns)

    def observe_again(self, before: Observation, cut: asyncio.Event) -> Observation | None:
        """Read the grants and their organizations once more; names stay as they were. None if `cut` comes first.

        Raises:
            ReconcilerError: if they cannot be read, or not in time.
        """

        async def read() -> Observation:
            return await self._with_organizations(replace(before, grants=await self.client.grants()))

        return self.run(unless(cut, read()), SECOND_LOOK_SECONDS)

    def plan(self, observation: Observation) -> Plan:
        """Return the plan. Raises RefusedError, and ProblemsError with the files' texts."""
        rules = Rules(
            untouchable=self.untouchable(),
            limits=self.shape.lift(self.tenant.limits),
            policy=self.policy,
            prune=self.shape.prune,
            create_only=self.shape.create_only,
            skip_missing=self.shape.skip_missing,
        )
        try:
            return make_plan(self.declared.specs, observation, rules, TenantName(self.tenant.name, self.tenant.host))
        except ProblemsError as error:
            raise ProblemsError(error.problems, self.declared.texts) from error

    def warnings(self, plan: Plan) -> list[Problem]:
        """Return what is odd but stops nothing, in the files alone and beside the tenant."""
        return sorted([*self.declared.problems, *plan.warnings])

    def untouchable(self) -> Untouchable:
        """Return what no change may touch; to be asked after a first call."""
        return Untouchable(self.client.own_key(), self.tenant.protect)

    def run(self, work: Coroutine[Any, Any, T], at_least: float = 0.0) -> T:
        """Run `work` where the client lives, until the deadline, but for `at_least` so many seconds.

        Raises:
            ReconcilerError: if the time is up.
        """

        async def in_time() -> T:
            now = asyncio.get_running_loop().time()
            async with asyncio.timeout_at(max(self.deadline, now + at_least)):
                return await work

        try:
            return self.runner.run(in_time())
        except TimeoutError as error:
            raise ReconcilerError(OUT_OF_TIME) from error


@contextmanager
def session(options: Options, shape: Shape, reach: Reach, console: Console) -> Iterator[Session]:
    """Read the files, then reach the tenant; the connection stays open between calls.

    Raises:
        ReconcilerError: for wrong files (all problems at once), configuration or credentials; before any call is made.
    """
    config = read_settings(options.config)
    tenant = choose_tenant(config, options.tenant, os.environ)
    policy = read_settings(shape.policy).policy_of(tenant.name) if shape.policy else tenant.policy
    declared = read_grants([Path(options.grants)])
    if errors(declared.problems):
        raise ProblemsError(declared.problems, declared.texts)
    pacing = Pacing(reach.rate_share, reach.max_rps, reach.concurrency, notice=console.note)
    manner = Manner(pacing, Persistence(reach.attempts))
    with asyncio.Runner() as runner:
        reached = open_tenant(tenant, os.environ, manner)
        client = runner.run(reached.__aenter__())
        deadline = runner.get_loop().time() + reach.timeout
        try:
            yield Session(tenant, declared, shape, policy, client, runner, deadline, own_folder(config.file))
        finally:
            runner.run(reached.__aexit__(None, None, None))
