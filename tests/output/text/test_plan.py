import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support.builders import OWN, TENANT, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed

from reconciler.artifacts.serialization import short_id
from reconciler.contract import stored
from reconciler.core.characters import visible
from reconciler.core.directory import Directory
from reconciler.core.grant import ClientGrant, Key
from reconciler.core.guards import ProtectionRules
from reconciler.core.outcome import ApplyReport, Outcome, Result
from reconciler.core.pattern import Protect
from reconciler.core.plan import Plan
from reconciler.core.plan_risks import grant_label
from reconciler.core.risks import RULES
from reconciler.core.settings import Limits
from reconciler.output.styled import Style, plain
from reconciler.output.text.changes import rule_lines
from reconciler.output.text.plan import plan_lines, report_json, report_lines
from reconciler.output.words import summary

EVERYTHING = a_grant(
    scope=("write:invoices", "read:invoices"),
    organization_usage="allow",
    allow_any_organization=True,
)
NAMES = a_directory({"billing": "Billing Worker", "portal": "Portal"}, [an_api()])


def text(plan: Plan, *, verbose: bool = False) -> str:
    return plain(plan_lines(plan, verbose=verbose))


def section(plan: Plan, title: str) -> list[str]:
    """Return the lines of a section, including its title."""
    lines = text(plan).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(title))
    return lines[start : lines.index("", start)]


def test_a_create_shows_its_source_and_its_fields() -> None:
    spec = a_spec(
        line=7,
        description="why\x07",
        scope=tuple(EVERYTHING.scope),
        organization_usage="allow",
        allow_any_organization=True,
        authorization_details_types=("payment", "invoice"),
    )

    assert section(a_plan([spec], directory=NAMES), "Create") == [
        "Create (1)",
        "  + Billing Worker -> Invoices API",
        "      grants/a.yaml:7  why\\x07",
        "      ! high: every organization can use the grant, not only assigned organizations",
        "      ! high: organization_usage gives access to callers with an organization",
        "      + read:invoices",
        "      + write:invoices",
        "      + invoice  (authorization_details_types)",
        "      + payment  (authorization_details_types)",
        "      + organization_usage: allow",
        "      + allow_any_organization: true",
    ]


def test_an_update_shows_only_the_differences() -> None:
    plan = a_plan([a_spec(scope=("read:invoices",), organization_usage="require")], [an_observed(EVERYTHING)])

    assert section(plan, "Update") == [
        "Update (1)",
        "  ~ billing -> https://api.example.com/invoices",
        "      grants/a.yaml:2",
        "      - write:invoices",
        "      ~ organization_usage: allow -> require",
        "        callers without an organization lose access",
        "      ~ allow_any_organization: true -> false",
    ]


def test_organizations_are_shown_and_sorted_by_name() -> None:
    directory = a_directory(
        {"billing": ""}, organizations={"org_1": "zeta", "org_2": "acme\x1b[31m", "org_3": "globex"}
    )
    spec = a_spec(organization_usage="allow", organizations=("zeta", "acme\x1b[31m"))
    before = a_grant(organization_usage="allow", organizations=frozenset({"org_3", "org_gone"}))

    assert section(a_plan([spec], [an_observed(before)], directory), "Update")[3:] == [
        "      + organization acme\\x1b[31m (org_2)",
        "      + organization zeta",
        "      - organization globex",
        "      - organization org_gone",
    ]


def test_a_delete_shows_the_removed_access() -> None:
    plan = a_plan([a_spec(client_id="other")], [an_observed(EVERYTHING)], prune=True)

    assert section(plan, "Delete") == [
        "Delete (1)",
        "  - billing -> https://api.example.com/invoices",
        "      - read:invoices",
        "      - write:invoices",
        "      - organization_usage: allow",
        "      - allow_any_organization: true",
    ]


