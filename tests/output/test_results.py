import json
from dataclasses import replace

from support.builders import a_plan, a_spec

from reconciler.artifacts.grant_json import json_text
from reconciler.artifacts.serialization import plan_json
from reconciler.core.fleet.rollout import TenantState
from reconciler.core.identity import TenantName
from reconciler.core.plan import Plan
from reconciler.output.formats import OutputView, failures_json, render
from reconciler.output.results import FleetSummary, PlanResults, TenantFailure, TenantSummary, summarize_plan


def a_summary(name: str, state: TenantState = TenantState.PLANNED, **fields: object) -> TenantSummary:
    return TenantSummary(tenant=TenantName(name, f"{name}.example"), state=state, **fields)  # type: ignore[arg-type]


def lines(*tenants: TenantSummary, done: TenantState = TenantState.PLANNED, waves: tuple[str, ...] = ()) -> list[str]:
    return FleetSummary(tenants, done, waves).lines


def test_the_summary_counts_tenants_changes_and_risks() -> None:
    assert lines(
        a_summary("a", numbers={"create": 2, "delete": 1, "critical": 1}),
        a_summary("b", numbers={"create": 1, "high": 2}),
        a_summary("c"),
        a_summary("d", TenantState.REFUSED, numbers={"blocked": 3}),
        a_summary("e", TenantState.FAILED, reason="no credentials"),
        a_summary("f", TenantState.NOT_STARTED),
    ) == [
        (
            "3 of 6 planned, 1 refused, 1 failed, 1 not started; 3 with changes: "
            "3 to create, 1 to delete, 3 blocked, 1 critical, 2 high."
        )
    ]


def test_the_summary_says_that_there_are_no_changes() -> None:
    assert lines(a_summary("a"), a_summary("b")) == ["2 of 2 planned; no changes."]
    assert lines(a_summary("a", TenantState.FAILED)) == ["0 of 1 planned, 1 failed."]
    assert lines(a_summary("a", numbers={"no_longer_declared": 1})) == [
        "1 of 1 planned; 1 with changes: 1 no longer declared."
    ]


def test_the_summary_has_a_line_per_wave() -> None:
    assert lines(
        a_summary("a", TenantState.APPLIED, wave="canary", numbers={"create": 1}, outcomes={"applied": 1}),
        a_summary("b", TenantState.PARTIAL, wave="rest", numbers={"create": 2}, outcomes={"applied": 1, "unknown": 1}),
        a_summary("c", TenantState.UNKNOWN, wave="rest"),
        done=TenantState.APPLIED,
        waves=("canary", "rest"),
    ) == [
        "1 of 3 applied, 1 partial, 1 unknown; 2 with changes: 2 changes applied, 1 change unknown.",
        "Wave canary: 1 of 1 applied.",
        "Wave rest: 0 of 2 applied, 1 partial, 1 unknown.",
    ]


def test_the_json_of_several_tenants_starts_with_the_summary() -> None:
    plans = [plan_of("a"), plan_of("b")]
    failed = {"c": TenantFailure(("no credentials",))}
    summary = FleetSummary(
        [*(summarize_plan(plan, 0, None) for plan in plans), a_summary("c", TenantState.FAILED)], TenantState.PLANNED
    )

    text = render(PlanResults(plans, failed, summary), "json", OutputView())

    parsed = json.loads(text)
    assert list(parsed) == ["summary", "plans", "failed"]
    assert parsed["summary"] == {
        "tenants": 3,
        "states": {
            "planned": 2,
            "applied": 0,
            "refused": 0,
            "failed": 1,
            "partial": 0,
            "unknown": 0,
            "not started": 0,
            "not selected": 0,
        },
        "with_changes": 2,
        "changes": {"create": 2, "update": 0, "delete": 0, "blocked": 0, "no_longer_declared": 0},
        "outcomes": {},
        "risks": {"critical": 0, "high": 0},
        "waves": [],
    }
    assert text == json_text(
        {"summary": summary.as_json(), "plans": list(map(plan_json, plans)), "failed": failures_json(failed)}
    )


def plan_of(name: str) -> Plan:
    return replace(a_plan([a_spec()]), tenant=TenantName(name, f"{name}.example"))
