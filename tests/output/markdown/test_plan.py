from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import OWN, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed, first_parties

from reconciler.artifacts.serialization import approval_id, plan_id
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import Protect
from reconciler.core.plan import Blocked, Plan
from reconciler.core.problems import Level, Risk
from reconciler.core.spec import GrantSpec
from reconciler.output.markdown.plan import plan_markdown
from reconciler.output.source_links import Run, SourceLinks

MANAGEMENT = an_api("https://t.example/api/v2/", "Auth0 Management API", scopes=frozenset({"create:clients"}))
NAMES = a_directory({"billing": "Billing", "portal": "Portal", "admin": "Admin"}, [an_api(), MANAGEMENT])
CRITICAL = a_spec(line=90, client_id="admin", audience=MANAGEMENT.identifier, scope=("create:clients",))


def many(count: int) -> list[GrantSpec]:
    return [a_spec(line=n + 1, client_id=f"app{n:05}", scope=("read:invoices",)) for n in range(count)]


def rows(markdown: str) -> list[str]:
    return [line for line in markdown.splitlines() if line.startswith("<tr><td>")]


def test_a_plan_without_changes() -> None:
    markdown = plan_markdown(a_plan([a_spec()], [an_observed()], NAMES))

    assert markdown.startswith(
        "<!-- reconciler:test -->\n### Auth0 grants · `test`: 0 to create, 0 to update, 0 to delete\n\n"
    )
    assert "No changes: the tenant matches the files.\n" in markdown
    assert "<table>" not in markdown


def test_a_grant_appears_once_with_its_change_risk_and_declaration() -> None:
    spec = a_spec(line=7, scope=("read:invoices",), organization_usage="allow", description="OPS-1 @team")
    plan = a_plan([spec], [an_observed(a_grant(scope=("write:invoices",)))], NAMES)

    markdown = plan_markdown(plan, links=SourceLinks(address="https://code.example/blob/abc"))

    (row,) = rows(markdown)
    (risk,) = plan.risks[plan.changes[0].key]
    assert row == (
        "<tr><td>~ update</td><td><code>Billing -&gt; Invoices API</code></td>"
        "<td><code>+read:invoices</code> <code>\N{MINUS SIGN}write:invoices</code><br>"
        "organization_usage: <code>deny</code> to <code>allow</code>"
        " (callers with an organization gain access)</td>"
        f"<td><b>high</b> <code>{risk.message}</code> (<code>{risk.rule}</code>)</td>"
        '<td><a href="https://code.example/blob/abc/grants/a.yaml#L7"><code>grants/a.yaml:7</code></a><br>'
        "<code>OPS-1 @team</code></td></tr>"
    )
    assert markdown.count("Billing") == 1
    assert f"> [!WARNING]\n> Risks: **1 high** (`{risk.rule}`)\n" in markdown


def test_six_scopes_are_shown_and_the_others_are_folded() -> None:
    scopes = {count: (*(f"read:{n}" for n in range(count - 1)), "delete:tenant") for count in (6, 7, 10)}
    api = an_api(MANAGEMENT.identifier, "Management", scopes=frozenset(scopes[10]))
    directory = a_directory({"billing": "Billing"}, [api])

    cells = {
        count: rows(plan_markdown(a_plan([a_spec(audience=api.identifier, scope=found)], [], directory)))[0]
        for count, found in scopes.items()
    }

    assert "<details>" not in cells[6]
    assert cells[6].count("<code>+") == 6
    assert "<details><summary>+1 more</summary><code>+" in cells[7]
    shown, _, folded = cells[10].partition("<details><summary>+4 more</summary>")
    assert shown.count("<code>+") == 6
    assert folded.count("<code>+") == 4


