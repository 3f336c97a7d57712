"""Format a run for many tenants (a fleet run) as text, as Markdown, and as job definitions for GitHub and GitLab."""

import json
from collections.abc import Iterable, Iterator, Mapping

from reconciler.artifacts.fleet_json import fleet_json, result_json
from reconciler.artifacts.grant_json import json_text
from reconciler.artifacts.serialization import Json
from reconciler.core.characters import join_some, pluralize, visible
from reconciler.core.fleet.report import CollectedTenant, FleetReport
from reconciler.core.fleet.rollout import APPLY, COLLECTED_STATES, TenantState
from reconciler.core.fleet.run import ExpectedTenant, Fleet
from reconciler.core.identity import SANDBOX
from reconciler.core.outcome import Result
from reconciler.output.escape import span, tenant_label
from reconciler.output.markdown.document import Section, join_sections
from reconciler.output.markdown.tenants import plans_markdown, runs_markdown
from reconciler.output.results import (
    FleetSummary,
    PlanResults,
    RunResults,
    TenantFailure,
    TenantSummary,
    omitted_grants,
)
from reconciler.output.source_links import SourceLinks
from reconciler.output.styled import Line, Span, Style, line, note_lines

STYLES: Mapping[TenantState, Style] = {
    TenantState.PLANNED: Style.CREATE,
    TenantState.APPLIED: Style.CREATE,
    TenantState.NOT_STARTED: Style.WARNING,
}
STATE_WIDTH = max(map(len, COLLECTED_STATES))
LAST_STAGE = "collect results"
"""The name of the last stage and job for GitLab. The name of a wave cannot contain a space."""
RESULTS = tuple(str(result) for result in Result)


def fleet_summary(fleet: Fleet) -> str:
    """Return a sentence with the number of tenants."""
    count = pluralize(len(fleet.tenants), "tenant")
    return f"{count} affected by the changes since {visible(fleet.base)}." if fleet.base else f"{count}."


def fleet_lines(fleet: Fleet) -> Iterator[Line]:
    """Yield a line for each tenant, with the rollout wave and the shard of the tenant.

    After the line of a tenant, yield a line for each reason why the run includes the tenant.
    """
    for each in fleet.tenants:
        wave = f"  wave {visible(each.wave)}" if each.wave else ""
        shard = f"  shard {each.shard}" if each.shard else ""
        yield line(Span(visible(each.title.label), Style.STRONG), f"  {visible(each.domain)}", wave + shard)
        for reason in each.reasons:
            yield line("    ", Span(visible(reason), Style.MUTED))
    yield from note_lines(fleet.notes)
    yield line(fleet_summary(fleet))


def names_text(fleet: Fleet) -> str:
    """Return the names of the tenants, with one name per line."""
    return "".join(f"{visible(each.name)}\n" for each in fleet.tenants)


def github_matrix(fleet: Fleet) -> str:
    """Return the step outputs `any` and `matrix` for GitHub Actions.

    If the run includes no tenant, return only `any=false`, because GitHub Actions refuses an empty matrix.
    """
    jobs = matrix_jobs(fleet)
    return f"any=true\nmatrix={json.dumps({'include': jobs})}\n" if jobs else "any=false\n"


def matrix_jobs(fleet: Fleet) -> list[dict[str, str]]:
    """Return the matrix values of each job.

    If the run has shards, each shard has a job. In a run without shards, each tenant has a job.

    `tenants` is the value of the environment variable RECONCILER_TENANT, which selects the tenants of the job.
    """
    if fleet.shards is None:
        return [{"tenant": each.name, "tenants": each.name, "wave": each.wave or ""} for each in fleet.tenants]
    return [{"shard": shard, "tenants": names} for shard, names in _by_shard(fleet.tenants).items()]


def _by_shard(tenants: Iterable[ExpectedTenant]) -> dict[str, str]:
    """Return the names of the tenants in each shard, separated by commas."""
    members: dict[str, list[str]] = {}
    for each in tenants:
        members.setdefault(each.shard or "", []).append(each.name)
    return {shard: ",".join(names) for shard, names in members.items()}


