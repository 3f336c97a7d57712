"""Report the use of grants, and remove unused grants from the grant files."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.import_grants import open_and_observe
from reconciler.app.load import load_config, load_grants, workspace_of
from reconciler.app.options import GlobalOptions, RequestOptions
from reconciler.app.provenance import read_git_facts
from reconciler.app.session import TenantSession
from reconciler.app.update_grants import diff_lines, new_texts, write_texts
from reconciler.app.usage import UsageOptions, only_tenant, operations, required_usage, usage_file
from reconciler.core.characters import join_some, pluralize, visible
from reconciler.core.expiry import has_expired
from reconciler.core.identity import TenantName
from reconciler.core.imports.selection import FileUpdates, GrantSplit, SelectedUpdates, SetUpdate
from reconciler.core.planner import Observation
from reconciler.core.problems import Problem, Severity
from reconciler.core.resolve import resolve
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant import TenantKind
from reconciler.core.tenant_filter import applies_to_tenant, patterns_of, substitute_spec
from reconciler.core.usage.records import Usage, with_scopes
from reconciler.core.usage.report import UsageReport, UsageWindow, UseState, grant_uses, state_of
from reconciler.errors import ReconcilerError
from reconciler.output.styled import Line, Span, Style, line


def make_usage_report(
    options: GlobalOptions, usage_options: UsageOptions, request_options: RequestOptions, console: Console
) -> UsageReport:
    """Return a report about the last use of each grant of a tenant. Raises ReconcilerError."""
    tenant = only_tenant(options)
    usage = with_scopes(required_usage(usage_file(options, tenant, usage_options.file)), usage_options.scopes)
    opening = open_and_observe(options, console, (), request_options, TenantSession.observe_grants)
    with opening as (_, session, observation):
        _verify_tenant(usage, session, observation)
    window = UsageWindow(options.now, usage.periods, usage_options.unused_for)
    return UsageReport(
        tenant=session.name,
        window=window,
        grants=grant_uses(observation.grants, observation.directory, usage, window, operations()),
        notes=observation.notes,
    )


def prune_unused(  # noqa: PLR0913 - the parameters are independent options
    options: GlobalOptions,
    paths: Sequence[Path],
    usage_options: UsageOptions,
    request_options: RequestOptions,
    console: Console,
    *,
    only_diff: bool,
) -> None:
    """Remove the declarations of unused grants from the grant files. The tenant does not change.

    Raises:
        ReconcilerError: if the grant files are invalid, or if the tenant or the usage file cannot be read.
    """
    tenant = only_tenant(options)
    usage = required_usage(usage_file(options, tenant, usage_options.file))
    paths = list(paths) or [Path(options.grants)]
    opening = open_and_observe(options, console, paths, request_options, TenantSession.observe_grants)
    with opening as (_, session, observation):
        if not _verify_tenant(usage, session, observation):
            _refuse_foreign_grants(usage, observation)
        config = load_config(options.config)
        declared = load_grants(options, config, [session.tenant], paths)
        others = [name for name in config.tenants if name != session.tenant.name]
        workspace, links = workspace_of(options.config), ci.source_links(options.config)
        grants = Path(options.grants)
        folder = grants if all(path.resolve().is_relative_to(grants.resolve()) for path in paths) else paths[0]
        facts = read_git_facts(declared, folder, workspace, links, config, [session.tenant])
        since = facts.at(session.declared.specs, session.tenant.name)
        window = UsageWindow(options.now, usage.periods, usage_options.unused_for)
        by_file: dict[str, dict[tuple[int, int], GrantSplit | None]] = {}
        kept: list[Problem] = []
        for spec in declared.specs:
            if not applies_to_tenant(patterns_of(spec), session.tenant.name):
                continue
            desired, _ = resolve([substitute_spec(spec, session.tenant.target)], observation.directory)
            if not desired:
                continue
            state, text = state_of(desired[0].key, usage, window)
            commit = since[spec.source].since if spec.source in since else None
            if state is not UseState.UNUSED:
                if state is UseState.UNKNOWN:
                    kept.append(_kept(spec, text))
            elif reason := _reason_to_keep(spec, text, commit.day if commit else None, window, options.now):
                kept.append(_kept(spec, reason))
            else:
                shared = [name for name in others if applies_to_tenant(patterns_of(spec), name)]
                by_file.setdefault(spec.file, {})[spec.locations.mark] = _split(spec, shared, session.tenant.name)
        selected = SelectedUpdates(by_file)
        texts, problems = new_texts(declared, selected)
        console.problems(sorted((*kept, *problems)), declared.texts)
        if only_diff:
            console.result(
                line(visible(each)) for name in texts for each in diff_lines(name, declared.texts[name], texts[name])
            )
            return
        write_texts(paths, texts)
        console.result(_pruned(session.name, {name: selected.by_file[name] for name in texts}, window))


def _reason_to_keep(spec: GrantSpec, use: str, declared_on: str | None, window: UsageWindow, now: datetime) -> str:
    """Return the reason to keep the declaration of an unused grant, or an empty string.

    `use` is a text that describes the grant's use. `declared_on` is the day of the commit that added the declaration,
    or None if the commit is unknown.
    """
    if has_expired(spec, now):
        return "the grant has expired; keep these lines until the tenant no longer has the grant"
    if declared_on is None:
        return "the commit of the declaration is not known: no repository, a shallow clone, or uncommitted lines"
    if declared_on > window.start[:10]:
        return f"declared on {declared_on}, after the start of the period"
    if spec.clients:
        return f"{use}, but the declaration has several clients; remove the client by hand"
    return ""


def _verify_tenant(usage: Usage, session: TenantSession, observation: Observation) -> bool:
    """Check that the usage file belongs to the tenant. Return False if the check is not possible.

    With the usage file of another tenant, every grant would look unused. The log events of an Auth0 tenant contain the
    first label of the canonical domain, such as `acme` of acme.eu.auth0.com.

    Raises ReconcilerError if the usage file belongs to another tenant.
    """
    hosts = {host for host in (session.tenant.canonical_host, *session.identities(observation)) if host}
    if session.tenant.kind is not TenantKind.AUTH0 or not hosts or not usage.tenant:
        return False
    if usage.tenant not in {host.split(".")[0] for host in hosts}:
        raise ReconcilerError(
            f"the usage file belongs to the tenant {visible(usage.tenant)}, not to {join_some(sorted(hosts))}; "
            "choose the file of this tenant with --usage"
        )
    return True


def _refuse_foreign_grants(usage: Usage, observation: Observation) -> None:
    """Raise ReconcilerError if none of the grants in the usage file exists in the tenant."""
    used = {(each.client_id, each.audience) for each in usage.grants if each.client_id and each.audience}
    if used and not any((each.key.client_id, each.key.audience) in used for each in observation.grants):
        raise ReconcilerError(
            "the usage file has no grant of this tenant, so the file may belong to another tenant; check --usage"
        )


def _kept(spec: GrantSpec, why: str) -> Problem:
    return Problem(spec.source, f"not removed: {why}", "", Severity.WARNING)


def _split(spec: GrantSpec, others: Sequence[str], tenant: str) -> GrantSplit | None:
    """Return None if the declaration must be removed for all of its tenants.

    Return a GrantSplit if the declaration must be removed for only one of its tenants.
    """
    if not others:
        return None
    own = [pattern.text for pattern in spec.tenants[-1]] if spec.tenants else []
    return GrantSplit(SetUpdate(frozenset(own), tuple(others)), tenant, None)


def _pruned(tenant: TenantName, removed: Mapping[str, FileUpdates], window: UsageWindow) -> Iterator[Line]:
    count = sum(map(len, removed.values()))
    files = pluralize(len(removed), "file")
    why = f"unused for {window.length_text}"
    yield line(Span(f"Removed: {pluralize(count, 'grant')} of {visible(str(tenant))} in {files}, {why}.", Style.STRONG))
    for name, updates in removed.items():
        yield line("    ", f"{visible(name)}  {len(updates)} removed")
