import pytest
from support.builders import OWN, a_directory, a_grant, a_plan, a_spec, an_api, an_observed

from reconciler.core.guards import Untouchable
from reconciler.core.pattern import Pattern
from reconciler.core.plan import Plan
from reconciler.core.policy import Policy, PolicyRule, Verdict

MANAGEMENT = "https://example.eu.auth0.com/api/v2/"
TAKEOVER = "management-api-takeover"
NAMES = a_directory({"billing": "Billing", "deployer": "CI Deployer"}, None)


def planned(*rules: PolicyRule, client_id: str = "billing") -> Plan:
    spec = a_spec(client_id=client_id, audience=MANAGEMENT, scope=("update:users",))
    return a_plan([spec], directory=NAMES, policy=Policy(rules))


def test_a_risk_without_a_verdict_is_shown() -> None:
    plan = planned()

    assert [risk.rule for risks in plan.risks.values() for risk in risks] == [TAKEOVER]
    assert not plan.blocked


def test_an_allowed_risk_is_not_shown() -> None:
    plan = planned(PolicyRule(TAKEOVER, Verdict.ALLOW))

    assert (plan.risks, plan.blocked) == ({}, ())


@pytest.mark.parametrize(
    ("reason", "told"),
    [("", "policy: management-api-takeover is denied"), ("ask", "policy: management-api-takeover is denied, ask")],
)
def test_a_denied_risk_blocks_its_change_and_stays_in_view(reason: str, told: str) -> None:
    plan = planned(PolicyRule(TAKEOVER, Verdict.DENY, reason=reason))

    assert [each.reason for each in plan.blocked] == [told]
    assert plan.risks
    assert not plan.changes


def test_the_first_rule_that_covers_the_grant_decides() -> None:
    rules = (
        PolicyRule("delete", Verdict.DENY),
        PolicyRule(TAKEOVER, Verdict.WARN, Pattern(client="CI *")),
        PolicyRule(TAKEOVER, Verdict.DENY, Pattern(audience="https://*/api/v2/")),
        PolicyRule(TAKEOVER, Verdict.ALLOW),
    )

    assert planned(*rules).blocked
    assert not planned(*rules, client_id="deployer").blocked


def test_other_guards_come_first_and_no_policy_lifts_them() -> None:
    spec = a_spec(client_id=OWN.client_id, audience=OWN.audience, scope=("read:x",))
    policy = Policy((PolicyRule("own-grant-widened", Verdict.ALLOW),))

    plan = a_plan(
        [spec],
        [an_observed(a_grant(OWN, scope=()))],
        a_directory({OWN.client_id or "": "Own"}, [an_api(OWN.audience, scopes=frozenset({"read:x"}))]),
        untouchable=Untouchable(OWN),
        policy=policy,
    )

    assert [each.reason.split(":")[0] for each in plan.blocked] == ["own"]
