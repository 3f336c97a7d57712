"""`apply PLANFILE`: a saved plan approves changes, and a new plan must not contain anything else."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.app.console import Console
from reconciler.app.options import PlanOptions
from reconciler.app.session import TenantPlan, TenantSession
from reconciler.artifacts.journal import run_that_applied
from reconciler.artifacts.saved_plan import SavedPlan, read_plan, refuse_unless_current
from reconciler.artifacts.serialization import action_of
from reconciler.core.approval import Deviations, find_deviations
from reconciler.core.directory import Directory
from reconciler.core.plan import Change, Plan, removes_access
from reconciler.core.quoting import join_words
from reconciler.errors import StalePlanError
from reconciler.output.text.plan import group_lines
from reconciler.output.words import grant_label

MOST_NAMED = 20


def approved_plan(*, planfile: Path | None, max_plan_age: float, require_tip: str | None) -> "ApprovedPlan":
    """Read the saved plan of `apply`. `max_plan_age` is in seconds. Raises ReconcilerError."""
    return ApprovedPlan(read_plan(planfile) if planfile else None, timedelta(seconds=max_plan_age), require_tip)


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """The saved plan of `apply`, if any.

    `max_age` is the maximum age of the plan. If `branch` is set, HEAD must be the tip of that branch.
    """

    saved: SavedPlan | None = None
    max_age: timedelta = timedelta()
    branch: str | None = None

    def check_options(self, plan_options: PlanOptions) -> None:
        """Raise StalePlanError if the saved plan was made with other options."""
        options = plan_options.selection()
        if self.saved and self.saved.options != options:
            differing = sorted(name for name in options if self.saved.options[name] != options[name])
            said = [f"{'without' if options[name] else 'with'} --{name.replace('_', '-')}" for name in differing]
            raise StalePlanError(f"the plan was created {join_words(said, 'and')}; use the same options")

    @property
    def shows_names(self) -> bool:
        """Whether the plan shows names that must be compared with the tenant's names."""
        if not self.saved:
            return False
        directory = self.saved.plan.directory
        return bool(directory.applications or directory.apis or directory.associated)

    def check_not_applied(self, folder: Path) -> None:
        """Raise StalePlanError if a journal in `folder` shows that a run has applied the whole plan."""
        run = run_that_applied(folder, self.saved.checksum) if self.saved else None
        if run:
            raise StalePlanError(f"nothing was written: the run {run} has already applied this plan; plan again")

    def check_tip(self, config: str | None) -> None:
        """Raise StalePlanError if HEAD is not the tip of the branch, and ReconcilerError if the tip is unknown."""
        if self.branch is not None:
            from reconciler.app.branch_tip import refuse_if_superseded  # few runs use the API of a hosting service

            refuse_if_superseded(self.branch, config)

    def check_tenants(self, sessions: Sequence[TenantSession]) -> None:
        """Raise StalePlanError if the plan is for another tenant, too old, or there are several tenants."""
        if not self.saved:
            return
        if len(sessions) > 1:
            raise StalePlanError("a saved plan is for one tenant: name it with --tenant")
        for session in sessions:
            refuse_unless_current(self.saved, session.name, self.max_age, datetime.now(UTC))

    def with_notes(self, planning: TenantPlan) -> TenantPlan:
        """Return `planning` with notes about approved changes that the new plan lacks."""
        fresh = planning.plan
        if not self.saved or fresh.blocked:
            return planning
        found = self._deviations(self.saved, planning)
        notes = [
            *_notes("already as approved, so skipped", found.done, fresh.directory),
            *_notes("approved, but not planned any more", found.dropped, fresh.directory),
        ]
        if self.saved.plan.changes and not fresh.changes and not found.dropped:
            notes.append("nothing to do: the tenant already equals the result of the approved plan")
        return replace(planning, plan=replace(fresh, notes=(*fresh.notes, *notes)))

    def check_changes(self, planning: TenantPlan, console: Console, *, data: bool) -> None:
        """Raise StalePlanError if the plan contains more than was approved. Print the differences first."""
        if not self.saved:
            return
        found, fresh, approved = self._deviations(self.saved, planning), planning.plan, self.saved.plan
        for changes, title, why in (
            (found.unapproved, "Not approved", "files or tenant changed after the plan was created"),
            (found.renamed, "Not approved with this name", "the approved plan shows other names"),
            (found.riskier, "Not approved with these risks", "the approved plan does not show all risks"),
        ):
            if changes:
                keys = {change.key for change in changes}
                otherwise = [change for change in approved.changes if change.key in keys]
                _show(title, changes, fresh, console, data=data)
                _show("Approved instead", otherwise, approved, console, data=data)
                raise StalePlanError(f"nothing was written: {why}; plan and review again")
        if found.loses_narrowing:
            narrowing = [change for change in (*found.done, *found.dropped) if removes_access(change)]
            _show("Not planned any more", narrowing, approved, console, data=data)
            raise StalePlanError(
                "nothing was written: the approved plan gives and takes access, and the part that takes "
                "access is no longer needed; plan and review again"
            )

    def _deviations(self, saved: SavedPlan, planning: TenantPlan) -> Deviations:
        return find_deviations(planning.plan, saved.plan, planning.observation.grants)


def _show(title: str, changes: Iterable[Change], plan: Plan, console: Console, *, data: bool) -> None:
    console.plan(group_lines(title, changes, plan.directory, plan.risks), data=data, asks=False)


def _notes(what: str, changes: Sequence[Change], directory: Directory) -> Iterator[str]:
    named = [f"{action_of(change)} {grant_label(change.key, directory)}" for change in changes[:MOST_NAMED]]
    more = f" and {len(changes) - MOST_NAMED} more" if len(changes) > MOST_NAMED else ""
    if changes:
        yield f"{what}: {', '.join(named)}{more}"