def test_folded_scopes_count_removed_ones_and_the_worst_ones_are_shown() -> None:
    api = MANAGEMENT._replace(scopes=MANAGEMENT.scopes | {f"read:{n}" for n in range(9)})
    spec = a_spec(audience=api.identifier, scope=(*(f"read:{n}" for n in range(6)), "create:clients"))
    observed = an_observed(a_grant(a_key(audience=api.identifier), ("read:7", "read:8")))

    (row,) = rows(plan_markdown(a_plan([spec], [observed], a_directory({"billing": "Billing"}, [api]))))

    shown, _, folded = row.partition("<details><summary>+3 more (2 removed)</summary>")
    assert "<td><code>+create:clients</code> " in shown
    assert folded.count("<code>\N{MINUS SIGN}read:") == 2


def test_a_long_list_is_folded_up_to_a_limit() -> None:
    scopes = tuple(f"read:{number:04}" for number in range(2_000))
    api = an_api(scopes=frozenset(scopes))
    plan = a_plan([a_spec(scope=scopes)], [], a_directory({"billing": "Billing"}, [api]))

    (row,) = rows(plan_markdown(plan, max_bytes=60_000))

    assert len(row) < 4_000
    folded = row.partition("</summary>")[2].count("<code>+")
    assert f" … and {2_000 - 6 - folded} more</details>" in row


def test_deletes_and_grants_left_alone_are_shown() -> None:
    observed = [an_observed(a_grant(a_key("portal"), ("a", "b"))), an_observed(a_grant(OWN))]

    markdown = plan_markdown(a_plan([a_spec()], observed, NAMES, prune=True))

    delete = (
        "<td>- delete</td><td><code>Portal -&gt; Invoices API</code></td>"
        "<td><code>\N{MINUS SIGN}a</code> <code>\N{MINUS SIGN}b</code></td>"
        "<td>low</td><td></td>"
    )
    own = "<summary>Left alone (1): 1 own</summary>\n\n- `own-client -> https://sandbox.localhost/api/v2/` (own)\n"
    assert delete in markdown
    assert own in markdown


def test_blocked_changes_are_rows_with_their_reason() -> None:
    protection = ProtectionRules(OWN, (Protect(client="Portal", reason="ask | first"),))
    plan = a_plan([a_spec(), a_spec(line=9, client_id="portal")], [], NAMES, protection=protection)

    markdown = plan_markdown(plan)

    head, _, _ = markdown.partition("<table>")
    assert "1 to create, 0 to update, 0 to delete, 1 blocked" in head
    assert "> [!CAUTION]\n> **1 change is blocked: no change of this plan can be applied.**" in head
    blocked, _ = rows(markdown)
    assert "<td>+ create</td><td><code>Portal -&gt; Invoices API</code></td>" in blocked
    assert "<td><b>blocked</b> <code>protected: ask | first (protect: client &quot;Portal&quot;)</code>" in blocked
    assert "The plan cannot be applied while a change is blocked." in markdown
    assert "To apply" not in markdown


def test_critical_changes_come_first_then_blocked_ones() -> None:
    specs = [
        a_spec(line=1, client_id="billing", scope=("read:invoices",)),
        CRITICAL,
        a_spec(line=2, client_id="portal"),
    ]
    protection = ProtectionRules(OWN, (Protect(client="Portal", reason="ask"),))

    found = rows(plan_markdown(a_plan(specs, [], NAMES, protection=protection)))

    assert [row.partition(" -&gt;")[0].rpartition("<code>")[2] for row in found] == ["Admin", "Portal", "Billing"]


def test_blocked_changes_are_in_the_table_of_their_origin() -> None:
    specs = [a_spec(), a_spec(line=9, client_id="portal")]
    protection = ProtectionRules(OWN, (Protect(client="Portal", reason="ask"),))

    markdown = plan_markdown(a_plan(specs, [], NAMES, base=(specs[1],), protection=protection))

    branch, _, drift = markdown.partition("**Drift: the tenant changed, but the files did not (1)**")
    assert "Billing" in rows(branch)[0]
    assert "Portal" in rows(drift)[0]
    assert "<b>blocked</b>" in rows(drift)[0]


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_delete_links_the_removed_line_at_the_base() -> None:
    removed = a_spec(line=9, client_id="portal")._replace(file="grants/old one.yaml in main")
    links = SourceLinks(address=f"https://code.example/o/r/blob/{COMMIT[::-1]}")
    options = {"base": (removed,), "base_commit": COMMIT}

    deleted = plan_markdown(
        a_plan([], [an_observed(a_grant(a_key("portal")))], NAMES, prune=True, **options), links=links
    )
    stays = plan_markdown(a_plan([], [an_observed(a_grant(a_key("portal")))], NAMES, **options), links=links)

    link = (
        f'<a href="https://code.example/o/r/blob/{COMMIT}/grants/old%20one.yaml#L9">'
        "<code>grants/old one.yaml:9 in main</code></a>"
    )
    assert link in rows(deleted)[0]
    assert "<td>- delete</td>" in rows(deleted)[0]
    assert link in rows(stays)[0]
    assert "<td>! access stays</td>" in rows(stays)[0]


