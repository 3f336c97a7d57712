"""Pure: outcomes as a table with a summary, and as JSON data."""

from collections.abc import Iterator, Mapping

from reconciler.artifacts.serialization import Json, action_of, field_json, key_json
from reconciler.core.directory import Directory
from reconciler.core.outcome import ApplyReport, Result, count_results
from reconciler.core.plan import Change
from reconciler.core.quoting import pluralize, visible
from reconciler.output.styled import Line, Span, Style, line
from reconciler.output.text.plan import change_symbol, group_lines
from reconciler.output.words import grant_label

STYLES: Mapping[str, Style] = {Result.APPLIED: Style.CREATE, Result.SKIPPED: Style.WARNING}
RESULT_WIDTH = max(len(result) for result in Result)


def report_lines(report: ApplyReport, directory: Directory) -> Iterator[Line]:
    """Yield a row per change with its reason, the remaining differences, and the summary."""
    for outcome in report.outcomes:
        yield _row(outcome.result, outcome.change, directory)
        if outcome.detail:
            yield line(" " * (RESULT_WIDTH + 4), Span(visible(outcome.detail), Style.MUTED))
    yield line()
    yield from group_lines("Still differs", report.differences, directory, {})
    yield line(Span(f"Apply: {outcome_counts(report)}; {state(report)}.", Style.STRONG))


def report_json(report: ApplyReport) -> Json:
    """Return the report in the form of schemas/outcome.schema.json."""
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
                "accepted": change.key in report.not_persisted,
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
    """Return the number of outcomes per result, or an empty text."""
    return ", ".join(f"{count} {result}" for result, count in count_results(report.outcomes).items() if count)


def state(report: ApplyReport) -> str:
    """Return how the tenant compares with the files at the end."""
    if report.trouble:
        return visible(report.trouble)
    if report.remaining and report.remaining.blocked and not report.outcomes:
        return f"{pluralize(len(report.remaining.blocked), 'change')} blocked, so nothing was written"
    if report.remaining and report.remaining.skipped and not report.remaining.changes:
        skipped = pluralize(report.remaining.skipped, "declared grant")
        return f"the tenant equals the files except for {skipped}, whose application, API or organization is missing"
    if report.not_persisted and len(report.not_persisted) == len(report.differences):
        count = pluralize(len(report.not_persisted), "change")
        return f"Auth0 accepted {count} and did not keep all of it; running again will probably end the same way"
    if report.remaining is None or not report.converged:
        return "the tenant does not equal the files yet, run again"
    return "the tenant has the requested changes" if report.remaining.differing else "the tenant equals the files"
