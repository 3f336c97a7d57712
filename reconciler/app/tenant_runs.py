"""Run a command for several tenants at the same time.

If a tenant fails, hangs or crashes, the runs of the other tenants continue.
"""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Generic, Self, TypeVar

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.grant_files import load_grant_files
from reconciler.app.interruption import Interruption
from reconciler.app.load import load_policy_config
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.run_context import RunContext, SharedLimits, select_tenants
from reconciler.app.session import TenantSession
from reconciler.app.time_limit import time_limit
from reconciler.auth0.rate_limit import RequestPacer
from reconciler.concurrency import run_in
from reconciler.config.tenants import Config
from reconciler.core.tenant import Tenant
from reconciler.errors import EXIT_CODES_BY_SEVERITY, CrashError, Exit, NotStartedError, ReconcilerError
from reconciler.output.results import TenantFailure
from reconciler.redaction import EnvironmentSecrets

T = TypeVar("T")

OpenSession = Callable[[Tenant], AbstractAsyncContextManager[TenantSession]]


@dataclass(frozen=True, slots=True)
class TenantResult(Generic[T]):
    """The result of `work` for one tenant."""

    session: TenantSession
    result: T


class TenantRuns:
    """Runs a command for several tenants at the same time. Use the function `tenant_runs` to create a `TenantRuns`.

    At most `at_once` tenants have an open connection at the same time. If the command has only one tenant, the methods
    of `TenantRuns` raise the tenant's error. If the command has several tenants, `TenantRuns` prints a tenant's error
    immediately, and the runs of the other tenants continue. `failed` maps the name of each failed tenant to the
    tenant's error. `on_failure` is called with the name of each failed tenant.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each parameter is a separate object
        self,
        config: Config,
        tenants: Sequence[Tenant],
        runner: asyncio.Runner,
        console: Console,
        open_session: OpenSession,
        at_once: int,
    ) -> None:
        self.config = config
        self.tenants = tenants
        self.at_once = at_once
        self.runner = runner
        self.failed: dict[str, ReconcilerError] = {}
        self.on_failure: Callable[[str], None] = lambda _: None
        self._console = console
        self._open_session = open_session

    @property
    def are_several(self) -> bool:
        """True if the command has more than one tenant."""
        return len(self.tenants) > 1

    @property
    def names(self) -> list[str]:
        """The names of the selected tenants."""
        return [tenant.name for tenant in self.tenants]

    @property
    def failures(self) -> dict[str, TenantFailure]:
        """A mapping from the name of each failed tenant to the tenant's failure, in the order of the tenants."""
        found = {name: each for error in self.failed.values() for name, each in tenant_failures(error).items()}
        return {name: found[name] for name in self.names if name in found}

    def run(
        self,
        work: Callable[[TenantSession], Awaitable[T]],
        tenants: Iterable[Tenant] | None = None,
        interruption: Interruption | None = None,
    ) -> dict[str, T]:
        """For each tenant, open the connection, call `work`, and close the connection.

        Return a mapping from tenant name to result. The mapping does not contain failed tenants.

        A tenant's run does not wait for the results of other tenants. If `interruption` is given, no tenant's run
        starts after the command has received a signal such as SIGINT.

        Raises:
            ReconcilerError: if the command has only one tenant, and the tenant fails.
        """

        async def open_and_work(tenant: Tenant) -> T:
            connections = AsyncExitStack()
            try:
                return await work(await connections.enter_async_context(self._open_session(tenant)))
            finally:
                await self._close(connections, tenant.name)

        selected = self.tenants if tenants is None else tenants
        return self._run_all({each.name: partial(open_and_work, each) for each in selected}, interruption)

    @contextmanager
    def opened(self, tenants: Iterable[Tenant] | None = None) -> Iterator[list[TenantSession]]:
        """Open connections to tenants, and keep the connections open while the `with` block runs.

        Use `opened` for commands that ask the user a question while the connections are open.

        Raises:
            ReconcilerError: if the command has only one tenant, and the tenant fails.
        """
        connections = AsyncExitStack()

        async def open_tenant(tenant: Tenant) -> TenantSession:
            return await connections.enter_async_context(self._open_session(tenant))

        selected = self.tenants if tenants is None else tenants
        try:
            yield list(self._run_all({each.name: partial(open_tenant, each) for each in selected}).values())
        finally:
            self.runner.run(self._close(connections, ""))

    def run_open(
        self,
        sessions: Iterable[TenantSession],
        work: Callable[[TenantSession], Awaitable[T]],
        interruption: Interruption | None = None,
    ) -> list[TenantResult[T]]:
        """Call `work` concurrently for all tenants in `sessions`.

        The returned list does not contain failed tenants.

        Raises:
            ReconcilerError: if the command has only one tenant, and the tenant fails.
        """
        by_name = {session.tenant.name: session for session in sessions}
        results = self._run_all({name: partial(work, session) for name, session in by_name.items()}, interruption)
        return [TenantResult(by_name[name], result) for name, result in results.items()]

    @contextmanager
    def report_signals(self, interruption: Interruption) -> Iterator[None]:
        """Handle signals while the `with` block runs.

        If the command has several tenants, the command still reports the results after a signal such as SIGINT. If the
        command has only one tenant, Ctrl-C raises KeyboardInterrupt.
        """
        if not self.are_several:
            yield
            return
        with interruption.handle_signals(self.runner.get_loop()):
            yield

    @contextmanager
    def isolate(self, name: str) -> Iterator[None]:
        """Record a ReconcilerError from the `with` block as the error of a tenant.

        If the command has only one tenant, raise the ReconcilerError again.
        """
        try:
            yield
        except ReconcilerError as error:
            self.add_failure(name, error)

    def worst_exit_code(self, codes: Iterable[Exit]) -> Exit:
        """Return the most severe exit code among `codes` and the exit codes of failed tenants."""
        all_codes = [*codes, *(error.exit_code for error in self.failed.values())]
        return max(all_codes, key=EXIT_CODES_BY_SEVERITY.index, default=Exit.DONE)

    def add_failure(self, name: str, error: ReconcilerError, *, is_printed: bool = True) -> None:
        """Record the error of a tenant. If the command has only one tenant, raise `error`.

        If a tenant's run did not start, do not print the error, because hundreds of tenants may have the same error.
        """
        error.tenants = {each.name: each.title.is_sandbox for each in self.tenants if each.name == name}
        if not self.are_several:
            raise error
        self.failed[name] = error
        if is_printed and not isinstance(error, NotStartedError):
            self._console.failure(error, name)
        self.on_failure(name)

    def _run_all(
        self, work: Mapping[str, Callable[[], Awaitable[T]]], interruption: Interruption | None = None
    ) -> dict[str, T]:
        slots = asyncio.Semaphore(self.at_once)
        results: dict[str, T] = {}
        only_error: list[ReconcilerError] = []
        record_failure = self.add_failure if self.are_several else lambda _, error: only_error.append(error)

        async def run_one(name: str, start: Callable[[], Awaitable[T]]) -> None:
            try:
                async with slots:
                    if interruption is not None:
                        interruption.check_not_stopped()
                    results[name] = await start()
            except ReconcilerError as error:
                record_failure(name, error)
            except Exception as error:  # a bug in one tenant's run must not cancel the writes to the remaining tenants
                if not self.are_several:
                    raise
                record_failure(name, CrashError(error))
            collector.count_ended()

        async def run_all() -> None:
            async with asyncio.TaskGroup() as group:
                for name, start in work.items():
                    group.create_task(run_one(name, start))

        try:
            with Collector(self.at_once) as collector:
                run_in(self.runner, run_all())
        finally:
            self._console.set_status_line("")
        if only_error:
            raise only_error[0]
        return {name: results[name] for name in work if name in results}

    async def _close(self, connections: AsyncExitStack, name: str) -> None:
        """Close the open connections of a tenant.

        If a connection cannot be closed, only print an error, because the result of the tenant is already known.
        """
        try:
            await connections.aclose()
        except Exception as error:  # noqa: BLE001 - the writes to the tenant must still be reported
            self._console.error(f"the connection could not be closed: {error}", name)


