from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import RUN_INPUTS, a_fleet, a_result

from reconciler.core.fleet.report import FleetReport, ResultFile, collect
from reconciler.core.fleet.rollout import TenantState
from reconciler.core.fleet.run import FleetResult
from reconciler.errors import EXIT_CODES_BY_SEVERITY, Exit

UNKNOWN, NOT_STARTED = TenantState.UNKNOWN, TenantState.NOT_STARTED


def file_of(result: FleetResult | str, tenant: str = "t1", name: str = "") -> ResultFile:
    named = tenant if isinstance(result, str) else result.tenant
    return ResultFile(name or f"results/{named}.json", named, result)


def states(report: FleetReport) -> dict[str, TenantState]:
    return {each.expected.name: each.state for each in report.tenants}


results = st.builds(
    a_result,
    st.sampled_from(["t1", "t2", "t3", "stranger"]),
    st.sampled_from([None, 0, 1, 2, 3, 4, 5, 130, 143]),
    st.sampled_from(["plan", "apply"]),
    attempt=st.integers(1, 3),
    inputs=st.sampled_from([RUN_INPUTS, replace(RUN_INPUTS, run="6")]),
)


@given(st.lists(results, max_size=6))
def test_every_expected_tenant_has_one_state_and_every_file_counts_or_is_refused(
    found: list[FleetResult],
) -> None:
    files = [file_of(each, name=f"{number}/{each.tenant}.json") for number, each in enumerate(found)]

    report = collect(a_fleet("t1", "t2", "t3"), files)

    assert list(states(report)) == ["t1", "t2", "t3"]
    named = [name for each in report.tenants for name, _ in each.results] + [each.name for each in report.refused]
    assert sorted(named) == sorted(each.name for each in files)
    assert collect(a_fleet("t1", "t2", "t3"), reversed(files)) == report


@given(st.lists(results, max_size=6))
def test_the_exit_code_is_zero_only_if_every_tenant_is_done(found: list[FleetResult]) -> None:
    report = collect(a_fleet("t1", "t2", "t3"), [file_of(each) for each in found])

    done = {TenantState.APPLIED} if report.is_apply else {TenantState.PLANNED}
    if report.exit_code in (Exit.DONE, Exit.CHANGES):
        assert set(states(report).values()) <= done
    assert (not report.remaining) == (set(states(report).values()) <= done)


@pytest.mark.parametrize(
    ("exit_code", "command", "state", "collected"),
    [
        (0, "plan", TenantState.PLANNED, 0),
        (2, "plan", TenantState.PLANNED, 2),
        (0, "apply", TenantState.APPLIED, 0),
        (4, "apply", TenantState.REFUSED, 4),
        (5, "apply", TenantState.REFUSED, 5),
        (1, "apply", TenantState.FAILED, 1),
        (3, "apply", TenantState.PARTIAL, 3),
        (130, "apply", TenantState.PARTIAL, 3),
        (130, "plan", TenantState.FAILED, 1),
        (None, "apply", UNKNOWN, 3),
    ],
)
def test_the_result_determines_state_and_exit_code(
    exit_code: int | None, command: str, state: TenantState, collected: int
) -> None:
    report = collect(a_fleet("t1"), [file_of(a_result("t1", exit_code, command))])

    assert (states(report)["t1"], report.exit_code) == (state, collected)


def test_a_tenant_without_a_file_is_unknown() -> None:
    report = collect(a_fleet("t1", "t2"), [file_of(a_result("t1"))])

    assert states(report) == {"t1": TenantState.APPLIED, "t2": UNKNOWN}
    assert report.exit_code == Exit.INCOMPLETE


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("run", "6", 'run "6" instead of "7"'),
        ("commit", "", f'commit none instead of "{"c" * 40}"'),
        ("configuration", "0" * 64, "configuration "),
        ("grants", "0" * 64, "grant files "),
    ],
)
def test_a_result_with_other_inputs_is_refused_by_name(field: str, value: str, reason: str) -> None:
    other = a_result(inputs=replace(RUN_INPUTS, **{field: value}))

    report = collect(a_fleet("t1"), [file_of(other, name="old/t1.json")])

    assert states(report) == {"t1": UNKNOWN}
    assert report.refused[0].name == "old/t1.json"
    assert report.refused[0].reason.startswith(reason)


def test_a_refused_result_does_not_replace_the_right_one() -> None:
    other = a_result(exit_code=1, attempt=9, inputs=replace(RUN_INPUTS, run="6"))

    report = collect(a_fleet("t1"), [file_of(a_result()), file_of(other)])

    assert (states(report)["t1"], report.exit_code, len(report.refused)) == (TenantState.APPLIED, 0, 1)


