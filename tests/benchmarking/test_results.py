"""Results of measurements: JSON, estimated times, goals, the chart, and the table of docs/performance.md."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import goals, plot, report
from benchmarks.__main__ import PAGE, PICTURE, RESULTS
from benchmarks.floor import minimum_requests, minimum_seconds, verification_requests
from benchmarks.measure import DONE, Measurement, Run
from benchmarks.report import BEGIN, END, performance_table, replace_table
from benchmarks.results import Results, as_json, from_json
from benchmarks.starting import EMPTY_HELP, OUR_HELP, Start
from benchmarks.suite import expected_seconds
from benchmarks.tenants import Case, Work
from benchmarks.tools import DEPLOY, OURS

NO_OP = Case(Work.NOTHING, 1000)


def a_run(tool: str, case: Case, wall: float, *, requests: int = 13, peak_mb: float = 50.0) -> Run:
    return Run(tool, case, DONE, Measurement(0, wall, wall / 2, peak_mb), {"GET /api/v2/client-grants": requests})


def results(*runs: Run) -> Results:
    return Results("3.11", 2, {OURS: "1", DEPLOY: "8"}, (Start(OUR_HELP, Measurement(0, 0.3, 0.2, 20.0)),), runs)


def test_results_survive_a_round_trip_through_json() -> None:
    original = results(a_run(OURS, NO_OP, 0.5), Run(DEPLOY, NO_OP, "stopped after 60 s"))

    assert from_json(as_json(original)) == original


def test_the_committed_chart_and_table_show_the_committed_results() -> None:
    committed = from_json(RESULTS.read_text(encoding="utf-8"))

    assert PICTURE.read_text(encoding="utf-8") == plot.as_svg(committed)
    assert performance_table(committed) in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("earlier", "seconds"),
    [
        ([], 0),
        ([a_run(OURS, Case(Work.NOTHING, 100), 2.0)], 20),
        ([a_run(OURS, Case(Work.NOTHING, 10), 1.0), a_run(OURS, Case(Work.NOTHING, 100), 2.0)], 11),
        ([a_run(DEPLOY, Case(Work.NOTHING, 100), 2.0), a_run(OURS, Case(Work.CHANGED, 100), 2.0)], 0),
    ],
    ids=["no earlier run", "proportional to the tenant", "constant start", "other tools and other tasks"],
)
def test_the_time_of_a_run_is_estimated_from_smaller_tenants(earlier: list[Run], seconds: float) -> None:
    assert expected_seconds(OURS, NO_OP, earlier) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("case", "requests", "verification", "seconds"),
    [
        (NO_OP, 1 + 10 + 1, 1, 0),
        (Case(Work.NOTHING, 1000, latency=0.3), 12, 1, 11 * 0.3),
        (Case(Work.CHANGED, 1000, latency=0.3), 12 + 99, 1 + 10 + 10, 12 * 0.3),
        (Case(Work.MISSING, 1000, plan="free"), 3 + 999, 1 + 10, (1001 - 2) / 2),
        (Case(Work.REMOVED, 1000), 12 + 998, 1 + 1, 0),
        (Case(Work.NOTHING, 100_000), 1 + 1000 + 100, 1, 0),
    ],
    ids=lambda value: str(value) if isinstance(value, Case) else "",
)
def test_the_minimum_of_requests_and_seconds(case: Case, requests: int, verification: int, seconds: float) -> None:
    assert (minimum_requests(case), verification_requests(case)) == (requests, verification)
    assert minimum_seconds(case) == pytest.approx(seconds)


def test_goals_are_compared_with_ratios_of_measurements() -> None:
    slow = results(a_run(OURS, NO_OP, 2.0, requests=14), a_run(DEPLOY, NO_OP, 90.0, peak_mb=2000.0))

    assert goals.as_text(goals.goals(slow)).splitlines() == [
        "missed   requests including verification, nothing to do, 1,000 grants: 14 (limit 13)",
        "missed   time relative to auth0-deploy-cli, nothing to do, 1,000 grants: 0.02222 (limit 0.02)",
        "reached  memory relative to auth0-deploy-cli, nothing to do, 1,000 grants: 0.025 (limit 0.05)",
    ]


def test_goals_without_results_are_omitted() -> None:
    assert goals.goals(results()) == ()


def test_only_the_table_of_the_page_is_replaced() -> None:
    measured = results(a_run(OURS, NO_OP, 0.5), a_run(DEPLOY, NO_OP, 100.0, requests=1020, peak_mb=2000.0))
    page = f"before\n\n{BEGIN}\n\nan old table\n\n{END}\n\nafter\n"

    table = performance_table(measured)
    assert replace_table(page, measured) == page.replace("an old table", table)
    assert "| nothing to do, 1,000 grants | 12 | 13; 0.5 s, 50 MB | - | 1,020; 200x, 40x |" in table


def test_the_report_compares_tools_and_gives_the_reason_for_a_missing_measurement() -> None:
    text = report.as_text(results(a_run(OURS, NO_OP, 0.5), Run(DEPLOY, NO_OP, "not run: about 900 s expected")))

    assert "  reconciler                          13     0     0.50     0.25       50\n" in text
    assert text.endswith("  auth0-deploy-cli             not run: about 900 s expected")


@pytest.mark.parametrize(("theirs", "words"), [(0.5, "0.50x"), (3.14159, "3.1x"), (59.6, "60x")])
def test_a_ratio_has_two_significant_digits(theirs: float, words: str) -> None:
    assert report.ratio(theirs, 1.0) == words


def test_the_chart_is_well_formed_and_has_a_point_per_run(tmp_path: Path) -> None:
    sizes = (100, 1000, 10_000)
    runs = [a_run(tool, Case(Work.NOTHING, size), size / 500) for tool in (OURS, DEPLOY) for size in sizes]
    picture = tmp_path / "picture.svg"
    picture.write_text(plot.as_svg(results(*runs)))

    assert len(ET.parse(picture).getroot().findall("{http://www.w3.org/2000/svg}circle")) == len(runs)


def test_the_start_is_compared_with_an_empty_program() -> None:
    starts = (Start(OUR_HELP, Measurement(0, 0.3, 0.2, 20.0)), Start(EMPTY_HELP, Measurement(0, 0.1, 0.1, 15.0)))
    (goal,) = goals.goals(Results("3.11", 2, {}, starts, ()))

    assert goal.value == pytest.approx(3)
    assert goal.limit == 2
