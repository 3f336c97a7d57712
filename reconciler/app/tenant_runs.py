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
from reconciler.app.interruption import within
from reconciler.app.load import GrantFiles, own_folder, read_files, read_policies, read_settings
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantPlan, TenantSession
from reconciler.auth0.management import ClientOptions
from reconciler.auth0.rate_limit import RateOptions
from reconciler.concurrency import run_in
from reconciler.config.tenants import Config, Tenant, TenantKind, choose_tenants, identity_check, unconfirmed_domain
from reconciler.connect import open_tenant
from reconciler.core.identity import ALLOW_UNNAMED, SameTenantError, same_tenant_error
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.quoting import quote_text
from reconciler.errors import CrashError, Exit, ReconcilerError
from reconciler.http.proxy import proxy_notes
from reconciler.http.retry import RetryPolicy
from reconciler.output.formats import TenantFailure
from reconciler.redaction import Secrets, secrets_in

T = TypeVar("T")

FROM_BEST_TO_WORST = (
    Exit.DONE,
    Exit.CHANGES,
    Exit.STALE,
    Exit.REFUSED,
    Exit.FAILED,
    Exit.INCOMPLETE,
    Exit.TERMINATED,
    Exit.INTERRUPTED,
)
"""The exit codes from best to worst. A partial result is worse than none."""


@dataclass(frozen=True, slots=True)
class TenantResult(Generic[T]):
    """The result of one tenant."""

    session: TenantSession
    result: T


class TenantRuns:
    """The tenants of one command. `tenant_runs` creates it.

    With a single tenant, every error is raised. With several, an error is shown at once and its tenant is left out from
    then on. `failed` has these errors by tenant name.
    """

    def __init__(self, tenants: Sequence[Tenant], runner: asyncio.Runner, console: Console) -> None:
        self._tenants = tenants
        self._sandboxes = {each.name for each in tenants if each.title.is_sandbox}
        self._console = console
        self._opened = AsyncExitStack()
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
        return {name: failure for error in self.failed.values() for name, failure in failures_of(error).items()}

    def open(self, open_session: Callable[[Tenant, AsyncExitStack], Awaitable[TenantSession]]) -> list[TenantSession]:
        """Open all tenants. Raises ReconcilerError if there is a single tenant."""
        found = self._at_once([(each.name, partial(open_session, each, self._opened)) for each in self._tenants])
        return list(found.values())

    def close(self) -> None:
        """Close all tenants."""
        self.runner.run(self._opened.aclose())

    def each(
        self, sessions: Iterable[TenantSession], work: Callable[[TenantSession], Awaitable[T]]
    ) -> list[TenantResult[T]]:
        """Call `work` for all sessions at the same time. Return the results of the tenants without an error.

        Raises:
            ReconcilerError: if there is a single tenant.
        """
        by_name = {session.tenant.name: session for session in sessions}
        found = self._at_once([(name, partial(work, session)) for name, session in by_name.items()])
        return [TenantResult(by_name[name], result) for name, result in found.items()]

    def planned(self, sessions: Iterable[TenantSession]) -> list[TenantResult[TenantPlan]]:
        """Plan for all tenants. Declared tenants that turn out to be the same tenant all fail.

        Raises:
            ReconcilerError: if there is a single tenant.
        """
        done = self.each(sessions, TenantSession.planned)
        by_identity: dict[str, list[str]] = defaultdict(list)
        for each in done:
            for identity in each.session.identities(each.result.observation):
                by_identity[identity].append(each.session.tenant.name)
        failures = [error for error in self.failed.values() if isinstance(error, SameTenantError)]
        failures += [same_tenant_error(identity, names) for identity, names in by_identity.items() if len(names) > 1]
        for error in failures:
            for each in done:
                if each.session.tenant.name in error.names and each.session.tenant.name not in self.failed:
                    self._fail(each.session.tenant.name, SameTenantError(str(error), error.names))
        return [each for each in done if each.session.tenant.name not in self.failed]

    @contextmanager
    def alone(self, tenant: Tenant) -> Iterator[None]:
        """Keep an error of one tenant from the others. Raises ReconcilerError if there is a single tenant."""
        try:
            yield
        except ReconcilerError as error:
            self._fail(tenant.name, error)

    def worst(self, codes: Iterable[Exit]) -> Exit:
        """Return the worst exit code, including those of failed tenants."""
        all_codes = [*codes, *(error.exit_code for error in self.failed.values())]
        return max(all_codes, key=FROM_BEST_TO_WORST.index, default=Exit.DONE)

    def _at_once(self, work: Sequence[tuple[str, Callable[[], Awaitable[T]]]]) -> dict[str, T]:
        async def guarded(begin: Callable[[], Awaitable[T]]) -> T | ReconcilerError:
            try:
                return await begin()
            except ReconcilerError as error:
                return error
            except Exception as error:  # a bug in the run of one tenant must not cancel the writes of others
                if not self.are_several:
                    raise
                return CrashError(error)

        async def all_of_it() -> list[T | ReconcilerError]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(guarded(begin)) for _, begin in work]
            return [task.result() for task in tasks]

        results: dict[str, T] = {}
        for (name, _), result in zip(work, run_in(self.runner, all_of_it()), strict=True):
            if isinstance(result, ReconcilerError):
                self._fail(name, result)
            else:
                results[name] = result
        return results

    def _fail(self, name: str, error: ReconcilerError) -> None:
        error.tenants = {name: name in self._sandboxes}
        if not self.are_several:
            raise error
        self.failed[name] = error
        self._console.failure(error, name)