def test_results_of_unexpected_tenants_and_other_domains_are_refused() -> None:
    files = [file_of(a_result("t9")), file_of(a_result("t1", domain="evil.example"))]

    reasons = [each.reason for each in collect(a_fleet("t1"), files).refused]

    assert reasons == ['domain "evil.example" instead of "t1.eu.auth0.com"', "the fleet file does not list this tenant"]


def test_the_result_of_a_sandbox_is_refused_for_a_tenant_of_auth0() -> None:
    report = collect(a_fleet("t1"), [file_of(a_result("t1", is_sandbox=True))])

    assert [each.reason for each in report.refused] == ["the tenant is a sandbox instead of a tenant of Auth0"]
    assert states(report)["t1"] is UNKNOWN


def test_a_file_that_cannot_be_used_makes_its_tenant_unknown() -> None:
    report = collect(a_fleet("t1", "t2"), [file_of(a_result()), file_of("is not valid JSON", "t1", "later/t1.json")])

    (first, _) = report.tenants
    assert first.state is UNKNOWN
    assert "later/t1.json" in first.reason
    assert report.refused[0].reason == "is not valid JSON"


def test_a_file_with_the_result_of_another_tenant_makes_its_tenant_unknown() -> None:
    files = [file_of(a_result("t1")), ResultFile("x/t1.json", "t1", a_result("t2")), file_of(a_result("t2"))]

    assert states(collect(a_fleet("t1", "t2"), files)) == {"t1": UNKNOWN, "t2": TenantState.APPLIED}


@given(st.permutations([1, 2, 3]))
def test_the_latest_attempt_counts_and_all_are_shown(attempts: list[int]) -> None:
    codes = {1: 1, 2: 0, 3: None}
    files = [file_of(a_result(exit_code=codes[each], attempt=each), name=f"{each}.json") for each in attempts]

    (tenant,) = collect(a_fleet("t1"), files).tenants

    assert tenant.state is UNKNOWN
    assert [result.attempt for _, result in tenant.results] == [1, 2, 3]


def test_within_an_attempt_the_later_result_counts() -> None:
    later = a_result(exit_code=0, started_at="2026-11-28T04:00:00.000Z", ended_at="2026-11-28T04:00:01.000Z")

    for files in ([a_result(exit_code=1), later], [later, a_result(exit_code=1)]):
        assert collect(a_fleet("t1"), map(file_of, files)).exit_code == 0


def test_of_two_results_with_the_same_time_the_worse_result_is_used() -> None:
    for codes in ((0, 3), (3, 0)):
        report = collect(a_fleet("t1"), [file_of(a_result(exit_code=code)) for code in codes])
        assert report.exit_code == Exit.INCOMPLETE


def test_the_end_of_a_run_replaces_its_beginning() -> None:
    for files in ([a_result(exit_code=None), a_result()], [a_result(), a_result(exit_code=None)]):
        assert states(collect(a_fleet("t1"), map(file_of, files)))["t1"] is TenantState.APPLIED


def test_a_tenant_that_was_only_planned_is_not_done_if_others_were_applied() -> None:
    report = collect(a_fleet("t1", "t2"), [file_of(a_result("t1")), file_of(a_result("t2", command="plan"))])

    assert [each.expected.name for each in report.remaining] == ["t2"]
    assert report.exit_code == Exit.INCOMPLETE


@pytest.mark.parametrize("commands", [("plan", "plan"), ("apply", "plan")])
def test_no_wave_starts_after_one_that_was_only_planned(commands: tuple[str, str]) -> None:
    files = [file_of(a_result(name, command=each)) for name, each in zip(("a1", "a2"), commands, strict=True)]

    report = collect(a_fleet(waves=WAVES), files, "canary")

    assert (report.is_stopped, report.exit_code) == (True, Exit.INCOMPLETE)
    assert states(report)["a2"] is UNKNOWN
    assert states(report)["b1"] is NOT_STARTED


@pytest.mark.parametrize("later", [1, 4, 5])
@pytest.mark.parametrize("earlier", [None, 3])
def test_an_attempt_that_wrote_nothing_does_not_end_an_attempt_that_may_have_written(
    earlier: int | None, later: int
) -> None:
    attempts = [a_result(exit_code=earlier), a_result(exit_code=later, attempt=2, errors=("HTTP 401",))]

    report = collect(a_fleet("t1"), [file_of(each, name=f"{each.attempt}.json") for each in attempts])

    (tenant,) = report.tenants
    assert tenant.state is (UNKNOWN if earlier is None else TenantState.PARTIAL)
    assert "HTTP 401" in tenant.reason
    assert report.exit_code == Exit.INCOMPLETE


