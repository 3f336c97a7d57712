"""The options, configuration and files of a command that works on tenants.

`RunContext.open` connects a command to a tenant.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from reconciler.app.console import Console
from reconciler.app.grant_files import GrantFiles
from reconciler.app.load import data_folder, load_config, select_names
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.auth0.management import ClientOptions
from reconciler.auth0.rate_limit import RateLimiter, RateOptions, RequestPacer
from reconciler.config.tenants import Config, choose_tenants, identity_check, tenant_named, unconfirmed_domain
from reconciler.connect import open_tenant
from reconciler.core.characters import quote_text
from reconciler.core.identity import ALLOW_UNNAMED, cloud_of
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.tenant import Tenant, TenantKind
from reconciler.errors import ReconcilerError
from reconciler.http.proxy import proxy_notes
from reconciler.http.retry import RetryPolicy
from reconciler.redaction import EnvironmentSecrets

UNLIMITED = 1_000_000


@dataclass(slots=True)
class SharedLimits:
    """The rate limits that all tenants of a run share: --max-rps, and the limits for token requests."""

    pacer: RequestPacer = field(default_factory=RequestPacer)
    _token_limiters: dict[str, RateLimiter] = field(default_factory=dict)

    def token_limiter(self, cloud: str, rate_options: RateOptions) -> RateLimiter:
        """Return the rate limiter for token requests to an Auth0 cloud.

        If the Auth0 cloud has no rate limiter yet, the function creates a rate limiter with `rate_options`.

        The rate limiter allows any number of simultaneous requests, so that tenants do not wait for a tenant that never
        responds.
        """
        if cloud not in self._token_limiters:
            options = replace(rate_options, concurrency=UNLIMITED)
            self._token_limiters[cloud] = RateLimiter(options, is_shared=True)
        return self._token_limiters[cloud]


@dataclass(frozen=True, slots=True)
class RunContext:
    """The options, configuration and grant files of a command.

    `policies` is the configuration that --policy or --policy-at selects. Without --policy and --policy-at, `policies`
    is None. `has_names` returns whether a tenant's plans contain the names of all applications, APIs and organizations.
    The rate limits in `limits` apply to the requests to all tenants together.
    """

    options: GlobalOptions
    plan_options: PlanOptions
    request_options: RequestOptions
    config: Config
    files: GrantFiles
    console: Console = field(repr=False)
    policies: Config | None = None
    has_names: Callable[[str], bool] = lambda _: False
    limits: SharedLimits = field(default_factory=SharedLimits)
    secrets: EnvironmentSecrets = field(kw_only=True)

    @asynccontextmanager
    async def open(self, tenant: Tenant, *, by_name: bool) -> AsyncIterator[TenantSession]:
        """Open the connection to a tenant without sending a request.

        The time limit of the tenant's run starts when the connection to the tenant opens.

        If `by_name` is true, notes start with the name of the tenant.

        Raises:
            ReconcilerError: if the configuration or the credentials are invalid.
        """
        prefix = f"{tenant.name}: " if by_name else ""
        note = partial(self._note, prefix)
        deadline = asyncio.get_running_loop().time() + self.request_options.timeout
        client_options = self._client_options(tenant, deadline, prefix)
        declared, base = self.files.at(tenant.target)
        self._warn(tenant)
        identity = identity_check(self.config, tenant, os.environ, allow_unnamed=self.options.allow_unnamed_tenant)
        async with open_tenant(
            tenant, os.environ, client_options, self.secrets.of(tenant.credentials), identity, note=note
        ) as client:
            yield TenantSession(
                tenant=tenant,
                declared=declared,
                base=base,
                removals=self.files.removals(tenant.target),
                plan_options=self.plan_options,
                now=self.options.now,
                rollback=self.files.rollback,
                policy=self.policies.policy_for(tenant) if self.policies else tenant.policy,
                notes=(*self.files.notes, *self._base_notes(tenant), *self._policy_notes(tenant)),
                with_names=self.has_names(tenant.name),
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

    def _client_options(self, tenant: Tenant, deadline: float, prefix: str) -> ClientOptions:
        options, note = self.request_options, partial(self._note, prefix)
        rate_options = RateOptions(options.rate_share, self.limits.pacer, options.concurrency, notice=note)
        token_limiter = self.limits.token_limiter(cloud_of(tenant.canonical_host or tenant.host), rate_options)
        progress = partial(self._show_progress, prefix)
        policy = RetryPolicy(options.attempts, deadline=deadline, notice=note, progress=progress)
        return ClientOptions(rate_options, policy, token_limiter)

    def _base_notes(self, tenant: Tenant) -> tuple[str, ...]:
        note = self.files.tenant_notes.get(tenant.name)
        return (note,) if note else ()

    def _policy_notes(self, tenant: Tenant) -> tuple[str, ...]:
        if self.policies is None and self.plan_options.policy_at:
            revision = quote_text(self.plan_options.policy_at)
            return (f"{self.config.file} does not exist in {revision}, so the policy of the checkout applies",)
        if self.policies is None or self.policies.declares(tenant):
            return ()
        known = (
            f"{self.policies.file} does not declare the tenant {quote_text(tenant.name)} with the domain {tenant.host}"
        )
        effect = f"every deny rule in {self.policies.file} applies to the new tenant, without exceptions"
        return (f"{known}: {effect}",)

    def _tenant_options(self, tenant: Tenant) -> Sequence[str]:
        config = ["--config", self.options.config] if self.options.config else []
        if self._is_declared(tenant):
            return [*config, "--tenant", tenant.name]
        return [*config, ALLOW_UNNAMED] if self.options.allow_unnamed_tenant else config

    def _is_declared(self, tenant: Tenant) -> bool:
        return self.config.tenants.get(tenant.name) == tenant

    def _warn(self, tenant: Tenant) -> None:
        """Before the first request, warn about an unconfirmed domain or an ignored entry in NO_PROXY."""
        unconfirmed = unconfirmed_domain(tenant, os.environ)
        if unconfirmed:
            warning = Problem(Source(self.config.file), *unconfirmed, severity=Severity.WARNING)
            self.console.problems([warning], {})
        for text in proxy_notes(tenant.base_url) if tenant.kind is not TenantKind.SANDBOX else ():
            self.console.note(text)

    def _show_progress(self, prefix: str, text: str) -> None:
        self.console.set_status_line(f"{prefix}{text}")

    def _note(self, prefix: str, text: str) -> None:
        self.console.note(f"{prefix}{text}")


def select_tenants(options: GlobalOptions) -> tuple[Config, list[Tenant]]:
    """Return the configuration and the selected tenants. Raises ReconcilerError."""
    config = load_config(options.config, Path(options.grants))
    if options.shard is not None or options.wave is not None:
        return config, [tenant_named(config, name) for name in select_names(config, options)]
    tenants = choose_tenants(
        config,
        options.tenants,
        os.environ,
        every=options.all_tenants,
        allow_unnamed=options.allow_unnamed_tenant,
    )
    return config, tenants


def expected_tenant_names(options: GlobalOptions) -> list[str]:
    """Return the names of the selected tenants.

    If the configuration is invalid, return the names in the option --tenant.
    """
    try:
        return [tenant.name for tenant in select_tenants(options)[1]]
    except ReconcilerError:
        return list(options.tenants)
