"""`reconciler validate`: report all problems in grant files, offline and without credentials."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.load import data_folder, load_config, rollback_of_paths, unused_scope_sets, workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.app.outputs import TENANT, InputFile, OutputOptions, check_outputs
from reconciler.app.time_limit import time_limit
from reconciler.cli.option_groups import output_options, timeout_option
from reconciler.cli.options import current_options, global_options, shard_option
from reconciler.config.tenants import Config, tenant_named
from reconciler.core.expiry import expired_warnings, expiry_warnings
from reconciler.core.problems import Problem
from reconciler.core.spec import GrantSpec, one_per_declaration
from reconciler.core.tenant import Tenant
from reconciler.core.tenant_filter import UNKNOWN_TENANTS, TargetTenants, with_targets
from reconciler.errors import Exit, ProblemsError, ReconcilerError
from reconciler.files.read import LoadedGrants, read_grants
from reconciler.files.workspace import Workspace, tracked_folder_problems
from reconciler.output.problems import ValidationResult
from reconciler.output.source_links import SourceLinks
from reconciler.output.styled import line


@global_options(
    "config",
    "grants",
    "tenants",
    "all_tenants",
    examples=("reconciler validate", "reconciler validate grants/billing.yaml"),
)
@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@shard_option
@output_options("github", "sarif")
@timeout_option("Maximum duration of the check, such as 90s, 30m or 2h.")
def command(*, paths: tuple[Path, ...], output_options: OutputOptions, timeout: float) -> Exit:
    """Check grant files and folders, offline. Default: the folder of --grants.

    Every problem is reported with its line. A folder without a grant file is a problem.

    Files are checked for every tenant of the configuration, or for each --tenant. The command checks the configuration
    file in addition to the grant files.

    With --format github, a GitHub workflow shows each problem at its line in the pull request.
    """
    options = current_options()
    console = Console(options)
    check_outputs(options, output_options.outputs([]), inputs=[InputFile("PATH", path) for path in paths])
    if any(TENANT in file.path for file in output_options.reports):
        raise ReconcilerError(
            f"--report: validate writes one report for all tenants; remove {TENANT} from the file name"
        )
    with time_limit(timeout):
        grants = _load(options, list(paths) or [Path(options.grants)])
    result = ValidationResult(grants.problems, len(grants.texts), len(grants.specs))
    links = ci.source_links(options.config)
    output_options.write([], lambda name, _: _rendered(result, name, links))
    if output_options.stdout_format == "text":
        console.problems(grants.problems, grants.texts)
        if result.is_valid:
            console.result([line(result.summary)])
    else:
        console.text(_rendered(result, output_options.stdout_format, links))
    return Exit.DONE if result.is_valid else Exit.FAILED


def _rendered(result: ValidationResult, name: str, links: SourceLinks) -> str:
    from reconciler.output.formats import OutputView, render

    return render(result, name, OutputView(links=links))


def _load(options: GlobalOptions, paths: list[Path]) -> LoadedGrants:
    """Load the grant files. Add a problem if git tracks the folder .reconciler."""
    workspace = workspace_of(options.config)
    grants = _load_files(options, paths, workspace)
    folder_problems = tracked_folder_problems(data_folder(options.config))
    return replace(grants, problems=tuple(sorted((*grants.problems, *folder_problems))))


def _load_files(options: GlobalOptions, paths: list[Path], workspace: Workspace) -> LoadedGrants:
    """Load the grant files.

    If the configuration is invalid, the result contains the problems of the configuration and of the grant files.
    """
    try:
        config = load_config(options.config)
    except ProblemsError as error:
        grants = read_grants(paths, UNKNOWN_TENANTS, workspace, may_be_empty=False)
        problems = tuple(sorted({*error.problems, *grants.problems}))
        return replace(grants, problems=problems, texts={**error.texts, **grants.texts})
    tenants = [tenant_named(config, name) for name in options.tenants] or list(config.tenants.values())
    targets = config.targets(*tenants)
    if options.shard is not None:
        tenants = [tenant_named(config, name) for name in options.shard.part([each.name for each in tenants])]
        targets = targets._replace(targets=tuple(tenant.target for tenant in tenants))
    snapshot_only = rollback_of_paths(paths, options.config) is not None
    grants = read_grants(paths, targets, workspace, may_be_empty=snapshot_only, is_snapshot=snapshot_only)
    warnings = list(_expiry_warnings(grants.specs, config, tenants, options.now))
    if not snapshot_only and paths == [Path(options.grants)]:
        warnings += unused_scope_sets(config, grants)
    return replace(grants, problems=tuple(sorted({*grants.problems, *warnings})))


def _expiry_warnings(
    specs: Sequence[GrantSpec], config: Config, tenants: Sequence[Tenant], now: datetime
) -> Iterator[Problem]:
    """Yield a warning for each declaration whose grants have expired or will expire soon.

    Each tenant can have a different value for the setting `warn_before`. The longest value of the declaration's tenants
    decides.
    """
    expiring = [spec for spec in one_per_declaration(specs) if spec.expires]
    by_setting: dict[timedelta, list[GrantSpec]] = {} if tenants else {config.warn_before: expiring}
    warn_before = {each.name: each.warn_before for each in tenants}
    longest: dict[int, timedelta] = {}
    for spec, targets in with_targets(expiring, TargetTenants(tuple(each.target for each in tenants))):
        if targets and id(targets) not in longest:  # many grants share one list of tenants
            longest[id(targets)] = max(warn_before[target.name] for target in targets)
        if targets:
            by_setting.setdefault(longest[id(targets)], []).append(spec)
    for setting, chosen in by_setting.items():
        yield from expiry_warnings(chosen, now, setting)
        yield from expired_warnings(chosen, now)
