from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import OWN, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed, first_parties

from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import Protect
from reconciler.core.plan import Blocked, Plan
from reconciler.core.problems import Level, Risk
from reconciler.core.spec import GrantSpec
from reconciler.output.markdown.plan import plan_markdown
from reconciler.output.source_links import SourceLinks

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
    assert "No changes: the tenant equals the files.\n" in markdown
    assert "<table>" not in markdown


def test_a_change_has_a_row_with_a_link_and_its_difference() -> None:
    spec = a_spec(line=7, scope=("read:invoices",), organization_usage="allow", description="OPS-1 @team")
    plan = a_plan([spec], [an_observed(a_grant(scope=("write:invoices",)))], NAMES)

    markdown = plan_markdown(plan, links=SourceLinks(address="https://code.example/blob/abc"))

    (row,) = rows(markdown)
    assert row == (
        "<tr><td>~ update</td><td><code>Billing -&gt; Invoices API</code></td>"
        "<td><code>+read:invoices</code> <code>-write:invoices</code><br>"
        "organization_usage: <code>deny</code> to <code>allow</code>"
        " (callers with an organization gain access)</td><td>high</td>"
        '<td><a href="https://code.example/blob/abc/grants/a.yaml#L7"><code>grants/a.yaml:7</code></a></td></tr>'
    )
    assert (
        "<details><summary>~ <code>Billing -&gt; Invoices API</code></summary>\n\n`OPS-1 @team`\n\n```diff\n"
        "+ read:invoices\n- write:invoices\n- organization_usage: deny\n+ organization_usage: allow\n```\n"
    ) in markdown


def test_deletes_and_grants_left_alone_are_shown() -> None:
    observed = [an_observed(a_grant(a_key("portal"), ("a", "b"))), an_observed(a_grant(OWN))]

    markdown = plan_markdown(a_plan([a_spec()], observed, NAMES, prune=True))

    delete = (
        "<td>- delete</td><td><code>Portal -&gt; Invoices API</code></td><td><code>-a</code> <code>-b</code></td>"
        "<td>low</td><td></td>"
    )
    own = "<summary>Left alone (1): 1 own</summary>\n\n- `own-client -> https://sandbox.localhost/api/v2/` (own)\n"
    assert delete in markdown
    assert own in markdown


def test_blocked_changes_come_first_with_their_reason() -> None:
    protection = ProtectionRules(OWN, (Protect(client="Portal", reason="ask | first"),))
    plan = a_plan([a_spec(), a_spec(line=9, client_id="portal")], [], NAMES, protection=protection)

    markdown = plan_markdown(plan)

    head, _, _ = markdown.partition("<table>")
    assert "1 to create, 0 to update, 0 to delete, 1 blocked" in head
    assert "> [!CAUTION]\n> **Blocked (1): no change of this plan can be applied**\n>\n" in head
    reason = 'protected: ask | first (protect: client "Portal")'
    assert f"> - + `Portal -> Invoices API`: `{reason}`, `grants/a.yaml:9`\n" in head
    linked = plan_markdown(plan, links=SourceLinks(address="https://code.example/blob/abc"))
    assert "[`grants/a.yaml:9`](<https://code.example/blob/abc/grants/a.yaml#L9>)\n" in linked
    assert markdown.endswith("It cannot be applied while a change is blocked.\n")


def test_each_origin_has_its_own_table() -> None:
    specs = [a_spec(), a_spec(line=9, client_id="portal")]

    markdown = plan_markdown(a_plan(specs, [], NAMES, base=(specs[1],)))

    assert "Origin: 1 from this branch, 1 drift, 0 from both." in markdown
    branch, _, drift = markdown.partition("**Drift: the tenant changed, the files did not (1)**")
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
def test_counts_and_critical_lines_always_fit(count: int, max_bytes: int) -> None:
    plan, markdown = plan_with_many_changes(count, max_bytes)

    assert len(markdown.encode()) <= max_bytes
    assert f"### Auth0 grants · `test`: {len(plan.changes)} to create" in markdown
    critical = "> - `admin -> Auth0 Management API`: `can take over the tenant: create:clients`"
    assert critical in markdown
    assert markdown.index(critical) < 600


