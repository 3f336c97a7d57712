"""A forged, replayed, outdated or malformed plan must not approve a change that no reviewer has seen."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.builders import INVOICES
from support.commands import GRANTS, SEED, CommandResult, a_workspace, grants_of, reconciler

from reconciler.artifacts.saved_plan import read_plan
from reconciler.artifacts.serialization import digest
from reconciler.errors import StalePlanError

MANAGEMENT = "https://sandbox.localhost/api/v2/"
NARROWED = "  - {client: Portal, api: Invoices API, scope: []}\n"
Forgery = Callable[[dict[str, Any]], object]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch)


def a_saved_plan(here: Path, grants: str = GRANTS, *options: str) -> Path:
    (here / "grants" / "billing.yaml").write_text(grants)
    assert reconciler("plan", "--out", "plan.json", *options).code == 0
    return here / "plan.json"


def forge_plan(path: Path, change: Forgery) -> None:
    """Alter a saved plan and update its checksum."""
    content = json.loads(path.read_text())
    change(content)
    del content["checksum"]
    content["checksum"] = digest(content)
    path.write_text(json.dumps(content))


def assert_refused(here: Path, *options: str) -> CommandResult:
    """Apply the plan and assert that nothing was written."""
    before = grants_of(here)
    result = reconciler("apply", "plan.json", *options)
    assert (result.code, grants_of(here)) == (5, before), result.output
    return result


def rename_field(field: str) -> Forgery:
    return lambda content: [each.update({field: "Harmless"}) for each in (*content["changes"], *content["unmanaged"])]


def set_in_each_change(**fields: object) -> Forgery:
    return lambda content: [change.update(fields) for change in content["changes"]]


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
@pytest.mark.parametrize(
    "forgery", [rename_field("client_name"), rename_field("api_name"), set_in_each_change(description="Harmless")]
)
def test_a_forged_name_is_shown_as_unverified(here: Path, forgery: Forgery, form: str) -> None:
    forge_plan(a_saved_plan(here), forgery)

    shown = unescape(reconciler("show", "plan.json", "--format", form).stdout.replace("\\", ""))

    assert "Harmless" in shown
    assert shown.count("Harmless") == len(re.findall('unverified: "?Harmless', shown))
    assert "billing" in shown
    assert INVOICES in shown


@pytest.mark.parametrize("field", ["client_name", "api_name"])
def test_a_forged_name_approves_nothing(here: Path, field: str) -> None:
    forge_plan(a_saved_plan(here), rename_field(field))

    result = assert_refused(here)

    assert "the approved plan shows names that are no longer current" in result.stderr
    assert "Billing -> Invoices API" in result.stdout
    assert "Harmless" in result.stdout


def test_a_name_is_compared_even_if_the_files_contain_only_ids(here: Path) -> None:
    by_id = GRANTS.replace("client: Billing", "client_id: billing").replace(
        "api: Invoices API", f"audience: {INVOICES}"
    )
    forge_plan(a_saved_plan(here, by_id), set_in_each_change(client_name="Harmless"))

    assert_refused(here)


def test_a_forged_name_of_an_organization_approves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = SEED.replace("grants:", "organizations: [{name: acme, id: org_acmeacmeacmeacme}]\ngrants:")
    here = a_workspace(tmp_path, monkeypatch, tenant=seed)
    grants = GRANTS + "    organization_usage: require\n    organizations: [acme]\n"
    forge_plan(
        a_saved_plan(here, grants), lambda content: content["organization_names"].update(org_acmeacmeacmeacme="safe")
    )

    assert 'unverified: "safe"' in reconciler("show", "plan.json").stdout
    assert_refused(here)


def test_risks_are_computed_from_the_changes_and_not_from_the_file(here: Path) -> None:
    grants = f"grants: [{{client: Billing, audience: '{MANAGEMENT}', scope: ['update:users']}}]\n"
    path = a_saved_plan(here, grants)
    forge_plan(path, lambda content: (set_in_each_change(risks=[])(content), content.update(critical=[])))

    assert "management-api-takeover" in reconciler("show", "plan.json").stdout
    assert "the approved plan does not show all risks" in assert_refused(here).stderr


def test_an_invented_risk_is_marked_as_unverified(here: Path) -> None:
    forge_plan(
        a_saved_plan(here),
        set_in_each_change(risks=[{"rule": "third-party", "level": "high", "message": "look away"}]),
    )

    assert "look away (unverified)" in reconciler("show", "plan.json").stdout


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["summary"].update(create=0),
        lambda content: content.update(plan_id="0" * 10),
        lambda content: content.update(critical=[{"grant": "a", "rule": "b", "message": "c"}]),
        set_in_each_change(fields=[]),
        set_in_each_change(action="delete"),
    ],
    ids=["counts", "id", "critical", "fields", "action"],
)
@pytest.mark.parametrize(("command", "code"), [("show", 1), ("apply", 5)])
def test_a_plan_that_contradicts_its_changes_is_refused(here: Path, change: Forgery, command: str, code: int) -> None:
    forge_plan(a_saved_plan(here), change)

    result = reconciler(command, "plan.json")

    assert (result.code, result.stdout) == (code, "")


def test_a_plan_in_the_journal_is_not_applied_twice(here: Path) -> None:
    a_saved_plan(here)
    assert reconciler("apply", "plan.json").code == 0
    (run,) = (here / ".reconciler" / "journal").iterdir()
    (here / "tenant.yaml").write_text(SEED)
    reconciler("sandbox", "reset")  # the tenant is reset, so that the plan would apply again

    result = assert_refused(here)

    assert f"the run {run.stem} has already applied this plan" in result.stderr


def test_a_repeated_job_on_another_machine_has_nothing_to_do(here: Path) -> None:
    a_saved_plan(here)
    assert reconciler("apply", "plan.json").code == 0
    for journal in (here / ".reconciler" / "journal").iterdir():
        journal.unlink()
    after = grants_of(here)

    result = reconciler("apply", "plan.json")

    assert (result.code, grants_of(here)) == (0, after)
    assert "already has all changes of the approved plan" in result.stdout
    assert "already applied, so skipped: create Billing -> Invoices API" in result.stdout


@pytest.mark.parametrize("kind", ["link to a device", "folder", "half a line"])
def test_an_unreadable_journal_does_not_prevent_an_apply(here: Path, kind: str) -> None:
    a_saved_plan(here)
    folder = here / ".reconciler" / "journal"
    folder.mkdir(parents=True)
    match kind:
        case "folder":
            (folder / "x.jsonl").mkdir()
        case "half a line":
            (folder / "x.jsonl").write_text('{"event": "begin", "saved_plan": "')
        case _:
            (folder / "x.jsonl").symlink_to("/dev/zero")

    assert reconciler("apply", "plan.json").code == 0


def edit_tenant(here: Path, *grants: str) -> None:
    """Change the tenant's grants to `grants`, like an edit in the dashboard."""
    file = here / "grants" / "billing.yaml"
    planned = file.read_text()
    file.write_text("grants:\n" + "".join(grants))
    assert reconciler("apply", "--yes").code == 0
    file.write_text(planned)