RUN = Run("https://ci.example/runs/7?attempt=2", "7", "2026-11-28 03:00 UTC")


def test_the_footer_says_which_plan_this_is_and_how_to_apply_it() -> None:
    plan = a_plan([a_spec()], [], NAMES)

    footer = plan_markdown(plan, links=SourceLinks(commit=COMMIT, run=RUN)).splitlines()[-2:]

    assert footer == [
        (
            f"Plan <code>{plan_id(plan)}</code> for <code>test (test.example)</code> at commit `{COMMIT}`, "
            "[run 7](<https://ci.example/runs/7?attempt=2>), 2026-11-28 03:00 UTC.  "
        ),
        (
            "To apply exactly this plan, use the options of the plan. "
            "With a saved plan, run `reconciler apply PLANFILE`. "
            f"Without a saved plan, run `reconciler apply --approval-id {approval_id(plan)}`. "
            "To plan again: `reconciler plan --tenant test`."
        ),
    ]


def test_the_footer_on_a_pull_request_says_how_to_apply_after_the_merge() -> None:
    links = SourceLinks(run=RUN._replace(is_review=True))

    steps = plan_markdown(a_plan([a_spec()], [], NAMES), links=links).splitlines()[-1]
    unchanged = plan_markdown(a_plan([a_spec()], [an_observed()], NAMES), links=links).splitlines()[-1]

    assert steps.startswith("To apply: merge. ")
    assert steps.endswith(" To plan again: push a commit, or run the job again.")
    assert "apply" not in unchanged


@pytest.mark.parametrize("url", ["https://ci.example/a b", "https://ci.example/>(x", "javascript:x", "https://c/\n# x"])
def test_an_unusual_address_of_a_run_is_left_out(url: str) -> None:
    assert "[run" not in plan_markdown(a_plan([a_spec()]), links=SourceLinks(run=RUN._replace(url=url)))


def test_each_origin_has_its_own_table() -> None:
    specs = [a_spec(), a_spec(line=9, client_id="portal")]

    markdown = plan_markdown(a_plan(specs, [], NAMES, base=(specs[1],)))

    assert "Origin: 1 from this branch, 1 drift, 0 from both." in markdown
    branch, _, drift = markdown.partition("**Drift: the tenant changed, but the files did not (1)**")
    assert "**From this branch (1)**" in branch
    assert "Billing" in rows(branch)[0]
    assert "Portal" in rows(drift)[0]


def plan_with_many_changes(count: int, max_bytes: int) -> tuple[Plan, str]:
    specs = [*many(count), CRITICAL]
    plan = a_plan(specs, [], replace(first_parties(specs), apis=(an_api(), MANAGEMENT)))
    return plan, plan_markdown(plan, max_bytes=max_bytes)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(count=st.integers(0, 400), max_bytes=st.integers(2_000, 30_000))
def test_counts_and_critical_rows_always_fit(count: int, max_bytes: int) -> None:
    plan, markdown = plan_with_many_changes(count, max_bytes)

    assert len(markdown.encode()) <= max_bytes
    assert f"### Auth0 grants · `test`: {len(plan.changes)} to create" in markdown
    assert "> Risks: **1 critical** (`management-api-takeover`)\n" in markdown
    assert "<b>critical</b> <code>can take over the tenant: create:clients</code>" in rows(markdown)[0]


