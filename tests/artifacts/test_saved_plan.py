import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import OWN, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed
from support.strategies import grants

from reconciler.artifacts.saved_plan import SavedPlan, read_plan, refuse_unless_current, write_plan
from reconciler.artifacts.serialization import change_effect, digest, plan_from_json, plan_id, plan_json
from reconciler.core.approval import Deviations, find_deviations
from reconciler.core.directory import Directory
from reconciler.core.grant import ClientGrant, ObservedGrant, index_by_key
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import Protect
from reconciler.core.plan import Plan, TenantName, compare, sort_for_apply
from reconciler.core.resolve import DesiredGrant
from reconciler.errors import ReconcilerError, StalePlanError
from reconciler.output.styled import plain
from reconciler.output.text.plan import plan_lines

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OPTIONS = {"prune": False, "create_only": False, "skip_missing": False, "only_branch": False}
SPECS = [
    a_spec(client="Billing", api="Invoices API", description="why", scope=("write:invoices",)),
    a_spec(client_id="x"),
]
DIRECTORY = a_directory({"billing": "Billing", "x": "X"}, [an_api()])
PLAN = a_plan(SPECS, [an_observed(), an_observed(a_grant(a_key("stray")))], DIRECTORY)


def saved(folder: Path, plan: Plan = PLAN, now: datetime = NOW) -> Path:
    path = folder / "plan.json"
    write_plan(path, plan, OPTIONS, now)
    return path


def test_a_plan_reads_back_as_it_was(tmp_path: Path) -> None:
    read = read_plan(saved(tmp_path))

    assert (read.created_at, read.options) == (NOW, OPTIONS)
    assert plan_json(read.plan) == plan_json(PLAN)
    assert plain(plan_lines(read.plan)) == plain(plan_lines(PLAN))


def test_blocked_changes_and_pruned_grants_read_back_too(tmp_path: Path) -> None:
    protection = ProtectionRules(OWN, (Protect(client_id="billing"),))
    plan = a_plan(
        SPECS, [an_observed(), an_observed(a_grant(a_key("stray")))], DIRECTORY, prune=True, protection=protection
    )

    assert plan_json(read_plan(saved(tmp_path, plan)).plan) == plan_json(plan)


def test_only_the_owner_may_read_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.chmod(0o644)

    assert stat.S_IMODE(saved(tmp_path).stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_inputs_give_the_same_bytes_but_for_the_time(tmp_path: Path) -> None:
    one, two = saved(tmp_path).read_text(), saved(tmp_path, now=NOW + timedelta(hours=1)).read_text()

    assert saved(tmp_path).read_text() == one
    differing = [a.split('"')[1] for a, b in zip(one.splitlines(), two.splitlines(), strict=True) if a != b]
    assert differing == ["saved", "checksum"]
    first, second = json.loads(one)["saved"], json.loads(two)["saved"]
    assert {name for name in first | second if first[name] != second[name]} == {"created_at"}


def test_each_change_has_a_line_of_its_own(tmp_path: Path) -> None:
    lines = saved(tmp_path).read_text().splitlines()

    changes = [json.loads(line.removesuffix(",")) for line in lines if line.strip().startswith('{"action"')]
    assert changes == json.loads("".join(lines))["changes"] != []


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ReconcilerError, match="cannot be written"):
        write_plan(tmp_path / folder / "plan.json", PLAN, OPTIONS, NOW)


def rewritten(path: Path, change: Callable[[dict[str, Any]], object], *, sign: bool = False) -> Path:
    """Alter a saved plan; a forger can compute the digest as well as we can."""
    content = json.loads(path.read_text())
    change(content)
    if sign:
        content.pop("checksum", None)
        content["checksum"] = digest(content)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["changes"].pop(),
        lambda content: content["changes"][0]["after"]["scope"].append("x"),
        lambda content: content["saved"].update(created_at="2030-01-01T00:00:00+00:00"),
        lambda content: content["tenant"].update(domain="other"),
        lambda content: content.update(checksum="0"),
        lambda content: content.pop("checksum"),
        lambda content: content.update(more=1),
    ],
    ids=["a change less", "a scope more", "another time", "another tenant", "another checksum", "no checksum", "more"],
)
def test_an_altered_plan_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(StalePlanError, match="was altered"):
        read_plan(rewritten(saved(tmp_path), change))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["changes"][0].update(before=None, after=None),
        lambda content: content["changes"][0].pop("source"),
        lambda content: content.update(changes={}),
        lambda content: content["saved"].update(created_at="yesterday"),
        lambda content: content["saved"].update(options={}),
        lambda content: content["unmanaged"][0].update(reason="because"),
        lambda content: content.update(summary=None),
    ],
    ids=["no sides", "no source", "no list", "no time", "no options", "no reason", "no summary"],
)
def test_a_forged_plan_without_sense_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(StalePlanError, match="was altered"):
        read_plan(rewritten(saved(tmp_path), change, sign=True))