@given(names=st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True), critical=st.integers(0, 5))
def test_critical_risks_come_first(names: list[str], critical: int) -> None:
    directory = a_directory(dict(zip(names, names, strict=True)), None)
    dangerous = names[critical % len(names)]
    specs = [
        a_spec(
            client_id=name,
            audience="https://example.eu.auth0.com/api/v2/",
            scope=("update:users",) if name == dangerous else ("read:stats",),
        )
        for name in names
    ]

    lines = text(a_plan(specs, directory=directory)).splitlines()

    assert lines[2] == "Critical (1)"
    assert lines[3].startswith(f"  ! {visible(directory.client_label(a_key(dangerous)))} -> ")
    assert lines[4].endswith("update:users  (management-api-takeover)")


def test_changes_are_sorted_by_name_and_not_by_id() -> None:
    directory = a_directory({"a": "Zebra", "b": "Ant"}, [an_api()])
    plan = a_plan([a_spec(line=2, client_id="a"), a_spec(line=9, client_id="b")], directory=directory)

    assert [line for line in section(plan, "Create") if line.startswith("  +")] == [
        "  + Ant -> Invoices API",
        "  + Zebra -> Invoices API",
    ]


def test_blocked_changes_are_grouped_by_reason() -> None:
    protect = ProtectionRules(OWN, (Protect(client_id="b*", reason="ask \x1b[2Jfirst"),))
    specs = [a_spec(client_id=client_id) for client_id in ("b2", "b1", "free")]

    assert section(a_plan(specs, protection=protect), "Blocked") == [
        'Blocked (2) protected: ask \\x1b[2Jfirst (protect: client_id "b*")',
        "  + b1 -> https://api.example.com/invoices",
        "      grants/a.yaml:2",
        "      + read:invoices",
        "  + b2 -> https://api.example.com/invoices",
        "      grants/a.yaml:2",
        "      + read:invoices",
    ]


def test_grants_left_alone_are_counted_by_reason_and_ten_are_listed() -> None:
    observed = [an_observed(a_grant(a_key(f"c{n:02}")), f"cgr_{n}") for n in range(12)]
    plan = a_plan([a_spec()], [*observed, an_observed(a_grant(OWN), "cgr_own")])

    listed = section(plan, "Left alone")
    assert listed[0] == "Left alone (13) 12 unmanaged, 1 own"
    assert len(listed[1:-1]) == 10
    assert listed[-1] == "    and 3 more; use -v to list all"
    assert text(plan, verbose=True).count("[unmanaged]") == 12


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (a_plan([a_spec()]), "Plan: 1 to create, 0 to update, 0 to delete; 0 unchanged, 0 left alone."),
        (
            a_plan([a_spec()], [an_observed(EVERYTHING)], create_only=True),
            (
                "Plan: 0 to create, 0 to update, 0 to delete; 0 unchanged, 1 left unchanged by --create-only, "
                "0 left alone."
            ),
        ),
        (
            a_plan([a_spec()], [an_observed(EVERYTHING)], create_only=True, only_branch=True, base=()),
            (
                "Plan: 0 to create, 0 to update, 0 to delete; 0 unchanged, 1 left unchanged by --create-only and "
                "--only-branch, 0 left alone."
            ),
        ),
        (
            a_plan([a_spec()], [an_observed(EVERYTHING)], limits=Limits(max_updates=0)),
            "Plan: 0 to create, 0 to update, 0 to delete, 1 blocked; 0 unchanged, 0 left alone.",
        ),
    ],
    ids=["plain", "differing", "differing-for-two-reasons", "blocked"],
)
def test_the_last_line_counts_all_results(plan: Plan, expected: str) -> None:
    assert summary(plan) == expected
    assert text(plan).splitlines()[-1] == expected


@pytest.mark.parametrize(
    ("create_only", "expected"),
    [
        (False, "No changes: the tenant matches the files."),
        (True, "No changes: the tenant already has the requested changes."),
    ],
)
def test_the_message_for_no_changes_depends_on_the_options(*, create_only: bool, expected: str) -> None:
    observed: ClientGrant = EVERYTHING if create_only else a_grant()

    assert expected in text(a_plan([a_spec()], [an_observed(observed)], create_only=create_only)).splitlines()


