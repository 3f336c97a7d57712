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

from reconciler.artifacts.deserialization import plan_from_json
from reconciler.artifacts.saved_plan import SavedPlan, read_plan, refuse_unless_current, write_plan
from reconciler.artifacts.serialization import change_effect, digest, plan_id, plan_json
from reconciler.core.approval import Deviations, find_deviations
from reconciler.core.directory import Directory
from reconciler.core.grant import ClientGrant, ObservedGrant, index_by_key
from reconciler.core.guards import ProtectionRules
from reconciler.core.identity import TenantName
from reconciler.core.pattern import Protect
from reconciler.core.plan import Plan, compare, sort_for_apply
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


def save_plan(folder: Path, plan: Plan = PLAN, now: datetime = NOW) -> Path:
    path = folder / "plan.json"
    write_plan(path, plan, OPTIONS, now)
    return path


def test_a_saved_plan_is_read_back_unchanged(tmp_path: Path) -> None:
    saved_plan = read_plan(save_plan(tmp_path))

    assert (saved_plan.created_at, saved_plan.options) == (NOW, OPTIONS)
    assert plan_json(saved_plan.plan) == plan_json(PLAN)
    assert plain(plan_lines(saved_plan.plan)) == plain(plan_lines(PLAN))


def test_blocked_changes_and_pruned_grants_are_read_back_unchanged(tmp_path: Path) -> None:
    protection = ProtectionRules(OWN, (Protect(client_id="billing"),))
    plan = a_plan(
        SPECS, [an_observed(), an_observed(a_grant(a_key("stray")))], DIRECTORY, prune=True, protection=protection
    )

    assert plan_json(read_plan(save_plan(tmp_path, plan)).plan) == plan_json(plan)


def test_only_the_owner_may_read_a_saved_plan_and_no_temporary_file_remains(tmp_path: Path) -> None:
    path = save_plan(tmp_path)
    path.chmod(0o644)

    assert stat.S_IMODE(save_plan(tmp_path).stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_saved_plans_of_equal_plans_differ_only_in_the_time(tmp_path: Path) -> None:
    text, later_text = (
        save_plan(tmp_path).read_text(),
        save_plan(tmp_path, now=NOW + timedelta(hours=1)).read_text(),
    )

    assert save_plan(tmp_path).read_text() == text
    differing = [a.split('"')[1] for a, b in zip(text.splitlines(), later_text.splitlines(), strict=True) if a != b]
    assert differing == ["saved", "checksum"]
    first, second = json.loads(text)["saved"], json.loads(later_text)["saved"]
    assert {name for name in first | second if first[name] != second[name]} == {"created_at"}


def test_each_change_is_on_its_own_line(tmp_path: Path) -> None:
    lines = save_plan(tmp_path).read_text().splitlines()

    changes = [json.loads(line.removesuffix(",")) for line in lines if line.strip().startswith('{"action"')]
    assert changes == json.loads("".join(lines))["changes"] != []


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ReconcilerError, match="cannot be written"):
        write_plan(tmp_path / folder / "plan.json", PLAN, OPTIONS, NOW)


def alter(path: Path, change: Callable[[dict[str, Any]], object], *, update_checksum: bool = False) -> Path:
    """Alter a saved plan. With `update_checksum`, update the checksum, which anybody can compute."""
    content = json.loads(path.read_text())
    change(content)
    if update_checksum:
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
    ids=["missing change", "added scope", "time", "tenant", "checksum", "no checksum", "unknown key"],
)
def test_an_altered_plan_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(StalePlanError, match="was altered"):
        read_plan(alter(save_plan(tmp_path), change))


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
    ids=["no before and after", "no source", "no list", "no time", "no options", "no reason", "no summary"],
)
def test_an_invalid_plan_with_a_correct_checksum_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(StalePlanError, match="was altered"):
        read_plan(alter(save_plan(tmp_path), change, update_checksum=True))


def test_a_plan_with_another_format_version_is_refused(tmp_path: Path) -> None:
    path = alter(save_plan(tmp_path), lambda content: content.update(format_version="2"), update_checksum=True)

    with pytest.raises(StalePlanError, match='has format version "2"; this reconciler reads only "1"'):
        read_plan(path)


