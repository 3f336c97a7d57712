import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_spec

from reconciler.core.expressible import MAX_SCOPE_LENGTH, reason_not_expressible
from reconciler.core.grant import ClientGrant, Key
from reconciler.core.scope_sets import escape_scope, expand_scopes, set_name_of
from reconciler.core.tenant_filter import TargetTenant, TargetTenants, find_tenant_problems, select_for_tenant

SETS = {"readers": ("read:a", "read:${stage}"), "odd-1": ("@@x",)}
DEV = TargetTenant("dev", {"stage": "dev"}, SETS)


@pytest.mark.parametrize(
    ("item", "name"),
    [("@readers", "readers"), ("@odd-1", "odd-1"), ("@@x", ""), ("@", ""), ("@1", ""), ("@a b", ""), ("read", "")],
)
def test_the_name_of_the_scope_set_is_read_from_a_reference(item: str, name: str) -> None:
    assert set_name_of(item) == name


@given(st.text(st.sampled_from("@ab-$")))
def test_every_scope_can_be_escaped(text: str) -> None:
    (scope,) = expand_scopes([escape_scope(text)], {"a": ("x",), "b": ("y",)})

    assert (scope.text, scope.set_name) == (text, "")


def test_sets_are_expanded_for_the_tenant() -> None:
    (spec,) = select_for_tenant([a_spec(scope=("@readers", "read:a", "@odd-1", "@@y", "${stage}"))], DEV)

    assert spec.scope == ("read:a", "read:dev", "@x", "@y", "dev")
    assert spec.scope_sets == (("readers", ("read:a", "read:dev")), ("odd-1", ("@x",)))
    assert spec.scope_items == (0, 0, 2, 3, 4)


def test_a_variable_is_never_read_as_a_set() -> None:
    target = DEV._replace(values={"stage": "@readers"})

    assert select_for_tenant([a_spec(scope=("${stage}",))], target)[0].scope == ("@readers",)
    assert select_for_tenant([a_spec(scope=("@@${stage}",))], target)[0].scope == ("@@readers",)


def test_unknown_sets_and_their_variables_are_problems() -> None:
    spec = a_spec(scope=("@reader", "@readers"))
    tenants = TargetTenants((DEV, TargetTenant("prod", {}, SETS)), ("dev", "prod"))

    assert [problem.message for problem in find_tenant_problems([spec], tenants)] == [
        'dev and prod have no scope set "reader"; did you mean "readers"?',
        (
            'prod has no variable "stage" of the scope set "readers"; '
            "define the variable under `variables` in reconciler.yaml"
        ),
    ]


def test_a_scope_that_is_too_long_with_its_escape_is_not_expressible() -> None:
    longest = ClientGrant(Key("a", "b"), frozenset({"@" + "x" * (MAX_SCOPE_LENGTH - 2)}))
    longer = ClientGrant(Key("a", "b"), frozenset({"@" + "x" * (MAX_SCOPE_LENGTH - 1)}))

    assert reason_not_expressible(longest) is None
    assert reason_not_expressible(longer)


def test_a_keyword_of_another_tool_is_not_expressible() -> None:
    reason = 'the scope "##X##" looks like a keyword of auth0-deploy-cli'

    assert reason_not_expressible(ClientGrant(Key("a", "b"), frozenset({"##X##"}))) == reason
    assert reason_not_expressible(ClientGrant(Key("a", "##X##")))