@pytest.mark.parametrize(
    ("key", "label"),
    [
        (a_key(), "Billing Worker -> Invoices API"),
        (a_key("gone", "https://gone"), "gone -> https://gone"),
        (a_key(subject_type="user"), "Billing Worker -> Invoices API (user)"),
        (a_key(subject_type="new\u202e"), "Billing Worker -> Invoices API (new\\u202e)"),
        (a_key(None, default_for="third_party_clients"), "default for third_party_clients -> Invoices API"),
    ],
    ids=["names", "ids", "user", "unknown-subject", "default"],
)
def test_a_grant_is_labelled_by_names(key: Key, label: str) -> None:
    assert grant_label(key, NAMES) == label


def test_output_without_colour_has_the_same_meaning() -> None:
    plan = a_plan([a_spec(), a_spec(client_id="new")], [an_observed(EVERYTHING), an_observed(a_grant(a_key("x")))])
    styles = {span.text[:1]: span.style for line in plan_lines(plan) for span in line if span.text[:1] in "+~-"}

    assert styles["+"] is Style.CREATE
    assert styles["~"] is Style.UPDATE
    assert styles["-"] is Style.DELETE


def test_the_rules_fit_into_80_columns_without_truncation() -> None:
    text = plain(rule_lines(RULES))

    assert max(map(len, text.splitlines())) <= 80
    for rule in RULES:
        assert f"  {rule.name} " in text
        assert set(rule.meaning.split()) <= set(text.split())


def test_a_long_description_continues_at_the_same_column() -> None:
    first, second, *_ = plain(rule_lines(RULES)).splitlines()

    meaning = first.index("scopes")
    assert second[:meaning].isspace()
    assert second[meaning] != " "


DIRECTORY = a_directory({"billing": "Billing"}, [an_api()])
PLAN = a_plan([a_spec()], directory=DIRECTORY)
DONE = a_plan([a_spec()], [an_observed()])
DIFFERING = a_plan([a_spec()], [an_observed(a_grant(scope=()))], create_only=True)
(CHANGE,) = PLAN.changes


def report_rows(outcomes: list[Outcome], remaining: Plan | None, error: str = "") -> list[str]:
    return plain(report_lines(ApplyReport(tuple(outcomes), remaining, error), DIRECTORY)).splitlines()


@pytest.mark.parametrize("result", Result)
def test_each_outcome_has_a_row_followed_by_its_detail(result: Result) -> None:
    rows = report_rows([Outcome(CHANGE, result, "because\x1b[2J")], PLAN)

    assert rows[0] == f"{result:<8}  + Billing -> Invoices API"
    assert rows[1] == "            because\\x1b[2J"


@pytest.mark.parametrize(
    ("remaining", "error", "end"),
    [
        (DONE, "", "the tenant matches the files."),
        (
            PLAN,
            "",
            "Auth0 accepted 1 change but did not store every value; another run will probably end the same way.",
        ),
        (DIFFERING, "", "the tenant has the requested changes."),
        (None, "the tenant could not be read again: GET: 500", "the tenant could not be read again: GET: 500."),
    ],
    ids=["converged", "not-converged", "create-only", "failed-verification"],
)
def test_the_last_line_reports_only_what_was_read(remaining: Plan | None, error: str, end: str) -> None:
    assert report_rows([Outcome(CHANGE, Result.APPLIED)], remaining, error)[-1] == f"Apply: 1 applied; {end}"


@pytest.mark.parametrize("result", [Result.APPLIED, Result.FAILED])
def test_remaining_differences_are_shown_by_grant_and_field(result: Result) -> None:
    rows = report_rows([Outcome(CHANGE, result)], PLAN)

    assert rows[:6] == [
        f"{result:<8}  + Billing -> Invoices API",
        "",
        "Still differs (1)",
        "  + Billing -> Invoices API",
        "      grants/a.yaml:2",
        "      + read:invoices",
    ]


