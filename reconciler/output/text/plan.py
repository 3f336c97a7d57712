"""Write a plan as text, and write the outcome of each change of a run as text."""

from collections import Counter
from collections.abc import Iterator, Mapping

from reconciler.artifacts.grant_json import field_json, key_json
from reconciler.artifacts.serialization import Json, action_of, short_id
from reconciler.core.characters import pluralize, visible
from reconciler.core.directory import Directory
from reconciler.core.outcome import ApplyReport, Result, count_results
from reconciler.core.plan import Change, Create, Delete, Plan, Update
from reconciler.core.plan_risks import all_risks, grant_label, risks_at_level
from reconciler.core.problems import Level
from reconciler.core.removals import earlier_source
from reconciler.output.styled import INDENT, Line, Span, Style, line, note_lines
from reconciler.output.text.changes import (
    LEVEL_STYLES,
    by_name,
    change_lines,
    change_symbol,
    group_lines,
    grouped_lines,
)
from reconciler.output.words import (
    EXPIRY_CHANGES_TITLE,
    expired_unknown_text,
    left_alone_counts,
    no_changes_reason,
    no_longer_declared_label,
    origins_summary,
    refusal,
    risk_counts,
    sections_by_origin,
    selection_summary,
    summary,
    tenants_prefix,
)

MAX_LISTED_CHANGES = 200
MAX_LEFT_ALONE = 10
STILL_DIFFERS = "Still differs"
MAX_LISTED_OUTCOMES = 20
"""If a run has more than MAX_LISTED_CHANGES changes, the output lists at most MAX_LISTED_OUTCOMES changes per outcome.
"""
KINDS: tuple[tuple[str, type[Change]], ...] = (("Create", Create), ("Update", Update), ("Delete", Delete))


def plan_lines(plan: Plan, *, verbose: bool = False, only_summary: bool = False) -> Iterator[Line]:
    """Yield a plan as lines of text.

    If a plan has more than MAX_LISTED_CHANGES changes, the text shows the number of changes for each application or
    API, but not each change. If
    `verbose` is true, the lines contain all changes and all grants that reconciler does not change. If `only_summary`
    is true, the lines contain only the totals, the critical risks and the reasons for blocked changes.
    """
    if only_summary:
        yield from _summary_lines(plan)
        return
    yield from _head(plan)
    yield line()
    yield from plan_body(plan, verbose=verbose)


def plan_body(plan: Plan, *, verbose: bool = False) -> Iterator[Line]:
    """Yield a plan as lines of text that do not contain the name of the tenant.

    If `verbose` is true, the lines contain all changes and all grants that reconciler does not change.
    """
    is_grouped = not verbose and len(plan.changes) > MAX_LISTED_CHANGES
    yield from _critical(plan)
    yield from _config_changes(plan)
    yield from _blocked(plan)
    for title, changes in sections_by_origin(plan):
        if title:
            yield line(Span(f"{title} ({len(changes)})", Style.STRONG))
            yield line()
        if is_grouped:
            yield from grouped_lines(changes, plan.directory, plan.risks)
            continue
        for action, kind in KINDS:
            selected = [change for change in changes if isinstance(change, kind)]
            yield from group_lines(action, selected, plan.directory, plan.risks, plan.attributions)
    yield from _no_longer_declared(plan)
    yield from _expiry_changes(plan)
    if not plan.changes and not plan.blocked:
        yield line(f"No changes: {no_changes_reason(plan)}.")
        yield line()
    yield from _left_alone(plan, verbose=verbose)
    yield from note_lines(plan.notes)
    yield from _numbers(plan)


def _summary_lines(plan: Plan) -> Iterator[Line]:
    """Yield lines with the tenant, the critical risks, the reasons for blocked changes, and the number of changes."""
    yield from _head(plan)
    yield from _critical(plan)
    for reason, count in Counter(each.reason for each in plan.blocked).items():
        yield line(Span(f"Blocked ({count}) ", Style.ERROR), visible(reason))
    yield from _numbers(plan)


def _head(plan: Plan) -> Iterator[Line]:
    yield line(Span(f"Tenant {visible(str(plan.tenant))}", Style.STRONG), Span(f"  plan {short_id(plan)}", Style.MUTED))
    if scope := selection_summary(plan):
        yield line(Span(visible(scope), Style.WARNING))


def _numbers(plan: Plan) -> Iterator[Line]:
    if text := risk_counts(plan):
        has_critical = any(risk.level is Level.CRITICAL for risk in all_risks(plan))
        yield line(Span(f"Risks: {text}.", LEVEL_STYLES[Level.CRITICAL if has_critical else Level.HIGH]))
    if plan.origins:
        yield line(Span(origins_summary(plan), Style.STRONG))
    yield line(Span(summary(plan), Style.STRONG))


