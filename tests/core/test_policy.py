from collections.abc import Mapping

import pytest
from support.builders import OWN, a_directory, a_grant, a_plan, a_spec, an_api, an_observed

from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import Pattern
from reconciler.core.plan import Plan
from reconciler.core.policy import grant_data
from reconciler.core.resolve import resolve
from reconciler.core.settings import GrantSchema, Policy, PolicyRule, Verdict

MANAGEMENT = "https://example.eu.auth0.com/api/v2/"
TAKEOVER = "management-api-takeover"
NAMES = a_directory({"billing": "Billing", "deployer": "CI Deployer"}, None)


def plan_with_policy(*rules: PolicyRule, client_id: str = "billing") -> Plan:
    spec = a_spec(client_id=client_id, audience=MANAGEMENT, scope=("update:users",))
    return a_plan([spec], directory=NAMES, policy=Policy(rules))


def test_a_risk_without_a_verdict_is_shown() -> None:
    plan = plan_with_policy()

    assert [risk.rule for risks in plan.risks.values() for risk in risks] == [TAKEOVER]
    assert not plan.blocked


def test_an_allowed_risk_is_not_shown() -> None:
    plan = plan_with_policy(PolicyRule(TAKEOVER, Verdict.ALLOW))

    assert (plan.risks, plan.blocked) == ({}, ())


@pytest.mark.parametrize(
    ("reason", "message"),
    [("", "policy: management-api-takeover is denied"), ("ask", "policy: management-api-takeover is denied, ask")],
)
def test_a_denied_risk_blocks_its_change_and_is_shown(reason: str, message: str) -> None:
    plan = plan_with_policy(PolicyRule(TAKEOVER, Verdict.DENY, reason=reason))

    assert [each.reason for each in plan.blocked] == [message]
    assert plan.risks
    assert not plan.changes


def test_the_first_matching_rule_decides() -> None:
    rules = (
        PolicyRule("delete", Verdict.DENY),
        PolicyRule(TAKEOVER, Verdict.WARN, Pattern(client="CI *")),
        PolicyRule(TAKEOVER, Verdict.DENY, Pattern(audience="https://*/api/v2/")),
        PolicyRule(TAKEOVER, Verdict.ALLOW),
    )

    assert plan_with_policy(*rules).blocked
    assert not plan_with_policy(*rules, client_id="deployer").blocked


def test_a_policy_cannot_disable_other_guards() -> None:
    spec = a_spec(client_id=OWN.client_id, audience=OWN.audience, scope=("read:x",))
    policy = Policy((PolicyRule("own-grant-widened", Verdict.ALLOW),))

    plan = a_plan(
        [spec],
        [an_observed(a_grant(OWN, scope=()))],
        a_directory({OWN.client_id or "": "Own"}, [an_api(OWN.audience, scopes=frozenset({"read:x"}))]),
        protection=ProtectionRules(OWN),
        policy=policy,
    )

    assert [each.reason.split(":")[0] for each in plan.blocked] == ["own"]


def has_ticket(data: Mapping[str, object]) -> bool:
    return str(data.get("description")).startswith("OPS-")


OURS = Policy(schemas=(GrantSchema("every grant names its ticket", has_ticket),))


def test_a_change_that_violates_a_schema_is_blocked_with_its_title() -> None:
    plan = a_plan([a_spec(), a_spec(line=9, client_id="portal", description="OPS-1")], policy=OURS)

    assert [change.key.client_id for change in plan.changes] == ["portal"]
    assert [each.reason for each in plan.blocked] == ["policy: every grant names its ticket"]


def test_an_unchanged_grant_that_violates_a_schema_is_a_warning() -> None:
    plan = a_plan([a_spec()], [an_observed()], policy=OURS)

    assert plan.converged
    assert [(str(each.source), each.what, each.severity) for each in plan.warnings] == [
        ("grants/a.yaml:2:5", "violates the policy schema: every grant names its ticket", "warning")
    ]


def test_a_delete_does_not_violate_schemas() -> None:
    plan = a_plan([a_spec(client_id="other", description="OPS-1")], [an_observed()], policy=OURS, prune=True)

    assert not plan.blocked
    assert len(plan.changes) == 2


def test_a_schema_sees_names_ids_and_defaults() -> None:
    directory = a_directory({"billing": "Billing"}, [an_api()], {"org_1": "acme"})
    (desired,), _ = resolve(
        [a_spec(client_id="billing", description="why", scope=("b", "a"), organizations=("acme",))], directory
    )

    assert grant_data(desired, directory) == {
        "client": "Billing",
        "client_id": "billing",
        "api": "Invoices API",
        "audience": "https://api.example.com/invoices",
        "subject_type": "client",
        "description": "why",
        "scope": ["a", "b"],
        "allow_all_scopes": False,
        "organization_usage": "deny",
        "allow_any_organization": False,
        "authorization_details_types": [],
        "organizations": ["acme"],
    }


def test_a_schema_does_not_see_undeclared_fields() -> None:
    directory = a_directory({"billing": "Billing"}, [an_api()])
    (desired,), _ = resolve([a_spec(client_id="billing", description="")], directory)

    assert grant_data(desired, directory).keys().isdisjoint({"description", "organizations"})
