"""One run that writes: from the journal's first line to the last look at the tenant, whatever signals come between."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from reconciler.apply import Means, Stop, carry_out
from reconciler.auth0.backoff import Persistence
from reconciler.cli.console import Console
from reconciler.cli.progress import progress
from reconciler.cli.reaching import Reach
from reconciler.cli.session import OUT_OF_TIME, Session
from reconciler.core.outcome import Outcome, Report, Result
from reconciler.core.plan import Plan
from reconciler.core.planner import Observation
from reconciler.errors import Exit, ReconcilerError
from reconciler.journal import Journal, JournalError, open_journal
from reconciler.snapshot import write_snapshot
from reconciler.tasks import run_by

EXIT_CODES = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}
GRACE_SECONDS = 5.0
"""What is under way when a run is interrupted has this long to finish."""
LOOKS = 3
LOOK_AGAIN_SECONDS = 1.5
"""A tenant may answer late what was just written: the last of three looks comes three seconds after the first."""


class Run:
    """One run that writes: from the journal's first line to the last look at the tenant."""

    def __init__(self, reached: Session, plan: Plan, observation: Observation, console: Console, reach: Reach) -> None:
        self._reached = reached
        self._plan = plan
        self._observation = observation
        self._console = console
        self._reach = reach
        self._signals: list[signal.Signals] = []
        self._stop = Stop()
        self._no_more_looks = asyncio.Event()

    def done(self) -> tuple[Report, Exit]:
        """Carry the plan out and look at the tenant again.

        Raises:
            ReconcilerError: if journal or snapshot cannot be written; nothing was sent then.
        """
        reached, plan = self._reached, self._plan
        with closing(open_journal(reached.folder)) as journal:
            journal.begin(plan)
            untouchable = reached.untouchable()
            snapshot = write_snapshot(reached.folder, journal.run, plan, self._observation, untouchable)
            self._console.note(f"Run {journal.run}, journal {journal.path}")
            if snapshot:
                self._console.note(
                    f"Rolling back: reconciler --grants {snapshot} apply (--prune takes back what was added)"
                )
            with self._patient():
                outcomes = self._carried_out(journal)
                report = self._verified(outcomes)
            self._end(journal, report)
        return report, self._exit_code(report)

    def _carried_out(self, journal: Journal) -> tuple[Outcome, ...]:
        with progress(len(self._plan.changes), shown=self._console.shows_progress) as tell:
            means = Means(
                client=self._reached.client,
                journal=journal,
                stop=self._stop,
                tell=tell,
                concurrency=self._reach.concurrency,
                persistence=Persistence(self._reach.attempts),
                observed=len(self._observation.grants),
            )
            return run_by(self._reached.runner, carry_out(self._plan, means))

    @contextmanager
    def _patient(self) -> Iterator[None]:
        """Note signals and the end of the time rather than die of them; a second signal leaves what is under way."""
        loop = self._reached.runner.get_loop()
        timer = loop.call_at(self._reached.deadline, self._end_of_time)
        for each in EXIT_CODES:
            loop.add_signal_handler(each, self._note, each)
        try:
            yield
        finally:
            timer.cancel()
            for each in EXIT_CODES:
                loop.remove_signal_handler(each)

    def _note(self, number: signal.Signals) -> None:
        self._signals.append(number)
        if len(self._signals) > 1:
            self._leave()
            return
        self._console.note("Interrupted: finishing what is under way; once more leaves it.")
        self._stop.ask("interrupted before it began")
        self._reached.runner.get_loop().call_later(GRACE_SECONDS, self._leave)

    def _leave(self) -> None:
        self._stop.cut.set()
        self._no_more_looks.set()

    def _end_of_time(self) -> None:
        self._stop.ask(OUT_OF_TIME)
        self._reached.runner.get_loop().call_later(GRACE_SECONDS, self._stop.cut.set)

    def _verified(self, outcomes: tuple[Outcome, ...]) -> Report:
        """Read the tenant again: an answer of 200 is no proof. What was done is told even if that fails."""
        all_applied = all(outcome.result is Result.APPLIED for outcome in outcomes)
        looks = LOOKS if all_applied else 1
        report = self._second_look(outcomes)
        while report.remaining and report.remaining.changes and (looks := looks - 1) and not self._signals:
            time.sleep(LOOK_AGAIN_SECONDS)
            report = self._second_look(outcomes)
        return report

    def _second_look(self, outcomes: tuple[Outcome, ...]) -> Report:
        try:
            observation = self._reached.observe_again(self._observation, self._no_more_looks)
            if observation is None:
                return Report(outcomes, None, "interrupted before the tenant was read again")
            return Report(outcomes, self._reached.plan(observation))
        except ReconcilerError as error:
            return Report(outcomes, None, f"the tenant could not be read again: {error}")

    def _end(self, journal: Journal, report: Report) -> None:
        """Note the end. What was done has to be told even if the journal cannot be written any more."""
        try:
            journal.end(converged=report.converged)
        except JournalError as error:
            self._console.error(str(error))

    def _exit_code(self, report: Report) -> Exit:
        if self._signals:
            return EXIT_CODES[self._signals[0]]
        done = report.converged and all(outcome.result is Result.APPLIED for outcome in report.outcomes)
        return Exit.DONE if done else Exit.INCOMPLETE