def _critical(plan: Plan) -> Iterator[Line]:
    """Yield a line for each critical risk.

    In a plan, critical risks come before the changes, so that a long list of changes cannot hide a critical risk.
    """
    found = risks_at_level(plan, Level.CRITICAL)
    if not found:
        return
    yield line(Span(f"Critical ({len(found)})", Style.ERROR))
    for each in found:
        yield line("  ", Span("!", Style.ERROR), " ", Span(each.label, Style.STRONG))
        yield line(INDENT, Span(f"{visible(each.risk.message)}  ({each.risk.rule})", Style.ERROR))
    yield line()


def _config_changes(plan: Plan) -> Iterator[Line]:
    if not plan.config_changes:
        return
    yield line(Span(f"Changes to reconciler.yaml ({len(plan.config_changes)})", Style.STRONG))
    for each in plan.config_changes:
        text = f"{each.risk.level}: {tenants_prefix(each)}{visible(each.risk.message)}  ({each.risk.rule})"
        yield line("  ", Span(f"! {text}", LEVEL_STYLES[each.risk.level]))
    yield line()


def _blocked(plan: Plan) -> Iterator[Line]:
    reasons: dict[str, list[Change]] = {}
    for each in plan.blocked:
        reasons.setdefault(each.reason, []).append(each.change)
    for reason, changes in reasons.items():
        yield line(Span(f"Blocked ({len(changes)}) ", Style.ERROR), visible(reason))
        for change in by_name(changes, plan.directory):
            yield from change_lines(change, plan.directory, plan.risks, plan.origins.get(change.key))
        yield line()


def _no_longer_declared(plan: Plan) -> Iterator[Line]:
    if not plan.no_longer_declared:
        return
    count = len(plan.no_longer_declared)
    yield line(Span(f"No longer declared ({count}): access stays", Style.WARNING))
    for each in plan.no_longer_declared:
        yield line(
            "  ", Span("!", Style.WARNING), " ", Span(no_longer_declared_label(each, plan.directory), Style.STRONG)
        )
        reason = f"; {each.reason}" if each.reason else ""
        yield line(INDENT, Span(visible(f"declared in {earlier_source(each.source)}{reason}"), Style.MUTED))
        for risk in plan.risks.get(each.key, ()):
            yield line(INDENT, Span(f"! {risk.level}: {visible(risk.message)}", LEVEL_STYLES[risk.level]))
    if any(not each.reason for each in plan.no_longer_declared):
        yield line("  ", f"Use --prune-removed to delete {'it' if count == 1 else 'them'}.")
    yield line()


def _expiry_changes(plan: Plan) -> Iterator[Line]:
    """List the grants whose expiry dates changed in the files since the base revision.

    If the plan does not change a grant, the risks of the grant are listed below the expiry date.
    """
    if not plan.expiry_changes:
        return
    changed = {change.key for change in (*plan.changes, *(each.change for each in plan.blocked))}
    yield line(Span(f"{EXPIRY_CHANGES_TITLE} ({len(plan.expiry_changes)})", Style.STRONG))
    for each in plan.expiry_changes:
        yield line("  ", Span("~", Style.UPDATE), " ", Span(grant_label(each.key, plan.directory), Style.STRONG))
        yield line(INDENT, str(each), "  ", Span(visible(f"{each.source.file}:{each.source.line}"), Style.MUTED))
        for risk in plan.risks.get(each.key, ()) if each.key not in changed else ():
            yield line(INDENT, Span(f"! {risk.level}: {visible(risk.message)}", LEVEL_STYLES[risk.level]))
    yield line()


def _left_alone(plan: Plan, *, verbose: bool) -> Iterator[Line]:
    if not plan.left_alone:
        return
    yield line(Span(f"Left alone ({len(plan.left_alone)})", Style.STRONG), f" {left_alone_counts(plan)}")
    listed: list[str] = []
    for each in plan.left_alone:
        found = plan.attributions.get(each.observed.key)
        attribution = f"  {visible(found)}" if found else ""
        listed.append(f"{grant_label(each.observed.key, plan.directory)}  [{visible(each.why)}]{attribution}")
    hidden = 0 if verbose else max(0, len(listed) - MAX_LEFT_ALONE)
    for label in listed[: len(listed) - hidden]:
        yield line("    ", Span(label, Style.MUTED))
    if hidden:
        yield line("    ", Span(f"and {hidden} more; use -v to list all", Style.MUTED))
    yield line()


STYLES: Mapping[str, Style] = {Result.APPLIED: Style.CREATE, Result.SKIPPED: Style.WARNING}
COUNTED_RESULTS = (Result.APPLIED, Result.SKIPPED)
RESULT_WIDTH = max(len(result) for result in Result)


