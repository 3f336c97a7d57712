"""A pull request must not displace important lines of a comment, or prevent the comment, by making it long."""

from dataclasses import replace
from itertools import combinations, islice

import pytest
from support.builders import OWN, TENANT, a_plan, a_spec, an_api, first_parties

from reconciler.core.directory import Api
from reconciler.core.fleet.rollout import TenantState
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import Protect
from reconciler.core.plan import Plan
from reconciler.core.problems import Level
from reconciler.core.scopes import LEVELS
from reconciler.core.spec import GrantSpec
from reconciler.output.formats import OutputView, render
from reconciler.output.markdown.plan import plan_markdown
from reconciler.output.results import FleetSummary, PlanResults, TenantFailure, TenantSummary, summarize_plan
from reconciler.output.source_links import SourceLinks
from reconciler.output.styled import DEFAULT_MAX_BYTES

SCOPES = {level: sorted(scope for scope in LEVELS if LEVELS[scope] is level) for level in Level}
MANAGEMENT = Api("https://test.example/api/v2/", "Auth0 Management API", frozenset(LEVELS), is_system=True)
INVOICES = an_api(scopes=frozenset({"read:invoices", *(f"admin:{number}" for number in range(1000))}))


def a_plan_of(specs: list[GrantSpec], **options: object) -> Plan:
    return a_plan(specs, [], replace(first_parties(specs), apis=(INVOICES, MANAGEMENT)), **options)


def critical(number: int, scopes: tuple[str, ...]) -> GrantSpec:
    return a_spec(client_id=f"app{number:04}", audience=MANAGEMENT.identifier, scope=scopes)


def rows(markdown: str) -> list[str]:
    return [line for line in markdown.splitlines() if line.startswith("<tr><td>")]


def test_many_critical_risks_fit_and_are_counted() -> None:
    pairs = islice(combinations(SCOPES[Level.CRITICAL], 2), 1200)
    plan = a_plan_of([critical(number, pair) for number, pair in enumerate(pairs)])

    for most in (DEFAULT_MAX_BYTES, 1_000):
        markdown = plan_markdown(plan, max_bytes=most)
        assert len(markdown.encode()) <= most
        assert "> Risks: **1200 critical** (`management-api-takeover` 1200)" in markdown
    shown = rows(plan_markdown(plan))
    assert len(shown) > 100
    left_out = f"{1200 - len(shown):,}"
    assert f"_{left_out} more changes not shown here, {left_out} of them critical: read the log" in plan_markdown(plan)


def test_low_risks_do_not_displace_a_critical_risk() -> None:
    harmless = [a_spec(client_id=f"app{number:04}", scope=(f"admin:{number}",)) for number in range(900)]
    weak = [critical(number, pair) for number, pair in enumerate(combinations(["read:clients", "read:roles"], 1))]
    harmful = a_spec(client_id="zzz", audience=MANAGEMENT.identifier, scope=("delete:users", "read:clients"))

    first, *_ = rows(plan_markdown(a_plan_of([*harmless, *weak, harmful])))

    assert "<code>zzz -&gt; Auth0 Management API</code>" in first
    assert "<b>high</b> <code>can weaken the tenant or read its data: delete:users" in first


def test_a_change_with_many_long_values_does_not_displace_other_critical_changes() -> None:
    scopes = tuple(f"read:{'&' * 200}{number}" for number in range(900))
    api = an_api(scopes=frozenset(scopes))
    specs = [critical(n, (scope,)) for n, scope in enumerate(SCOPES[Level.CRITICAL][:20])]
    long = [
        a_spec(client_id=f"long{n}", scope=scopes, description="&" * 5_000, allow_any_organization=True)
        for n in range(9)
    ]
    plan = a_plan([*long, *specs], [], replace(first_parties([*long, *specs]), apis=(api, MANAGEMENT)))

    markdown = plan_markdown(plan)

    assert len(markdown.encode()) <= DEFAULT_MAX_BYTES
    assert markdown.count("<b>critical</b>") == 20
    assert markdown.count("<code>long") == 9


