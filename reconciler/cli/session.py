"""What `plan` and `apply` share: the files read, the tenant chosen and reached, a plan made."""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from reconciler.auth0.client import ManagementClient
from reconciler.cli.options import Options
from reconciler.cli.settings import read_settings
from reconciler.cli.shaping import Shape
from reconciler.config import Tenant, choose_tenant
from reconciler.connect import open_tenant
from reconciler.core.guards import Untouchable
from reconciler.core.plan import Plan, TenantName
from reconciler.core.planner import Observation, Rules, make_plan
from reconciler.core.problems import Problem, errors
from reconciler.errors import ProblemsError
from reconciler.files.read import Declared, read_grants
from reconciler.observe import needs_of, observe

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """A tenant within reach, and what the files declare for it."""

    tenant: Tenant
    declared: Declared
    shape: Shape
    client: ManagementClient
    runner: asyncio.Runner

    def observe(self) -> Observation:
        """Read of the tenant what the files need. Raises Auth0Error, ReconcilerError."""
        return self.run(observe(self.client, needs_of(self.declared.specs, self.tenant.protect)))

    def observe_again(self, before: Observation) -> Observation:
        """Read the grants once more; names and scopes stay as they were. Raises Auth0Error."""
        return replace(before, grants=self.run(self.client.grants()))

    def plan(self, observation: Observation) -> Plan:
        """Return the plan. Raises RefusedError, and ProblemsError with the files' texts."""
        rules = Rules(
            untouchable=Untouchable(self.client.own_key(), self.tenant.protect),
            limits=self.shape.lift(self.tenant.limits),
            prune=self.shape.prune,
            create_only=self.shape.create_only,
        )
        try:
            return make_plan(self.declared.specs, observation, rules, TenantName(self.tenant.name, self.tenant.host))
        except ProblemsError as error:
            raise ProblemsError(error.problems, self.declared.texts) from error

    def warnings(self, plan: Plan) -> list[Problem]:
        """Return what is odd but stops nothing, in the files alone and beside the tenant."""
        return sorted([*self.declared.problems, *plan.warnings])

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` where the client lives."""
        return self.runner.run(work)


@contextmanager
def session(options: Options, shape: Shape) -> Iterator[Session]:
    """Read the files, then reach the tenant; the connection stays open between calls.

    Raises:
        ReconcilerError: for wrong files (all problems at once), configuration or credentials; before any call is made.
    """
    tenant = choose_tenant(read_settings(options.config), options.tenant, os.environ)
    declared = read_grants([Path(options.grants)])
    if errors(declared.problems):
        raise ProblemsError(declared.problems, declared.texts)
    with asyncio.Runner() as runner:
        reached = open_tenant(tenant, os.environ)
        client = runner.run(reached.__aenter__())
        try:
            yield Session(tenant, declared, shape, client, runner)
        finally:
            runner.run(reached.__aexit__(None, None, None))
