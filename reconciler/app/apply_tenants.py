"""Apply plans to tenants: check the approval of each plan, ask the user, and apply the plans in rollout waves."""

import asyncio
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

from reconciler.app import ci
from reconciler.app.approval import Approvals, ApprovedPlan
from reconciler.app.console import Console, Progress
from reconciler.app.interruption import Interruption
from reconciler.app.load import data_folder
from reconciler.app.options import PlanOptions, RequestOptions
from reconciler.app.session import TenantPlan, TenantSession
from reconciler.app.tenant_reports import TenantReports
from reconciler.app.tenant_runs import TenantResult, TenantRuns
from reconciler.core.characters import pluralize, visible
from reconciler.core.identity import IdentityClaims, SameTenantError
from reconciler.core.outcome import ApplyReport
from reconciler.core.permissions import missing_permissions
from reconciler.core.plan import Plan, removes_all_access
from reconciler.core.selection import refuse_empty_selection
from reconciler.core.tenant import Tenant, TenantKind
from reconciler.errors import CrashError, Exit, NotStartedError, ReconcilerError, reason
from reconciler.output.results import RunResult
from reconciler.output.styled import line
from reconciler.output.text.plan import plan_lines

IDENTIFY_SECONDS = 10.0
INTERRUPTED_BEFORE = "interrupted before the plan was applied, so nothing was written"
PlannedTenant = TenantResult[TenantPlan]


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """The options of the command `apply`.

    `config` is the path of the configuration file, or None. `grants` is the path of the grant folder.
    """

    plan_options: PlanOptions
    request_options: RequestOptions
    config: str | None = None
    grants: str = "grants"
    asks: bool = True
    stdout_has_data: bool = False
    verbose: bool = False
    only_summary: bool = False