def test_access_is_not_widened_without_the_approved_narrowing(here: Path) -> None:
    a_saved_plan(here, GRANTS + NARROWED)
    edit_tenant(here, NARROWED)

    result = assert_refused(here)

    assert "but the new plan does not remove this access" in result.stderr
    assert "Approved changes that the new plan does not contain (1)" in result.stdout


def test_access_is_not_widened_if_the_files_dropped_the_narrowing(here: Path) -> None:
    a_saved_plan(here, GRANTS + NARROWED)
    (here / "grants" / "billing.yaml").write_text(GRANTS)

    assert "but the new plan does not remove this access" in assert_refused(here).stderr


def test_a_widening_that_is_already_done_is_skipped_and_listed(here: Path) -> None:
    a_saved_plan(here, GRANTS + NARROWED)
    edit_tenant(here, GRANTS.partition("\n")[2])

    result = reconciler("apply", "plan.json", "--format", "json")

    assert result.code == 0, result.output
    assert "already applied, so skipped: create Billing -> Invoices API" in result.output
    assert [grant["scope"] for grant in grants_of(here) if grant["client_id"] == "portal"] == [[]]


@pytest.fixture(scope="module")
def valid_plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("valid_plan")
    with pytest.MonkeyPatch.context() as patch:
        a_workspace(folder, patch)
        return a_saved_plan(folder).read_text()