def test_omitted_rows_are_counted() -> None:
    plan, markdown = plan_with_many_changes(300, 20_000)

    shown = len(rows(markdown))
    assert 0 < shown < len(plan.changes)
    assert f"_{len(plan.changes) - shown} more changes not shown here._" in markdown


@pytest.mark.parametrize("max_bytes", [60_000, 5_000])
def test_omitted_critical_changes_are_counted(max_bytes: int) -> None:
    specs = [
        a_spec(line=n, client_id=f"a{n}", audience=MANAGEMENT.identifier, scope=("create:clients",)) for n in range(900)
    ]
    harmless = a_spec(line=999, client_id="b", scope=("read:invoices",))

    plan = a_plan([harmless, *specs], [], a_directory(None, [MANAGEMENT, an_api()]))
    markdown = plan_markdown(plan, max_bytes=max_bytes)

    shown = len(rows(markdown))
    assert shown > 5
    assert len(markdown.encode()) <= max_bytes
    assert "> Risks: **900 critical** (`management-api-takeover` 900), " in markdown
    omitted = f"_{901 - shown} more changes not shown here, {900 - shown} of them critical: read the log of the job._"
    assert omitted in markdown


def critical(number: int) -> Risk:
    return Risk("management-api-takeover", Level.CRITICAL, f"can take over the tenant in way {number}")


@pytest.mark.parametrize("max_bytes", [60_000, 20_000])
@pytest.mark.parametrize("is_denied", [False, True], ids=["allowed", "denied"])
def test_many_risks_and_blocked_changes_leave_room_for_the_table(max_bytes: int, *, is_denied: bool) -> None:
    specs = [a_spec(line=n + 1, client_id=f"app{n:03}", scope=("read:invoices",)) for n in range(900)]
    plan = a_plan(specs, [], replace(first_parties(specs), apis=(an_api(),)))
    risks = {
        spec.client_id or "": Risk(f"irreversible-access-{n}", Level.HIGH, f"can delete item {n}")
        for n, spec in enumerate(specs)
    }
    plan = replace(plan, risks={change.key: (risks[change.key.client_id or ""],) for change in plan.changes})
    if is_denied:
        blocked = tuple(Blocked(change, "the policy denies it, ask the security team") for change in plan.changes[::2])
        worst = {each.change.key: (*plan.risks[each.change.key], critical(n)) for n, each in enumerate(blocked)}
        plan = replace(plan, changes=plan.changes[1::2], blocked=blocked, risks={**plan.risks, **worst})

    markdown = plan_markdown(plan, max_bytes=max_bytes)

    assert len(markdown.encode()) <= max_bytes
    assert sum(len(row.encode()) + 1 for row in rows(markdown)) > max_bytes // 2
    assert "**900 high** (" in markdown
    assert ", others)" in markdown
    assert ("**450 changes are blocked" in markdown) is is_denied


def test_deceptive_names_affect_only_their_own_text() -> None:
    names = ["@octocat", "a|b", "</table>", "```", "--><script>"]
    directory = a_directory({f"c{n}": name for n, name in enumerate(names)}, [an_api()])
    specs = [a_spec(line=n, client_id=f"c{n}", description=name) for n, name in enumerate(names)]

    markdown = plan_markdown(a_plan(specs, [], directory))

    assert len(rows(markdown)) == len(names)
    assert markdown.count("\n</table>\n") == 1
    assert markdown.count("<code>@octocat") == 2  # the name and the description


def test_organizations_are_shown_by_name() -> None:
    directory = a_directory(organizations={"org_1": "acme", "org_2": "globex"})
    before = a_grant(organization_usage="allow", organizations=frozenset({"org_2"}))
    spec = a_spec(organization_usage="allow", organizations=("acme",))

    markdown = plan_markdown(a_plan([spec], [an_observed(before)], directory))

    assert "<td>organizations: <code>+acme</code> <code>\N{MINUS SIGN}globex</code></td>" in markdown