def test_an_applied_attempt_ends_an_earlier_partial_attempt() -> None:
    attempts = [a_result(exit_code=code, attempt=number) for number, code in enumerate((3, 0, 1))]

    report = collect(a_fleet("t1"), [file_of(each, name=f"{each.attempt}.json") for each in attempts])

    assert states(report)["t1"] is TenantState.FAILED


WAVES = {"canary": ["a1", "a2"], "eu": ["b1"], "rest": ["c1", "c2"]}


@pytest.mark.parametrize("code", [1, 3, 4, 5, None])
def test_a_wave_that_fails_stops_the_later_waves(code: int | None) -> None:
    report = collect(a_fleet(waves=WAVES), [file_of(a_result("a1", code)), file_of(a_result("a2"))])

    assert [states(report)[name] for name in ("b1", "c1", "c2")] == [NOT_STARTED] * 3
    assert report.is_stopped
    assert report.exit_code == collect(a_fleet("a1"), [file_of(a_result("a1", code))]).exit_code
    assert [each.expected.name for each in report.remaining] == ["a1", "b1", "c1", "c2"]


def test_a_wave_that_may_start_and_has_no_result_is_unknown() -> None:
    report = collect(a_fleet(waves=WAVES), [file_of(a_result(name)) for name in ("a1", "a2")])

    assert states(report)["b1"] is UNKNOWN
    assert report.exit_code == Exit.INCOMPLETE


def test_stop_after_counts_over_all_waves() -> None:
    def with_failures(*failed: str) -> list[TenantState]:
        files = [file_of(a_result(name, 1 if name in failed else 0)) for name in ("a1", "a2", "b1")]
        report = collect(a_fleet(waves=WAVES, stop_after=2), files)
        return [states(report)[name] for name in ("c1", "c2")]

    assert with_failures("a1") == [UNKNOWN] * 2
    assert with_failures("a1", "b1") == [NOT_STARTED] * 2


def test_a_wave_with_a_file_has_started() -> None:
    report = collect(a_fleet(waves=WAVES), [file_of(a_result("a1", 1)), file_of(a_result("c1", None))])

    assert [states(report)[name] for name in ("b1", "c1", "c2")] == [NOT_STARTED, UNKNOWN, UNKNOWN]


def test_a_wave_with_an_unusable_file_has_started() -> None:
    report = collect(a_fleet(waves=WAVES), [file_of(a_result("a1", 1)), file_of("is not valid JSON", "c1")])

    assert [states(report)[name] for name in ("b1", "c1", "c2")] == [NOT_STARTED, UNKNOWN, UNKNOWN]


def test_waves_after_the_last_started_one_are_not_started() -> None:
    files = [file_of(a_result(name)) for name in ("a1", "a2")]

    report = collect(a_fleet(waves=WAVES), files, "canary")

    assert [states(report)[name] for name in ("b1", "c1", "c2")] == [NOT_STARTED] * 3
    assert (report.exit_code, report.is_stopped) == (0, False)
    assert states(collect(a_fleet(waves=WAVES), files, "eu"))["b1"] is UNKNOWN


def not_started(name: str, command: str = "apply") -> ResultFile:
    ended_at = "2026-11-28T03:00:01.000Z"
    return file_of(a_result(name, None, command, status="not started", ended_at=ended_at, errors=("interrupted",)))


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_job_that_ended_before_it_started_a_tenant_is_not_done(command: str) -> None:
    report = collect(a_fleet("t1"), [not_started("t1", command)])

    (tenant,) = report.tenants
    assert (tenant.state, tenant.reason) == (NOT_STARTED, "interrupted")
    assert (report.exit_code, report.is_stopped, len(report.remaining)) == (1, True, 1)


def test_no_wave_starts_after_one_that_was_interrupted_before_its_start() -> None:
    report = collect(a_fleet(waves=WAVES), [not_started(name) for name in ("a1", "a2")], "canary")

    assert states(report)["b1"] is NOT_STARTED
    assert (report.exit_code, report.is_stopped) == (1, True)


@given(st.lists(st.sampled_from([0, 1, 3, 4, 5, None]), min_size=1, max_size=5))
def test_the_exit_code_is_the_most_severe_one(codes: list[int | None]) -> None:
    names = [f"t{number}" for number, _ in enumerate(codes)]
    files = [file_of(a_result(name, code)) for name, code in zip(names, codes, strict=True)]

    report = collect(a_fleet(*names), files)

    expected = [Exit.INCOMPLETE if code is None else Exit(code) for code in codes]
    assert report.exit_code == max(expected, key=EXIT_CODES_BY_SEVERITY.index)
