"""`reconciler doctor`: check everything that a run needs, with advice for each failure."""

import asyncio
import os
from functools import partial
from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.load import read_settings, workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.cli.option_groups import format_option
from reconciler.cli.options import also_global_options, options
from reconciler.config.tenants import identity_check
from reconciler.core.problems import Finding, Status
from reconciler.doctor import setup
from reconciler.doctor.checks import pattern_finding, skipped_findings, tenant_findings
from reconciler.doctor.probe import ProbedListing, probe_tenant
from reconciler.errors import Exit
from reconciler.output.text.problems import finding_lines, findings_json
from reconciler.redaction import secrets_in


@also_global_options
@click.command("doctor")
@format_option()
def command(*, stdout_format: str) -> Exit:
    """Check configuration, files, network, credentials, clock and permissions.

    Nothing is written. A failed check does not stop the others. Warnings leave the exit code at 0.
    """
    given = options()
    console = Console(given)
    findings = _findings(given)
    if stdout_format == "json":
        console.data(findings_json(findings))
    else:
        console.result(finding_lines(findings))
    return Exit.FAILED if any(finding.status is Status.FAILED for finding in findings) else Exit.DONE


def _findings(given: GlobalOptions) -> list[Finding]:
    of_configuration, config = setup.configuration(partial(read_settings, given.config))
    allowed = given.allow_unnamed_tenant
    of_tenant, tenant = setup.tenant(config, given.tenant, os.environ, allow_unnamed=allowed)
    of_grants, needs = setup.grants(Path(given.grants), config, tenant, workspace_of(given.config))
    if config is None or tenant is None:
        return [of_configuration, of_tenant, of_grants, *skipped_findings("no tenant is selected")]
    identity = identity_check(config, tenant, os.environ, allow_unnamed=allowed)
    secrets = secrets_in(os.environ, ci.mask)
    seen = asyncio.run(probe_tenant(tenant, os.environ, identity, secrets))
    lists_grants = isinstance(seen.listing, ProbedListing) and not seen.listing.error
    patterns = asyncio.run(pattern_finding(tenant, os.environ, identity, secrets, lists_grants=lists_grants))
    return [of_configuration, of_tenant, of_grants, *tenant_findings(seen, needs, patterns)]
