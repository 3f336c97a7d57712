from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.builders import INVOICES, OWN, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed

import auth0_sandbox
from reconciler.core.directory import Application, Directory
from reconciler.core.guards import ProtectionRules
from reconciler.core.plan import Plan
from reconciler.core.problems import Level
from reconciler.core.risks import RULES
from reconciler.core.scopes import LEVELS, OTHER_SCOPES, SENSITIVE_SCOPES, TAKEOVER_SCOPES, is_administration, level_of

MANAGEMENT = "https://example.eu.auth0.com/api/v2/"
KNOWN = (Path(__file__).parent / "management-api-scopes.txt").read_text(encoding="utf-8").split()


def rules_of(plan: Plan) -> list[str]:
    """Return the names of the risk rules that match in a plan with one change."""
    (risks,) = plan.risks.values() or [()]
    return [risk.rule for risk in risks]


def test_every_scope_of_the_management_api_has_exactly_one_level() -> None:
    tables = (TAKEOVER_SCOPES, SENSITIVE_SCOPES, OTHER_SCOPES)
    counted = Counter(f"{verb}:{noun}" for table in tables for noun, verbs in table.items() for verb in verbs.split())

    assert sorted(LEVELS) == sorted(KNOWN)
    assert set(counted.values()) == {1}


def test_every_scope_that_the_sandbox_lists_has_a_level() -> None:
    listed = Path(auth0_sandbox.__file__).with_name("management_scopes.txt").read_text(encoding="utf-8").split()

    assert len(listed) == len(set(listed)) == 273
    assert set(listed) < set(LEVELS)


@pytest.mark.parametrize(
    ("scope", "level"),
    [
        ("create:client_grants", Level.CRITICAL),
        ("update:users", Level.CRITICAL),
        (" update:users ", Level.CRITICAL),
        ("read:client_keys", Level.CRITICAL),
        ("update:attack_protection", Level.HIGH),
        ("delete:users", Level.HIGH),
        ("read:logs", Level.HIGH),
        ("create:something_new", Level.HIGH),
        ("blacklist:tokens", Level.HIGH),
        ("update:triggers", Level.CRITICAL),
        ("create:flows_vault", Level.CRITICAL),
        ("read:clients", Level.LOW),
    ],
)
def test_each_scope_has_a_risk_level(scope: str, level: Level) -> None:
    assert level_of(scope) is level


def test_only_added_scopes_of_the_management_api_are_risks() -> None:
    before = a_grant(a_key(audience=MANAGEMENT), scope=("update:users",))
    spec = a_spec(audience=MANAGEMENT, scope=("update:users", "read:logs", "read:clients"))

    assert rules_of(a_plan([spec], [an_observed(before)])) == ["management-api-sensitive", "management-api-access"]
    assert rules_of(a_plan([spec]))[0] == "management-api-takeover"


def test_the_message_lists_five_scopes_and_counts_the_others() -> None:
    scopes = tuple(sorted(scope for scope, level in LEVELS.items() if level is Level.CRITICAL))

    (risks,) = a_plan([a_spec(audience=MANAGEMENT, scope=scopes)]).risks.values()

    assert risks[0].message.endswith(f" and {len(scopes) - 5} more")


@pytest.mark.parametrize(
    ("before", "after", "rules"),
    [
        ({}, {"scope": (), "allow_all_scopes": True}, ["all-scopes"]),
        (
            {"organization_usage": "deny"},
            {"organization_usage": "allow", "allow_any_organization": True},
            ["any-organization", "organization-usage-loosened"],
        ),
        ({"organization_usage": "deny"}, {"organization_usage": "require"}, ["organization-usage-loosened"]),
        ({"organization_usage": "deny"}, {"organization_usage": "new-value"}, ["organization-usage-loosened"]),
        ({"organization_usage": "allow"}, {"organization_usage": "deny"}, []),
        ({}, {"scope": ("read:invoices", "admin:invoices")}, ["administration"]),
        ({"scope": ("read:invoices", "admin:invoices")}, {"scope": ("read:invoices",)}, []),
    ],
)
def test_only_changes_that_add_access_have_these_risks(
    before: dict[str, Any], after: dict[str, Any], rules: list[str]
) -> None:
    plan = a_plan([a_spec(**after)], [an_observed(a_grant(**before))])

    assert rules_of(plan) == rules


