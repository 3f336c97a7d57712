import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.builders import OWN, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed

from reconciler.artifacts.deserialization import plan_from_json
from reconciler.artifacts.serialization import plan_id, plan_json
from reconciler.contract import stored
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import Protect
from reconciler.core.plan import Origin, Plan, grant_after
from reconciler.core.problems import Level, Risk
from reconciler.core.settings import Limits

WIDENED = a_grant(scope=("read:invoices", "write:invoices"), organization_usage="allow", allow_any_organization=True)
PROTECTION = ProtectionRules(OWN, (Protect(client_id="kept", reason="ask first"),))
PLANS = {
    "create": a_plan([a_spec()]),
    "update": a_plan([a_spec()], [an_observed(WIDENED)]),
    "delete": a_plan([a_spec(client_id="other")], [an_observed(WIDENED)], prune=True),
    "blocked": a_plan([a_spec(client_id="kept")], [an_observed(a_grant(OWN))], protection=PROTECTION),
    "all-scopes": a_plan([a_spec(scope=(), allow_all_scopes=True)], [an_observed(WIDENED)]),
    "default": a_plan([a_spec(default_for="third_party_clients")]),
    "names": a_plan([a_spec()], directory=a_directory({"billing": "Billing"}, [an_api()])),
    "no changes": a_plan([a_spec()], [an_observed()]),
    "organizations": a_plan(
        [
            a_spec(organization_usage="allow", organizations=("acme", "globex")),
            a_spec(client_id="new", organizations=()),
            a_spec(client_id="silent"),
        ],
        [
            an_observed(a_grant(organization_usage="allow", organizations=frozenset({"org_3", "org_1"}))),
            an_observed(a_grant(a_key("stray"), organizations=frozenset({"org_4"}))),
        ],
        a_directory(
            {"billing": "Billing", "new": "New", "silent": "Silent", "stray": "Stray"},
            organizations={"org_1": "acme", "org_2": "globex", "org_3": "initech", "org_9": "unconcerned"},
        ),
        prune=True,
    ),
}


def json_data(plan: Plan) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(plan_json(plan)))
    assert data == plan_json(plan)
    return data


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_the_json_of_a_plan_matches_its_schema(plan: Plan) -> None:
    Draft202012Validator(stored.load(stored.PLAN)).validate(json_data(plan))


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_the_plan_id_is_the_same_in_messages_and_in_json(plan: Plan) -> None:
    assert json_data(plan)["plan_id"] == plan_id(plan)


def test_the_plan_id_covers_everything_that_a_change_does() -> None:
    plans = [
        a_plan([a_spec()]),
        a_plan([a_spec(client_id="other")]),
        a_plan([a_spec(scope=("write:invoices",))]),
        a_plan([a_spec()], [an_observed(a_grant(scope=("write:invoices",)))]),
        a_plan([a_spec()], [an_observed(a_grant(scope=("read:invoices", "write:invoices")))]),
        a_plan([], [an_observed()], prune=True, limits=Limits(max_deletes=1)),
        a_plan([], [an_observed()], prune=True, limits=Limits(max_deletes=0)),
        a_plan([a_spec()], [an_observed()]),
    ]

    assert len({plan_id(plan) for plan in plans}) == len(plans)


def test_an_update_contains_before_after_and_the_changed_fields() -> None:
    (change,) = json_data(PLANS["update"])["changes"]

    key = {
        "client_id": "billing",
        "default_for": None,
        "audience": "https://api.example.com/invoices",
        "subject_type": "client",
    }
    rest = {"authorization_details_types": [], "allow_all_scopes": False}
    assert change == {
        "action": "update",
        "key": key,
        "client_name": None,
        "api_name": None,
        "before": {
            **key,
            **rest,
            "scope": ["read:invoices", "write:invoices"],
            "organization_usage": "allow",
            "allow_any_organization": True,
        },
        "after": {
            **key,
            **rest,
            "scope": ["read:invoices"],
            "organization_usage": "deny",
            "allow_any_organization": False,
        },
        "fields": [
            {"field": "scope", "added": [], "removed": ["write:invoices"]},
            {"field": "organization_usage", "before": "allow", "after": "deny"},
            {"field": "allow_any_organization", "before": True, "after": False},
        ],
        "source": {"file": "grants/a.yaml", "line": 2, "column": 5},
        "description": "",
        "blocked": None,
        "risks": [],
        "facts": {"third_party": False, "app_type": None, "api_scopes": None},
        "origin": None,
    }


