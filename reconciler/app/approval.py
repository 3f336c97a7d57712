"""Check that a plan is approved before it is applied.

`apply PLANFILE` refuses every change that the saved plan does not contain. If PLANFILE contains {tenant}, each tenant
has its own saved plan. `apply --approval-id` refuses a plan with a different approval id. `apply --require-tip` refuses
to run unless the checked-out commit is the newest commit of the branch.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from reconciler.app.console import Console
from reconciler.app.load import workspace_of
from reconciler.app.options import PlanOptions
from reconciler.app.outputs import TENANT, files_for
from reconciler.app.session import TenantPlan
from reconciler.artifacts.saved_plan import SavedPlan, read_plan, refuse_unless_current
from reconciler.artifacts.serialization import action_of, approval_id
from reconciler.core.approval import find_deviations
from reconciler.core.characters import join_first, join_words, quote_text
from reconciler.core.directory import Directory
from reconciler.core.expiry import ExpiryChange
from reconciler.core.identity import TenantName
from reconciler.core.plan import Change, Plan, removes_access
from reconciler.core.plan_risks import grant_label
from reconciler.core.selection import EVERYTHING, GrantSelection
from reconciler.errors import ReconcilerError, StalePlanError
from reconciler.files.discover import SUFFIXES, name_of
from reconciler.git.revision import resolve_revision
from reconciler.http.retry import RetryPolicy, retry_blocking
from reconciler.output.text.changes import group_lines

MAX_NAMED_CHANGES = 20
APPROVAL_ID = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalOptions:
    """The approval options of `apply`. `max_plan_age` is the maximum age of a saved plan in seconds."""

    approval_id: str | None
    max_plan_age: float
    require_tip: str | None

    def load(self, plan_options: PlanOptions) -> tuple["Approvals", PlanOptions]:
        """Return the approvals, and the plan options without the path of the saved plan.

        Raises:
            ReconcilerError: if the arguments contradict each other, if the saved plan cannot be read, or if the
                approval id is incomplete.
        """
        if self.approval_id is not None and not APPROVAL_ID.fullmatch(self.approval_id):
            raise ReconcilerError(
                "--approval-id needs all 64 characters of the approval id; copy it from the report of `reconciler plan`"
            )
        # every argument except folders and YAML files is the path of a saved plan
        files = [each for each in plan_options.paths if not each.lower().endswith(SUFFIXES) and not Path(each).is_dir()]
        if files and len(plan_options.paths) > 1:
            raise ReconcilerError(
                f"{name_of(Path(files[0]))} is not a grant file (*.yaml, *.yml); pass either one saved plan "
                "or only grant files"
            )
        if files and self.approval_id:
            raise ReconcilerError(
                "PLANFILE and --approval-id cannot be combined, because a saved plan is already an approval; use "
                "one of them"
            )
        path = Path(files[0]) if files else None
        approvals = Approvals(path, timedelta(seconds=self.max_plan_age), self.require_tip, self.approval_id)
        return approvals, plan_options._replace(paths=()) if path else plan_options


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """The approval for one tenant: a saved plan, an approval id, or no approval.

    `max_age` is the maximum age of the saved plan.
    """

    saved: SavedPlan | None = None
    max_age: timedelta = timedelta()
    approval_id: str | None = None

    def selection(self, plan_options: PlanOptions, grants: str) -> GrantSelection:
        """Return the selection of grants from the saved plan, or from `plan_options` if no saved plan exists.

        `grants` is the grant folder.

        Raises:
            StalePlanError: if the grants that the options select differ from the grants in the saved plan.
        """
        selected = plan_options.selection(grants)
        if not self.saved:
            return selected
        saved = self.saved.plan.selection.selection if self.saved.plan.selection else EVERYTHING
        if saved.folder:
            saved = saved._replace(folder=name_of(Path(grants)))
        if selected and selected._replace(files=saved.files, folder=saved.folder) != saved:
            raise StalePlanError(
                f"the saved plan was created for {saved or 'all grants'}; use the same --client and --api, or "
                "omit these options"
            )
        return saved

    def check_options(self, plan_options: PlanOptions) -> None:
        """Raise StalePlanError if `plan_options` differ from the options that created the saved plan."""
        options = plan_options.saved_options()
        saved = {**dict.fromkeys(options, False), **self.saved.options} if self.saved else options
        if saved != options:
            differing = sorted(name for name in options if saved[name] != options[name])
            differences = [f"{'without' if options[name] else 'with'} --{name.replace('_', '-')}" for name in differing]
            raise StalePlanError(f"the saved plan was created {join_words(differences, 'and')}; use the same options")

    @property
    def shows_names(self) -> bool:
        """True if the saved plan shows names of applications, APIs or organizations."""
        if not self.saved:
            return False
        directory = self.saved.plan.directory
        return bool(directory.applications or directory.apis or directory.associated)

    def check_not_applied(self, folder: Path) -> None:
        """Raise StalePlanError if a journal in `folder` shows that an earlier run applied the whole plan."""
        if not self.saved:
            return
        from reconciler.artifacts.journal import run_that_applied

        run = run_that_applied(folder, self.saved.checksum)
        if run:
            raise StalePlanError(f"nothing was written: the run {run} has already applied this plan; plan again")

    def check_tenant(self, tenant: TenantName, now: datetime) -> None:
        """Raise StalePlanError if the saved plan is too old, or if `tenant` is not the tenant of the saved plan."""
        if self.saved:
            refuse_unless_current(self.saved, tenant, self.max_age, now)

    def with_notes(self, tenant_plan: TenantPlan) -> TenantPlan:
        """Add a note for each approved change that is missing in the new plan.

        If the tenant already has all approved changes, an empty selection is not a mistake, because the selection was
        checked when the plan was saved.
        """
        new_plan = tenant_plan.plan
        if not self.saved or new_plan.blocked:
            return tenant_plan
        found = find_deviations(new_plan, self.saved.plan, tenant_plan.observation.grants)
        notes = [
            *_notes("already applied, so skipped", found.done, new_plan.directory),
            *_notes("approved, but no longer planned", found.dropped, new_plan.directory),
        ]
        if self.saved.plan.changes and not new_plan.changes and not found.dropped:
            notes.append("nothing to do: the tenant already has all changes of the approved plan")
        if new_plan.selection and not found.dropped:
            new_plan = replace(new_plan, selection=new_plan.selection._replace(is_mistake=False))
        return tenant_plan._replace(plan=replace(new_plan, notes=(*new_plan.notes, *notes)))

    def check_changes(self, tenant_plan: TenantPlan, console: Console, *, stdout_has_data: bool) -> None:
        """If the new plan gives more access than the approved plan, print the differences and raise StalePlanError.

        A plan without changes needs no matching approval id, because `apply` writes nothing.
        """
        needs_id = self.approval_id and tenant_plan.plan.changes
        if needs_id and self.approval_id != (now := approval_id(tenant_plan.plan)):
            raise StalePlanError(
                "nothing was written: files or tenant changed after the plan was created, so the approval id is now "
                f"{now}; plan and review again"
            )
        if not self.saved:
            return
        new_plan, approved = tenant_plan.plan, self.saved.plan
        found = find_deviations(new_plan, approved, tenant_plan.observation.grants)
        for changes, title, reason in (
            (found.unapproved, "Changes that were not approved", "files or tenant changed after the plan was created"),
            (
                found.renamed,
                "Changes whose names were not approved",
                "the approved plan shows names that are no longer current",
            ),
            (found.riskier, "Changes whose risks were not approved", "the approved plan does not show all risks"),
        ):
            if changes:
                keys = {change.key for change in changes}
                approved_changes = [change for change in approved.changes if change.key in keys]
                _print_changes(title, changes, new_plan, console, stdout_has_data=stdout_has_data)
                _print_changes(
                    "Changes of the approved plan", approved_changes, approved, console, stdout_has_data=stdout_has_data
                )
                raise StalePlanError(f"nothing was written: {reason}; plan and review again")
        if found.changed_facts:
            changed = [change for change, _ in found.changed_facts]
            _print_changes(
                "Changes whose details were not approved",
                changed,
                new_plan,
                console,
                stdout_has_data=stdout_has_data,
            )
            raise _stale(found.changed_facts, new_plan.directory)
        if found.extended:
            raise _stale(
                [(each, f"{each}, which the approved plan does not show") for each in found.extended],
                new_plan.directory,
            )
        if found.loses_narrowing or found.omitted_removals:
            narrowing = [change for change in (*found.done, *found.dropped) if removes_access(change)]
            _print_changes(
                "Approved changes that the new plan does not contain",
                found.omitted_removals or narrowing,
                approved,
                console,
                stdout_has_data=stdout_has_data,
            )
            what = "removes access" if found.omitted_removals else "adds and removes access"
            raise StalePlanError(
                f"nothing was written: the approved plan {what}, but the new plan does not remove this access; "
                "plan and review again"
            )


def _stale(details: Sequence[tuple[Change | ExpiryChange, str]], directory: Directory) -> StalePlanError:
    """Return the error for a plan with details that were not approved. The message contains the first detail."""
    first, what = details[0]
    more = f" and {len(details) - 1} more" if details[1:] else ""
    return StalePlanError(
        "nothing was written: files or tenant changed after the plan was created "
        f"({grant_label(first.key, directory)}: {what}{more}); plan and review again"
    )


class Approvals:
    """The approvals of a run of `apply`, for each tenant.

    A run with one tenant has at most one approval. A run with several tenants may have a saved plan for each tenant.

    `path` is the path of the saved plan. If the path contains {tenant}, each tenant has its own saved plan. `max_age`
    is the maximum age of a saved plan. If `branch` is set, HEAD must be the newest commit of `branch`.

    Raises:
        ReconcilerError: if the run has only one saved plan, and the saved plan cannot be read.
    """

    def __init__(
        self, path: Path | None, max_age: timedelta, branch: str | None, approved_id: str | None = None
    ) -> None:
        self._path = str(path) if path else ""
        self._max_age = max_age
        self._branch = branch
        self._only = ApprovedPlan(read_plan(path) if path and not self.are_several else None, max_age, approved_id)
        self._open: dict[str, ApprovedPlan] = {}

    @property
    def are_several(self) -> bool:
        """True if each tenant has its own saved plan."""
        return TENANT in self._path

    @property
    def kind(self) -> str:
        """The kind of approval, "saved plan" or "approval id", or an empty string without an approval."""
        return "saved plan" if self._path else "approval id" if self._only.approval_id else ""

    @property
    def only(self) -> ApprovedPlan:
        """The approval of a run with one tenant: a saved plan, an approval id, or no approval."""
        return self._only

    def of(self, tenant: str) -> ApprovedPlan:
        """Return the approval for a tenant: a saved plan, an approval id, or no approval.

        The saved plan stays in memory until `release` is called for the tenant.

        Raises:
            StalePlanError: if the saved plan does not exist, was altered, or has an unsupported format version.
        """
        if not self.are_several:
            return self._only
        if tenant not in self._open:
            ((path, _),) = files_for(self._path, [tenant])
            if not path.exists():
                raise StalePlanError(
                    f"nothing was written: the saved plan {path} does not exist; create and review the plan of "
                    "this tenant"
                )
            self._open[tenant] = ApprovedPlan(read_plan(path), self._max_age)
        return self._open[tenant]

    def have_names(self, tenant: str) -> bool:
        """Return whether the saved plan of a tenant shows names of applications, APIs or organizations.

        Raises StalePlanError if the saved plan does not exist, was altered, or has an unsupported format version.
        """
        return self.of(tenant).shows_names

    def check_count(self, tenants: Sequence[str]) -> None:
        """Raise ReconcilerError if the command has several tenants but only one saved plan or approval id."""
        if self._only.approval_id and len(tenants) > 1:
            raise ReconcilerError("an approval id is for one tenant: select the tenant with --tenant")
        if self._only.saved and len(tenants) > 1:
            raise ReconcilerError(
                "a saved plan is for one tenant: select the tenant with --tenant, or use one plan per tenant "
                "with {tenant} in the file name"
            )

    def release(self, tenant: str) -> None:
        """Remove the saved plan of a finished tenant from memory."""
        self._open.pop(tenant, None)

    def check_tip(self, config: str | None) -> None:
        """Raise StalePlanError if HEAD is not the newest commit of the branch.

        Raise ReconcilerError if the newest commit of the branch is unknown.
        """
        if self._branch is not None:
            refuse_unless_tip(self._branch, config)


def _print_changes(
    title: str, changes: Iterable[Change], plan: Plan, console: Console, *, stdout_has_data: bool
) -> None:
    console.plan(
        group_lines(title, changes, plan.directory, plan.risks), stdout_has_data=stdout_has_data, before_question=False
    )


def _notes(what: str, changes: Sequence[Change], directory: Directory) -> Iterator[str]:
    if changes:
        named = [f"{action_of(change)} {grant_label(change.key, directory)}" for change in changes]
        yield f"{what}: {join_first(named, MAX_NAMED_CHANGES)}"


ATTEMPTS = 4
BRANCHES = "refs/heads/"
RUN_IN_JOB = "run `apply --require-tip` in a job of the service that hosts the repository, or omit --require-tip"


def refuse_unless_tip(branch: str, config: str | None) -> None:
    """Raise an error unless HEAD is the newest commit of `branch`.

    The newest commit of `branch` comes from the API of the hosting service. `git fetch` is not an option, because
    reconciler runs git without the network, credentials or the settings of the repository.

    Raises:
        StalePlanError: if HEAD is not the newest commit of `branch`.
        ReconcilerError: if the newest commit of `branch` is unknown.
    """
    from reconciler.forge.http import TransientForgeError
    from reconciler.forge.job import job_of
    from reconciler.forge.services import tip_of

    name = branch.removeprefix(BRANCHES)
    head = resolve_revision(workspace_of(config).repository(), "HEAD").commit
    job = job_of(os.environ, advice=RUN_IN_JOB)
    tip = retry_blocking(partial(tip_of, job, name), RetryPolicy(ATTEMPTS), (TransientForgeError,))
    if tip != head:
        raise StalePlanError(
            f"nothing was written: the checkout of this run, {head}, is superseded by {tip}, the tip of "
            f"{quote_text(name)}"
        )
