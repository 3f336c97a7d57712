"""`expires` on grants: plans at different times, saved plans across the date, warnings, reports and lists."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.commands import CONFIG, GRANTS, SECRET, CommandResult, grants_of, reconciler
from support.repository import commit_all, git

from reconciler.contract import stored

LAST_DAY = "2027-03-31"
BEFORE, ON_LAST_DAY, AFTER = (
    datetime(2027, 3, 1, tzinfo=UTC),
    datetime(2027, 3, 31, 23, 59, tzinfo=UTC),
    datetime(2027, 4, 1, tzinfo=UTC),
)
FILE = Path("grants/billing.yaml")


def with_end(end: str) -> str:
    return GRANTS.replace("    scope:", f"    expires: {end}\n    scope:")


@pytest.fixture(autouse=True)
def temporary(here: Path) -> Path:
    """The grant of Billing is in the tenant, and the files end it on LAST_DAY."""
    FILE.write_text(with_end(LAST_DAY))
    assert reconciler("apply", "--yes", now=BEFORE).code == 0
    return here


def clients(here: Path) -> list[str]:
    return sorted(each["client_id"] for each in grants_of(here))


def test_the_grant_is_valid_through_its_last_day(here: Path) -> None:
    assert reconciler("apply", "--yes", now=ON_LAST_DAY).code == 0
    assert clients(here) == ["billing", "own", "portal"]

    ran = reconciler("apply", "--yes", now=AFTER)

    assert ran.code == 0
    assert clients(here) == ["own", "portal"]
    assert "tokens that were issued earlier keep the removed access for up to 1 day: Invoices API" in ran.stdout


def test_a_plan_from_before_the_date_deletes_nothing_after_it(here: Path) -> None:
    FILE.write_text(with_end(LAST_DAY).replace("write:invoices", "void:invoices"))
    assert reconciler("plan", "--out", "plan.json", now=ON_LAST_DAY).code == 0

    ran = reconciler("apply", "plan.json", now=AFTER)

    assert ran.code == 5
    assert "Changes that were not approved (1)" in ran.stdout
    assert clients(here) == ["billing", "own", "portal"]


def test_a_plan_that_contains_the_delete_is_applied(here: Path) -> None:
    assert reconciler("plan", "--out", "plan.json", now=AFTER).code == 0

    assert reconciler("apply", "plan.json", now=AFTER).code == 0
    assert clients(here) == ["own", "portal"]


NARROWED = "  - {client: Portal, api: Invoices API, scope: []}\n"


@pytest.mark.parametrize("other", ["", NARROWED], ids=["alone", "with another change"])
@pytest.mark.parametrize("end", ["2027-12-31", None], ids=["extended", "no longer declared"])
def test_a_plan_is_stale_if_it_deletes_a_grant_that_now_stays(here: Path, end: str | None, other: str) -> None:
    FILE.write_text(FILE.read_text() + other)
    assert reconciler("plan", "--out", "plan.json", now=AFTER).code == 0
    before = grants_of(here)
    kept = with_end(end) if end else "grants:\n" if other else "grants: []\n"
    FILE.write_text(kept + other)

    ran = reconciler("apply", "plan.json", now=AFTER)

    assert (ran.code, grants_of(here)) == (5, before)
    assert "but the new plan does not remove this access; plan and review again" in ran.stderr


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--base", "HEAD"), 5)], ids=["hidden", "shown"])
@pytest.mark.parametrize("other", ["", NARROWED], ids=["alone", "with another change"])
def test_the_new_end_of_an_unchanged_grant_is_not_approved_if_the_plan_shows_ends(
    here: Path, other: str, options: tuple[str, ...], code: int
) -> None:
    (here / ".gitignore").write_text(".reconciler\n")
    FILE.write_text(FILE.read_text() + other)
    commit_all(here)
    assert reconciler("plan", *options, "--out", "plan.json", now=BEFORE).code == 0
    FILE.write_text(with_end("2027-12-31") + other)

    ran = reconciler("apply", *options, "plan.json", now=BEFORE)

    assert ran.code == code
    assert ("expires 2027-12-31, was 2027-03-31, which the approved plan does not show" in ran.stderr) is bool(code)


def test_a_plan_that_shows_a_new_end_is_applied_unless_the_end_is_later(here: Path) -> None:
    (here / ".gitignore").write_text(".reconciler\n")
    commit_all(here)
    FILE.write_text(with_end("2027-12-31") + NARROWED)
    assert reconciler("plan", "--base", "HEAD", "--out", "plan.json", now=BEFORE).code == 0

    FILE.write_text(with_end("2028-01-01") + NARROWED)
    assert reconciler("apply", "--base", "HEAD", "plan.json", now=BEFORE).code == 5
    FILE.write_text(with_end("2027-12-30") + NARROWED)
    assert reconciler("apply", "--base", "HEAD", "plan.json", now=BEFORE).code == 0


@pytest.mark.parametrize(
    ("end", "code"),
    [(", expires: 2027-02-28", 0), (", expires: 2027-03-31", 0), (", expires: 2027-04-01", 5), ("", 5)],
)
def test_an_approved_grant_may_not_end_later(end: str, code: int) -> None:
    grant = "  - {client: Portal, api: Invoices API, scope: ['void:invoices']%s}\n"
    now = datetime(2027, 2, 1, tzinfo=UTC)
    FILE.write_text(with_end(LAST_DAY) + grant % ", expires: 2027-03-31")
    assert reconciler("plan", "--out", "plan.json", now=now).code == 0
    FILE.write_text(with_end(LAST_DAY) + grant % end)

    ran = reconciler("apply", "plan.json", now=now)

    assert ran.code == code
    assert ("the approved plan shows 2027-03-31" in ran.stderr) is bool(code)


def test_a_saved_plan_shows_the_delete_and_its_reason() -> None:
    reconciler("plan", "--out", "plan.json", now=AFTER)

    shown = reconciler("show", "plan.json")
    data = json.loads(Path("plan.json").read_text())

    assert "expired 2027-03-31, declared in grants/billing.yaml:2" in shown.stdout
    Draft202012Validator(stored.load(stored.PLAN)).validate(data)
    (change,) = data["changes"]
    assert change["expired"] == {
        "expires": LAST_DAY,
        "source": {"file": "grants/billing.yaml", "line": 2, "column": 5},
    }


def test_a_saved_plan_with_an_impossible_end_is_refused() -> None:
    reconciler("plan", "--out", "plan.json", now=AFTER)
    text = Path("plan.json").read_text()
    Path("plan.json").write_text(text.replace(LAST_DAY, "9999-99-99"))

    assert reconciler("show", "plan.json").code == 1


def test_only_expired_grants_are_deleted_by_the_nightly_job(here: Path) -> None:
    (here / "grants/portal.yaml").write_text(
        "grants:\n  - {client: Portal, api: Invoices API, scope: ['write:invoices']}\n"
    )
    before = reconciler("apply", "--only-expired", "--yes", now=ON_LAST_DAY)
    ran = reconciler("apply", "--only-expired", "--yes", now=AFTER)

    assert (before.code, ran.code) == (0, 0)
    assert {each["client_id"]: each["scope"] for each in grants_of(here)}["portal"] == ["read:invoices"]
    assert clients(here) == ["own", "portal"]
    assert "the tenant has the requested changes" in ran.stdout


@pytest.mark.parametrize("option", ["--prune", "--prune-removed", "--create-only"])
def test_only_expired_cannot_be_combined_with_other_options(option: str) -> None:
    ran = reconciler("plan", "--only-expired", option)

    assert ran.code == 1
    assert f"remove {option}" in ran.stderr


def test_a_plan_with_only_expired_does_not_approve_a_plan_without_the_option() -> None:
    reconciler("plan", "--only-expired", "--out", "plan.json", now=AFTER)

    ran = reconciler("apply", "plan.json", now=AFTER)

    assert ran.code == 5
    assert "without --only-expired" in ran.stderr or "with --only-expired" in ran.stderr


@pytest.mark.parametrize("command", ["plan", "validate"])
def test_warnings_begin_14_days_before(command: str) -> None:
    early = reconciler(command, now=datetime(2027, 3, 16, 23, 59, tzinfo=UTC))
    late = reconciler(command, now=datetime(2027, 3, 17, tzinfo=UTC))

    assert early.stderr == ""
    assert "grants/billing.yaml:5:14: warning: this grant expires 2027-03-31, in 14 days" in late.stderr
    assert (early.code, late.code) == (0, 0)


@pytest.mark.parametrize("end", [LAST_DAY, f"{LAST_DAY}T23:59:59Z"])
def test_a_time_of_zero_means_no_warnings_on_the_last_day_either(here: Path, end: str) -> None:
    FILE.write_text(with_end(end))
    (here / "reconciler.yaml").write_text(f"{CONFIG}warn_before: 0d\n")

    for command in ("plan", "validate"):
        assert reconciler(command, now=ON_LAST_DAY).stderr == ""


@pytest.mark.parametrize(("setting", "warned"), [("4w", True), ("40d", True), ("24h", False), ("0d", False)])
def test_the_time_of_the_warnings_can_be_chosen(here: Path, setting: str, warned: bool) -> None:  # noqa: FBT001
    now = datetime(2027, 3, 10, tzinfo=UTC)
    (here / "reconciler.yaml").write_text(f"{CONFIG}warn_before: {setting}\n")
    of_tenant = CONFIG.replace("kind: sandbox", f"kind: sandbox, warn_before: {setting}")

    for text in (f"{CONFIG}warn_before: {setting}\n", f"{of_tenant}warn_before: 1h\n"):
        (here / "reconciler.yaml").write_text(text)
        for command in ("plan", "validate"):
            assert ("expires 2027-03-31" in reconciler(command, now=now).stderr) is warned


@pytest.mark.parametrize("setting", ["14", "2 weeks", "-1d", "99999d", "''"])
def test_an_invalid_time_is_a_problem_at_its_line(here: Path, setting: str) -> None:
    (here / "reconciler.yaml").write_text(f"{CONFIG}warn_before: {setting}\n")

    ran = reconciler("validate")

    assert ran.code == 1
    assert "reconciler.yaml:5:" in ran.stderr


def test_validate_reports_expired_lines_and_plan_says_when_to_remove_them() -> None:
    validated = reconciler("validate", now=AFTER)
    reconciler("apply", "--yes", now=AFTER)
    planned = reconciler("plan", now=AFTER)

    assert "grants/billing.yaml:5:14: warning: this grant expired 2027-03-31, so apply deletes it" in validated.stderr
    assert "expired 2027-03-31, and the tenant no longer has this grant; remove these lines" in planned.stderr
    assert planned.code == 0


def test_import_removes_the_lines_of_a_grant_that_is_gone() -> None:
    reconciler("apply", "--yes", now=AFTER)

    assert reconciler("import", "--update", now=AFTER).code == 0
    assert "expires" not in FILE.read_text()


def test_import_does_not_change_an_expired_declaration_of_an_existing_grant() -> None:
    before = with_end(LAST_DAY).replace("write:invoices", "void:invoices")
    FILE.write_text(before)

    ran = reconciler("import", "--update", now=AFTER)

    assert (ran.code, FILE.read_text()) == (0, before)
    assert "grants/billing.yaml:2:5: warning: not updated: this grant expired 2027-03-31" in ran.stderr
    assert "to keep the grant, change expires" in ran.stderr


def test_import_does_not_declare_an_expired_grant_again(here: Path) -> None:
    ran = reconciler("import", "--out", "grants/new", now=AFTER)

    assert ran.code == 0, ran.output
    assert "billing" not in "".join(path.read_text() for path in (here / "grants/new").glob("*.yaml")).lower()


def test_the_list_shows_ends() -> None:
    assert "expires 2027-03-31" in reconciler("list", now=BEFORE).stdout
    assert "expired 2027-03-31" in reconciler("list", now=AFTER).stdout
    (found,) = reconciler("list", "--offline", "--format", "json", now=AFTER).data["grants"]
    assert (found["expires"], found["expired"]) == (LAST_DAY, True)


def test_the_access_report_shows_ends() -> None:
    before = reconciler("access", now=BEFORE).stdout
    after = reconciler("access", "--format", "json", now=AFTER).data

    assert "expires 2027-03-31" in before
    (expired,) = [each for each in after["tenants"][0]["grants"] if each["state"] == "expired"]
    assert (expired["detail"], expired["declaration"]["expires"]) == ("expired 2027-03-31", LAST_DAY)
    Draft202012Validator(stored.load(stored.ACCESS)).validate(after)


@pytest.fixture
def renewed(here: Path) -> Path:
    """The last commit extends the end of the grant."""
    (here / ".gitignore").write_text(".reconciler/\n*.json\n")
    git(here, "init", "--quiet")
    commit_all(here)
    FILE.write_text(with_end("2027-12-31"))
    commit_all(here)
    return here


def plan_renewed(name: str) -> CommandResult:
    return reconciler("plan", "--base", "HEAD~1", "--format", name, now=BEFORE)


@pytest.mark.usefixtures("renewed")
def test_a_comment_shows_renewals() -> None:
    comment, text = plan_renewed("markdown").stdout, plan_renewed("text").stdout

    assert "`Billing -> Invoices API`: expires 2027-12-31, was 2027-03-31, `grants/billing.yaml:5`" in comment
    assert "expires 2027-12-31, was 2027-03-31" in text
    data = plan_renewed("json").data
    Draft202012Validator(stored.load(stored.PLAN)).validate(data)
    (found,) = data["expiry_changes"]
    assert (found["before"], found["after"]) == (LAST_DAY, "2027-12-31")


@pytest.mark.usefixtures("renewed")
def test_a_saved_plan_keeps_renewals() -> None:
    reconciler("plan", "--base", "HEAD~1", "--out", "plan.json", now=BEFORE)

    assert "expires 2027-12-31, was 2027-03-31" in reconciler("show", "plan.json").stdout


def test_a_policy_schema_can_require_an_end(here: Path) -> None:
    policy = "policy:\n  schemas:\n    - title: every grant ends\n      required: [expires]\n"
    (here / "reconciler.yaml").write_text(CONFIG + policy)
    assert reconciler("plan", now=BEFORE).code == 0
    FILE.write_text(with_end(LAST_DAY) + "  - {client: Portal, api: Invoices API}\n")

    ran = reconciler("plan", now=BEFORE)

    assert ran.code == 4
    assert "every grant ends" in ran.stderr


def test_a_policy_can_require_an_end_for_critical_scopes(here: Path) -> None:
    rule = "policy:\n  rules:\n    - {rule: temporary-access, verdict: deny, max_days: 30, reason: ask security}\n"
    (here / "reconciler.yaml").write_text(CONFIG + rule)
    grant = "  - {client: Portal, audience: 'https://sandbox.localhost/api/v2/', scope: ['create:client_grants']%s}\n"

    FILE.write_text(with_end(LAST_DAY) + grant % "")
    assert reconciler("plan", now=BEFORE).code == 4
    FILE.write_text(with_end(LAST_DAY) + grant % ", expires: 2027-04-30")
    ran = reconciler("plan", now=BEFORE)
    assert ran.code == 4
    assert "policy: temporary-access is denied, ask security" in ran.stderr
    FILE.write_text(with_end(LAST_DAY) + grant % ", expires: 2027-03-31")
    assert reconciler("plan", now=BEFORE).code == 0
    assert SECRET not in ran.output


@pytest.mark.parametrize(
    "rule", ["{rule: delete, verdict: deny, max_days: 3}", "{rule: temporary-access, verdict: deny, max_days: 0}"]
)
def test_max_days_must_be_positive_and_belongs_to_temporary_access(here: Path, rule: str) -> None:
    (here / "reconciler.yaml").write_text(f"{CONFIG}policy:\n  rules:\n    - {rule}\n")

    ran = reconciler("validate")

    assert ran.code == 1
    assert "max_days" in ran.stderr


def test_an_approval_id_covers_the_end() -> None:
    FILE.write_text(with_end(LAST_DAY) + "  - {client: Portal, api: Invoices API, expires: 2027-01-31}\n")
    approved = reconciler("plan", "--format", "markdown", now=BEFORE).stdout.partition("--approval-id ")[2][:64]
    FILE.write_text(FILE.read_text().replace("2027-01-31", "2027-12-31"))

    ran = reconciler("apply", "--approval-id", approved, now=BEFORE)

    assert len(approved) == 64
    assert ran.code == 5, ran.output
