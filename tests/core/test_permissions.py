import pytest
from support.builders import a_grant, a_plan, a_spec, an_observed

from reconciler.core.permissions import missing_permissions
from reconciler.core.plan import Plan
from reconciler.core.spec import GrantSpec

ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"


def of(*organizations: str, usage: str = "allow") -> GrantSpec:
    return a_spec(organization_usage=usage, organizations=organizations)


HAD = an_observed(a_grant(organization_usage="allow", organizations=frozenset({ACME})))


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (a_plan([a_spec()]), ["create:client_grants"]),
        (a_plan([of()]), ["create:client_grants"]),
        (a_plan([of(ACME)]), ["create:client_grants", "create:organization_client_grants"]),
        (a_plan([of(ACME, GLOBEX)], [HAD]), ["create:organization_client_grants"]),
        (a_plan([of()], [HAD]), ["delete:organization_client_grants"]),
        (
            a_plan([of(GLOBEX, usage="require")], [HAD]),
            ["create:organization_client_grants", "delete:organization_client_grants", "update:client_grants"],
        ),
        (a_plan([a_spec(client_id="other")], [HAD], prune=True), ["create:client_grants", "delete:client_grants"]),
        (a_plan([of(ACME)], [HAD]), []),
    ],
    ids=[
        "create",
        "create for none",
        "create for one",
        "one more",
        "one less",
        "another one and another setting",
        "create and delete",
        "nothing",
    ],
)
def test_a_plan_needs_exactly_the_permissions_of_its_requests(plan: Plan, expected: list[str]) -> None:
    assert missing_permissions(plan, frozenset()) == expected
    assert missing_permissions(plan, frozenset(expected)) == []


def test_a_token_with_unknown_permissions_has_no_missing_permissions() -> None:
    assert missing_permissions(a_plan([of(ACME)]), None) == []
