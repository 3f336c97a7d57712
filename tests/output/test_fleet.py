import json

import pytest
from support.builders import a_fleet, a_result

from reconciler.core.fleet.report import FleetReport, ResultFile, collect
from reconciler.core.fleet.run import Fleet, FleetResult
from reconciler.output.fleet import (
    fleet_lines,
    fleet_report_json,
    fleet_report_lines,
    fleet_report_markdown,
    github_matrix,
    gitlab_pipeline,
)
from reconciler.output.source_links import NO_REPOSITORY
from reconciler.output.styled import plain


def report(fleet: Fleet, *results: FleetResult) -> FleetReport:
    return collect(fleet, [ResultFile(f"results/{each.tenant}.json", each.tenant, each) for each in results])


def test_tenants_with_the_same_state_for_the_same_reason_share_a_line() -> None:
    names = [f"t{number:02}" for number in range(14)]
    failed = [a_result(name, 1, errors=("HTTP 401",)) for name in names[:12]]

    found = report(a_fleet(*names), *failed, a_result(names[12], 1, errors=("HTTP 500",)))

    assert plain(fleet_report_lines(found, verbose=False)) == (
        "14 tenants: 13 failed, 1 unknown.\n"
        "failed       t00, t01, t02, t03, t04, t05, t06, t07, t08, t09 and 2 more (12)\n"
        "             HTTP 401\n"
        "failed       t12\n"
        "             HTTP 500\n"
        "unknown      t13\n"
        "             no result\n"
    )
    assert plain(fleet_report_lines(found, verbose=True)).count("HTTP 401") == 12


def test_a_fleet_without_tenants_is_empty_in_every_format() -> None:
    fleet = a_fleet(base="main")

    assert plain(fleet_lines(fleet)) == "0 tenants affected by the changes since main.\n"
    assert github_matrix(fleet) == "any=false\n"
    assert set(json.loads(gitlab_pipeline(fleet))) == {"stages", "collect results"}
    assert report(fleet).exit_code == 0
    assert plain(fleet_report_lines(report(fleet), verbose=False)) == "0 tenants: none expected.\n"
    assert "0 tenants" in fleet_report_markdown(report(fleet), NO_REPOSITORY, 60_000)


def test_no_name_of_a_wave_equals_the_name_of_another_stage() -> None:
    waves = {"collect": ["t1"], "after": ["t2"], "tenants": ["t3"], "rest": ["t4"]}

    stages = json.loads(gitlab_pipeline(a_fleet(waves=waves)))["stages"]

    assert len(set(stages)) == len(stages)
    assert stages[-1] not in waves


@pytest.mark.parametrize(("stop_after", "is_stopped"), [(1, True), (2, False)])
def test_the_report_says_whether_a_wave_may_start(stop_after: int, *, is_stopped: bool) -> None:
    fleet = a_fleet(waves={"canary": ["t1"], "rest": ["t2"]}, stop_after=stop_after)

    found = report(fleet, a_result("t1", 1), a_result("t2"))

    assert fleet_report_json(found)["stopped"] == is_stopped
    assert ("No further wave may start" in plain(fleet_report_lines(found, verbose=False))) == is_stopped
    assert ("No further wave may start" in fleet_report_markdown(found, NO_REPOSITORY, 60_000)) == is_stopped


@pytest.mark.parametrize("max_bytes", [1_000, 5_000, 60_000])
def test_markdown_fits_and_keeps_the_totals(max_bytes: int) -> None:
    names = [f"t{number:03}" for number in range(300)]
    results = [a_result(name, 1, "plan", errors=("x" * 1_500,)) for name in names]

    body = fleet_report_markdown(report(a_fleet(*names), *results), NO_REPOSITORY, max_bytes)

    assert len(body.encode()) <= max_bytes
    assert body.startswith(
        "<!-- reconciler:all-tenants -->\n### Auth0 grants · 300 tenants: 0 of 300 planned, 300 failed"
    )
