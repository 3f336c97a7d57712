import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import a_grant, a_key, a_spec, an_observed
from support.strategies import grants

from reconciler.core.grant import ClientGrant
from reconciler.core.outcome import Associate, ChangeState, Dissociate, Step, change_state, required_steps
from reconciler.core.plan import Change, Create, Delete, Update
from reconciler.core.resolve import DesiredGrant

some = st.frozensets(st.sampled_from(["org_a", "org_b", "org_c"]))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[ClientGrant, ClientGrant]:
    """Generate two grants with the same key and with declared organizations."""
    before, after = draw(grants()), draw(grants())
    return before._replace(organizations=draw(some)), after._replace(key=before.key, organizations=draw(some))


def an_update(before: ClientGrant, after: ClientGrant) -> Update:
    return Update(an_observed(before), DesiredGrant(after, a_spec()), ())


def after_step(grant: ClientGrant, step: Step) -> ClientGrant:
    """Return the grant after a request."""
    had = grant.organizations or frozenset()
    match step:
        case Update():
            return step.after.grant._replace(organizations=had)
        case Associate():
            return grant._replace(organizations=had | {step.organization})
        case Dissociate():
            return grant._replace(organizations=had - {step.organization})


@settings(deadline=None)  # the first comparison loads deepdiff
@given(pairs())
def test_steps_complete_a_change_even_after_an_interruption(
    pair: tuple[ClientGrant, ClientGrant],
) -> None:
    before, after = pair
    change, now = an_update(before, after), before
    assert change_state(change, now) is (ChangeState.AFTER if before == after else ChangeState.BEFORE)
    for step in required_steps(change.before, change.after):
        now = after_step(now, step)
        assert change_state(change, now) is (ChangeState.AFTER if now == after else ChangeState.PARTIAL)
        assert required_steps(an_observed(now), change.after) == () or now != after
    assert now == after


@settings(deadline=None)
@given(pairs())
def test_organizations_are_added_before_others_are_removed(pair: tuple[ClientGrant, ClientGrant]) -> None:
    before, after = pair
    kinds = [type(step) for step in required_steps(an_observed(before), DesiredGrant(after, a_spec()))]

    assert kinds.count(Update) <= 1
    order = [Dissociate, Update, Associate] if before.organization_usage == "deny" else [Associate, Update, Dissociate]
    assert kinds == sorted(kinds, key=order.index)


NEW = a_grant(organization_usage="allow", organizations=frozenset({"org_a", "org_b"}))
CREATE = Create(DesiredGrant(NEW, a_spec()))
DELETE = Delete(an_observed(NEW))
NARROWER = an_update(
    NEW._replace(allow_all_scopes=True, scope=frozenset()),
    NEW._replace(scope=frozenset("a"), organizations=frozenset()),
)


@pytest.mark.parametrize(
    ("change", "now", "expected"),
    [
        (CREATE, None, ChangeState.BEFORE),
        (CREATE, NEW._replace(organizations=frozenset()), ChangeState.PARTIAL),
        (CREATE, NEW._replace(organizations=frozenset({"org_b"})), ChangeState.PARTIAL),
        (CREATE, NEW, ChangeState.AFTER),
        (CREATE, NEW._replace(organizations=frozenset({"org_z"})), ChangeState.OTHER),
        (CREATE, NEW._replace(scope=frozenset({"else"})), ChangeState.OTHER),
        (DELETE, None, ChangeState.AFTER),
        (DELETE, NEW, ChangeState.BEFORE),
        (DELETE, NEW._replace(organizations=frozenset({"org_a"})), ChangeState.OTHER),
        (NARROWER, None, ChangeState.OTHER),
        (NARROWER, NEW._replace(scope=frozenset()), ChangeState.PARTIAL),
        (NARROWER, NEW._replace(scope=frozenset("a"), organizations=frozenset({"org_a"})), ChangeState.PARTIAL),
        (NARROWER, NEW._replace(scope=frozenset("b")), ChangeState.OTHER),
        (NARROWER, a_grant(a_key("other")), ChangeState.OTHER),
    ],
)
def test_the_state_of_a_change_follows_from_the_current_grant(
    change: Change, now: ClientGrant | None, expected: ChangeState
) -> None:
    assert change_state(change, now) is expected


def test_an_update_without_organizations_needs_one_request() -> None:
    before, after = a_grant(scope="a"), a_grant(scope="b")

    (step,) = required_steps(an_observed(before), DesiredGrant(after, a_spec()))

    assert isinstance(step, Update)
    assert [field.field for field in step.fields] == ["scope"]
