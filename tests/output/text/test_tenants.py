from dataclasses import replace

from support.builders import a_plan, a_spec, an_observed

from reconciler.core.fleet.rollout import TenantState
from reconciler.core.identity import TenantName
from reconciler.core.outcome import ApplyReport, Outcome, Result
from reconciler.core.plan import Plan
from reconciler.output.formats import OutputView, render
from reconciler.output.results import (
    FleetSummary,
    PlanResults,
    RunResult,
    RunResults,
    TenantFailure,
    TenantSummary,
    summarize_plan,
)


def plan_of(name: str, *scope: str) -> Plan:
    specs = [a_spec(scope=scope)] if scope else []
    return replace(a_plan(specs, [] if scope else [an_observed()]), tenant=TenantName(name, f"{name}.example"))


def text_of(plans: list[Plan], failed: dict[str, TenantFailure] | None = None, *, verbose: bool = False) -> str:
    failed = failed or {}
    summaries = [summarize_plan(plan, 0, None) for plan in plans]
    summaries += [TenantSummary(tenant=TenantName(name, ""), state=TenantState.FAILED) for name in failed]
    results = PlanResults(plans, failed, FleetSummary(summaries, TenantState.PLANNED))
    return render(results, "text", OutputView(verbose=verbose))


def test_equal_plans_are_shown_once_with_all_their_tenants() -> None:
    names = [f"t{number:03}" for number in range(300)]
    plans = [plan_of(name, "read:invoices") for name in names]
    plans[7] = plan_of("t007", "write:invoices")

    lines = text_of(plans).splitlines()

    assert lines[0] == "300 of 300 planned; 300 with changes: 300 to create."
    others = ", ".join(name for name in names if name != "t007")
    assert f"299 tenants with the same plan: {others}" in lines
    assert lines.count("Create (1)") == 2
    assert [line.split("  plan")[0] for line in lines if line.startswith("Tenant")] == ["Tenant t007 (t007.example)"]
    assert len(lines) < 30


def test_verbose_shows_every_plan() -> None:
    lines = text_of([plan_of("a", "read:invoices"), plan_of("b", "read:invoices")], verbose=True).splitlines()

    assert [line.split()[1] for line in lines if line.startswith("Tenant")] == ["a", "b"]
    assert lines.count("Create (1)") == 2


def test_equal_failures_come_after_the_summary_with_their_tenants() -> None:
    failed = {name: TenantFailure((reason,)) for name, reason in (("x", "no"), ("y", "late"), ("z", "no"))}

    lines = text_of([plan_of("a")], failed).splitlines()

    assert lines[:8] == [
        "1 of 4 planned, 3 failed; no changes.",
        "",
        "Failed (2) x, z",
        "  no",
        "",
        "Failed (1) y",
        "  late",
        "",
    ]


def test_foreign_text_is_escaped() -> None:
    shown = text_of([plan_of("a\x1b[2K", "read:invoices")], {"b\nc": TenantFailure(("bad\r\x1b[0m",))})

    assert "\x1b" not in shown
    assert "\r" not in shown
    assert "Failed (1) b" in shown
    assert "\nc" not in shown


def test_equal_results_of_apply_are_shown_once() -> None:
    runs = []
    for name, result in (("a", Result.APPLIED), ("b", Result.APPLIED), ("c", Result.FAILED)):
        plan = plan_of(name, "read:invoices")
        report = ApplyReport(tuple(Outcome(change, result, "") for change in plan.changes), None, "no answer")
        runs.append(RunResult(plan, report))
    summaries = [summarize_plan(run.plan, 3, None, "apply", {"applied": 1}) for run in runs]

    lines = render(
        RunResults(runs, {}, FleetSummary(summaries, TenantState.APPLIED)), "text", OutputView()
    ).splitlines()

    assert lines[0] == "0 of 3 applied, 3 partial; 3 with changes: 3 changes applied."
    assert "2 tenants with the same result: a, b" in lines
    assert "Tenant c (c.example)" in lines
    assert sum(line.startswith("applied ") for line in lines) == 1
    assert sum(line.startswith("failed ") for line in lines) == 1