def test_a_plan_of_another_format_is_refused(tmp_path: Path) -> None:
    path = rewritten(saved(tmp_path), lambda content: content.update(format_version="2"), sign=True)

    with pytest.raises(StalePlanError, match='has the format "2"; this version knows "1"'):
        read_plan(path)


@pytest.mark.parametrize("content", ["", "[]", "7", "[" * 100_000, '{"format_version": "1"}', "\x00"])
def test_what_is_no_saved_plan_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)

    with pytest.raises(StalePlanError, match="is not a saved plan"):
        read_plan(path)


def test_a_plan_that_is_only_printed_approves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan_json(PLAN)))

    with pytest.raises(StalePlanError, match="is not a saved plan"):
        read_plan(path)


def test_a_missing_file_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="No such file") as caught:
        read_plan(tmp_path / "plan.json")

    assert caught.value.exit_code == 1


ONE_DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("tenant", "age", "message"),
    [
        (
            replace(PLAN.tenant, domain="other.example"),
            timedelta(),
            "made for test .test.example., not for test ",
        ),
        (replace(PLAN.tenant, name="other"), timedelta(), "made for test .test.example., not for other .test.example."),
        (PLAN.tenant, timedelta(hours=25), "is too old"),
        (PLAN.tenant, timedelta(hours=-1), "the clocks of the two machines differ"),
    ],
    ids=["another domain", "another tenant", "too old", "from the future"],
)
def test_a_plan_that_is_not_current_is_refused(tenant: TenantName, age: timedelta, message: str) -> None:
    with pytest.raises(StalePlanError, match=message):
        refuse_unless_current(SavedPlan(PLAN, NOW, OPTIONS, "checksum"), tenant, ONE_DAY, NOW + age)


def test_a_current_plan_is_taken() -> None:
    refuse_unless_current(SavedPlan(PLAN, NOW, OPTIONS, "checksum"), PLAN.tenant, ONE_DAY, NOW + ONE_DAY)


def a_plan_between(desired: list[ClientGrant], tenant: list[ClientGrant]) -> Plan:
    observed = [
        ObservedGrant(f"cgr_{number}", grant) for number, grant in enumerate({g.key: g for g in tenant}.values())
    ]
    comparison = compare([DesiredGrant(grant, a_spec()) for grant in desired], index_by_key(observed))
    changes = sort_for_apply([*comparison.creates, *comparison.updates], Directory())
    return Plan(tenant=TenantName("t", "d"), changes=changes)


@given(st.lists(grants(), max_size=4), st.lists(grants(), max_size=4))
def test_a_plan_approves_itself_and_every_part_of_itself(desired: list[ClientGrant], tenant: list[ClientGrant]) -> None:
    plan = a_plan_between(desired, tenant)

    assert find_deviations(plan, plan, ()) == Deviations((), (), (), (), (), (), loses_narrowing=False)
    assert find_deviations(replace(plan, changes=plan.changes[1:]), plan, ()).unapproved == ()


@given(st.lists(grants(), max_size=4), st.lists(grants(), max_size=4), st.lists(grants(), max_size=4))
def test_what_is_approved_is_exactly_what_was_reviewed(
    desired: list[ClientGrant],
    then: list[ClientGrant],
    now: list[ClientGrant],
) -> None:
    approved, fresh = a_plan_between(desired, then), a_plan_between(desired, now)

    excess = find_deviations(fresh, approved, ()).unapproved

    reviewed = [change_effect(change) for change in approved.changes]
    assert [change for change in fresh.changes if change_effect(change) not in reviewed] == list(excess)


@given(st.lists(grants(), max_size=4), st.lists(grants(), max_size=4))
def test_a_plan_keeps_its_id_through_a_file(desired: list[ClientGrant], tenant: list[ClientGrant]) -> None:
    plan = a_plan_between(desired, tenant)

    assert plan_id(plan_from_json(json.loads(json.dumps(plan_json(plan))))) == plan_id(plan)


def test_another_deed_has_another_id() -> None:
    ids = {plan_id(a_plan([a_spec(scope=scope)], directory=Directory())) for scope in [("a",), ("b",), ("a", "b")]}

    assert len(ids) == 3


def test_a_pipe_is_no_plan_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "plan.json")

    with pytest.raises(ReconcilerError, match="not a regular file"):
        read_plan(tmp_path / "plan.json")
