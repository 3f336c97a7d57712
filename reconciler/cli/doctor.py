"""`reconciler doctor`: check everything that a run needs, and give advice for each failure."""

import asyncio
import os
from functools import partial
from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.load import load_config, workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.cli.option_groups import format_option
from reconciler.cli.options import TENANT_OPTIONS, current_options, global_options
from reconciler.config.tenants import identity_check
from reconciler.core.problems import Finding, Status
from reconciler.doctor import setup
from reconciler.doctor.checks import pattern_finding, skipped_findings, tenant_findings
from reconciler.doctor.probe import ProbedListing, probe_tenant
from reconciler.errors import Exit
from reconciler.output.text.lists import finding_lines, findings_json
from reconciler.redaction import secrets_in


@global_options(*TENANT_OPTIONS, examples=("reconciler doctor", "reconciler --tenant prod doctor"))
@click.command("doctor")
@format_option()
def command(*, stdout_format: str) -> Exit:
    """Check configuration, files, network, credentials, clock and permissions.

    Nothing is written. A failed check does not stop the others. Warnings do not change the exit code.
    """
    options = current_options()
    console = Console(options)
    findings = _findings(options)
    if stdout_format == "json":
        console.data(findings_json(findings))
    else:
        console.result(finding_lines(findings))
    return Exit.FAILED if any(finding.status is Status.FAILED for finding in findings) else Exit.DONE


def _findings(options: GlobalOptions) -> list[Finding]:
    config_finding, config = setup.configuration(partial(load_config, options.config))
    allow_unnamed = options.allow_unnamed_tenant
    tenant_finding, tenant = setup.tenant(config, options.tenant, os.environ, allow_unnamed=allow_unnamed)
    grants_finding, needs = setup.grants(Path(options.grants), config, tenant, workspace_of(options.config))
    if config is None or tenant is None:
        return [config_finding, tenant_finding, grants_finding, *skipped_findings("no tenant is selected")]
    identity = identity_check(config, tenant, os.environ, allow_unnamed=allow_unnamed)
    secrets = secrets_in(os.environ, ci.mask)
    probe = asyncio.run(probe_tenant(tenant, os.environ, identity, secrets))
    lists_grants = isinstance(probe.listing, ProbedListing) and not probe.listing.error
    patterns = asyncio.run(pattern_finding(tenant, os.environ, identity, secrets, lists_grants=lists_grants))
    return [config_finding, tenant_finding, grants_finding, *tenant_findings(probe, needs, patterns)]