class Collector:
    """Runs Python's garbage collection, so that memory does not grow with the number of tenants.

    Connections and requests refer to each other, so only a garbage collection frees their memory. One garbage
    collection for every `interval` tenants is enough. The garbage collection ignores objects that existed before the
    `with` block.
    """

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._ended = 0

    def __enter__(self) -> Self:
        gc.freeze()
        return self

    def __exit__(self, *_: object) -> None:
        gc.unfreeze()

    def count_ended(self) -> None:
        """Count a tenant whose run ended. After every `interval` tenants, collect garbage."""
        self._ended += 1
        if self._ended % self._interval == 0:
            gc.collect()


def tenant_failures(error: ReconcilerError) -> dict[str, TenantFailure]:
    """Return a mapping from the name of each tenant in `error.tenants` to the tenant's failure."""
    is_started = not isinstance(error, NotStartedError)
    return {
        name: TenantFailure(error.report_lines, is_sandbox, is_started) for name, is_sandbox in error.tenants.items()
    }


@contextmanager
def assign_errors(tenants: Sequence[Tenant]) -> Iterator[None]:
    """If a ReconcilerError names no tenant, add all tenants in `tenants` to the error."""
    try:
        yield
    except ReconcilerError as error:
        error.tenants = error.tenants or {each.name: each.title.is_sandbox for each in tenants}
        raise


