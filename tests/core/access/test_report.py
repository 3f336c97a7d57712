"""The access report: states, levels, filters and totals. Unknown is never shown as "no"."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.access import a_tenant_access, an_access_grant, an_access_report, unread_part
from support.builders import INVOICES, NOW, OWN, TENANT, a_directory, a_grant, a_key, a_spec, an_api, an_observed
from support.strategies import grants

from reconciler.contract import stored
from reconciler.core.access.access_filter import AccessFilter, select_access
from reconciler.core.access.build import DeclarationFacts, declared_access, tenant_access
from reconciler.core.access.report import (
    STATE_MEANINGS,
    AccessGrant,
    AccessState,
    GrantLevel,
    TenantAccess,
    grant_level,
)
from reconciler.core.access.summary import COUNTED, findings, totals
from reconciler.core.declared_history import Commit
from reconciler.core.directory import Application, Directory
from reconciler.core.grant import ObservedGrant
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import ManagedScope, Pattern, Protect
from reconciler.core.planner import Observation
from reconciler.core.problems import Level, Risk, Source
from reconciler.core.removals import Removal
from reconciler.core.spec import GrantSpec
from reconciler.errors import ReconcilerError

DEFAULT = "default for third_party_clients"
DIRECTORY = a_directory({"billing": "Billing", "portal": "Portal"}, [an_api(token_lifetime=3600)], {})


def build(
    specs: Iterable[GrantSpec] = (),
    observed: Iterable[ObservedGrant] = (),
    directory: Directory = DIRECTORY,
    facts: DeclarationFacts | None = None,
    **rules: Any,
) -> TenantAccess:
    observation = Observation(tuple(observed), directory)
    return tenant_access(TENANT, specs, observation, ProtectionRules(OWN, **rules), facts or DeclarationFacts(now=NOW))


def only(access: TenantAccess) -> AccessGrant:
    (grant,) = access.grants
    return grant


def test_a_declared_grant_that_the_tenant_has_is_as_declared() -> None:
    grant = only(build([a_spec(description="Why")], [an_observed()]))

    assert (grant.state, grant.description, grant.source) == ("as-declared", "Why", Source("grants/a.yaml", 2, 5))
    assert (grant.application, grant.api, grant.token_lifetime) == ("Billing", "Invoices API", 3600)


def test_a_drifted_grant_shows_the_scopes_of_the_tenant() -> None:
    grant = only(build([a_spec()], [an_observed(a_grant(scope=["write:invoices"]))]))

    assert (grant.state, [each.name for each in grant.scopes]) == ("drifted", ["write:invoices"])
    assert [each.field for each in grant.differences] == ["scope"]


def test_a_declared_grant_that_the_tenant_lacks_is_missing_and_gives_no_access() -> None:
    access = build([a_spec()])

    assert only(access).state == "missing"
    assert not only(access).is_present
    assert {each.name: each.count for each in totals(an_access_report(access))}["grants"] == 0


def test_a_declaration_with_an_unknown_name_is_missing_and_says_why() -> None:
    grant = only(build([a_spec(client="Nobody", api="Invoices API")]))

    assert (grant.state, grant.application) == ("missing", "Nobody")
    assert grant.detail == 'the tenant has no application named "Nobody"'


def test_a_declaration_with_an_ambiguous_name_is_unknown() -> None:
    directory = a_directory({"one": "Twin", "two": "Twin"}, [an_api()], {})

    grant = only(build([a_spec(client="Twin")], directory=directory))

    assert (grant.state, "2 applications are named" in grant.detail) == ("unknown", True)


def test_a_grant_that_an_ambiguous_declaration_may_mean_is_not_called_undeclared() -> None:
    directory = a_directory({"billing": "Twin", "two": "Twin", "portal": "Portal"}, [an_api()], {})
    observed = [an_observed(), an_observed(a_grant(a_key("portal")), "cgr_2")]

    access = build([a_spec(client="Twin")], observed, directory)

    states = {each.grant_id: (each.state, each.is_present) for each in access.grants}
    assert states == {"": ("unknown", False), "cgr_0000000000000001": ("unknown", True), "cgr_2": ("undeclared", True)}


def test_a_declaration_with_an_unknown_organization_is_drift_of_the_grant() -> None:
    observed = an_observed(a_grant(organization_usage="require", organizations=frozenset()))

    grant = only(build([a_spec(organizations=("nowhere",), organization_usage="require")], [observed]))

    assert (grant.state, grant.detail) == ("drifted", 'the tenant has no organization "nowhere"')


def test_a_missing_grant_has_no_organizations() -> None:
    assert only(build([a_spec(organization_usage="allow")])).organizations == ()


def test_a_second_declaration_of_a_grant_is_a_note() -> None:
    access = build([a_spec(line=2), a_spec(line=200)], [an_observed()])

    assert len(access.grants) == 1
    assert access.notes == ("grants/a.yaml:200:5: a second declaration of the same grant was ignored",)


@pytest.mark.parametrize(
    ("observed", "rules", "state"),
    [
        (an_observed(), {}, "undeclared"),
        (an_observed(is_system=True), {}, "system"),
        (an_observed(a_grant(OWN)), {}, "own"),
        (an_observed(), {"protect": (Protect(client="Billing"),)}, "protected"),
        (an_observed(), {"managed_scope": ManagedScope((Pattern(client="Other"),))}, "outside"),
        (an_observed(a_grant(a_key(subject_type="robot"))), {}, "not-expressible"),
    ],
    ids=["undeclared", "system", "own", "protected", "outside", "not-expressible"],
)
def test_the_state_of_an_undeclared_grant_is_the_reason_to_keep_the_grant(
    observed: ObservedGrant, rules: dict[str, Any], state: str
) -> None:
    assert only(build(observed=[observed], **rules)).state == state


def test_a_declared_grant_that_is_protected_keeps_its_state_and_names_the_guard() -> None:
    grant = only(build([a_spec()], [an_observed()], protect=(Protect(client="Billing", reason="ask first"),)))

    assert (grant.state, grant.guard) == ("as-declared", 'protected: ask first (protect: client "Billing")')


def test_a_removed_grant_names_the_commit() -> None:
    removal = Removal(a_spec(), removed_by=Commit("a" * 40, "2026-01-02", "Bob", "Drop it"), is_from_history=True)

    grant = only(build(observed=[an_observed()], facts=DeclarationFacts(now=NOW, removals=(removal,))))

    assert (grant.state, grant.detail) == (
        "removed",
        "declared in grants/a.yaml:2, removed by aaaaaaaaaa 2026-01-02 Bob: Drop it",
    )


def test_all_scopes_are_those_of_the_api_and_unknown_without_it() -> None:
    observed = an_observed(a_grant(scope=[], allow_all_scopes=True))

    known, unknown = only(build(observed=[observed])), only(build(observed=[observed], directory=a_directory({})))

    assert ([each.name for each in known.scopes], known.scopes_known) == (["write:invoices", "read:invoices"], True)
    assert (unknown.scopes, unknown.scopes_known) == ((), False)


def test_a_scope_that_the_api_lacks_is_a_finding() -> None:
    access = build([a_spec(scope=("old:invoices",))], [an_observed(a_grant(scope=["old:invoices"]))])

    assert only(access).undefined_scopes == ("old:invoices",)
    assert "undefined-scope" in [each.rule for each in findings(an_access_report(access))]


def test_organizations_that_were_not_read_are_unknown() -> None:
    admitting = an_observed(a_grant(organization_usage="require"))

    access = build(observed=[admitting, an_observed(a_grant(a_key("portal")))])

    assert [each.organizations for each in access.grants] == [None, ()]
    assert [each.name for each in access.listings if not each.is_read] == ["organizations of grants"]


@pytest.mark.parametrize(
    ("risks", "level"),
    [
        ([], GrantLevel.NONE),
        ([("low", True)], GrantLevel.LOW),
        ([("high", True), ("critical", False)], GrantLevel.UNKNOWN),
        ([("critical", True), ("high", False)], GrantLevel.CRITICAL),
        ([("high", True), ("high", False)], GrantLevel.HIGH),
        ([("high", False)], GrantLevel.UNKNOWN),
    ],
)
def test_the_level_is_unknown_if_an_unknown_risk_may_be_the_highest(
    risks: list[tuple[str, bool]], level: GrantLevel
) -> None:
    assert grant_level([Risk("rule", Level(name), "text", is_known) for name, is_known in risks]) is level


def test_without_the_list_of_applications_no_grant_is_called_first_party() -> None:
    grant = only(build([a_spec()], [an_observed()], directory=a_directory(None, [an_api()])))

    assert (grant.third_party, grant.level) == (None, GrantLevel.UNKNOWN)


def test_offline_nothing_is_known_about_the_tenant() -> None:
    access = declared_access(TENANT, [a_spec(client="Billing", api="Invoices API")], DeclarationFacts(now=NOW))
    grant = only(access)

    assert (grant.state, grant.third_party, grant.token_lifetime, grant.level) == ("unknown", None, None, "unknown")
    assert (grant.client_id, grant.audience) == (None, None)
    assert not any(each.is_read for each in access.listings)


@given(st.lists(grants(), max_size=6, unique_by=lambda each: each.key), st.data())
def test_each_grant_of_the_tenant_and_each_declaration_appears_exactly_once(all_grants: list[Any], data: Any) -> None:
    declared = data.draw(st.lists(st.sampled_from(all_grants), unique_by=lambda each: each.key)) if all_grants else []
    specs = [
        a_spec(
            line=1000 * number + 1,
            client_id=each.key.client_id,
            audience=each.key.audience,
            subject_type=each.key.subject_type,
            scope=tuple(each.scope),
        )
        for number, each in enumerate(declared)
    ]
    observed = [an_observed(each, f"cgr_{number}") for number, each in enumerate(all_grants)]

    access = build(specs, observed, a_directory({}, []))

    assert sorted(each.grant_id for each in access.grants) == sorted(each.id for each in observed)
    sources = [each.source for each in access.grants if each.source]
    assert sorted(sources) == sorted(spec.source for spec in specs)
    assert {each.state for each in access.grants if not each.source}.isdisjoint({"as-declared", "drifted", "missing"})


# filters


@pytest.mark.parametrize(
    ("chosen", "is_selected"),
    [
        (AccessFilter(), True),
        (AccessFilter(application="Bill*"), True),
        (AccessFilter(application="billing"), True),
        (AccessFilter(application="Portal"), False),
        (AccessFilter(api=INVOICES), True),
        (AccessFilter(api="Other"), False),
        (AccessFilter(scope="read:*"), True),
        (AccessFilter(scope="write:*"), False),
    ],
)
def test_a_filter_matches_names_ids_and_scopes(chosen: AccessFilter, *, is_selected: bool) -> None:
    assert chosen.selects(an_access_grant()) is is_selected


def test_a_filter_by_scope_keeps_grants_whose_scopes_are_unknown() -> None:
    assert AccessFilter(scope="write:*").selects(an_access_grant(scopes=(), allow_all_scopes=True, scopes_known=False))


def test_an_ambiguous_name_is_found_without_its_id() -> None:
    assert AccessFilter(application="Twin").selects(
        an_access_grant(application="Twin (client-1)", client_id="client-1")
    )


def test_a_filtered_report_says_so() -> None:
    report = select_access(an_access_report(), AccessFilter(scope="no:*"))

    assert (report.selection, [len(each.grants) for each in report.tenants]) == ('scope "no:*"', [0])


def test_a_name_that_no_tenant_has_is_refused() -> None:
    access = build([], [an_observed()])
    assert select_access(an_access_report(access), AccessFilter(application="Portal")).tenants[0].grants == ()

    with pytest.raises(ReconcilerError, match='no application matches "Biling"; did you mean "Billing"'):
        select_access(an_access_report(access), AccessFilter(application="Biling"))
    with pytest.raises(ReconcilerError, match='no API matches "Orders"; list all grants with'):
        select_access(an_access_report(access), AccessFilter(api="Orders"))


def test_a_name_that_was_not_read_may_be_the_name_of_each_grant() -> None:
    unread = build([], [an_observed()], a_directory(None, None))
    report = an_access_report(unread)

    (found,) = select_access(report, AccessFilter(application="Billing", api="Invoices API")).tenants
    assert found.grants == unread.grants
    assert found.notes == tuple(
        f"the name of the {what} is not known, so the filter may show other grants" for what in ("application", "API")
    )
    (by_id,) = select_access(report, AccessFilter(application="billing", api=INVOICES)).tenants
    assert (by_id.grants, by_id.notes) == (unread.grants, ())
    declared = declared_access(TENANT, [a_spec(client="Portal")], DeclarationFacts(now=NOW))
    (offline,) = select_access(an_access_report(declared), AccessFilter(application="Billing")).tenants
    assert offline.grants == ()
    (other,) = select_access(report, AccessFilter(application="Billing", scope="no:*")).tenants
    assert (other.grants, other.notes) == ((), ())


# default grants and grants without effect


def a_default_grant(**fields: Any) -> ObservedGrant:
    return an_observed(a_grant(a_key(client_id=None, default_for="third_party_clients"), **fields))


PARTNERS = tuple(Application(name.lower(), name, name != "Billing") for name in ("Billing", "One", "Two"))


def test_a_default_grant_applies_to_third_parties_without_an_own_grant() -> None:
    own = an_observed(a_grant(a_key(client_id="one")), "cgr_2")
    access = build([], [a_default_grant(), own], replace(DIRECTORY, applications=PARTNERS))
    report = an_access_report(access)

    def selected(name: str) -> list[str]:
        return [each.application for each in select_access(report, AccessFilter(application=name)).tenants[0].grants]

    assert (selected("Billing"), selected("One"), selected("two")) == ([], ["One"], [DEFAULT])
    assert selected("default*") == [DEFAULT]
    assert [each.third_party for each in access.grants] == [True, True]


def test_without_the_list_of_applications_a_default_grant_may_apply_to_each() -> None:
    grant = only(build([], [a_default_grant()], a_directory(None, [an_api()])))

    assert grant.default_holders is None
    assert AccessFilter(application="Anything").selects(grant)


@pytest.mark.parametrize(
    ("fields", "apis", "reason"),
    [
        ({"organization_usage": "require", "organizations": frozenset()}, [an_api()], "requires an organization"),
        ({"organization_usage": "require", "organizations": None}, [an_api()], ""),
        ({"organization_usage": "allow", "organizations": frozenset()}, [an_api()], ""),
        ({}, [], "the tenant has no API with this identifier"),
        ({}, None, ""),
        ({}, [an_api(policies=(("client", "deny_all"),))], "the API denies all tokens for the subject type client"),
        ({}, [an_api(policies=(("client", "require_client_grant"), ("user", "deny_all")))], ""),
    ],
)
def test_a_grant_that_gives_no_access_says_why(fields: dict[str, Any], apis: list[Any] | None, reason: str) -> None:
    access = build([], [an_observed(a_grant(**fields))], a_directory({"billing": "Billing"}, apis))

    assert reason in only(access).no_effect
    assert bool(only(access).no_effect) == bool(reason)
    assert ("no-effect" in {each.rule for each in findings(an_access_report(access))}) == bool(reason)


def test_access_without_grants_is_noted() -> None:
    apis = [an_api(policies=(("user", "allow_all"),)), an_api("urn:x", "X", policies=(("user", "deny_all"),))]

    (note,) = build([], [], a_directory({}, apis)).notes

    assert "may call these APIs for signed-in users without a grant (policy allow_all for users): Invoices API" in note
    assert build().notes == ()


# totals and findings


def test_totals_of_an_unread_tenant_are_not_known() -> None:
    report = an_access_report(unread_part())

    assert {each.text for each in totals(report)} == {"not known"}


def test_totals_do_not_count_declared_grants_as_grants_of_the_tenant() -> None:
    access = declared_access(TENANT, [a_spec()], DeclarationFacts(now=NOW))

    assert {(each.text, each.unknown) for each in totals(an_access_report(access))} == {("not known", 1)}


def test_totals_of_one_unread_tenant_among_several_are_lower_bounds() -> None:
    report = an_access_report(a_tenant_access(an_access_grant()), unread_part())

    assert {each.name: each.text for each in totals(report)}["grants"] == "at least 1"


def test_totals_count_unknown_answers_separately() -> None:
    grant = an_access_grant(third_party=None, level=GrantLevel.UNKNOWN)
    texts = {each.name: each.text for each in totals(an_access_report(a_tenant_access(grant)))}

    assert (texts["third_party"], texts["critical"], texts["grants"]) == ("0 (1 not known)", "0 (1 not known)", "1")


@given(st.lists(st.sampled_from(AccessState), max_size=8), st.lists(st.sampled_from(GrantLevel), max_size=8))
def test_totals_never_count_more_than_the_grants(states: list[AccessState], levels: list[GrantLevel]) -> None:
    found = [an_access_grant(state=state, level=level) for state, level in zip(states, levels, strict=False)]
    report = an_access_report(a_tenant_access(*found))
    numbers = {each.name: each for each in totals(report)}

    for name in COUNTED:
        assert 0 <= numbers[name].count + numbers[name].unknown <= numbers["grants"].count
    assert numbers["grants"].count + numbers["missing"].count == len(found)


def test_findings_start_with_the_unread_listings() -> None:
    report = replace(
        an_access_report(unread_part(), a_tenant_access(an_access_grant(description=""))), history="shallow"
    )

    assert [each.rule for each in findings(report)] == ["incomplete", "history-unknown", "no-description"]
    assert findings(report)[0].details == ("prod: grants: the token lacks read:client_grants",)


def test_every_state_has_a_meaning() -> None:
    assert set(STATE_MEANINGS) == set(AccessState)


def test_the_schema_and_the_documentation_list_every_state() -> None:
    schema = stored.load(stored.ACCESS)["$defs"]["grant"]["properties"]["state"]["enum"]
    page = (Path(__file__).parents[3] / "docs" / "access.md").read_text(encoding="utf-8")

    assert set(schema) == set(AccessState)
    assert set(re.findall(r"^\| `([a-z-]+)` \| [A-Z]", page, re.MULTILINE)) >= set(AccessState)
