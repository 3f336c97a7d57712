"""`reconciler doctor`: check whether everything that a run requires works, and give advice for each failure."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.load import load_config, select_names, workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.app.scaffold import default_branch
from reconciler.cli.option_groups import format_option
from reconciler.cli.options import TENANT_OPTIONS, current_options, global_options, shard_option
from reconciler.config.tenants import Config, choose_tenant, identity_check, tenant_named
from reconciler.core.characters import visible
from reconciler.core.problems import Finding, Status
from reconciler.core.tenant import TenantKind
from reconciler.doctor import setup
from reconciler.doctor.checks import pattern_finding, skipped_findings, tenant_findings
from reconciler.doctor.probe import ProbedListing, probe_tenant
from reconciler.doctor.setup import SERVICES, setup_commands
from reconciler.errors import Exit, ReconcilerError
from reconciler.output.problems import finding_lines, findings_json
from reconciler.output.styled import Span, Style, line
from reconciler.redaction import secrets_in


@global_options(*TENANT_OPTIONS, examples=("reconciler doctor", "reconciler --tenant prod doctor"))
@click.command("doctor")
@shard_option
@format_option()
@click.option(
    "setup_service",
    "--setup",
    type=click.Choice(SERVICES),
    help="Print the commands that create applications, environments and secrets for a pipeline on this service.",
)
def command(*, stdout_format: str, setup_service: str | None) -> Exit:
    """Check configuration, files, network, credentials, clock and permissions.

    Nothing is written. A failed check does not stop the other checks. Warnings do not change the exit code.

    With --all-tenants, --shard or more than one --tenant, each selected tenant is checked.

    With --setup, the command checks nothing, and prints commands that set up all tenants of the configuration, or only
    the tenants in --tenant. The printed commands need the programs auth0 and jq, and gh or glab.
    """
    options = current_options()
    console = Console(options)
    if setup_service:
        console.text("".join(f"{each}\n" for each in _setup(setup_service, options)))
        return Exit.DONE
    configuration, config = setup.configuration(partial(load_config, options.config))
    has_one = config is None or not (options.all_tenants or options.shard or len(options.tenants) > 1)
    names: Sequence[str | None] = [next(iter(options.tenants), None)]
    if config is not None and not has_one:
        names = select_names(config, options)
        if not names:
            console.note(f"The shard {options.shard} has no tenants.")
    checked = [(name, _findings(configuration, config, name, options)) for name in names]
    if stdout_format == "json":
        by_tenant = [{"tenant": name, **findings_json(findings)} for name, findings in checked]
        console.data(findings_json(checked[0][1]) if has_one else {"tenants": by_tenant})
    else:
        for number, (name, findings) in enumerate(checked):
            heading = [] if has_one else [line(Span(f"Tenant {visible(name or '')}", Style.STRONG))]
            console.result([*([line()] * bool(number)), *heading, *finding_lines(findings)])
    has_failed = any(finding.status is Status.FAILED for _, findings in checked for finding in findings)
    return Exit.FAILED if has_failed else Exit.DONE


def _setup(service: str, options: GlobalOptions) -> Iterator[str]:
    config = load_config(options.config)
    names = select_names(config, options) or list(config.tenants)
    tenants = [each for each in (tenant_named(config, name) for name in names) if each.kind is TenantKind.AUTH0]
    if not tenants:
        raise ReconcilerError(f"{config.file} declares no Auth0 tenant; run reconciler init")
    for tenant in tenants:
        if tenant.canonical_host is None:
            raise ReconcilerError(
                f"tenant {tenant.name}: {tenant.host} is a custom domain; set canonical_domain, because the "
                "permissions belong to the API of the domain that Auth0 assigned"
            )
    workspace = workspace_of(options.config)
    needs = [setup.grants(Path(options.grants), config, tenant, workspace)[1] for tenant in tenants]
    branch = default_branch(Path(config.file).parent)
    return setup_commands(service, tenants, branch, has_organizations=any(each.organizations for each in needs))


def _findings(configuration: Finding, config: Config | None, name: str | None, options: GlobalOptions) -> list[Finding]:
    """Return the results of all checks for the tenant `name`, or for the default tenant."""
    allow_unnamed = options.allow_unnamed_tenant
    choose = partial(choose_tenant, name=name, environment=os.environ, allow_unnamed=allow_unnamed)
    tenant_finding, tenant = setup.tenant(config, choose)
    grants_finding, needs = setup.grants(Path(options.grants), config, tenant, workspace_of(options.config))
    if config is None or tenant is None:
        return [configuration, tenant_finding, grants_finding, *skipped_findings("no tenant is selected")]
    identity = identity_check(config, tenant, os.environ, allow_unnamed=allow_unnamed)
    secrets = secrets_in(os.environ, ci.mask)
    probe = asyncio.run(probe_tenant(tenant, os.environ, identity, secrets))
    lists_grants = isinstance(probe.listing, ProbedListing) and not probe.listing.error
    patterns = asyncio.run(pattern_finding(tenant, os.environ, identity, secrets, lists_grants=lists_grants))
    return [configuration, tenant_finding, grants_finding, *tenant_findings(probe, needs, patterns)]
