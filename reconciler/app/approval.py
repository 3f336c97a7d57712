"""Check that a plan may be applied.

`apply PLANFILE` refuses changes that the saved plan does not contain. `apply --require-tip` refuses a commit that is
not the tip of its branch.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from reconciler.app.console import Console
from reconciler.app.load import workspace_of
from reconciler.app.options import PlanOptions
from reconciler.app.session import TenantPlan, TenantSession
from reconciler.artifacts.journal import run_that_applied
from reconciler.artifacts.saved_plan import SavedPlan, read_plan, refuse_unless_current
from reconciler.artifacts.serialization import action_of, approval_id
from reconciler.core.approval import Deviations, find_deviations
from reconciler.core.characters import join_words, quote_text
from reconciler.core.directory import Directory
from reconciler.core.plan import Change, Plan, removes_access
from reconciler.core.selection import EVERYTHING
from reconciler.errors import ReconcilerError, StalePlanError
from reconciler.files.discover import SUFFIXES, name_of
from reconciler.forge.http import TransientForgeError
from reconciler.forge.job import job_of
from reconciler.forge.services import tip_of
from reconciler.git.revision import resolve_revision
from reconciler.http.retry import RetryPolicy, retry_blocking
from reconciler.output.text.changes import group_lines
from reconciler.output.words import grant_label

MAX_NAMED_CHANGES = 20
APPROVAL_ID = re.compile("[0-9a-f]{64}")


def is_plan_file(argument: str) -> bool:
    """Return whether an argument of `apply` names a saved plan. Folders and YAML files contain grants."""
    return not argument.lower().endswith(SUFFIXES) and not Path(argument).is_dir()


def load_approved_plan(*, approval_id: str | None, max_plan_age: float, require_tip: str | None) -> "ApprovedPlan":
    """Return an approval without a saved plan. `max_plan_age` is in seconds.

    Raises:
        ReconcilerError: if `approval_id` is not a whole approval id.
    """
    if approval_id is not None and not APPROVAL_ID.fullmatch(approval_id):
        raise ReconcilerError("--approval-id needs all 64 characters of the approval id in the report of plan")
    return ApprovedPlan(None, timedelta(seconds=max_plan_age), require_tip, approval_id)


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """The saved plan or the approval id of `apply`, or neither. Its methods check a run against it.

    `max_age` is the maximum age of the saved plan. If `branch` is set, HEAD must be the tip of that branch.
    """

    saved: SavedPlan | None = None
    max_age: timedelta = timedelta()
    branch: str | None = None
    approval_id: str | None = None

    @property
    def kind(self) -> str:
        """What approves the run, for the journal, or an empty text."""
        return "saved plan" if self.saved else "approval id" if self.approval_id else ""

    def with_plan_file(self, plan_options: PlanOptions, grants: str) -> tuple["ApprovedPlan", PlanOptions]:
        """Read the saved plan, if the arguments name one. Return it and the options with its selection.

        `grants` is the grant folder.

        Raises:
            ReconcilerError: if the file cannot be read, or if the arguments also name other files.
            StalePlanError: if the file is not a saved plan, was altered, or selects other grants than the options.
        """
        files = [each for each in plan_options.paths if is_plan_file(each)]
        if not files:
            return self, plan_options
        if len(plan_options.paths) > 1:
            raise ReconcilerError(
                f"{name_of(Path(files[0]))} is not a grant file (*.yaml, *.yml); apply takes one saved plan, or PATHs"
            )
        if self.approval_id:
            raise ReconcilerError("PLANFILE and --approval-id cannot be combined: a saved plan is already an approval")
        saved = read_plan(Path(files[0]))
        options = replace(plan_options, paths=())
        selection = saved.plan.selection.selection if saved.plan.selection else EVERYTHING
        if options.selects and replace(options.selection(grants), files=selection.files) != selection:
            raise StalePlanError(
                f"the plan was created for {selection or 'all grants'}; use the same --client and --api, or omit them"
            )
        return replace(self, saved=saved), options.with_selection(selection)

    def check_options(self, plan_options: PlanOptions) -> None:
        """Raise StalePlanError if the saved plan was made with other options."""
        options = plan_options.saved_options()
        saved = {**dict.fromkeys(options, False), **self.saved.options} if self.saved else options
        if saved != options:
            differing = sorted(name for name in options if saved[name] != options[name])
            differences = [f"{'without' if options[name] else 'with'} --{name.replace('_', '-')}" for name in differing]
            raise StalePlanError(f"the plan was created {join_words(differences, 'and')}; use the same options")

    @property
    def shows_names(self) -> bool:
        """Whether the saved plan contains names, which must be compared with the names in the tenant."""
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
            refuse_unless_tip(self.branch, config)

    def check_tenants(self, sessions: Sequence[TenantSession]) -> None:
        """Raise StalePlanError if the plan is too old, is for another tenant, or if several tenants are selected."""
        if self.kind and len(sessions) > 1:
            raise StalePlanError(f"this {self.kind} is for one tenant: name it with --tenant")
        if self.saved:
            for session in sessions:
                refuse_unless_current(self.saved, session.name, self.max_age, datetime.now(UTC))

    def with_notes(self, tenant_plan: TenantPlan) -> TenantPlan:
        """Add notes about approved changes that are missing in the new plan."""
        new_plan = tenant_plan.plan
        if not self.saved or new_plan.blocked:
            return tenant_plan
        found = self._deviations(self.saved, tenant_plan)
        notes = [
            *_notes("already applied, so skipped", found.done, new_plan.directory),
            *_notes("approved, but no longer planned", found.dropped, new_plan.directory),
        ]
        if self.saved.plan.changes and not new_plan.changes and not found.dropped:
            notes.append("nothing to do: the tenant already equals the result of the approved plan")
        return replace(tenant_plan, plan=replace(new_plan, notes=(*new_plan.notes, *notes)))

    def check_changes(self, tenant_plan: TenantPlan, console: Console, *, stdout_has_data: bool) -> None:
        """If the new plan contains changes that are not approved, print the differences and raise StalePlanError."""
        now = approval_id(tenant_plan.plan)
        if self.approval_id and self.approval_id != now:
            raise StalePlanError(
                "nothing was written: files or tenant changed after the plan was created, so the approval id is now "
                f"{now}; plan and review again"
            )
        if not self.saved:
            return
        found, new_plan, approved = self._deviations(self.saved, tenant_plan), tenant_plan.plan, self.saved.plan
        for changes, title, reason in (
            (found.unapproved, "Not approved", "files or tenant changed after the plan was created"),
            (found.renamed, "Not approved with this name", "the approved plan shows other names"),
            (found.riskier, "Not approved with these risks", "the approved plan does not show all risks"),
        ):
            if changes:
                keys = {change.key for change in changes}
                approved_changes = [change for change in approved.changes if change.key in keys]
                _print_changes(title, changes, new_plan, console, stdout_has_data=stdout_has_data)
                _print_changes("Approved instead", approved_changes, approved, console, stdout_has_data=stdout_has_data)
                raise StalePlanError(f"nothing was written: {reason}; plan and review again")
        if found.changed_facts:
            changed = [change for change, _ in found.changed_facts]
            _print_changes("Not approved as it is now", changed, new_plan, console, stdout_has_data=stdout_has_data)
            named = [f"{grant_label(change.key, new_plan.directory)}: {what}" for change, what in found.changed_facts]
            more = f" and {len(named) - 1} more" if named[1:] else ""
            raise StalePlanError(
                f"nothing was written: the tenant changed after the plan was created ({named[0]}{more}); "
                "plan and review again"
            )
        if found.loses_narrowing:
            narrowing = [change for change in (*found.done, *found.dropped) if removes_access(change)]
            _print_changes("No longer planned", narrowing, approved, console, stdout_has_data=stdout_has_data)
            raise StalePlanError(
                "nothing was written: the approved plan adds and removes access, and the removal is no longer "
                "planned; plan and review again"
            )

    def _deviations(self, saved: SavedPlan, tenant_plan: TenantPlan) -> Deviations:
        return find_deviations(tenant_plan.plan, saved.plan, tenant_plan.observation.grants)


def _print_changes(
    title: str, changes: Iterable[Change], plan: Plan, console: Console, *, stdout_has_data: bool
) -> None:
    console.plan(
        group_lines(title, changes, plan.directory, plan.risks), stdout_has_data=stdout_has_data, before_question=False
    )


def _notes(what: str, changes: Sequence[Change], directory: Directory) -> Iterator[str]:
    named = [f"{action_of(change)} {grant_label(change.key, directory)}" for change in changes[:MAX_NAMED_CHANGES]]
    more = f" and {len(changes) - MAX_NAMED_CHANGES} more" if len(changes) > MAX_NAMED_CHANGES else ""
    if changes:
        yield f"{what}: {', '.join(named)}{more}"


ATTEMPTS = 4
BRANCHES = "refs/heads/"


def refuse_unless_tip(branch: str, config: str | None) -> None:
    """Raise an error unless HEAD is the tip of `branch`.

    The tip comes from the API of the hosting service, not from `git fetch`. reconciler runs git without the network,
    credentials or the settings of the repository.

    Raises:
        StalePlanError: if the tip is another commit.
        ReconcilerError: if the tip is unknown.
    """
    name = branch.removeprefix(BRANCHES)
    head = resolve_revision(workspace_of(config).repository(), "HEAD").commit
    tip = retry_blocking(partial(_tip_of, name), RetryPolicy(ATTEMPTS), (TransientForgeError,))
    if tip != head:
        raise StalePlanError(
            f"nothing was written: superseded by {tip}, the tip of {quote_text(name)}; the checkout of this run "
            f"is at {head}"
        )


def _tip_of(branch: str) -> str:
    return tip_of(job_of(os.environ), branch)
