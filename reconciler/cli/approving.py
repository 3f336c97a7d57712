"""What `apply PLANFILE` adds: the saved plan is an approval, and what is planned afresh has to keep within it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.reaching import Duration
from reconciler.cli.session import Session
from reconciler.cli.shaping import Shape
from reconciler.core.plan import Plan
from reconciler.core.quoting import enumerated
from reconciler.errors import Exit, StalePlanError
from reconciler.render.plan_text import group_lines
from reconciler.saved_plan import SavedPlan, read_plan, refuse_unless_current, unapproved


@dataclass(frozen=True, slots=True)
class Approval:
    """The plan that was approved; None where somebody is asked instead."""

    saved: SavedPlan | None = None
    oldest: timedelta = timedelta()

    def check_options(self, shape: Shape) -> None:
        """Raise StalePlanError if this run is shaped by other options than the plan was: it may do something else."""
        options = shape.options()
        if self.saved and self.saved.options != options:
            differing = sorted(name for name in options if self.saved.options[name] != options[name])
            said = [f"{'without' if options[name] else 'with'} --{name.replace('_', '-')}" for name in differing]
            raise StalePlanError(f"the plan was made {enumerated(said, 'and')}; say the same")

    def check_tenants(self, sessions: Sequence[Session]) -> None:
        """Raise StalePlanError if the plan is another tenant's, or too old, or there are several tenants."""
        if not self.saved:
            return
        if len(sessions) > 1:
            raise StalePlanError("a saved plan is for one tenant: name it with --tenant")
        for session in sessions:
            refuse_unless_current(self.saved, session.name, self.oldest, datetime.now(UTC))

    def check_changes(self, fresh: Plan, console: Console, *, data: bool) -> None:
        """Raise StalePlanError if `fresh` does more than was approved, after printing what is different."""
        excess = unapproved(fresh, self.saved.plan) if self.saved else ()
        if not self.saved or not excess:
            return
        keys = {change.key for change in excess}
        otherwise = [change for change in self.saved.plan.changes if change.key in keys]
        was = self.saved.plan
        console.plan(group_lines("Not approved", excess, fresh.directory, fresh.risks), data=data, asks=False)
        console.plan(group_lines("Approved instead", otherwise, was.directory, was.risks), data=data, asks=False)
        raise StalePlanError("nothing was written: files or tenant have changed since the plan; plan and review again")


def approval_options(command: Callable[..., Exit]) -> Callable[..., Exit]:
    """Give a command the argument PLANFILE; it receives the Approval as `approval`."""

    @wraps(command)
    def approving(*, planfile: Path | None, max_plan_age: float, **others: object) -> Exit:
        saved = read_plan(planfile) if planfile else None
        return command(approval=Approval(saved, timedelta(seconds=max_plan_age)), **others)

    argument = click.argument("planfile", required=False, type=click.Path(path_type=Path), metavar="[PLANFILE]")
    age = click.option(
        "--max-plan-age",
        type=Duration(),
        default="24h",
        show_default=True,
        metavar="TIME",
        help="Refuse a saved plan that is older.",
    )
    with_options: Callable[..., Exit] = argument(age(approving))
    return with_options