def test_organizations_are_listed_by_id_with_a_table_of_known_names() -> None:
    data = json_data(PLANS["organizations"])
    new, undeclared, billing, stray = data["changes"]

    assert data["organization_names"] == {"org_1": "acme", "org_2": "globex", "org_3": "initech"}
    assert billing["fields"] == [{"field": "organizations", "added": ["org_2"], "removed": ["org_3"]}]
    assert (billing["before"]["organizations"], billing["after"]["organizations"]) == (
        ["org_1", "org_3"],
        ["org_1", "org_2"],
    )
    assert new["after"]["organizations"] == []
    assert "organizations" not in undeclared["after"]
    assert stray["fields"][-1] == {"field": "organizations", "added": [], "removed": ["org_4"]}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_plan_is_read_back_from_json_unchanged(plan: Plan) -> None:
    read_back = plan_from_json(json_data(plan))

    assert json_data(read_back) == json_data(plan)
    assert [grant_after(change) for change in read_back.changes] == [grant_after(change) for change in plan.changes]


def test_risks_and_origins_are_read_back_unchanged() -> None:
    plan = replace(
        PLANS["update"],
        risks={PLANS["update"].changes[0].key: (Risk("delete", Level.HIGH, "takes everything"),)},
        origins={PLANS["update"].changes[0].key: Origin.BOTH},
    )

    data = json_data(plan)
    Draft202012Validator(stored.load(stored.PLAN)).validate(data)
    read_back = plan_from_json(data)
    assert (read_back.risks, read_back.origins) == (plan.risks, plan.origins)


@pytest.mark.parametrize(
    ("name", "before", "after", "source"),
    [("create", False, True, True), ("update", True, True, True), ("delete", True, False, False)],
    ids=["create", "update", "delete"],
)
def test_json_has_null_for_a_missing_before_or_after_value(
    name: str, *, before: bool, after: bool, source: bool
) -> None:
    *_, change = json_data(PLANS[name])["changes"]

    assert (change["before"] is not None, change["after"] is not None) == (before, after)
    assert (change["source"] is not None) is source


def test_a_blocked_change_is_listed_and_counted_only_as_blocked() -> None:
    data = json_data(PLANS["blocked"])

    assert [change["blocked"] for change in data["changes"]] == ['protected: ask first (protect: client_id "kept")']
    assert data["summary"] == {
        "create": 0,
        "update": 0,
        "delete": 0,
        "unchanged": 0,
        "unmanaged": 1,
        "blocked": 1,
    }


def test_a_grant_that_is_left_alone_is_listed_with_its_id_and_reason() -> None:
    (own,) = json_data(PLANS["blocked"])["unmanaged"]

    assert (own["id"], own["reason"], own["key"]["client_id"]) == ("cgr_0000000000000001", "own", "own-client")


def test_changes_are_listed_in_the_order_of_apply() -> None:
    observed = [
        an_observed(a_grant(a_key("a")), "cgr_a"),
        an_observed(a_grant(a_key("b"), ("read:invoices", "more")), "cgr_b"),
        an_observed(a_grant(a_key("c"), ()), "cgr_c"),
    ]
    specs = [a_spec(client_id=client_id) for client_id in ("b", "c", "d")]

    changes = json_data(a_plan(specs, observed, prune=True))["changes"]

    assert [change["key"]["client_id"] for change in changes] == ["d", "c", "b", "a"]


def test_critical_risks_come_before_all_changes() -> None:
    management = an_api("https://t.example/api/v2/", "Auth0 Management API", scopes=frozenset({"create:clients"}))
    specs = [a_spec(), a_spec(line=9, client_id="zed", audience=management.identifier, scope=("create:clients",))]

    data = plan_json(a_plan(specs, [], a_directory(None, [an_api(), management])))

    assert data["critical"] == [
        {
            "grant": "zed -> Auth0 Management API",
            "rule": "management-api-takeover",
            "message": "can take over the tenant: create:clients",
        }
    ]
    assert list(data).index("critical") < list(data).index("changes")