def test_another_run_is_suggested_unless_auth0_discarded_an_accepted_change() -> None:
    assert report_rows([Outcome(CHANGE, Result.FAILED)], PLAN)[-1].endswith(
        "the tenant does not match the files yet; run again."
    )


def test_json_contains_the_remaining_differences_and_is_valid() -> None:
    report = ApplyReport((Outcome(CHANGE, Result.APPLIED),), PLAN)
    data = json.loads(json.dumps(report_json(report)))

    (difference,) = data["differences"]
    assert difference["fields"] == [{"field": "scope", "added": ["read:invoices"], "removed": []}]
    assert difference["accepted"] is True
    tenant = {"tenant": "test", "sandbox": False}
    Draft202012Validator(stored.load(stored.OUTCOME)).validate({**tenant, **data})


def test_the_last_line_counts_each_result() -> None:
    others = a_plan([a_spec(), a_spec(client_id="b")], [an_observed(a_grant(a_key("c")))], prune=True).changes
    outcomes = [Outcome(change, result) for change, result in zip(others, list(Result)[:3], strict=True)]

    assert report_rows(outcomes, PLAN)[-1].startswith("Apply: 1 applied, 1 failed, 1 conflict; ")


def test_json_contains_all_counts_and_outcomes() -> None:
    report = ApplyReport((Outcome(CHANGE, Result.UNKNOWN, "timeout"),), None, "trouble")

    assert report_json(report) == {
        "summary": {"applied": 0, "failed": 0, "conflict": 0, "unknown": 1, "skipped": 0, "converged": False},
        "blocked": [],
        "differences": [],
        "outcomes": [
            {
                "action": "create",
                "key": {
                    "client_id": "billing",
                    "default_for": None,
                    "audience": "https://api.example.com/invoices",
                    "subject_type": "client",
                },
                "outcome": "unknown",
                "detail": "timeout",
            },
        ],
    }


def many(applications: int, apis: int) -> Plan:
    specs = [
        a_spec(client_id=f"app{first:03}", audience=f"https://api{second:03}")
        for first in range(applications)
        for second in range(apis)
    ]
    return a_plan(specs)


@pytest.mark.parametrize(
    ("applications", "apis", "listed"),
    [
        (
            3,
            70,
            [
                "Create (210), counted by application; -v lists each change",
                "  + app000: 70 (https://api000, https://api001, https://api002 and 67 more)",
                "  + app001: 70 (https://api000, https://api001, https://api002 and 67 more)",
                "  + app002: 70 (https://api000, https://api001, https://api002 and 67 more)",
                "",
            ],
        ),
        (
            201,
            1,
            [
                "Create (201), counted by API; -v lists each change",
                "  + https://api000: 201 (app000, app001, app002 and 198 more)",
                "",
            ],
        ),
    ],
)
def test_a_large_plan_is_counted_by_application_or_api(applications: int, apis: int, listed: list[str]) -> None:
    plan = many(applications, apis)

    assert plain(plan_lines(plan)).splitlines()[2 : 2 + len(listed)] == listed
    assert len(plain(plan_lines(plan, verbose=True)).splitlines()) > applications * apis * 3


def test_the_number_of_groups_is_limited() -> None:
    lines = plain(plan_lines(many(60, 61))).splitlines()

    assert "  and 10 other applications with 610 changes" in lines
    assert len(lines) < 60


def test_a_plan_at_the_limit_lists_each_change() -> None:
    assert "counted by" not in plain(plan_lines(many(100, 2)))


def test_critical_risks_of_a_large_plan_are_all_listed() -> None:
    system_api = f"https://{TENANT.domain}/api/v2/"
    specs = [
        a_spec(client_id=f"app{number:03}", audience=system_api, scope=("create:client_grants",))
        for number in range(201)
    ]

    text = plain(plan_lines(a_plan(specs)))

    assert text.count("  ! app") == len(a_plan(specs).changes)


