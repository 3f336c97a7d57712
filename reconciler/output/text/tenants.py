"""Write the results of several tenants as text.

If several tenants have equal plans, the text contains the plan once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from reconciler.core.characters import pluralize, visible
from reconciler.core.fleet.rollout import TenantState
from reconciler.core.identity import TenantName
from reconciler.output.results import FleetSummary, PlanResults, RunResult, RunResults
from reconciler.output.styled import Line, Span, Style, line, plain
from reconciler.output.text.plan import plan_body, plan_lines, report_lines

T = TypeVar("T")


def plans_lines(
    results: PlanResults, summary: FleetSummary, *, verbose: bool, only_summary: bool = False
) -> Iterator[Line]:
    """Yield lines with a summary, the reasons why tenants failed, and the plans.

    If `verbose` is true, the lines contain the plan of each tenant, even if several plans are equal. If `only_summary`
    is true, the lines do not contain the plans.
    """
    yield from _summary(results, summary)
    if only_summary:
        return
    if verbose:
        for plan in results.plans:
            yield line()
            yield from plan_lines(plan, verbose=True)
        return
    everything = partial(plan_body, verbose=True)
    yield from _groups(results.plans, summary, lambda plan: plan.tenant, plan_lines, plan_body, everything, "plan")


def runs_lines(
    results: RunResults,
    summary: FleetSummary,
    *,
    verbose: bool,
    with_plans: bool = False,
    only_summary: bool = False,
) -> Iterator[Line]:
    """Yield lines with a summary, the reasons why tenants failed, and the results of `reconciler apply`.

    If `with_plans` is true, the lines also contain the plan of each tenant. If `only_summary` is true, the lines
    contain neither results nor plans.
    """

    def body(run: RunResult, *, verbose: bool = False) -> Iterator[Line]:
        if with_plans or not run.report.outcomes:
            yield from plan_body(run.plan, verbose=verbose)
        if with_plans and run.report.outcomes:
            yield line()
        if run.report.outcomes:
            yield from report_lines(run.report, run.plan.directory, verbose=verbose)

    def one(run: RunResult) -> Iterator[Line]:
        yield line(Span(f"Tenant {visible(str(run.plan.tenant))}", Style.STRONG))
        yield from body(run, verbose=verbose)

    yield from _summary(results, summary)
    if only_summary:
        return
    if verbose:
        for run in results.runs:
            yield line()
            yield from one(run)
        return
    everything = partial(body, verbose=True)
    yield from _groups(results.runs, summary, lambda run: run.plan.tenant, one, body, everything, "result")


def _summary(results: PlanResults | RunResults, summary: FleetSummary) -> Iterator[Line]:
    first, *others = summary.lines
    yield line(Span(first, Style.STRONG))
    yield from (line(visible(text)) for text in others)
    known = {each.tenant.name: each for each in summary.tenants}
    groups: dict[tuple[TenantState, Sequence[str]], list[str]] = {}
    for name, failure in results.failed.items():
        groups.setdefault((known[name].state, tuple(failure.lines)), []).append(known[name].tenant.label)
    for (state, reasons), names in groups.items():
        yield line()
        yield line(Span(f"{str(state).capitalize()} ({len(names)})", Style.ERROR), f" {_joined(names)}")
        yield from (line(f"  {visible(text)}") for text in reasons)


def _groups(  # noqa: PLR0913, PLR0917 - each command passes its own functions
    results: Sequence[T],
    summary: FleetSummary,
    tenant_of: Callable[[T], TenantName],
    one: Callable[[T], Iterable[Line]],
    body: Callable[[T], Iterable[Line]],
    everything: Callable[[T], Iterable[Line]],
    noun: str,
) -> Iterator[Line]:
    """Yield the lines about the result of each tenant. If several tenants have equal results, yield the lines once.

    The results of tenants that need attention come first. `everything` returns the complete text of a tenant's result.
    Two results are equal if their complete texts are equal. `body` returns the text for the output, which may be
    shorter than the complete text.
    """
    texts = ((tenant_of(result).name, plain(everything(result))) for result in results)
    for first, *others in summary.equal_results(texts):
        yield line()
        if not others:
            yield from one(results[first])
            continue
        title = f"{pluralize(len(others) + 1, 'tenant')} with the same {noun}"
        names = _joined([tenant_of(results[number]).label for number in (first, *others)])
        yield line(Span(title, Style.STRONG), f": {names}")
        yield line()
        yield from body(results[first])


def _joined(names: Iterable[str]) -> str:
    """Return all names, separated by commas. No name is omitted, so that a reader can look for a certain tenant."""
    return ", ".join(map(visible, names))
