"""`reconciler apply`: show the plan, ask, carry it out, read the tenant again, and tell what became of it."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from reconciler.apply import carry_out
from reconciler.cli.console import Console
from reconciler.cli.options import also_global_options, format_option, options
from reconciler.cli.progress import progress
from reconciler.cli.session import Session, session
from reconciler.cli.shaping import Shape, shaping_options
from reconciler.core.outcome import Outcome, Report, Result
from reconciler.core.plan import Plan
from reconciler.core.planner import Observation
from reconciler.core.quoting import visible
from reconciler.errors import Exit, ReconcilerError
from reconciler.render.outcomes import report_json, report_lines
from reconciler.render.plan_text import plan_lines
from reconciler.render.styled import Span, Style, line

EXIT_CODES = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}


@also_global_options
@click.command("apply")
@shaping_options
@click.option("--yes", is_flag=True, help="Do not ask. No guard is lifted by this.")
@format_option("apply")
def command(*, shape: Shape, yes: bool, form: str) -> Exit:
    """Change the tenant to what the files declare.

    Prints the plan, asks, carries it out, reads the tenant again, and exits with 0 only if it equals the files.
    """
    given = options()
    console = Console(given)
    with session(given, shape) as reached:
        observation = reached.observe()
        plan = reached.plan(observation)
        console.problems(reached.warnings(plan), reached.declared.texts)
        show_plan = console.result if form == "text" else console.say
        show_plan(plan_lines(plan, every=given.verbose))
        if plan.changes and not plan.blocked and not yes:
            _ask(plan)
        report, exit_code = _apply(reached, plan, observation, console)
    if form == "json":
        console.data(report_json(report))
    elif report.outcomes:
        console.result([line(), *report_lines(report, plan.directory)])
    return exit_code


def _apply(reached: Session, plan: Plan, observation: Observation, console: Console) -> tuple[Report, Exit]:
    if plan.blocked:
        return Report((), plan), Exit.REFUSED
    if not plan.changes:
        return Report((), plan), Exit.DONE
    with _patient(reached, console) as signals:
        with progress(len(plan.changes), shown=console.shows_progress) as tell:
            doing = carry_out(plan, reached.client, stopped=lambda: bool(signals), tell=tell)
            outcomes = reached.run(doing)
        report = _verified(reached, observation, outcomes)
    if signals:
        return report, EXIT_CODES[signals[0]]
    done = report.converged and all(outcome.result is Result.APPLIED for outcome in outcomes)
    return report, Exit.DONE if done else Exit.INCOMPLETE


def _ask(plan: Plan) -> None:
    if not sys.stdin.isatty():
        raise ReconcilerError("nothing was written: there is no terminal to ask on; --yes answers beforehand")
    tenant = f"{visible(plan.tenant.name)} ({visible(plan.tenant.domain)})"
    question = f"\nApply this to {tenant}? Only yes is accepted"
    if click.prompt(question, default="", show_default=False, err=True) != "yes":
        raise ReconcilerError("nothing was written: the answer was not yes")


@contextmanager
def _patient(reached: Session, console: Console) -> Iterator[Sequence[signal.Signals]]:
    """Note signals rather than die of them: what is in flight is finished, looked at again, and told."""
    signals: list[signal.Signals] = []

    def note(number: signal.Signals) -> None:
        signals.append(number)
        console.say([line(Span("Interrupted: finishing what is in flight.", Style.WARNING))])

    loop = reached.runner.get_loop()
    for each in EXIT_CODES:
        loop.add_signal_handler(each, note, each)
    try:
        yield signals
    finally:
        for each in EXIT_CODES:
            loop.remove_signal_handler(each)


def _verified(reached: Session, before: Observation, outcomes: tuple[Outcome, ...]) -> Report:
    """Read the tenant again: an answer of 200 is no proof. What was done is told even if that fails."""
    try:
        return Report(outcomes, reached.plan(reached.observe_again(before)))
    except ReconcilerError as error:
        return Report(outcomes, None, f"the tenant could not be read again: {error}")
