import re
from dataclasses import replace

import pytest
from support.builders import a_plan, a_spec, an_api, first_parties

from reconciler.core.config_rules import ConfigChange
from reconciler.core.directory import Api
from reconciler.core.fleet.rollout import TenantState
from reconciler.core.identity import TenantName
from reconciler.core.outcome import ApplyReport, Outcome, Result
from reconciler.core.plan import Plan
from reconciler.core.problems import Level, Risk
from reconciler.core.scopes import LEVELS
from reconciler.forge.report import parse_report
from reconciler.output.formats import OutputView, render
from reconciler.output.markdown.plan import APPLY_AFTER_MERGE
from reconciler.output.results import (
    FleetSummary,
    PlanResults,
    RunResult,
    RunResults,
    TenantFailure,
    TenantSummary,
    summarize_plan,
)
from reconciler.output.source_links import Run, SourceLinks
from reconciler.output.styled import DEFAULT_MAX_BYTES

MANAGEMENT = Api("https://test.example/api/v2/", "Auth0 Management API", frozenset(LEVELS), is_system=True)
CRITICAL = sorted(scope for scope, level in LEVELS.items() if level is Level.CRITICAL)


def plan_of(name: str, *clients: str, scope: str = "read:invoices", critical: bool = False) -> Plan:
    specs = [
        a_spec(client_id=client, audience=MANAGEMENT.identifier, scope=(CRITICAL[0],))
        if critical
        else a_spec(client_id=client, scope=(scope,))
        for client in clients
    ]
    directory = replace(first_parties(specs), apis=(MANAGEMENT, an_api()))
    return replace(a_plan(specs, [], directory), tenant=TenantName(name, f"{name}.example"))


def markdown_of(
    plans: list[Plan], failed: dict[str, TenantFailure] | None = None, max_bytes: int = DEFAULT_MAX_BYTES
) -> str:
    failed = failed or {}
    summaries = [summarize_plan(plan, 0, None) for plan in plans]
    summaries += [
        TenantSummary(tenant=TenantName(name, ""), state=TenantState.FAILED, reason=each.lines[0])
        for name, each in failed.items()
    ]
    results = PlanResults(plans, failed, FleetSummary(summaries, TenantState.PLANNED))
    return render(results, "markdown", OutputView(max_bytes=max_bytes))


def rows_of(markdown: str) -> list[str]:
    return re.findall("^<tr><td><code>([^<]*)</code>", markdown, re.MULTILINE)


def test_several_tenants_have_one_comment_for_the_configuration() -> None:
    markdown = markdown_of([plan_of("a", "app"), plan_of("b", "app"), plan_of("c")])

    assert parse_report("report.md", markdown).marker == "<!-- reconciler:all-tenants -->"
    assert markdown.splitlines()[1:4] == [
        "### Auth0 grants · 3 tenants: 3 of 3 planned",
        "",
        "3 of 3 planned; 2 with changes: 2 to create.",
    ]
    assert rows_of(markdown) == ["a", "b", "c"]
    assert markdown.count("<details><summary>Plan 1: 2 tenants (<code>a</code>, <code>b</code>)") == 1
    assert "Plan 2" not in markdown


def test_two_configurations_have_two_comments() -> None:
    summary = FleetSummary([summarize_plan(plan_of("a"), 0, None)], TenantState.PLANNED)
    links = SourceLinks(".", ".")._replace(config="other/reconciler.yaml")

    markdown = render(PlanResults([plan_of("a")], {}, summary), "markdown", OutputView(links=links))

    assert markdown.startswith("<!-- reconciler:all-tenants:other%2Freconciler.yaml -->\n")


def test_omitted_changes_of_the_configuration_are_counted() -> None:
    changes = tuple(ConfigChange((), Risk("limits-changed", Level.HIGH, f"{number}{'x' * 200}")) for number in range(9))
    plans = [replace(plan_of(name), config_changes=changes) for name in "ab"]

    assert "_7 more configuration changes not shown here._" in markdown_of(plans, max_bytes=5_000)