def test_omitted_details_are_counted() -> None:
    plan, markdown = plan_with_many_changes(300, 20_000)

    shown = len(rows(markdown))
    assert 0 < shown < len(plan.changes)
    assert f"_{len(plan.changes) - shown} more changes not shown here._" in markdown
    assert f"_{len(plan.changes)} differences not shown here._" in markdown


def test_equal_critical_risks_share_a_line_with_every_grant() -> None:
    specs = [
        a_spec(line=n, client_id=f"a{n}", audience=MANAGEMENT.identifier, scope=("create:clients",)) for n in range(900)
    ]

    markdown = plan_markdown(a_plan(specs, [], a_directory(None, [MANAGEMENT])), max_bytes=60_000)

    assert len(markdown.encode()) <= 60_000
    assert "> **Critical (900)**\n" in markdown
    assert markdown.count("can take over the tenant") == 1
    critical, _, _ = markdown.partition("<table>")
    assert all(f"`a{n} -> Auth0 Management API`" in critical for n in range(900))


def critical(number: int) -> Risk:
    return Risk("management-api-takeover", Level.CRITICAL, f"can take over the tenant in way {number}")


@pytest.mark.parametrize("max_bytes", [60_000, 20_000])
@pytest.mark.parametrize("is_denied", [False, True], ids=["allowed", "denied"])
@pytest.mark.parametrize("kinds", [1, 900], ids=["equal risks", "different risks"])
def test_many_high_risks_leave_room_for_the_table(kinds: int, max_bytes: int, *, is_denied: bool) -> None:
    specs = [a_spec(line=n + 1, client_id=f"app{n:03}", scope=("read:invoices",)) for n in range(900)]
    plan = a_plan(specs, [], replace(first_parties(specs), apis=(an_api(),)))
    risks = {
        spec.client_id or "": Risk("irreversible-access", Level.HIGH, f"can delete item {n % kinds}")
        for n, spec in enumerate(specs)
    }
    plan = replace(plan, risks={change.key: (risks[change.key.client_id or ""],) for change in plan.changes})
    if is_denied:
        blocked = tuple(Blocked(change, "the policy denies it, ask the security team") for change in plan.changes[::2])
        worst = {each.change.key: (*plan.risks[each.change.key], critical(n)) for n, each in enumerate(blocked)}
        plan = replace(plan, changes=plan.changes[1::2], blocked=blocked, risks={**plan.risks, **worst})

    markdown = plan_markdown(plan, max_bytes=max_bytes)

    assert len(markdown.encode()) <= max_bytes
    assert sum(len(row.encode()) + 1 for row in rows(markdown)) > max_bytes // 5
    assert "> **High (900)**\n" in markdown
    assert markdown.count("can delete item 0") == 1


def test_critical_risks_that_do_not_fit_are_counted() -> None:
    specs = [
        a_spec(line=n, client_id=f"a{n}", audience=MANAGEMENT.identifier, scope=("create:clients",)) for n in range(99)
    ]

    markdown = plan_markdown(a_plan(specs, [], a_directory(None, [MANAGEMENT])), max_bytes=1000)

    assert len(markdown.encode()) <= 1000
    assert "**Critical (99)**" in markdown
    line = next(line for line in markdown.splitlines() if "99 grants: " in line)
    assert line.endswith(f" and {99 - line.count(' -> ')} more")


def test_deceptive_names_affect_only_their_own_text() -> None:
    names = ["@octocat", "a|b", "</table>", "```", "--><script>"]
    directory = a_directory({f"c{n}": name for n, name in enumerate(names)}, [an_api()])
    specs = [a_spec(line=n, client_id=f"c{n}", description=name) for n, name in enumerate(names)]

    markdown = plan_markdown(a_plan(specs, [], directory))

    assert len(rows(markdown)) == len(names)
    assert markdown.count("\n</table>\n") == 1
    assert markdown.count("\n<details>") == len(names)


def test_organizations_are_shown_by_name() -> None:
    directory = a_directory(organizations={"org_1": "acme", "org_2": "globex"})
    before = a_grant(organization_usage="allow", organizations=frozenset({"org_2"}))
    spec = a_spec(organization_usage="allow", organizations=("acme",))

    markdown = plan_markdown(a_plan([spec], [an_observed(before)], directory))

    assert "<td>organizations: <code>+" in markdown
    assert "```diff\n+ organization: acme\n- organization: globex\n```\n" in markdown