def test_a_summary_has_critical_risks_reasons_and_numbers_only() -> None:
    gone = [an_observed(a_grant(a_key(f"gone{number}")), f"cgr_{number}") for number in range(3)]
    plan = a_plan([a_spec()], gone, prune=True, limits=Limits(max_deletes=1))

    assert plain(plan_lines(plan, only_summary=True)).splitlines() == [
        f"Tenant test (test.example)  plan {short_id(plan)}",
        "Blocked (3) limit: 3 deletes, --max-deletes allows 1",
        "Plan: 1 to create, 0 to update, 0 to delete, 3 blocked; 0 unchanged, 0 left alone.",
    ]


def test_equal_outcomes_of_a_large_run_are_counted() -> None:
    changes = many(300, 1).changes
    outcomes = (
        *(Outcome(each, Result.APPLIED) for each in changes[:100]),
        *(Outcome(each, Result.FAILED, "refused") for each in changes[100:150]),
        *(Outcome(each, Result.SKIPPED, "interrupted before the change was sent") for each in changes[150:]),
    )
    report = ApplyReport(outcomes, None)

    lines = plain(report_lines(report, Directory())).splitlines()

    listed = Counter(each.split()[0] for each in lines if each)
    assert (listed["applied"], listed["failed"], listed["skipped"]) == (20, 50, 20)
    assert "and 80 more applied; -v lists each change" in lines
    assert "and 130 more skipped: interrupted before the change was sent; -v lists each change" in lines
    assert "Apply: 100 applied, 50 failed, 150 skipped" in lines[-1]
    assert len(plain(report_lines(report, Directory(), verbose=True)).splitlines()) > 300


def test_remaining_differences_of_a_large_run_are_counted_like_its_plan() -> None:
    plan = many(3, 70)
    report = ApplyReport(tuple(Outcome(each, Result.SKIPPED, "interrupted") for each in plan.changes), plan)

    lines = plain(report_lines(report, Directory())).splitlines()

    counted = plain(plan_lines(plan)).splitlines()[2:6]
    assert counted[0] == "Create (210), counted by application; -v lists each change"
    start = lines.index("Still differs (210)") + 2
    assert lines[start : start + 4] == counted
    assert len(lines) < 60
    verbose = plain(report_lines(report, Directory(), verbose=True)).splitlines()
    assert "Still differs (210)" in verbose
    assert len(verbose) > 3 * 210


def test_groups_with_high_risks_come_first_and_are_never_left_out() -> None:
    harmless = [a_spec(client_id=f"app{number:03}", audience=f"https://api{number:03}") for number in range(200)]
    risky = [
        a_spec(client_id=f"zzz{number}", audience=f"https://zzz{number}", scope=(), allow_all_scopes=True)
        for number in range(9)
    ]

    lines = plain(plan_lines(a_plan([*harmless, *risky]))).splitlines()

    assert [each.split(":")[0] for each in lines[3:21:2]] == [f"  + zzz{number}" for number in range(9)]
    assert set(lines[4:22:2]) == {"      ! 1 high"}


def test_a_large_plan_counts_updates_by_access_and_deletes_by_reason() -> None:
    keys = [a_key(f"app{number:03}") for number in range(202)]
    specs = [a_spec(client_id=key.client_id, scope=("write:invoices",)) for key in keys[:100]]
    specs += [a_spec(client_id=key.client_id, scope=()) for key in keys[100:150]]
    specs += [a_spec(client_id=keys[150].client_id, expires="2020-01-31")]
    observed = [an_observed(a_grant(key), f"cgr_{key.client_id}") for key in keys]

    text = plain(plan_lines(a_plan(specs, observed, prune=True, limits=Limits(max_deletes=999, max_updates=999))))

    assert "Update and add access (100), counted by API; -v lists each change\n" in text
    assert "Update and remove access (50), counted by API; -v lists each change\n" in text
    assert "Delete, because it expired (1), counted by " in text
    assert "Delete, because no file declares it (51), counted by API; -v lists each change\n" in text