class ApplyCommand:
    """Applies plans to the selected tenants.

    If the user does not need to confirm plans, the command works on each tenant independently of the other tenants. If
    the user must confirm plans, the command processes the tenants in groups of at most --at-once tenants. The command
    plans all tenants of a group, asks the user to confirm each plan, and applies all confirmed plans at the same time.

    The runs of a rollout wave start after all runs of the previous rollout wave have ended.
    """

    def __init__(
        self,
        tenants: TenantRuns,
        reports: TenantReports[RunResult],
        approvals: Approvals,
        console: Console,
        options: ApplyOptions,
    ) -> None:
        self._tenants = tenants
        self._reports = reports
        self._approvals = approvals
        self._console = console
        self._options = options
        self._asks = options.asks and not approvals.kind
        self._approved_by = approvals.kind or ("answer" if options.asks else "--yes")
        self._claims = IdentityClaims()
        self._interruption = Interruption(console)
        self._progress = Progress(console)
        self._stop_error: NotStartedError | None = None
        self._printed: set[str] = set()

    @property
    def asks(self) -> bool:
        """True if the user must confirm each plan."""
        return self._asks

    def run(self) -> None:
        """Apply the plans of all tenants, one rollout wave after another.

        Store the result of each tenant's run in the TenantReports object of the command.

        Raises:
            ReconcilerError: if the command has only one tenant, and the tenant fails.
            KeyboardInterrupt: on Ctrl-C before the first write. A command with several tenants raises KeyboardInterrupt
                only if the user must confirm plans.
        """
        try:
            if self._asks or not self._tenants.are_several:
                self._run_groups()
            else:
                with self._tenants.report_signals(self._interruption):
                    self._run_waves()
        finally:
            self._progress.clear()

    def _run_waves(self) -> None:
        self._identify()
        for wave in self._waves():
            tenants = [each for each in wave if each.name not in self._tenants.failed]
            if tenants and self._check_tip(tenants):
                self._tenants.run(self._apply_one, tenants, self._interruption)

    def _identify(self) -> None:
        """Before the first write, sign in to the tenants whose canonical domain is not in the configuration.

        If two names in the configuration belong to the same tenant, refuse both names. If a tenant does not respond in
        time, its identity is checked later, before the first write to the tenant.
        """
        unidentified = [
            each for each in self._tenants.tenants if each.kind is TenantKind.AUTH0 and each.canonical_host is None
        ]
        if not unidentified[1:]:  # a single tenant cannot have two names
            return

        async def identify(session: TenantSession) -> None:
            try:
                async with asyncio.timeout(IDENTIFY_SECONDS):
                    await session.client.sign_in()
            except SameTenantError as error:
                self._claims.record(error)
            except (TimeoutError, ReconcilerError):
                return  # the tenant's run reports the error later
            self._claims.claim(session.tenant.name, session.client.identities())

        self._tenants.run(identify, unidentified, self._interruption)

    def _run_groups(self) -> None:
        size = self._tenants.at_once
        for wave in self._waves():
            for start in range(0, len(wave), size):
                tenants = wave[start : start + size]
                if self._interruption.exit_code is not None:
                    self._stop_error = NotStartedError(INTERRUPTED_BEFORE, self._interruption.exit_code)
                if not self._stop_error:
                    self._run_group(tenants)
                if self._stop_error:
                    names = [each.name for each in tenants if not self._reports.has_ended(each.name)]
                    self._refuse(names, self._stop_error)

    def _run_group(self, tenants: Sequence[Tenant]) -> None:
        """Apply the plans of a group of tenants.

        If Ctrl-C or a failing stdout stops the command after an earlier group was applied, store the error for
        the results of the remaining tenants. The results of the earlier groups stay.
        """
        try:
            with self._tenants.opened(tenants) as sessions:
                self._apply_group(sessions)
        except KeyboardInterrupt:
            if not self._reports.has_written:
                raise
            self._stop_error = NotStartedError(INTERRUPTED_BEFORE, self._interruption.exit_code or Exit.INTERRUPTED)
        except OSError as error:  # the plan cannot be printed
            if not self._reports.has_written:
                raise
            self._stop_error = NotStartedError(f"the plan cannot be printed, so nothing was written: {reason(error)}")

    def _waves(self) -> Iterator[Sequence[Tenant]]:
        """For each rollout wave that may start, yield the tenants of the wave.

        If a rollout wave does not start, report an error for each tenant of the rollout wave.
        """
        by_name = {tenant.name: tenant for tenant in self._tenants.tenants}
        rollout = self._tenants.config.rollout
        groups = rollout.group(by_name) if self._tenants.are_several else {}
        if not groups:
            yield self._tenants.tenants
            return
        for wave, names in groups.items():
            reason = self._reason_to_stop(wave)
            if reason:
                self._refuse(names, NotStartedError(f"the wave {visible(wave)} did not start, because {reason}"))
            else:
                yield [by_name[name] for name in names]

    def _reason_to_stop(self, wave: str) -> str:
        """Return the reason why a rollout wave must not start, or "" if the rollout wave may start.

        If each tenant of the earlier rollout waves failed or has no selected grant, the next rollout wave must not
        start, because no earlier wave has tested the changes.
        """
        failed, limit = self._reports.count_stopping(), self._tenants.config.rollout.stop_after
        if failed >= limit:
            return f"{pluralize(failed, 'tenant')} of the earlier rollout waves did not succeed (stop_after: {limit})"
        if self._reports.lack_applied_selection and self._interruption.exit_code is None:
            advice = f"to apply this wave alone, use --wave {shlex.quote(wave)}"
            return f"no tenant of the earlier rollout waves has received the selected grants; {advice}"
        return ""

    def _check_tip(self, tenants: Sequence[Tenant]) -> bool:
        """Return whether the commit HEAD is still the newest commit of the branch.

        If HEAD is not the newest commit, report each tenant in `tenants` as failed.
        """
        try:
            self._approvals.check_tip(self._options.config)
        except ReconcilerError as error:
            self._refuse([tenant.name for tenant in tenants], error)
            return False
        return True

    def _refuse(self, names: Iterable[str], error: ReconcilerError) -> None:
        """Report one error for several tenants. Print the error only once."""
        names = list(names)
        if names and self._tenants.are_several and str(error) not in self._printed:
            self._printed.add(str(error))
            self._console.failure(error)
        for name in names:
            self._tenants.add_failure(name, copy(error), is_printed=False)

    async def _apply_one(self, session: TenantSession) -> None:
        """Plan a tenant, check the approval of the plan, apply the plan, and read the tenant again."""
        name = session.tenant.name
        try:
            self._reports.begin(session.tenant)
            approval = self._approvals.of(name)
            session = self._check_approval(approval, session)
            planned = await self._interruption.unless_stopped(self._plan(session))
            self._claims.check(name)
            if self._is_approved(approval, session, planned):
                await self._execute(session, planned, approval)
        finally:
            self._approvals.release(name)

    def _apply_group(self, sessions: Sequence[TenantSession]) -> None:
        """Plan several tenants, ask the user to confirm each plan, and apply the confirmed plans."""
        ready: list[TenantSession] = []
        for session in sessions:
            with self._tenants.isolate(session.tenant.name):
                self._reports.begin(session.tenant)
                ready.append(self._check_approval(self._approvals.of(session.tenant.name), session))
        planned = self._tenants.run_open(ready, self._plan)
        confirmed = [each for each in map(self._confirm, planned) if each]
        if not confirmed:
            return
        self._approvals.check_tip(self._options.config)
        plans = {each.session.tenant.name: each.result for each in confirmed}

        async def execute(session: TenantSession) -> None:
            name = session.tenant.name
            await self._execute(session, plans[name], self._approvals.of(name))

        with self._interruption.handle_signals(self._tenants.runner.get_loop()):
            self._tenants.run_open([each.session for each in confirmed], execute, self._interruption)

    def _confirm(self, planned: PlannedTenant) -> PlannedTenant | None:
        """Show a plan, and ask the user to confirm the plan.

        Return the plan if the user confirms the plan, or if no confirmation is necessary.
        """
        session, name = planned.session, planned.session.tenant.name
        with self._tenants.isolate(name):
            self._claims.check(name)
            approval = self._approvals.of(name)
            tenant_plan, plan = planned.result, planned.result.plan
            asks = self._asks and bool(plan.changes) and not plan.blocked
            self._reports.show_problems(session.warnings(plan), session.declared.texts)
            self._console.plan(
                [
                    *plan_lines(plan, verbose=self._options.verbose, only_summary=self._options.only_summary),
                    *([line()] if self._tenants.are_several else []),
                ],
                stdout_has_data=self._options.stdout_has_data,
                before_question=asks,
            )
            if self._is_approved(approval, session, tenant_plan):
                if asks:
                    _ask(plan, self._console)
                return TenantResult(session, tenant_plan)
        return None

    async def _plan(self, session: TenantSession) -> TenantPlan:
        """Plan a tenant, and record the tenant's identities to detect two names for one tenant.

        If the user passed a saved plan, the returned plan has a note for each saved change that is missing in it.
        """
        try:
            planned = await session.observe_and_plan()
        except SameTenantError as error:
            self._claims.record(error)
            raise
        self._claims.claim(session.tenant.name, session.identities(planned.observation))
        planned = self._approvals.of(session.tenant.name).with_notes(planned)
        if not self._tenants.are_several:
            refuse_empty_selection([planned.plan.selection])
        return planned

    def _check_approval(self, approval: ApprovedPlan, session: TenantSession) -> TenantSession:
        """Before the tenant is read, check that the saved plan is valid for the tenant.

        Return a copy of `session` that contains only the grants that the saved plan selects.
        """
        approval.check_options(self._options.plan_options)
        approval.check_not_applied(data_folder(self._options.config))
        approval.check_tenant(session.name, session.now)
        return replace(session, selection=approval.selection(self._options.plan_options, self._options.grants))

    def _is_approved(self, approval: ApprovedPlan, session: TenantSession, tenant_plan: TenantPlan) -> bool:
        """Return whether the plan may be applied. If the plan is blocked or empty, report the plan and return false.

        Raises:
            ReconcilerError: if the approval does not include all changes in the plan, or if the access token lacks
                permissions.
        """
        plan = tenant_plan.plan
        has_data = self._options.stdout_has_data or not self._is_shown_before
        self._reports.show_problems(session.warnings(plan), session.declared.texts)
        if plan.blocked or not plan.changes:
            exit_code = Exit.DONE if plan.converged else Exit.INCOMPLETE
            if plan.blocked:
                exit_code = Exit.REFUSED
            else:
                approval.check_changes(tenant_plan, self._console, stdout_has_data=has_data)
            self._reports.end_run(RunResult(plan, ApplyReport((), plan)), exit_code)
            return False
        approval.check_changes(tenant_plan, self._console, stdout_has_data=has_data)
        _refuse_without_permissions(session, plan)
        return True

    @property
    def _is_shown_before(self) -> bool:
        return self._asks or not self._tenants.are_several

    async def _execute(self, session: TenantSession, planned: TenantPlan, approval: ApprovedPlan) -> None:
        """Apply an approved plan, and report the result. After the first signal, start no further change."""
        from reconciler.app.apply_run import ApplyRun

        self._interruption.check_not_stopped()
        run = ApplyRun(
            session,
            planned,
            self._options.request_options,
            self._interruption,
            saved_plan=approval.saved.checksum if approval.saved else None,
            evidence={**ci.run_evidence(), "approval": self._approved_by},
            is_announced=self._options.verbose or not self._tenants.are_several,
        )
        self._progress.add(len(planned.plan.changes))
        try:
            report, exit_code = await run.execute(self._console, self._progress.on_outcome)
        except ReconcilerError:
            raise
        except Exception as error:
            if not self._tenants.are_several:
                raise
            raise CrashError(error, may_have_written=run.may_have_written) from error
        self._reports.end_run(RunResult(planned.plan, report, run.rollback), exit_code)


def _refuse_without_permissions(session: TenantSession, plan: Plan) -> None:
    missing = missing_permissions(plan, session.client.permissions())
    if missing:
        raise ReconcilerError(
            f"nothing was written: the access token lacks {', '.join(missing)}; add these scopes to the grant of "
            "reconciler's own application on the Management API",
        )


def _ask(plan: Plan, console: Console) -> None:
    """Ask the user to confirm a plan.

    The user must type the number of grants that are deleted, lose all their scopes, or lose all their callers. If this
    number is 0, the user must type "yes".
    """
    if not sys.stdin.isatty():
        raise ReconcilerError("nothing was written: apply needs a terminal to ask for confirmation; use --yes")
    deletes = sum(map(removes_all_access, plan.changes))
    expected, description = (str(deletes), "the number of deletes") if deletes else ("yes", "yes")
    question = f"Apply this to {plan.tenant}? Only {description} is accepted: "
    try:
        answer = console.ask(question)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("nothing was written") from error
    if answer != expected:
        raise ReconcilerError(f"nothing was written: the answer was not {description}")
