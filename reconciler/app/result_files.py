"""The result files that `plan` and `apply` write with --result.

`fleet collect` reads the result file of each tenant.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.app import ci
from reconciler.app.fleet import run_inputs
from reconciler.app.load import load_config, select_names, workspace_of
from reconciler.app.options import GlobalOptions, PlanOptions
from reconciler.app.outputs import InputFile, OutputFile, check_outputs
from reconciler.app.run_context import select_tenants
from reconciler.app.tenant_reports import EndedTenant
from reconciler.artifacts.fleet_files import result_file, write_result
from reconciler.artifacts.fleet_json import timestamp
from reconciler.artifacts.serialization import plan_counts, plan_id
from reconciler.config.tenants import tenant_named
from reconciler.core.fleet.rollout import Rollout, TenantState, state_of
from reconciler.core.fleet.run import BEGUN, FleetResult, RunInputs
from reconciler.core.outcome import count_results
from reconciler.core.plan import Plan
from reconciler.core.tenant import Tenant
from reconciler.errors import Exit, ReconcilerError, reason
from reconciler.output.formats import OutputView, render
from reconciler.output.results import PlanResults, RunResults
from reconciler.output.words import refusal


class ResultFiles:
    """Writes the file `FOLDER/<tenant>.json` when the run of a tenant starts, and again when the run ends.

    If the run is killed, the result file keeps the status `begun`.
    """

    def __init__(  # noqa: PLR0913 - each parameter is a common field of the results
        self,
        folder: Path,
        *,
        command: str,
        inputs: RunInputs,
        shard: str | None,
        tenants: Sequence[Tenant],
        rollout: Rollout,
    ) -> None:
        self._folder = folder
        self._command = command
        self._inputs = inputs
        self._shard = shard
        self._tenants = {tenant.name: tenant for tenant in tenants}
        self._rollout = rollout
        self._started: dict[str, str] = {}
        self._ended: set[str] = set()

    @classmethod
    def create(  # noqa: PLR0913, PLR0917 - each parameter is a separate object
        cls,
        command: str,
        options: GlobalOptions,
        plan_options: PlanOptions,
        folder: Path,
        run: str | None,
        used: Sequence[InputFile],
    ) -> "ResultFiles":
        """Create `folder`, and return the object that writes the result files. `run` is the value of --run.

        `used` contains the files of the other options and arguments. A result file must not be one of these files.

        Raises:
            ReconcilerError: if a file cannot be written, the run has no name, a selected tenant is invalid, or the
                options select only some grants of a tenant.
        """
        if plan_options.selects:
            raise ReconcilerError(
                "with --result, a run must select all grants of a tenant; remove PATH, --client and --api"
            )
        config = load_config(options.config)
        # `select_names` does not read the environment. A tenant with a wrong domain in the environment must still have
        # a result file.
        named = [tenant_named(config, name) for name in select_names(config, options)]
        tenants = named or select_tenants(options)[1]
        inputs = run_inputs(options, run, required=True)
        workspace_of(options.config).refuse_checkout_links(folder, "--result")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReconcilerError(f"--result: the folder {folder} cannot be created: {reason(error)}") from error
        files = [OutputFile("--result", result_file(folder, each.name)) for each in tenants]
        check_outputs(options, files, inputs=used)
        shard = str(options.shard) if options.shard else None
        return cls(folder, command=command, inputs=inputs, shard=shard, tenants=tenants, rollout=config.rollout)

    def begin(self, tenant: Tenant) -> None:
        """Before the first request, record the start of a tenant's run. Raises ReconcilerError."""
        self._started[tenant.name] = timestamp(datetime.now(UTC))
        self._write(self._result(tenant, BEGUN, None), None)

    def end(self, ended: EndedTenant) -> None:
        """Record the end of a tenant's run. Raises ReconcilerError."""
        if ended.state is TenantState.NOT_STARTED:
            self._write(self._result(ended.tenant, ended.state, None, _errors(ended)), None)
            return
        plan = _plan_of(ended.result)
        exit_code, errors = ended.exit_code, list(_errors(ended))
        if plan is not None and plan.selection is not None and exit_code in {Exit.DONE, Exit.CHANGES}:
            exit_code = Exit.INCOMPLETE
            none = ", which selects no grant of this tenant" if plan.selection.is_empty else ""
            errors.append(f"the saved plan selects only some of the grants: {plan.selection.selection}{none}")
        result = self._result(ended.tenant, state_of(self._command, exit_code), exit_code, errors)
        if plan is None:
            self._write(result, None)
        else:
            output = json.loads(render(ended.result, "json", OutputView()))
            counts = plan_counts(plan)
            if isinstance(ended.result, RunResults):
                results = count_results(ended.result.runs[0].report.outcomes)
                counts |= {str(kind): count for kind, count in results.items()}
            self._write(replace(result, plan_id=plan_id(plan), counts=counts), output)

    def fail(self, error: ReconcilerError) -> None:
        """For each tenant whose run had not ended, record the error that ended the command.

        If a result file cannot be written, the old result file stays, and `fleet collect` reports the tenant as
        unknown.
        """
        status = state_of(self._command, error.exit_code)
        with suppress(ReconcilerError):
            for name, tenant in self._tenants.items():
                if name not in self._ended:
                    self._write(self._result(tenant, status, error.exit_code, error.report_lines), None)

    def _result(self, tenant: Tenant, status: str, exit_code: Exit | None, errors: Sequence[str] = ()) -> FleetResult:
        now = timestamp(datetime.now(UTC))
        started = self._started.get(tenant.name, now)
        return FleetResult(
            inputs=self._inputs,
            attempt=ci.attempt_number(),
            wave=self._rollout.wave_of(tenant.name),
            shard=self._shard,
            tenant=tenant.name,
            domain=tenant.host,
            is_sandbox=tenant.title.is_sandbox,
            command=self._command,
            started_at=started,
            ended_at=None if status == BEGUN else max(started, now),  # the clock may have been set back
            status=str(status),
            exit_code=None if exit_code is None else int(exit_code),
            errors=tuple(errors),
        )

    def _write(self, result: FleetResult, output: Mapping[str, Any] | None) -> None:
        write_result(result_file(self._folder, result.tenant), result, output)
        if result.status != BEGUN:
            self._ended.add(result.tenant)


def _errors(ended: EndedTenant) -> Sequence[str]:
    failure = ended.result.failed.get(ended.tenant.name)
    if failure is not None:
        return failure.lines
    plan = _plan_of(ended.result)
    return [refusal(plan)] if plan is not None and plan.blocked else ()


def _plan_of(results: PlanResults | RunResults) -> Plan | None:
    if isinstance(results, PlanResults):
        return next(iter(results.plans), None)
    return next((run.plan for run in results.runs), None)
