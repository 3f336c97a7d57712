import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.fleet.rollout import Rollout, TenantState, Wave, state_of

CANARY = Wave("canary", ("t001",))
EU = Wave("eu", ("eu-*", "uk"))
REST = Wave("rest", ("*",))

tenant_names = st.sampled_from(["t001", "t002", "eu-1", "eu-2", "uk", "us"])
patterns = st.sampled_from(["t001", "t*", "eu-?", "uk", "*", "none"])
rollouts = st.lists(st.lists(patterns, min_size=1, max_size=3), max_size=4).map(
    lambda waves: Rollout(tuple(Wave(str(number), tuple(each)) for number, each in enumerate(waves)))
)


def test_a_tenant_belongs_to_the_first_wave_that_matches_its_name() -> None:
    rollout = Rollout((CANARY, EU, REST))

    assert rollout.group(["us", "uk", "t001", "eu-1", "t002"]) == {
        "canary": ("t001",),
        "eu": ("uk", "eu-1"),
        "rest": ("us", "t002"),
    }


def test_waves_without_a_selected_tenant_are_left_out() -> None:
    assert Rollout((CANARY, EU, REST)).group(["us"]) == {"rest": ("us",)}
    assert Rollout((CANARY,)).group(["us"]) == Rollout().group(["us"]) == {}
    assert Rollout((CANARY,)).wave_of("us") is None


@given(rollout=rollouts, tenants=st.lists(tenant_names, unique=True))
def test_every_tenant_of_a_wave_is_in_exactly_one_group(rollout: Rollout, tenants: list[str]) -> None:
    groups = rollout.group(tenants)

    grouped = [tenant for members in groups.values() for tenant in members]
    assert sorted(grouped) == sorted(tenant for tenant in tenants if rollout.wave_of(tenant) is not None)
    assert list(groups) == [wave.name for wave in rollout.waves if wave.name in groups]
    assert all(rollout.wave_of(tenant) == name for name, members in groups.items() for tenant in members)


@pytest.mark.parametrize(
    ("command", "exit_code", "state"),
    [
        ("plan", 0, TenantState.PLANNED),
        ("plan", 2, TenantState.PLANNED),
        ("plan", 3, TenantState.PARTIAL),
        ("plan", 4, TenantState.REFUSED),
        ("plan", 1, TenantState.FAILED),
        ("plan", 130, TenantState.FAILED),
        ("apply", 0, TenantState.APPLIED),
        ("apply", 1, TenantState.FAILED),
        ("apply", 2, TenantState.FAILED),
        ("apply", 3, TenantState.PARTIAL),
        ("apply", 4, TenantState.REFUSED),
        ("apply", 5, TenantState.REFUSED),
        ("apply", 143, TenantState.PARTIAL),
    ],
)
def test_the_exit_code_determines_the_state(command: str, exit_code: int, state: TenantState) -> None:
    assert state_of(command, exit_code) is state