def gitlab_pipeline(fleet: Fleet) -> str:
    """Return a child pipeline for GitLab as JSON. JSON is also valid YAML.

    The GitLab repository must define three hidden jobs. `.fleet` runs reconciler for the tenants of a job,
    `.fleet-gate` runs between two rollout waves, and `.fleet-collect` is the last job. If the run includes no tenant,
    `.fleet-collect` is the only job, because GitLab refuses a pipeline without jobs.
    """
    stages: list[str] = []
    jobs: Json = {}
    waves = fleet.waves or ((None,) if fleet.tenants else ())
    for number, wave in enumerate(waves, start=1):
        members = [each for each in fleet.tenants if wave is None or each.wave == wave]
        stage = wave or "tenants"
        stages.append(stage)
        for name, variables in _gitlab_jobs(members, fleet):
            jobs[f"{stage}: {name}"] = _gitlab_job(".fleet", stage, {**_common(fleet, wave), **variables})
        if number < len(waves):
            gate = f"after {wave}"
            stages.append(gate)
            jobs[gate] = _gitlab_job(".fleet-gate", gate, _common(fleet, wave))
    stages.append(LAST_STAGE)
    jobs[LAST_STAGE] = _gitlab_job(".fleet-collect", LAST_STAGE, _common(fleet, None))
    return json_text({"stages": stages, **jobs})


def _gitlab_job(extends: str, stage: str, variables: Mapping[str, str]) -> Json:
    """Return a job. Each `$` in a variable is escaped, so that GitLab does not expand variables in tenant names."""
    escaped = {name: value.replace("$", "$$") for name, value in variables.items()}
    return {"extends": extends, "stage": stage, "variables": escaped}


def _gitlab_jobs(members: list[ExpectedTenant], fleet: Fleet) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the job name and the variables of each job in a rollout wave."""
    if fleet.shards is None:
        for each in members:
            yield visible(each.name), {"TENANT": each.name, "RECONCILER_TENANT": each.name}
        return
    for shard, names in _by_shard(members).items():
        yield shard, {"RECONCILER_TENANT": names}


def _common(fleet: Fleet, wave: str | None) -> dict[str, str]:
    optional = {"BASE": fleet.base, "WAVE": wave}
    return {"RECONCILER_RUN": fleet.inputs.run, **{name: value for name, value in optional.items() if value}}


def report_summary(report: FleetReport) -> str:
    """Return a sentence with the number of tenants and sandboxes, and the number of tenants in each state."""
    counts = [f"{count} {state}" for state, count in report.counts.items() if count]
    sandboxes = sum(each.expected.is_sandbox for each in report.tenants)
    mark = f" ({sandboxes} {SANDBOX})" if sandboxes else ""
    return f"{pluralize(len(report.tenants), 'tenant')}{mark}: {', '.join(counts) or 'none expected'}."


def fleet_report_lines(report: FleetReport, *, verbose: bool) -> Iterator[Line]:
    """Yield the summary, the tenants that are not done, and the ignored result files.

    Tenants with the same state and reason share a line. If `verbose` is true, show every tenant on a separate line,
    including the tenants that are done.
    """
    yield line(Span(report_summary(report), Style.STRONG))
    yield from note_lines(report.fleet.notes)
    remaining = {each.expected.name for each in report.remaining}
    groups: dict[tuple[str, ...], list[CollectedTenant]] = {}
    for each in report.tenants:
        is_alone = verbose or len(each.results) > 1 or bool(each.last and each.last.omitted)
        if is_alone or each.expected.name in remaining:
            own = (each.expected.name,) if is_alone else ()
            key = (each.state, _sandbox_mark(each), *_reasons(each), *own)
            groups.setdefault(key, []).append(each)
    for members in groups.values():
        yield from _group_lines(members)
    for file in report.refused:
        yield line(Span("refused", Style.ERROR), f"  {visible(file.name)}: {visible(file.reason)}")
    if report.fleet.waves and report.is_stopped:
        yield line(Span(f"No further wave may start (stop_after: {report.fleet.stop_after}).", Style.WARNING))


def _sandbox_mark(each: CollectedTenant) -> str:
    """Return a space and the word SANDBOX if the tenant is a sandbox, or an empty string."""
    return f" {SANDBOX}" if each.expected.is_sandbox else ""


def _reasons(each: CollectedTenant) -> list[str]:
    """Return the reason for the state of a tenant, or the errors of the tenant's last result if no reason is known."""
    return [each.reason] if each.reason else [*(each.last.errors if each.last else ())]