@contextmanager
def tenant_runs(  # noqa: PLR0913 - the parameters are independent options of commands
    options: GlobalOptions,
    plan_options: PlanOptions,
    request_options: RequestOptions,
    console: Console,
    folders: Sequence[Path] | None = None,
    *,
    has_names: Callable[[str], bool] = lambda _: False,
) -> Iterator[TenantRuns]:
    """Read the grant files in `folders` or in the --grants folder, and yield a `TenantRuns` for the selected tenants.

    `has_names` returns whether a tenant's plans contain the names of all applications, APIs and organizations. The time
    limit of a tenant's run starts when the connection to the tenant opens. The time limit for reading the files is as
    long as the time limit of a tenant's run. If the command has only one tenant, a single time limit covers both
    reading the files and the tenant's run.

    Raises:
        ReconcilerError: if the files or the configuration are invalid, or if the command has only one tenant and the
            credentials are invalid. The ReconcilerError contains all problems of the files.
    """
    started = monotonic()
    with time_limit(request_options.timeout):
        config, tenants = select_tenants(options)
    if not tenants:
        console.note(f"The shard {options.shard} has no tenants.")
    with assign_errors(tenants), asyncio.Runner() as runner:
        with time_limit(request_options.timeout - (monotonic() - started)):
            policies = load_policy_config(plan_options.policy, plan_options.policy_at, options)
            files = load_grant_files(options, plan_options, config, tenants, folders)
        if len(tenants) == 1:
            remaining = max(0.0, request_options.timeout - (monotonic() - started))
            request_options = request_options._replace(timeout=remaining)
        context = RunContext(
            options,
            plan_options,
            request_options,
            config,
            files,
            console,
            policies,
            has_names,
            SharedLimits(RequestPacer(request_options.max_rps)),
            secrets=EnvironmentSecrets(os.environ, [each.credentials for each in config.tenants.values()], ci.mask),
        )
        open_session = partial(context.open, by_name=len(tenants) > 1)
        yield TenantRuns(config, tenants, runner, console, open_session, request_options.at_once)
