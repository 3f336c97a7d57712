"""Run a command for several tenants at the same time. An error of one tenant does not stop the others."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Generic, TypeVar

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.interruption import time_limit
from reconciler.app.load import GrantFiles, data_folder, load_config, load_grant_files, load_policy_config
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantPlan, TenantSession
from reconciler.auth0.management import ClientOptions
from reconciler.auth0.rate_limit import RateOptions
from reconciler.concurrency import run_in
from reconciler.config.tenants import Config, Tenant, TenantKind, choose_tenants, identity_check, unconfirmed_domain
from reconciler.connect import open_tenant
from reconciler.core.characters import quote_text
from reconciler.core.identity import ALLOW_UNNAMED, SameTenantError, same_tenant_error
from reconciler.core.problems import Problem, Severity, Source
from reconciler.errors import CrashError, Exit, ReconcilerError
from reconciler.http.proxy import proxy_notes
from reconciler.http.retry import RetryPolicy
from reconciler.output.formats import TenantFailure
from reconciler.redaction import Secrets, secrets_in

T = TypeVar("T")

EXIT_CODES_BY_SEVERITY = (
    Exit.DONE,
    Exit.CHANGES,
    Exit.STALE,
    Exit.REFUSED,
    Exit.FAILED,
    Exit.INCOMPLETE,
    Exit.TERMINATED,
    Exit.INTERRUPTED,
)
"""The exit codes from least to most severe. A partial result is more severe than no result."""


@dataclass(frozen=True, slots=True)
class TenantResult(Generic[T]):
    """The result of one tenant."""

    session: TenantSession
    result: T


class TenantRuns:
    """Runs the steps of a command for its tenants. `tenant_runs` creates it.

    With one tenant, every error is raised. With several tenants, an error is printed at once, and later steps skip the
    failed tenant. `failed` maps names of failed tenants to their errors.
    """

    def __init__(self, tenants: Sequence[Tenant], runner: asyncio.Runner, console: Console) -> None:
        self._tenants = tenants
        self._sandboxes = {each.name for each in tenants if each.title.is_sandbox}
        self._console = console
        self._connections = AsyncExitStack()
        self.runner = runner
        self.failed: dict[str, ReconcilerError] = {}

    @property
    def are_several(self) -> bool:
        """Whether there is more than one tenant."""
        return len(self._tenants) > 1

    @property
    def names(self) -> list[str]:
        """The names of all tenants."""
        return [tenant.name for tenant in self._tenants]

    @property
    def failures(self) -> dict[str, TenantFailure]:
        """The errors by tenant name, for reports."""
        return {name: failure for error in self.failed.values() for name, failure in tenant_failures(error).items()}

    def open(self, open_session: Callable[[Tenant, AsyncExitStack], Awaitable[TenantSession]]) -> list[TenantSession]:
        """Open all tenants. Raises ReconcilerError if the only tenant fails."""
        results = self._run_all([(each.name, partial(open_session, each, self._connections)) for each in self._tenants])
        return list(results.values())

    def close(self) -> None:
        """Close the connections of all tenants."""
        self.runner.run(self._connections.aclose())

    def run(
        self, sessions: Iterable[TenantSession], work: Callable[[TenantSession], Awaitable[T]]
    ) -> list[TenantResult[T]]:
        """Call `work` for all sessions at the same time. Return the results of the tenants without errors.

        Raises:
            ReconcilerError: if the only tenant fails.
        """
        by_name = {session.tenant.name: session for session in sessions}
        results = self._run_all([(name, partial(work, session)) for name, session in by_name.items()])
        return [TenantResult(by_name[name], result) for name, result in results.items()]

    def plan_all(self, sessions: Iterable[TenantSession]) -> list[TenantResult[TenantPlan]]:
        """Plan for all tenants. Tenants of the configuration with the same identity all fail.

        Raises:
            ReconcilerError: if the only tenant fails.
        """
        results = self.run(sessions, TenantSession.observe_and_plan)
        by_identity: dict[str, list[str]] = defaultdict(list)
        for each in results:
            for identity in each.session.identities(each.result.observation):
                by_identity[identity].append(each.session.tenant.name)
        failures = [error for error in self.failed.values() if isinstance(error, SameTenantError)]
        failures += [same_tenant_error(identity, names) for identity, names in by_identity.items() if len(names) > 1]
        for error in failures:
            for each in results:
                if each.session.tenant.name in error.names and each.session.tenant.name not in self.failed:
                    self._add_failure(each.session.tenant.name, SameTenantError(str(error), error.names))
        return [each for each in results if each.session.tenant.name not in self.failed]

    @contextmanager
    def isolate(self, tenant: Tenant) -> Iterator[None]:
        """Record a ReconcilerError for `tenant` and continue with the others. With one tenant, raise it."""
        try:
            yield
        except ReconcilerError as error:
            self._add_failure(tenant.name, error)

    def worst_exit_code(self, codes: Iterable[Exit]) -> Exit:
        """Return the most severe of `codes` and the exit codes of failed tenants."""
        all_codes = [*codes, *(error.exit_code for error in self.failed.values())]
        return max(all_codes, key=EXIT_CODES_BY_SEVERITY.index, default=Exit.DONE)

    def _run_all(self, work: Sequence[tuple[str, Callable[[], Awaitable[T]]]]) -> dict[str, T]:
        async def catch_errors(start: Callable[[], Awaitable[T]]) -> T | ReconcilerError:
            try:
                return await start()
            except ReconcilerError as error:
                return error
            except Exception as error:  # a bug in the run of one tenant must not cancel the writes of others
                if not self.are_several:
                    raise
                return CrashError(error)

        async def start_all() -> list[T | ReconcilerError]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(catch_errors(start)) for _, start in work]
            return [task.result() for task in tasks]

        results: dict[str, T] = {}
        for (name, _), result in zip(work, run_in(self.runner, start_all()), strict=True):
            if isinstance(result, ReconcilerError):
                self._add_failure(name, result)
            else:
                results[name] = result
        return results

    def _add_failure(self, name: str, error: ReconcilerError) -> None:
        error.tenants = {name: name in self._sandboxes}
        if not self.are_several:
            raise error
        self.failed[name] = error
        self._console.failure(error, name)


@dataclass(frozen=True, slots=True)
class RunContext:
    """The options, configuration and files of a command.

    `policies` is the configuration in --policy or --policy-at, or None. With `names`, plans contain the names of all
    applications, APIs and organizations in them.
    """

    options: GlobalOptions
    plan_options: PlanOptions
    request_options: RequestOptions
    config: Config
    files: GrantFiles
    console: Console = field(repr=False)
    policies: Config | None = None
    names: bool = False
    secrets: Secrets = field(default_factory=partial(secrets_in, os.environ, ci.mask))

    async def session(self, tenant: Tenant, connections: AsyncExitStack, *, by_name: bool) -> TenantSession:
        """Open a tenant without sending a request. Raises ReconcilerError for invalid configuration or credentials."""
        prefix = f"{tenant.name}: " if by_name else ""
        note = partial(self._note, prefix)
        rate_options = RateOptions(
            self.request_options.rate_share, self.request_options.max_rps, self.request_options.concurrency, notice=note
        )
        deadline = asyncio.get_running_loop().time() + self.request_options.timeout
        client_options = ClientOptions(
            rate_options, RetryPolicy(self.request_options.attempts, deadline=deadline, notice=note)
        )
        declared, base = self.files.at(tenant.target)
        self._warn(tenant)
        identity = identity_check(self.config, tenant, os.environ, allow_unnamed=self.options.allow_unnamed_tenant)
        client = await connections.enter_async_context(
            open_tenant(tenant, os.environ, client_options, self.secrets, identity, note=note)
        )
        return TenantSession(
            tenant=tenant,
            declared=declared,
            base=base,
            removals=self.files.removals(tenant.target),
            plan_options=self.plan_options,
            rollback=self.files.rollback,
            policy=self.policies.policy_for(tenant) if self.policies else tenant.policy,
            notes=(*self.files.notes, *self._policy_notes(tenant)),
            with_names=self.names,
            client=client,
            identity=identity,
            deadline=deadline,
            folder=data_folder(self.config.file),
            note=note,
            is_declared=self._is_declared(tenant),
            tenant_options=self._tenant_options(tenant),
            config_changes=self.files.config_changes,
            tenant_at_base=self.files.tenants_at_base.get(tenant.name),
            selection=self.plan_options.selection(self.options.grants),
        )

    def _policy_notes(self, tenant: Tenant) -> tuple[str, ...]:
        if self.policies is None and self.plan_options.policy_at:
            revision = quote_text(self.plan_options.policy_at)
            return (f"{self.config.file} does not exist in {revision}, so the policy of the checkout applies",)
        if self.policies is None or self.policies.declares(tenant):
            return ()
        known = f"{self.policies.file} does not declare this tenant with the domain {tenant.host}"
        effect = "every denial in that file applies, without exceptions"
        return (f"{quote_text(tenant.name)} is a new tenant: {known}; {effect}",)

    def _tenant_options(self, tenant: Tenant) -> Sequence[str]:
        config = ["--config", self.options.config] if self.options.config else []
        return [*config, *(["--tenant", tenant.name] if self._is_declared(tenant) else self._unnamed_option())]

    def _is_declared(self, tenant: Tenant) -> bool:
        return self.config.tenants.get(tenant.name) == tenant

    def _unnamed_option(self) -> Sequence[str]:
        return [ALLOW_UNNAMED] if self.options.allow_unnamed_tenant else []

    def _warn(self, tenant: Tenant) -> None:
        """Warn about a doubtful domain or an ignored entry of NO_PROXY, before anything is sent."""
        unconfirmed = unconfirmed_domain(tenant, os.environ)
        if unconfirmed:
            warning = Problem(Source(self.config.file), *unconfirmed, severity=Severity.WARNING)
            self.console.problems([warning], {})
        for text in proxy_notes(tenant.base_url) if tenant.kind is not TenantKind.SANDBOX else ():
            self.console.note(text)

    def _note(self, prefix: str, text: str) -> None:
        self.console.note(f"{prefix}{text}")


def tenant_failures(error: ReconcilerError) -> dict[str, TenantFailure]:
    """Return the failure for reports, by the name of each tenant that the error concerns."""
    return {name: TenantFailure(error.report_lines, is_sandbox) for name, is_sandbox in error.tenants.items()}


def select_tenants(options: GlobalOptions) -> tuple[Config, list[Tenant]]:
    """Return the configuration and the selected tenants. Raises ReconcilerError."""
    config = load_config(options.config)
    tenants = choose_tenants(
        config,
        options.tenants,
        os.environ,
        every=options.all_tenants,
        allow_unnamed=options.allow_unnamed_tenant,
    )
    return config, tenants


def expected_tenant_names(options: GlobalOptions) -> list[str]:
    """Return the names of the selected tenants. If the configuration is invalid, return those of --tenant."""
    try:
        return [tenant.name for tenant in select_tenants(options)[1]]
    except ReconcilerError:
        return list(options.tenants)


@contextmanager
def assign_errors(tenants: Sequence[Tenant]) -> Iterator[None]:
    """Assign an error that names no tenant to all of `tenants`."""
    try:
        yield
    except ReconcilerError as error:
        error.tenants = error.tenants or {each.name: each.title.is_sandbox for each in tenants}
        raise


@contextmanager
def tenant_runs(  # noqa: PLR0913 - independent options of commands
    options: GlobalOptions,
    plan_options: PlanOptions,
    request_options: RequestOptions,
    console: Console,
    folders: Sequence[Path] | None = None,
    *,
    names: bool = False,
) -> Iterator[tuple[TenantRuns, list[TenantSession]]]:
    """Read the files of --grants or `folders`, then open the tenants. Connections stay open.

    With `names`, plans contain the names of all applications, APIs and organizations in them.

    Raises:
        ReconcilerError: for invalid files (all problems at once), configuration, or credentials of a single tenant.
    """
    started = monotonic()
    with time_limit(request_options.timeout):
        config, tenants = select_tenants(options)
    with assign_errors(tenants), asyncio.Runner() as runner:
        with time_limit(request_options.timeout - (monotonic() - started)):
            policies = load_policy_config(plan_options.policy, plan_options.policy_at, options.config)
            files = load_grant_files(options, plan_options, config, tenants, folders)
        request_options = replace(request_options, timeout=max(0.0, request_options.timeout - (monotonic() - started)))
        run_context = RunContext(options, plan_options, request_options, config, files, console, policies, names)
        runs = TenantRuns(tenants, runner, console)
        try:
            yield runs, runs.open(partial(run_context.session, by_name=runs.are_several))
        finally:
            runs.close()
