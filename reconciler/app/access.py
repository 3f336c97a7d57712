"""Create the reports of the commands `access`, `why` and `diff` from tenants, files and git."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.load import data_folder, load_config, load_grants, workspace_of
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.provenance import GitFacts, read_git_facts
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import TenantResult, TenantRuns, tenant_runs
from reconciler.app.time_limit import time_limit
from reconciler.app.usage import required_usage, usage_file
from reconciler.artifacts.journal import read_run, run_names
from reconciler.config.tenants import Config, select_tenant, tenant_named
from reconciler.core.access.access_filter import AccessFilter, select_access
from reconciler.core.access.build import DeclarationFacts, declared_access, tenant_access
from reconciler.core.access.history import DeclaredLine, GrantExplanation, find_writes
from reconciler.core.access.report import AccessGrant, AccessReport, TenantAccess, unread_tenant
from reconciler.core.access.tenant_diff import TenantDiff, compare_tenants
from reconciler.core.characters import join_some, quote_text
from reconciler.core.identity import TenantName
from reconciler.core.journal import PastRun
from reconciler.core.planner import Observation
from reconciler.core.removals import find_removals
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant import Tenant
from reconciler.core.usage.records import Usage
from reconciler.errors import Exit, ReconcilerError
from reconciler.files.read import LoadedGrants


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """The options of an access report."""

    offline: bool = False
    """True if the report uses only the files, without reading the tenants."""
    selection: AccessFilter = field(default_factory=AccessFilter)
    """The grants that the report shows."""
    usage: Path | None = None
    """The file with the recorded use of grants.

    If `usage` is None, the report uses the usage file of each tenant in the folder .reconciler, if the usage file
    exists.
    """


@dataclass(frozen=True, slots=True)
class AccessResult:
    """The result of `access`: the access report, the exit code, and the grant files.

    `texts` maps the name of each grant file to the content of the file.
    """

    report: AccessReport
    exit_code: Exit
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)


def make_access_report(
    options: GlobalOptions, access_options: AccessOptions, request_options: RequestOptions, console: Console
) -> AccessResult:
    """Return a report about the grants of the selected tenants.

    If the run has several tenants and a tenant cannot be read, the report shows the error.

    Raises:
        ReconcilerError: if the files are invalid, or if the run has only one tenant and the tenant cannot be read.
    """
    if access_options.offline:
        report, texts = _report_offline(options, request_options)
        exit_code = Exit.DONE
    else:
        with tenant_runs(options, PlanOptions(), request_options, console) as tenants:
            results = list(tenants.run(_observe_all).values())
            report = _report_online(options, access_options, request_options, tenants, results)
            texts = results[0].session.declared.texts if results else {}
            exit_code = tenants.worst_exit_code([])
    return AccessResult(select_access(report, access_options.selection), exit_code, texts)


async def _observe_all(session: TenantSession) -> TenantResult[Observation]:
    return TenantResult(session, await session.observe_all())


def _report_online(
    options: GlobalOptions,
    access_options: AccessOptions,
    request_options: RequestOptions,
    tenants: TenantRuns,
    results: Sequence[TenantResult[Observation]],
) -> AccessReport:
    with time_limit(request_options.timeout):
        git = _git_facts(options, tenants.config, [(each.session.tenant, each.session.declared) for each in results])
    read = {
        each.session.tenant.name: tenant_access(
            each.session.name,
            each.session.declared.specs,
            each.result,
            each.session.protection(),
            replace(
                _facts(options, git, each.session.declared.specs, each.session.tenant),
                usage=_usage(options, each.session.tenant, access_options.usage),
            ),
        )
        for each in results
    }
    failed = {
        name: unread_tenant(TenantName(name, "", failure.is_sandbox), "; ".join(failure.lines))
        for name, failure in tenants.failures.items()
    }
    return _report(options, git, [(read | failed)[name] for name in tenants.names])


def _usage(options: GlobalOptions, tenant: Tenant, file: Path | None) -> Usage | None:
    """Return the usage data of a tenant's grants, or None if `usage collect` has not written a usage file.

    Raises ReconcilerError.
    """
    path = usage_file(options, tenant, file)
    if file is None and not path.exists():
        return None
    return required_usage(path)


def _report_offline(options: GlobalOptions, request_options: RequestOptions) -> tuple[AccessReport, Mapping[str, str]]:
    config = load_config(options.config)
    selected = select_offline(options, config)
    declared = load_grants(options, config, selected)
    with time_limit(request_options.timeout):
        git = _git_facts(options, config, [(tenant, declared.at(tenant.target)) for tenant in selected])
    accesses = []
    for tenant in selected:
        specs = declared.at(tenant.target).specs
        accesses.append(declared_access(tenant.title, specs, _facts(options, git, specs, tenant)))
    return _report(options, git, accesses), declared.texts


def select_offline(options: GlobalOptions, config: Config) -> list[Tenant]:
    """Return the tenants that --tenant or --all-tenants selects.

    Environment variables are not checked, because offline reports need no credentials.
    """
    if options.all_tenants and options.tenants:
        raise ReconcilerError("use either --all-tenants or --tenant")
    names = list(config.tenants) if options.all_tenants else list(dict.fromkeys(options.tenants))
    if options.all_tenants and not names:
        raise ReconcilerError(f"--all-tenants: {config.file} declares no tenants")
    if names:
        return [tenant_named(config, name) for name in names]
    return [select_tenant(config, None, os.environ, allow_unnamed=options.allow_unnamed_tenant)]


def _git_facts(options: GlobalOptions, config: Config, declared: Sequence[tuple[Tenant, LoadedGrants]]) -> GitFacts:
    """Read the git history of the declared grants of all tenants."""
    if not declared:
        return GitFacts()
    specs = {spec.source: spec for _, each in declared for spec in each.specs}
    combined = LoadedGrants(tuple(specs.values()), (), declared[0][1].texts)
    workspace, links = workspace_of(options.config), ci.source_links(options.config)
    return read_git_facts(combined, Path(options.grants), workspace, links, config, [tenant for tenant, _ in declared])


def _facts(options: GlobalOptions, git: GitFacts, specs: tuple[GrantSpec, ...], tenant: Tenant) -> DeclarationFacts:
    return DeclarationFacts(
        now=options.now,
        provenance=git.at(specs, tenant.name),
        removals=find_removals(git.past.of(tenant.name), specs) if git.past else (),
        link_to=git.links.link_to,
    )


def _report(options: GlobalOptions, git: GitFacts, tenants: Iterable[TenantAccess]) -> AccessReport:
    time = f"{options.now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return AccessReport(time=time, commit=git.commit, history=git.unknown, tenants=tuple(tenants))


MAX_RUNS = 1_000
"""The maximum number of journals to read. The newest journals are read first."""
NAMES_ONLY = "journals contain ids but files contain names, so runs cannot be found without reading the tenant"
JOURNAL_NOTE = (
    "only runs with a journal in this folder are shown, because a journal stays on the machine that ran reconciler"
)


def explain_grants(  # noqa: PLR0913 - each parameter is an option of the command
    options: GlobalOptions,
    application: str,
    api: str,
    request_options: RequestOptions,
    console: Console,
    *,
    offline: bool = False,
) -> list[GrantExplanation]:
    """Return an explanation of each grant that lets the application call the API.

    Raises:
        ReconcilerError: if neither the tenant nor the files have a grant of the application on the API, or if the
            tenant or the files cannot be read.
    """
    chosen = AccessOptions(offline, AccessFilter(application=application, api=api))
    result = make_access_report(options.require_one_tenant(), chosen, request_options, console)
    runs, notes = _read_runs(data_folder(options.config))
    history = (f"git history: {result.report.history}",) if result.report.history else ()
    found = [
        GrantExplanation(
            tenant=tenant.tenant,
            grant=grant,
            lines=_lines(grant, result.texts),
            writes=find_writes(runs, tenant.tenant, grant),
            notes=(*tenant.notes, *history, *notes, *([NAMES_ONLY] if grant.audience is None else [])),
        )
        for tenant, grant in result.report.grants
    ]
    if not found:
        raise ReconcilerError(
            f"neither the tenant nor the files have a grant of {quote_text(application)} on "
            f"{quote_text(api)}; list all grants with `reconciler access`"
        )
    return found


def _read_runs(folder: Path) -> tuple[list[PastRun], tuple[str, ...]]:
    """Return the newest runs in the journals, and notes for the user about unreadable journals.

    If a journal cannot be read, add the error message to the notes for the user.
    """
    names = run_names(folder)
    runs: list[PastRun] = []
    notes = [JOURNAL_NOTE]
    if len(names) > MAX_RUNS:
        notes.append(f"only the newest {MAX_RUNS:,} of {len(names):,} journals were read")
    for name in names[:MAX_RUNS]:
        try:
            runs.append(read_run(folder, name))
        except ReconcilerError as error:
            notes.append(str(error))
    return runs, tuple(notes)


def _lines(grant: AccessGrant, texts: Mapping[str, str]) -> tuple[DeclaredLine, ...]:
    if grant.source is None:
        return ()
    content = texts.get(grant.source.file, "").splitlines()
    return tuple(
        DeclaredLine(number, content[number - 1] if number <= len(content) else "", commit)
        for number, commit in grant.provenance.lines
    )


def diff_tenants(  # noqa: PLR0913 - each parameter is an option of the command
    options: GlobalOptions,
    first: str,
    second: str,
    request_options: RequestOptions,
    console: Console,
    *,
    declared: bool,
) -> TenantDiff:
    """Compare the grants of two tenants.

    If `declared` is true, compare the grants that the files declare for the two tenants.

    Raises:
        ReconcilerError: if `first` and `second` are the same name, or if a tenant cannot be read.
    """
    if first == second:
        raise ReconcilerError("name two different tenants")
    both = replace(options, tenants=(first, second))
    result = make_access_report(both, AccessOptions(offline=declared), request_options, console)
    unread = [] if declared else [each.tenant.name for each in result.report.tenants if not each.is_read]
    if unread:
        raise ReconcilerError(f"the tenants cannot be compared: {' and '.join(unread)} could not be read")
    unnamed = [] if declared else [each for each in map(_unread_names, result.report.tenants) if each]
    if unnamed:
        raise ReconcilerError(
            f"the tenants cannot be compared, because grants are matched by name: {'; '.join(unnamed)}"
        )
    return compare_tenants(*result.report.tenants, is_declared=declared)


def _unread_names(access: TenantAccess) -> str:
    """Return the lists of names that reconciler could not read, with the reasons, or an empty string."""
    unread = [f"{each.name} ({each.reason})" for each in access.unread_names]
    return f"{access.tenant.name} has unread {join_some(unread)}" if unread else ""