@dataclass(frozen=True, slots=True)
class RunContext:
    """The context of a command: options, configuration and files.

    `policies` is the configuration of --policy or --policy-at, or None. With `names`, plans contain the names of all
    their applications, APIs and organizations.
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

    async def session(self, tenant: Tenant, opened: AsyncExitStack, *, by_name: bool) -> TenantSession:
        """Open a tenant. Raises ReconcilerError for configuration or credentials, before any request."""
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
        client = await opened.enter_async_context(
            open_tenant(tenant, os.environ, client_options, self.secrets, identity)
        )
        return TenantSession(
            tenant=tenant,
            declared=declared,
            base=base,
            plan_options=self.plan_options,
            rollback=self.files.rollback,
            policy=self.policies.policy_for(tenant) if self.policies else tenant.policy,
            notes=(*self.files.notes, *self._policy_notes(tenant)),
            names=self.names,
            client=client,
            identity=identity,
            deadline=deadline,
            folder=own_folder(self.config.file),
            note=note,
            named=self._is_declared(tenant),
            address=self._address(tenant),
            config_changes=self.files.config_changes,
            guards=self.files.guards.get(tenant.name),
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

    def _address(self, tenant: Tenant) -> Sequence[str]:
        config = ["--config", self.options.config] if self.options.config else []
        return [*config, *(["--tenant", tenant.name] if self._is_declared(tenant) else self._unnamed())]

    def _is_declared(self, tenant: Tenant) -> bool:
        return self.config.tenants.get(tenant.name) == tenant

    def _unnamed(self) -> Sequence[str]:
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


def failures_of(error: ReconcilerError) -> dict[str, TenantFailure]:
    """Return the failures for reports, by the names of the tenants that the error concerns."""
    return {name: TenantFailure(error.report_lines, is_sandbox) for name, is_sandbox in error.tenants.items()}


def chosen(options: GlobalOptions) -> tuple[Config, list[Tenant]]:
    """Return the configuration and the selected tenants. Raises ReconcilerError."""
    config = read_settings(options.config)
    tenants = choose_tenants(
        config,
        options.tenants,
        os.environ,
        every=options.all_tenants,
        allow_unnamed=options.allow_unnamed_tenant,
    )
    return config, tenants


def expected_names(options: GlobalOptions) -> list[str]:
    """Return the names of the selected tenants. If the configuration is invalid, return those of --tenant."""
    try:
        return [tenant.name for tenant in chosen(options)[1]]
    except ReconcilerError:
        return list(options.tenants)


@contextmanager
def about(tenants: Sequence[Tenant]) -> Iterator[None]:
    """Let an error without tenants concern all of these tenants."""
    try:
        yield
    except ReconcilerError as error:
        error.tenants = error.tenants or {each.name: each.title.is_sandbox for each in tenants}
        raise


@contextmanager
def tenant_runs(  # noqa: PLR0913 - what commands differ in
    options: GlobalOptions,
    plan_options: PlanOptions,
    request_options: RequestOptions,
    console: Console,
    folders: Sequence[Path] | None = None,
    *,
    names: bool = False,
) -> Iterator[tuple[TenantRuns, list[TenantSession]]]:
    """Read the files of --grants or `folders`, then open the tenants. Connections stay open.

    With `names`, plans contain the names of everything in them.

    Raises:
        ReconcilerError: for invalid files (all problems at once), configuration, or credentials of a single tenant.
    """
    started = monotonic()
    with within(request_options.timeout):
        config, tenants = chosen(options)
    with about(tenants), asyncio.Runner() as runner:
        with within(request_options.timeout - (monotonic() - started)):
            policies = read_policies(plan_options.policy, plan_options.policy_at, options.config)
            files = read_files(options, plan_options, config, tenants, folders)
        request_options = replace(request_options, timeout=max(0.0, request_options.timeout - (monotonic() - started)))
        beginning = RunContext(options, plan_options, request_options, config, files, console, policies, names)
        tenants_together = TenantRuns(tenants, runner, console)
        try:
            several = tenants_together.are_several
            yield tenants_together, tenants_together.open(partial(beginning.session, by_name=several))
        finally:
            tenants_together.close()