def report_lines(
    report: ApplyReport, directory: Directory, *, verbose: bool = False, only_summary: bool = False
) -> Iterator[Line]:
    """Yield lines with the outcome of each change, the remaining differences between tenant and files, and a summary.

    If a run has more than MAX_LISTED_CHANGES changes, the output lists some applied and skipped changes, and counts the
    others. If `verbose` is true, the lines contain all changes. If `only_summary` is true, the lines do not contain
    applied and skipped changes.
    """
    is_counted = not verbose and len(report.outcomes) > MAX_LISTED_CHANGES
    counts: Counter[tuple[Result, str]] = Counter()
    for outcome in report.outcomes:
        if only_summary and outcome.result in COUNTED_RESULTS:
            continue
        cause = (outcome.result, outcome.detail)
        counts[cause] += 1
        if is_counted and outcome.result in COUNTED_RESULTS and counts[cause] > MAX_LISTED_OUTCOMES:
            continue
        yield _row(outcome.result, outcome.change, directory)
        if outcome.detail:
            yield line(" " * (RESULT_WIDTH + 4), Span(visible(outcome.detail), Style.MUTED))
    for (result, detail), count in counts.items():
        if is_counted and result in COUNTED_RESULTS and count > MAX_LISTED_OUTCOMES:
            reason = f": {visible(detail)}" if detail else ""
            yield line(f"and {count - MAX_LISTED_OUTCOMES} more {result}{reason}; -v lists each change")
    yield line()
    yield from _differences(report, directory, verbose=verbose)
    yield line(Span(f"Apply: {outcome_counts(report)}; {state(report)}.", Style.STRONG))


def _differences(report: ApplyReport, directory: Directory, *, verbose: bool) -> Iterator[Line]:
    if verbose or len(report.differences) <= MAX_LISTED_CHANGES:
        yield from group_lines(STILL_DIFFERS, report.differences, directory, {})
        return
    yield line(Span(f"{STILL_DIFFERS} ({len(report.differences)})", Style.STRONG))
    yield line()
    yield from grouped_lines(report.differences, directory, report.remaining.risks if report.remaining else {})


def report_json(report: ApplyReport) -> Json:
    """Return an apply report in the format of schemas/outcome.schema.json."""
    return {
        "summary": {
            **{str(result): count for result, count in count_results(report.outcomes).items()},
            "converged": report.converged,
        },
        "blocked": [
            {"key": key_json(each.change.key), "reason": each.reason}
            for each in (report.remaining.blocked if report.remaining and not report.outcomes else ())
        ],
        "differences": [
            {
                "action": action_of(change),
                "key": key_json(change.key),
                "fields": [field_json(each) for each in change.fields],
                "accepted": change.key in report.discarded,
            }
            for change in report.differences
        ],
        "outcomes": [
            {
                "action": action_of(outcome.change),
                "key": key_json(outcome.change.key),
                "outcome": str(outcome.result),
                "detail": outcome.detail,
            }
            for outcome in report.outcomes
        ],
    }


def _row(word: str, change: Change, directory: Directory) -> Line:
    return line(
        Span(f"{word:<{RESULT_WIDTH}}", STYLES.get(word, Style.ERROR)),
        "  ",
        change_symbol(change),
        " ",
        grant_label(change.key, directory),
    )


def outcome_counts(report: ApplyReport) -> str:
    """Return a phrase with the number of changes for each result, for example `3 applied, 1 failed`."""
    return ", ".join(f"{count} {result}" for result, count in count_results(report.outcomes).items() if count)


def state(report: ApplyReport) -> str:
    """Return a phrase that says whether the tenant matches the files at the end of the run."""
    if report.verification_error:
        return visible(report.verification_error)
    if report.remaining and report.remaining.blocked and not report.outcomes:
        return refusal(report.remaining)
    if report.remaining and not report.remaining.changes and (exception := _exception(report.remaining)):
        return f"the tenant matches the files{exception}"
    if report.discarded and len(report.discarded) == len(report.differences):
        count = pluralize(len(report.discarded), "change")
        return f"Auth0 accepted {count} but did not store every value; another run will probably end the same way"
    if report.remaining is None or not report.converged:
        return "the tenant does not match the files yet; run again"
    return _converged_state(report.remaining)


def _exception(plan: Plan) -> str:
    """Return a phrase with the number of declared grants that the plan could not compare with the tenant.

    If the plan compared all declared grants, return an empty string.
    """
    if plan.skipped:
        skipped = pluralize(plan.skipped, "declared grant")
        return f" except for {skipped}, whose application, API or organization is missing"
    return f", but {expired_unknown_text(plan)}" if plan.expired_unknown else ""


def _converged_state(plan: Plan) -> str:
    if plan.selection:
        return "the selected grants match the files"
    return "the tenant has the requested changes" if plan.differing else "the tenant matches the files"
