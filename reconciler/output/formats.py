"""Write results in an output format. `FORMATS` lists the output formats of each result class, such as PlanResults."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from textwrap import indent
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from reconciler.artifacts.grant_json import json_text
from reconciler.artifacts.serialization import ACTIONS, Json, plan_counts, plan_id, plan_json
from reconciler.core.characters import visible
from reconciler.core.identity import TenantName
from reconciler.output.escape import commit_suffix, marker, span, tenant_label
from reconciler.output.markdown.document import Section, join_sections
from reconciler.output.problems import ValidationResult, problem_json, problem_lines
from reconciler.output.results import Failures, PlanResults, RunResult, RunResults, TenantFailure
from reconciler.output.source_links import NO_REPOSITORY, SourceLinks
from reconciler.output.styled import DEFAULT_MAX_BYTES, MARKER_PREFIX, RESULT_PREFIX, plain
from reconciler.output.text.plan import plan_lines, report_json, report_lines
from reconciler.output.text.tenants import plans_lines, runs_lines

if TYPE_CHECKING:
    from reconciler.core.access.report import AccessReport
    from reconciler.core.access.tenant_diff import TenantDiff
    from reconciler.core.fleet.report import FleetReport
    from reconciler.core.fleet.run import Fleet


def failures_json(failed: Failures) -> list[Json]:
    """Return `{"tenant", "sandbox", "errors"}` for each failed tenant."""
    return [{"tenant": name, "sandbox": each.is_sandbox, "errors": list(each.lines)} for name, each in failed.items()]


def failures_text(failed: Failures, title: str) -> list[str]:
    """Return a paragraph of text for each failed tenant, with the reason for the failure.

    If reconciler had already started to process a tenant, the paragraph about the tenant contains `title`.
    """
    return [
        "".join(
            f"{text}\n"
            for text in (
                f"Tenant {visible(_tenant(name, each).label)}: {title if each.is_started else NOT_STARTED}",
                *(f"  {visible(line)}" for line in each.lines),
            )
        )
        for name, each in failed.items()
    ]


def failures_markdown(
    failed: Failures, title: str, links: SourceLinks, max_bytes: int, prefix: str = MARKER_PREFIX
) -> list[str]:
    """Return a Markdown document for each failed tenant, with the reason for the failure.

    Each document has at most `max_bytes` bytes. The document contains `title` if reconciler had started to process the
    tenant before the failure.
    """
    return [
        join_sections(
            [
                Section((f"{marker(name, links, prefix)}\n### {_heading(name, each, title, links)}\n\n",)),
                Section(tuple(f"- {span(line)}\n" for line in each.lines), noun="problem"),
            ],
            max_bytes,
        )
        for name, each in failed.items()
    ]


def _heading(name: str, failure: TenantFailure, title: str, links: SourceLinks) -> str:
    shown = title if failure.is_started else NOT_STARTED
    from reconciler.output.markdown.plan import TITLE

    return f"{TITLE}{tenant_label(_tenant(name, failure))}: {shown}{commit_suffix(links)}"


def _tenant(name: str, failure: TenantFailure) -> TenantName:
    return TenantName(name, "", failure.is_sandbox)


NO_PLAN = "no plan"
FAILED = "failed"
NOT_STARTED = "not started"


class OutputView(NamedTuple):
    """Options for showing results."""

    verbose: bool = False
    """True to show every grant that reconciler does not change, for example protected grants."""
    links: SourceLinks = NO_REPOSITORY
    """The object that creates links to the files of the repository."""
    max_bytes: int = DEFAULT_MAX_BYTES
    """The maximum size of a Markdown document, in bytes."""


Results: TypeAlias = "PlanResults | RunResults | ValidationResult | AccessReport | TenantDiff | Fleet | FleetReport"


def render(results: Results, name: str, view: OutputView) -> str:
    """Return `results` as text in the format `name`.

    Raises KeyError if the format does not exist for the kind of result.
    """
    return FORMATS[type(results).__name__]()[name](results, view)


def _plans_text(results: PlanResults, view: OutputView) -> str:
    if results.summary:
        return plain(plans_lines(results, results.summary, verbose=view.verbose))
    plans = [plain(plan_lines(plan, verbose=view.verbose)) for plan in results.plans]
    return "\n".join(plans + failures_text(results.failed, NO_PLAN))


def _plans_json(results: PlanResults, _view: OutputView) -> str:
    if len(results.plans) == 1 and not results.failed and not results.summary:
        return json_text(plan_json(results.plans[0]))
    return _several_json(results, "plans", map(plan_json, results.plans))


def _several_json(results: PlanResults | RunResults, name: str, items: Iterable[Json]) -> str:
    """Return the results of several tenants as JSON text.

    To save memory, the function converts one item of `items` at a time.
    """
    head = {"summary": results.summary.as_json()} if results.summary else {}
    texts = ",\n".join(indent(json_text(item).rstrip("\n"), "    ") for item in items)
    rest = json_text({**head, name: [], "failed": failures_json(results.failed)})
    return rest.replace(f'\n  "{name}": []', f'\n  "{name}": [\n{texts}\n  ]', 1) if texts else rest


def _plans_markdown(results: PlanResults, view: OutputView) -> str:
    from reconciler.output.markdown.plan import plan_markdown
    from reconciler.output.markdown.tenants import plans_markdown

    if results.summary:
        return plans_markdown(results, results.summary, view.links, view.max_bytes)
    plans = [plan_markdown(plan, links=view.links, max_bytes=view.max_bytes) for plan in results.plans]
    return "".join([*plans, *failures_markdown(results.failed, NO_PLAN, view.links, view.max_bytes)])


def _plans_sarif(results: PlanResults, view: OutputView) -> str:
    from reconciler.output.annotations import plans_sarif

    return json_text(plans_sarif(results.plans, view.links))


def _plans_github(results: PlanResults, view: OutputView) -> str:
    from reconciler.output.annotations import plan_commands

    found = (command for plan in results.plans for command in plan_commands(plan, view.links))
    return "".join(f"{command}\n" for command in dict.fromkeys(found))


def _runs_text(results: RunResults, view: OutputView) -> str:
    if results.summary:
        return plain(runs_lines(results, results.summary, verbose=view.verbose))
    runs = [plain(report_lines(run.report, run.plan.directory, verbose=view.verbose)) for run in results.runs]
    return "\n".join(runs + failures_text(results.failed, FAILED))


def _runs_json(results: RunResults, _view: OutputView) -> str:
    if len(results.runs) == 1 and not results.failed and not results.summary:
        return json_text(_run_json(results.runs[0]))
    return _several_json(results, "tenants", map(_run_json, results.runs))


def _run_json(run: RunResult) -> Json:
    return {"tenant": run.plan.tenant.name, "sandbox": run.plan.tenant.is_sandbox, **report_json(run.report)}


def _runs_markdown(results: RunResults, view: OutputView) -> str:
    from reconciler.output.markdown.plan import report_markdown
    from reconciler.output.markdown.tenants import runs_markdown

    if results.summary:
        return runs_markdown(results, results.summary, view.links, view.max_bytes)
    runs = [report_markdown(run.report, run.plan, view.links, view.max_bytes) for run in results.runs]
    failures = failures_markdown(results.failed, FAILED, view.links, view.max_bytes, RESULT_PREFIX)
    return "".join([*runs, *failures])


def _validation_text(result: ValidationResult, _view: OutputView) -> str:
    problems = plain(problem_lines(result.problems, {}, excerpts=False))
    return problems + (f"{result.summary}\n" if result.is_valid else "")


def _validation_json(result: ValidationResult, _view: OutputView) -> str:
    return json_text(
        {
            "valid": result.is_valid,
            "files": result.files,
            "grants": result.grants,
            "problems": [problem_json(problem) for problem in result.problems],
        }
    )


def _validation_sarif(result: ValidationResult, view: OutputView) -> str:
    from reconciler.output.annotations import problems_sarif

    return json_text(problems_sarif(result.problems, view.links))


def _validation_github(result: ValidationResult, view: OutputView) -> str:
    from reconciler.output.annotations import problem_commands

    return "".join(f"{command}\n" for command in problem_commands(result.problems, view.links))


Formats = Mapping[str, Callable[[Any, OutputView], str]]
"""Maps the name of each output format to the function that writes one class of results in the format."""


def _plan_formats() -> Formats:
    return {
        "text": _plans_text,
        "json": _plans_json,
        "markdown": _plans_markdown,
        "sarif": _plans_sarif,
        "github": _plans_github,
    }


def _run_formats() -> Formats:
    return {"text": _runs_text, "json": _runs_json, "markdown": _runs_markdown}


def _validation_formats() -> Formats:
    return {
        "text": _validation_text,
        "json": _validation_json,
        "github": _validation_github,
        "sarif": _validation_sarif,
    }


def _access_formats() -> Formats:
    from reconciler.output.access.html import access_html
    from reconciler.output.access.json import access_json
    from reconciler.output.access.tables import access_csv, access_lines, access_markdown

    return {
        "text": lambda report, view: plain(access_lines(report, verbose=view.verbose)),
        "json": lambda report, _view: json_text(access_json(report)),
        "markdown": lambda report, _view: access_markdown(report),
        "csv": lambda report, _view: access_csv(report),
        "html": lambda report, _view: access_html(report),
    }


def _diff_formats() -> Formats:
    from reconciler.output.access.diff import diff_csv, diff_html, diff_json, diff_lines, diff_markdown

    return {
        "text": lambda diff, _view: plain(diff_lines(diff)),
        "json": lambda diff, _view: json_text(diff_json(diff)),
        "markdown": lambda diff, _view: diff_markdown(diff),
        "csv": lambda diff, _view: diff_csv(diff),
        "html": lambda diff, _view: diff_html(diff),
    }


def _fleet_formats() -> Formats:
    from reconciler.artifacts.fleet_json import fleet_json
    from reconciler.output.fleet import fleet_lines, github_matrix, gitlab_pipeline

    return {
        "text": lambda fleet, _view: plain(fleet_lines(fleet)),
        "json": lambda fleet, _view: json_text(fleet_json(fleet)),
        "github": lambda fleet, _view: github_matrix(fleet),
        "gitlab": lambda fleet, _view: gitlab_pipeline(fleet),
    }


def _fleet_report_formats() -> Formats:
    from reconciler.output.fleet import fleet_report_json, fleet_report_lines, fleet_report_markdown

    return {
        "text": lambda report, view: plain(fleet_report_lines(report, verbose=view.verbose)),
        "json": lambda report, _view: json_text(fleet_report_json(report)),
        "markdown": lambda report, view: fleet_report_markdown(report, view.links, view.max_bytes),
    }


FORMATS: Mapping[str, Callable[[], Formats]] = {
    "PlanResults": _plan_formats,
    "RunResults": _run_formats,
    "ValidationResult": _validation_formats,
    "AccessReport": _access_formats,
    "TenantDiff": _diff_formats,
    "Fleet": _fleet_formats,
    "FleetReport": _fleet_report_formats,
}
"""Maps the name of each result class, such as PlanResults, to a function that returns the output formats of the class.

A function imports the modules of its formats only when it is called, because imports take time.
"""


def outputs_of(results: PlanResults) -> dict[str, str]:
    """Return the outputs of a pipeline step: the plan ids, and the number of changes of each kind in all plans."""
    count: Counter[str] = Counter()
    ids = []
    for plan in results.plans:
        count.update(plan_counts(plan))
        ids.append(plan_id(plan))
    return {
        "has_changes": str(any(count[name] for name in (*ACTIONS, "no_longer_declared"))).lower(),
        **{f"{action}s": str(count[action]) for action in ACTIONS},
        **{name: str(count[name]) for name in ("no_longer_declared", "blocked", "critical")},
        "plan_id": " ".join(ids),
    }