@pytest.mark.parametrize(
    ("client_id", "audience", "rule"),
    [
        ("tpc_partner", INVOICES, "third-party"),
        ("billing", MANAGEMENT, "management-api-access"),
    ],
)
def test_a_new_grant_without_scopes_adds_access(client_id: str, audience: str, rule: str) -> None:
    plan = a_plan([a_spec(client_id=client_id, audience=audience, scope=())])

    assert rule in rules_of(plan)


def test_a_new_default_grant_without_scopes_adds_access() -> None:
    assert rules_of(a_plan([a_spec(default_for="third_party_clients", scope=())])) == ["default-grant"]


def test_a_new_own_grant_without_scopes_adds_access() -> None:
    own = a_key(audience=MANAGEMENT)

    plan = a_plan([a_spec(audience=MANAGEMENT, scope=())], protection=ProtectionRules(own))

    assert "own-grant-widened" in rules_of(plan)


def test_a_harmless_create_has_no_risk() -> None:
    assert a_plan([a_spec()]).risks == {}


def test_a_delete_is_a_risk() -> None:
    plan = a_plan([a_spec()], [an_observed(), an_observed(a_grant(a_key("gone")))], prune=True)

    assert rules_of(plan) == ["delete"]


def test_a_default_grant_is_a_risk() -> None:
    assert rules_of(a_plan([a_spec(default_for="third_party_clients")])) == ["default-grant"]


@pytest.mark.parametrize(
    ("client_id", "directory"),
    [
        ("tpc_partner", Directory()),
        ("partner", Directory((Application("partner", "Partner", is_third_party=True),), (an_api(),))),
    ],
    ids=["by-id", "by-flag"],
)
def test_more_access_for_a_third_party_is_a_risk(client_id: str, directory: Directory) -> None:
    assert rules_of(a_plan([a_spec(client_id=client_id)], directory=directory)) == ["third-party"]


def test_an_added_organization_adds_access() -> None:
    acme, globex = "org_acmeacmeacmeacme", "org_globexglobexglob"
    before = an_observed(a_grant(a_key("tpc_x"), organization_usage="require", organizations=frozenset({acme})))
    more, other, less = (
        a_spec(client_id="tpc_x", organization_usage="require", organizations=organizations)
        for organizations in ((acme, globex), (globex,), ())
    )

    assert rules_of(a_plan([more], [before])) == rules_of(a_plan([other], [before])) == ["third-party"]
    assert rules_of(a_plan([less], [before])) == ["all-scopes-removed", "delete"]


def test_a_blocked_change_of_the_own_grant_has_risks() -> None:
    spec = a_spec(client_id=OWN.client_id, audience=OWN.audience, scope=("read:x",))

    plan = a_plan([spec], [an_observed(a_grant(OWN, scope=()))], protection=ProtectionRules(OWN))

    assert plan.blocked
    assert "own-grant-widened" in rules_of(plan)


@pytest.mark.parametrize(
    "scope",
    [
        *("admin", "Admin", "manage:users", "write:*", "*", "users.admin", "all", "userAdmin"),
        *("impersonate", "impersonate:users", "users.impersonation", "canImpersonate"),
        *("full_access", "fullAccess", "FULL-ACCESS", "access:full", "full", "full_control:files"),
        *("owner", "org_owner", "transfer:ownership", "superadmin", "SuperAdmin", "sysadmins", "super-user"),
        *("god_mode", "sudo", "login_as", "actAs:user", "on_behalf_of", "privileged", "breakglass", "unrestricted"),
    ],
)
def test_a_scope_with_an_administrative_name_is_found(scope: str) -> None:
    assert is_administration(scope)


@pytest.mark.parametrize(
    "scope",
    [
        *("read:invoices", "read:badminton", "manager-notes", "read:allowances", "call", "read:full_name"),
        *("goddess", "rooted", "downer", "read:homeowner_list", "class", "lowercase", "contact_as"),
    ],
)
def test_other_scopes_are_not_administrative(scope: str) -> None:
    assert not is_administration(scope)


def test_rules_are_sorted_by_level_and_have_unique_names() -> None:
    assert [rule.level.order for rule in RULES] == sorted(rule.level.order for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_names_of_applications_do_not_matter_to_the_rules() -> None:
    directory = a_directory({"billing": "Admin *"}, [an_api(INVOICES)])

    assert a_plan([a_spec()], directory=directory).risks == {}