def malformed_plans(content: str) -> list[str]:
    """Return malformed variants of the text of a saved plan."""
    return [
        content.replace('"line": 2', '"line": NaN'),
        content.replace('"line": 2', '"line": 2e999'),
        content.replace('"line": 2', '"line": 2.0'),
        content.replace('"line": 2', f'"line": {"9" * 5000}'),
        content.replace('"line": 2', f'"line": {"9" * 300}'),
        content.replace('"line": 2', '"line": 2, "line": 2'),
        content.replace('"format_version": "1"', '"format_version": "1", "format_version": "1"'),
        content.replace('"format_version": "1"', '"format_version": {"a": []}'),
        content.replace('"format_version": "1"', f'"format_version": "{"9" * 100_000}"'),
        content.replace('"Nightly run"', '"\\ud800"'),
        content.replace('"Nightly run"', "[" * 900 + "]" * 900),
        content.replace('"Nightly run"', '{"a":' * 100_000 + "1" + "}" * 100_000),
        content.replace('"Nightly run"', "[" + "[]," * 1_000_000 + "[]]"),
        content[: len(content) // 2],
        content + content,
        content.encode().decode("latin-1") + "\0",
        "null",
        "[]",
        '"text"',
        "{}",
        "",
    ]


@pytest.mark.parametrize("number", range(len(malformed_plans(""))))
def test_a_malformed_plan_ends_with_the_expected_exit_code(here: Path, valid_plan: str, number: int) -> None:
    (here / "plan.json").write_text(malformed_plans(valid_plan)[number], encoding="utf-8")

    for command, code in (("show", 1), ("apply", 5)):
        result = reconciler(command, "plan.json")
        assert (result.code, result.stdout) == (code, "")
        assert len(result.stderr) < 300


DATES = [
    "2026-13-45T00:00:00+00:00",
    "2026-02-30T00:00:00+00:00",
    "0000-01-01T00:00:00+00:00",
    "9999-12-31T23:59:60+00:00",
    "2026-11-23T08:00:00",
    "2026-11-23T08:00:00-00:00",
    "yesterday",
    "٢٠٢٦-11-23T08:00:00+00:00",
    "2026-11-23T08:00:00+00:00\n",
]


@pytest.mark.parametrize("date", DATES)
def test_an_invalid_date_is_refused(here: Path, valid_plan: str, date: str) -> None:
    (here / "plan.json").write_text(valid_plan)
    forge_plan(here / "plan.json", lambda content: content["saved"].update(created_at=date))

    assert (reconciler("show", "plan.json").code, reconciler("apply", "plan.json").code) == (1, 5)


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
def test_a_date_far_in_the_past_or_future_is_refused(here: Path, valid_plan: str, date: str) -> None:
    (here / "plan.json").write_text(valid_plan)
    forge_plan(here / "plan.json", lambda content: content["saved"].update(created_at=date))

    assert reconciler("apply", "plan.json").code == 5


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just({"": 1}),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=odd)
def test_an_altered_value_causes_no_traceback(
    tmp_path: Path, valid_plan: str, data: st.DataObject, value: object
) -> None:
    content = json.loads(valid_plan)
    parent: Any = content
    key: Any = data.draw(st.sampled_from(sorted(parent)))
    while isinstance(parent[key], dict | list) and parent[key] and data.draw(st.booleans()):
        parent = parent[key]
        key = data.draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
    parent[key] = value
    content.pop("checksum", None)
    content["checksum"] = digest(content)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(content))

    with suppress(StalePlanError):
        read_plan(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_altered_bytes_cause_no_traceback(tmp_path: Path, valid_plan: str, data: st.DataObject) -> None:
    raw = bytearray(valid_plan.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path = tmp_path / "plan.json"
    path.write_bytes(raw)

    if bytes(raw) != valid_plan.encode():
        with suppress(StalePlanError):
            read_plan(path)
