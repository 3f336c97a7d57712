"""What is made of results: JSON and back, expectations, goals, the picture, the table of docs/performance.md."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import goals, plot, report
from benchmarks.__main__ import PAGE, PICTURE, RESULTS
from benchmarks.floor import minimum_requests, minimum_seconds, verification_requests
from benchmarks.measure import DONE, Run, Measurement
from benchmarks.page import BEGIN, END, made, with_table
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


def test_json_gives_back_what_was_measured() -> None:
    said = results(a_run(OURS, NO_OP, 0.5), Run(DEPLOY, NO_OP, "stopped after 60 s"))

    assert from_json(as_json(said)) == said


def test_the_committed_picture_and_table_are_those_of_the_committed_results() -> None:
    kept = from_json(RESULTS.read_text(encoding="utf-8"))

    assert PICTURE.read_text(encoding="utf-8") == plot.as_svg(kept)
    assert made(kept) in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("earlier", "seconds"),
    [
        ([], 0),
        ([a_run(OURS, Case(Work.NOTHING, 100), 2.0)], 20),
        ([a_run(OURS, Case(Work.NOTHING, 10), 1.0), a_run(OURS, Case(Work.NOTHING, 100), 2.0)], 11),
        ([a_run(DEPLOY, Case(Work.NOTHING, 100), 2.0), a_run(OURS, Case(Work.CHANGED, 100), 2.0)], 0),
    ],
    ids=["nothing known", "grows with the tenant", "but for the start", "of other tools and other work"],
)
def test_how_long_a_run_will_take_is_told_by_the_smaller_ones(earlier: list[Run], seconds: float) -> None:
    assert expected_seconds(OURS, NO_OP, earlier) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("case", "requests", "care", "seconds"),
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
def test_the_floor_is_what_the_api_leaves(case: Case, requests: int, care: int, seconds: float) -> None:
    assert (minimum_requests(case), verification_requests(case)) == (requests, care)
    assert minimum_seconds(case) == pytest.approx(seconds)


def test_a_goal_is_judged_by_ratios_of_what_was_measured() -> None:
    slow = results(a_run(OURS, NO_OP, 2.0, requests=14), a_run(DEPLOY, NO_OP, 90.0, peak_mb=2000.0))

    assert goals.as_text(goals.goals(slow)).splitlines() == [
        "missed   requests, looks at scopes and effects included, nothing to do, 1,000 grants: 14, at most 13",
        "missed   share of auth0-deploy-cli's time, nothing to do, 1,000 grants: 0.02222, at most 0.02",
        "reached  share of auth0-deploy-cli's memory, nothing to do, 1,000 grants: 0.025, at most 0.05",
    ]


def test_what_was_not_measured_is_no_goal() -> None:
    assert goals.goals(results()) == ()


def test_the_table_of_the_readme_is_replaced_and_nothing_else() -> None:
    said = results(a_run(OURS, NO_OP, 0.5), a_run(DEPLOY, NO_OP, 100.0, requests=1020, peak_mb=2000.0))
    readme = f"before\n\n{BEGIN}\n\nan old table\n\n{END}\n\nbehind\n"

    assert with_table(readme, said) == readme.replace("an old table", made(said))
    assert "| nothing to do, 1,000 grants | 12 | 13; 0.5 s, 50 MB | - | 1,020; 200x, 40x |" in made(said)


def test_the_report_sets_tools_side_by_side_and_says_why_one_has_no_figures() -> None:
    text = report.as_text(results(a_run(OURS, NO_OP, 0.5), Run(DEPLOY, NO_OP, "not run: about 900 s expected")))

    assert "  reconciler                          13     0     0.50     0.25       50\n" in text
    assert text.endswith("  auth0-deploy-cli             not run: about 900 s expected")


@pytest.mark.parametrize(("theirs", "words"), [(0.5, "0.50x"), (3.14159, "3.1x"), (59.6, "60x")])
def test_a_ratio_has_two_digits_that_matter(theirs: float, words: str) -> None:
    assert report.ratio(theirs, 1.0) == words


def test_the_picture_is_well_formed_and_draws_a_point_per_run(tmp_path: Path) -> None:
    sizes = (100, 1000, 10_000)
    runs = [a_run(tool, Case(Work.NOTHING, size), size / 500) for tool in (OURS, DEPLOY) for size in sizes]
    picture = tmp_path / "picture.svg"
    picture.write_text(plot.as_svg(results(*runs)))

    assert len(ET.parse(picture).getroot().findall("{http://www.w3.org/2000/svg}circle")) == len(runs)


def test_starting_is_compared_with_an_empty_program() -> None:
    begun = (Start(OUR_HELP, Measurement(0, 0.3, 0.2, 20.0)), Start(EMPTY_HELP, Measurement(0, 0.1, 0.1, 15.0)))
    (goal,) = goals.goals(Results("3.11", 2, {}, begun, ()))

    assert goal.found == pytest.approx(3)
    assert goal.wanted == 2