@pytest.mark.parametrize("max_bytes", [1_000, 4_000, DEFAULT_MAX_BYTES])
@pytest.mark.parametrize("tenants", [40, 200, 1_000])
def test_totals_and_critical_risks_are_never_omitted(tenants: int, max_bytes: int) -> None:
    plans = [
        plan_of(f"t{number:03}", *(f"app-{number}-{each}" for each in range(3)), critical=number % 10 == 0)
        for number in range(tenants)
    ]
    failed = {f"x{number}": TenantFailure((f"no answer {number}",)) for number in range(20)}

    markdown = markdown_of(plans, failed, max_bytes)

    assert len(markdown.encode()) <= max_bytes
    total = 3 * (tenants // 10)
    assert (
        f"{tenants} of {tenants + 20} planned, 20 failed; {tenants} with changes: {3 * tenants} to create, {total} cri"
        in (markdown)
    )
    assert f"> **Critical ({total})**" in markdown
    shown = len(re.findall(r"^> - `app-\d+-\d -> ", markdown, re.MULTILINE))
    counted = re.search(r"> - and (\d+) more critical risks?: `management-api-takeover` (\d+)$", markdown, re.MULTILINE)
    assert shown + (int(counted[2]) if counted else 0) == total


def test_the_table_starts_with_the_tenants_that_need_attention() -> None:
    plans = [plan_of("same"), plan_of("changed", "app"), plan_of("dangerous", "app", critical=True)]

    markdown = markdown_of(plans, {"broken": TenantFailure(("no answer",))})

    assert rows_of(markdown) == ["broken", "dangerous", "changed", "same"]
    assert "> **Without a result (1 of 4)**\n>\n> - `broken`: `no answer`\n" in markdown


def test_hostile_names_cannot_leave_their_place() -> None:
    name = "<b>`@admin` |\n<!-- reconciler:all-tenants -->"

    markdown = markdown_of([plan_of(name, "app", critical=True)], {f"{name}2": TenantFailure((f"{name}\n### done",))})

    assert parse_report("report.md", markdown).marker == "<!-- reconciler:all-tenants -->"
    assert "<b>`@" not in re.sub("`+ ?<b>.*?`+", "", markdown)
    assert "\n### done" not in markdown


def test_the_results_of_apply_are_one_document() -> None:
    plan = plan_of("a", "app")
    run = RunResult(plan, ApplyReport(tuple(Outcome(each, Result.APPLIED, "") for each in plan.changes), plan_of("a")))
    summary = FleetSummary(
        [
            summarize_plan(plan, 0, "canary", "apply", {"applied": 1}),
            TenantSummary(tenant=TenantName("b", ""), state=TenantState.NOT_STARTED, wave="rest", reason="stopped"),
        ],
        TenantState.APPLIED,
        ("canary", "rest"),
    )

    markdown = render(RunResults([run], {"b": TenantFailure(("stopped",))}, summary), "markdown", OutputView())

    assert markdown.startswith(
        "<!-- reconciler-result:all-tenants -->\n### Auth0 grants · 2 tenants: 1 of 2 applied, 1 not started\n\n"
        "1 of 2 applied, 1 not started; 1 with changes: 1 change applied.\n\n"
        "- `Wave canary: 1 of 1 applied.`\n- `Wave rest: 0 of 1 applied, 1 not started.`\n\n"
    )
    assert "<td>not started, wave <code>rest</code></td><td><code>stopped</code></td>" in markdown
    assert markdown.count("<tr><td>applied</td><td>create</td>") == 1


def test_the_last_lines_name_the_run_and_the_next_steps() -> None:
    plans = [plan_of("a", "app"), plan_of("b", "app")]
    summary = FleetSummary([summarize_plan(plan, 0, None) for plan in plans], TenantState.PLANNED)
    run = Run("https://ci.example/runs/7", "7", "2026-11-28 03:00 UTC", is_review=True)

    texts = [
        render(PlanResults(plans, {}, summary), "markdown", OutputView(links=SourceLinks(commit="abc", run=each)))
        for each in (run, run._replace(is_review=False))
    ]

    first, second = texts[0].splitlines()[-2:]
    assert (
        first == "Plans of all tenants at commit `abc`, [run 7](<https://ci.example/runs/7>), 2026-11-28 03:00 UTC.  "
    )
    assert second.startswith("To apply: merge. ")
    assert texts[1].splitlines()[-1] == "To plan again: `reconciler plan --all-tenants`."


@pytest.mark.parametrize(
    ("states", "steps"),
    [
        ([TenantState.PLANNED, TenantState.FAILED], ""),
        (
            [TenantState.PLANNED, TenantState.REFUSED],
            " One plan contains blocked changes and is not applied.",
        ),
        (
            [*[TenantState.REFUSED] * 2, TenantState.PLANNED],
            " 2 plans contain blocked changes and are not applied.",
        ),
        ([TenantState.REFUSED], None),
    ],
)
def test_the_next_steps_say_that_refused_tenants_are_not_applied(states: list[TenantState], steps: str | None) -> None:
    summaries = [TenantSummary(tenant=TenantName(f"t{number}", ""), state=state) for number, state in enumerate(states)]
    links = SourceLinks(run=Run("https://ci.example/runs/7", "7", "2026-11-28 03:00 UTC", is_review=True))
    results = PlanResults([], {}, FleetSummary(summaries, TenantState.PLANNED))

    last = render(results, "markdown", OutputView(links=links)).splitlines()[-1]

    expected = (
        "No plan can be applied while its changes are blocked. To" if steps is None else APPLY_AFTER_MERGE + steps
    )
    assert last.startswith(expected)
    assert ("blocked changes and" in last) is bool(steps)