@pytest.mark.parametrize("most", [2_500, DEFAULT_MAX_BYTES])
def test_long_descriptions_do_not_displace_critical_changes(most: int) -> None:
    count = 2 if most < DEFAULT_MAX_BYTES else 60
    pairs = islice(combinations(SCOPES[Level.CRITICAL], 2), count)
    specs = [critical(number, pair) for number, pair in enumerate(pairs)]
    described = [spec._replace(description="&" * 5_000) for spec in specs]

    shown = [rows(plan_markdown(a_plan_of(each), max_bytes=most)) for each in (specs, described)]

    assert [len(each) for each in shown] == [count, count]
    assert all("(4,980 characters left out)" in row for row in shown[1])


def test_a_short_comment_shows_descriptions() -> None:
    (row,) = rows(plan_markdown(a_plan_of([a_spec(description="d" * 5_000)])))

    assert "(4,700 characters left out)" in row


def test_a_risk_names_the_worst_scopes_first() -> None:
    scopes = ("read:actions", *SCOPES[Level.CRITICAL][:40], "delete:users", "update:users")
    markdown = plan_markdown(a_plan_of([critical(1, scopes)]))

    assert "can weaken the tenant or read its data: delete:users" in markdown


def test_notes_do_not_displace_changes() -> None:
    protect = tuple(Protect(client_id=f"{number}{'x' * 8_000}") for number in range(20))
    specs = [a_spec(client_id=f"app{number:03}") for number in range(60)]

    markdown = plan_markdown(a_plan_of(specs, protection=ProtectionRules(OWN, protect)))

    assert len(markdown.encode()) <= DEFAULT_MAX_BYTES
    assert markdown.count("<tr><td>+ create</td>") == 60


def test_each_long_item_is_truncated() -> None:
    long = "x" * 50_000
    spec = a_spec(client_id="billing", description=long, scope=("read:invoices", f"read:{long}"))
    spec = spec._replace(file=f"grants/{long}.yaml")
    links = SourceLinks("/r", "/r", "https://github.example/o/r/blob/1")

    markdown = plan_markdown(a_plan([spec, a_spec(client_id="other")]), links=links)

    assert max(map(len, markdown.splitlines())) < 2_000
    assert "characters left out" in markdown
    assert "<code>other -&gt;" in markdown


def test_a_tenant_with_a_long_name_has_its_own_marker() -> None:
    plans = [replace(a_plan_of([a_spec()]), tenant=TENANT._replace(name="é" * 40_000 + end)) for end in "ab"]

    first = [plan_markdown(plan).splitlines()[0] for plan in plans]

    assert first[0] != first[1]
    assert all(len(line) < 300 for line in first)
    assert all(len(plan_markdown(plan, max_bytes=1_000).encode()) <= 1_000 for plan in plans)


def test_many_tenants_fit() -> None:
    """Each tenant has a plan of its own, a long name, and another one fails with long reasons."""
    names = [f"tenant-{number}-{'x' * 500}" for number in range(100)]
    plans = [
        replace(
            a_plan_of([a_spec(client_id=f"app{number}-{each}") for each in range(10)]),
            tenant=TENANT._replace(name=name),
        )
        for number, name in enumerate(names)
    ]
    failed = {f"failed-{number}": TenantFailure(["x" * 10_000] * 10) for number in range(100)}
    summaries = [summarize_plan(plan, 0, None) for plan in plans]
    summaries += [
        TenantSummary(tenant=TENANT._replace(name=name), state=TenantState.FAILED, reason=each.lines[0])
        for name, each in failed.items()
    ]
    results = PlanResults(plans, failed, FleetSummary(summaries, TenantState.PLANNED))

    for most in (1_000, DEFAULT_MAX_BYTES):
        markdown = render(results, "markdown", OutputView(max_bytes=most))
        assert len(markdown.encode()) <= most
        assert "100 of 200 planned, 100 failed; 100 with changes: 1000 to create" in markdown
        rows = markdown.count("<tr><td><code>")
        assert f"_{200 - rows} {'more ' if rows else ''}tenants not shown here._" in markdown


def test_a_comment_names_its_commit() -> None:
    links = SourceLinks(commit="0123456789abcdef0123456789abcdef01234567")

    assert f" at commit `{links.commit}`." in plan_markdown(a_plan_of([a_spec()]), links=links)