@pytest.mark.parametrize("content", ["", "[]", "7", "[" * 100_000, '{"format_version": "1"}', "\x00"])
def test_a_file_that_is_not_a_saved_plan_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)

    with pytest.raises(StalePlanError, match="is not a saved plan"):
        read_plan(path)


def test_a_plan_in_json_format_is_not_a_saved_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan_json(PLAN)))

    with pytest.raises(StalePlanError, match="is not a saved plan"):
        read_plan(path)


def test_a_missing_file_is_an_error_with_exit_code_1(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="No such file") as caught:
        read_plan(tmp_path / "plan.json")

    assert caught.value.exit_code == 1


ONE_DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("tenant", "age", "message"),
    [
        (
            PLAN.tenant._replace(domain="other.example"),
            timedelta(),
            "made for test .test.example., not for test ",
        ),
        (PLAN.tenant._replace(name="other"), timedelta(), "made for test .test.example., not for other .test.example."),
        (PLAN.tenant, timedelta(hours=25), "is too old"),
        (PLAN.tenant, timedelta(hours=-1), "the clocks of the two machines differ"),
    ],
    ids=["another domain", "another tenant name", "too old", "in the future"],
)
def test_a_plan_of_another_tenant_or_time_is_refused(tenant: TenantName, age: timedelta, message: str) -> None:
    with pytest.raises(StalePlanError, match=message):
        refuse_unless_current(SavedPlan(PLAN, NOW, OPTIONS, "checksum"), tenant, ONE_DAY, NOW + age)


def test_a_plan_is_accepted_until_its_maximum_age() -> None:
    refuse_unless_current(SavedPlan(PLAN, NOW, OPTIONS, "checksum"), PLAN.tenant, ONE_DAY, NOW + ONE_DAY)


def a_plan_between(desired: list[ClientGrant], tenant: list[ClientGrant]) -> Plan:
    observed = [
        ObservedGrant(f"cgr_{number}", grant) for number, grant in enumerate({g.key: g for g in tenant}.values())
    ]
    comparison = compare([DesiredGrant(grant, a_spec()) for grant in desired], index_by_key(observed))
    changes = sort_for_apply([*comparison.creates, *comparison.updates], Directory())
    return Plan(tenant=TenantName("t", "d"), changes=changes)


@given(st.lists(grants(), max_size=4), st.lists(grants(), max_size=4))
def test_a_plan_approves_itself_and_a_part_of_its_changes(
    desired: list[ClientGrant], tenant: list[ClientGrant]
) -> None:
    plan = a_plan_between(desired, tenant)

    assert find_deviations(plan, plan, ()) == Deviations((), (), (), (), (), (), loses_narrowing=False)
    assert find_deviations(replace(plan, changes=plan.changes[1:]), plan, ()).unapproved == ()


@given(st.lists(grants(), max_size=4), st.lists(grants(), max_size=4), st.lists(grants(), max_size=4))
def test_exactly_the_changes_of_the_saved_plan_are_approved(
    desired: list[ClientGrant],
    tenant_before: list[ClientGrant],
    tenant_now: list[ClientGrant],
) -> None:
    approved, current = a_plan_between(desired, tenant_before), a_plan_between(desired, tenant_now)

    unapproved = find_deviations(current, approved, ()).unapproved

    approved_effects = [change_effect(change) for change in approved.changes]
    assert [change for change in current.changes if change_effect(change) not in approved_effects] == list(unapproved)


@given(st.lists(grants(), max_size=4), st.lists(grants(), max_size=4))
def test_the_id_of_a_plan_does_not_change_in_json(desired: list[ClientGrant], tenant: list[ClientGrant]) -> None:
    plan = a_plan_between(desired, tenant)

    assert plan_id(plan_from_json(json.loads(json.dumps(plan_json(plan))))) == plan_id(plan)


def test_plans_with_different_changes_have_different_ids() -> None:
    ids = {plan_id(a_plan([a_spec(scope=scope)], directory=Directory())) for scope in [("a",), ("b",), ("a", "b")]}

    assert len(ids) == 3


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "plan.json")

    with pytest.raises(ReconcilerError, match="not a regular file"):
        read_plan(tmp_path / "plan.json")