def _group_lines(members: list[CollectedTenant]) -> Iterator[Line]:
    """Yield lines about `members`.

    `members` are either all sandboxes or all real tenants, and have the same state and reason.

    If a tenant has several results, yield a line for each result.
    """
    first = members[0]
    state = Span(f"{first.state:<{STATE_WIDTH}}", STYLES.get(first.state, Style.ERROR))
    names = join_some([each.expected.name for each in members])
    mark = _sandbox_mark(first)
    count = f" ({len(members)}{mark})" if len(members) > 1 else f"{mark}  {visible(counts_text(first))}".rstrip()
    yield line(state, "  ", Span(names, Style.STRONG), count)
    for text in _reasons(first):
        yield line(" " * (STATE_WIDTH + 2), Span(visible(text), Style.MUTED))
    if len(first.results) > 1:
        for file, result in first.results:
            ended = result.ended_at or "no end"
            shown = f"attempt {result.attempt}, {result.started_at} to {ended}: {result.status} ({file})"
            yield line(" " * (STATE_WIDTH + 2), Span(visible(shown), Style.MUTED))


def counts_text(each: CollectedTenant) -> str:
    """Return a phrase with the number of changes in a tenant's last result. A number that is 0 is omitted.

    After `reconciler apply`, the phrase counts the changes by result, for example `3 applied`.
    """
    counts = each.last.counts if each.last else {}
    is_run = each.last is not None and each.last.command == APPLY
    shown = [f"{count} {name}" for name, count in counts.items() if count and (name in RESULTS or not is_run)]
    return ", ".join([*shown, *([omitted_grants(each.last.omitted)] if each.last and each.last.omitted else [])])


def fleet_report_json(report: FleetReport) -> Json:
    """Return the report of a fleet run as JSON data.

    Each result in the report matches schemas/fleet-result.schema.json.
    """
    fleet = fleet_json(report.fleet)
    return {
        **{name: fleet[name] for name in ("format_version", "run", "commit", "digests", "base", "waves", "notes")},
        "summary": {str(state): count for state, count in report.counts.items()},
        "exit_code": int(report.exit_code),
        "stopped": report.is_stopped,
        "remaining": [each.expected.name for each in report.remaining],
        "tenants": [
            {
                "name": each.expected.name,
                "domain": each.expected.domain,
                "sandbox": each.expected.is_sandbox,
                "wave": each.expected.wave,
                "shard": each.expected.shard,
                "state": str(each.state),
                "reason": each.reason,
                "exit_code": int(each.exit_code),
                "results": [{"file": file, **result_json(result)} for file, result in each.results],
            }
            for each in report.tenants
        ],
        "refused": [{"file": each.name, "reason": each.reason} for each in report.refused],
    }


def fleet_report_markdown(report: FleetReport, links: SourceLinks, max_bytes: int) -> str:
    """Return the report of a fleet run as a Markdown comment of at most `max_bytes` bytes.

    The Markdown comment has the same format as the comment of `plan --all-tenants`. The Markdown comment ends with a
    list of the ignored result files.
    """
    stopped = f"No further wave may start (stop_after: {report.fleet.stop_after}).\n"
    files = tuple(f"- {span(each.name)}: {span(each.reason)}\n" for each in report.refused)
    attempts = tuple(
        f"- {tenant_label(each.expected.title)}: {_attempts(each)}\n" for each in report.tenants if each.results[1:]
    )
    more = join_sections(
        [
            Section((stopped,) if report.fleet.waves and report.is_stopped else ()),
            Section(files, head="\nRefused results:\n\n", noun="refused result"),
            Section(attempts, head="\nTenants with several results:\n\n", noun="tenant", rank=1),
        ],
        max_bytes // 4,
    )
    plans = [each.last.plan for each in report.tenants if each.last and each.last.plan]
    failed = {
        each.expected.name: TenantFailure(_reasons(each), each.expected.is_sandbox)
        for each in report.remaining
        if _reasons(each)
    }
    done = TenantState.APPLIED if report.is_apply else TenantState.PLANNED
    summary = FleetSummary([_tenant_summary(each) for each in report.tenants], done, report.fleet.waves)
    remaining = max_bytes - len(more.encode())
    if report.is_apply:
        return f"{runs_markdown(RunResults([], failed), summary, links, remaining)}{more}"
    return f"{plans_markdown(PlanResults(plans, failed), summary, links, remaining, report.fleet.notes)}{more}"


def _attempts(each: CollectedTenant) -> str:
    return ", then ".join(f"{result.status} in attempt {result.attempt}" for _, result in each.results)


def _tenant_summary(each: CollectedTenant) -> TenantSummary:
    counts = each.last.counts if each.last else {}
    is_run = each.last is not None and each.last.command == APPLY
    return TenantSummary(
        tenant=each.expected.title,
        state=each.state,
        wave=each.expected.wave,
        numbers=counts,
        outcomes={name: counts[name] for name in RESULTS if counts.get(name)} if is_run else {},
        omitted=each.last.omitted if each.last else 0,
        reason=next(iter(_reasons(each)), ""),
    )
