"""The rollout of changes to many tenants: the state of each tenant, and the rollout waves.

A rollout wave is a group of tenants that `apply --all-tenants` changes together. `apply --all-tenants` finishes a
rollout wave before the next rollout wave starts.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from reconciler.core.pattern import matches
from reconciler.errors import Exit

DEFAULT_STOP_AFTER = 1


class TenantState(StrEnum):
    """The state of a tenant in a fleet run."""

    PLANNED = "planned"
    APPLIED = "applied"
    REFUSED = "refused"
    FAILED = "failed"
    PARTIAL = "partial"
    UNKNOWN = "unknown"
    NOT_STARTED = "not started"
    NOT_SELECTED = "not selected"
    """The options PATH, --client and --api select no grant of the tenant, so `apply` did not change the tenant."""


COLLECTED_STATES = tuple(state for state in TenantState if state is not TenantState.NOT_SELECTED)
"""The states of a tenant in the report of `fleet collect`.

The state PARTIAL means that the saved plan selects only some grants of the tenant.
"""
STOPPING_STATES = frozenset({TenantState.REFUSED, TenantState.FAILED, TenantState.PARTIAL, TenantState.UNKNOWN})
"""The tenant states that count as unsuccessful for the limit `stop_after`."""
WRITING_STATES = frozenset({TenantState.APPLIED, TenantState.PARTIAL, TenantState.UNKNOWN})
"""The states after which `apply` may have written to the tenant."""
PLAN, APPLY = "plan", "apply"

_STATES_OF_PLAN: Mapping[int, TenantState] = {
    Exit.DONE: TenantState.PLANNED,
    Exit.CHANGES: TenantState.PLANNED,
    Exit.INCOMPLETE: TenantState.PARTIAL,
    Exit.REFUSED: TenantState.REFUSED,
    Exit.STALE: TenantState.REFUSED,
}
_STATES_OF_APPLY: Mapping[int, TenantState] = {
    Exit.DONE: TenantState.APPLIED,
    Exit.INCOMPLETE: TenantState.PARTIAL,
    Exit.INTERRUPTED: TenantState.PARTIAL,
    Exit.TERMINATED: TenantState.PARTIAL,
    Exit.REFUSED: TenantState.REFUSED,
    Exit.STALE: TenantState.REFUSED,
}


def state_of(command: str, exit_code: int) -> TenantState:
    """Convert an exit code of `plan` or `apply` to the state of a tenant."""
    states = _STATES_OF_PLAN if command == PLAN else _STATES_OF_APPLY
    return states.get(exit_code, TenantState.FAILED)


def exit_code_of_plan(*, is_blocked: bool, is_incomplete: bool, has_differences: bool) -> Exit:
    """Return the exit code of `plan`. Without --detailed-exitcode, `has_differences` is false."""
    if is_blocked:
        return Exit.REFUSED
    if is_incomplete:
        return Exit.INCOMPLETE
    return Exit.CHANGES if has_differences else Exit.DONE


class Wave(NamedTuple):
    """A rollout wave: a group of tenants. `tenants` contains tenant names and patterns for tenant names."""

    name: str
    tenants: tuple[str, ...]

    def includes(self, tenant: str) -> bool:
        """Return whether a tenant name matches an item of `tenants`."""
        return any(matches(tenant, pattern) for pattern in self.tenants)


class Rollout(NamedTuple):
    """The order in which `apply --all-tenants` changes tenants."""

    waves: tuple[Wave, ...] = ()
    """The rollout waves, the first wave first. If `waves` is empty, `apply` changes all tenants at the same time."""
    stop_after: int = DEFAULT_STOP_AFTER
    """The number of unsuccessful tenants after which no further rollout wave starts.

    A tenant is unsuccessful if the tenant's run failed, was refused, was incomplete, or has an unknown result. The
    limit `stop_after` counts the unsuccessful tenants of all rollout waves together.
    """

    def wave_of(self, tenant: str) -> str | None:
        """Return the name of the first rollout wave that contains a tenant, or None if no wave contains the tenant."""
        return next((wave.name for wave in self.waves if wave.includes(tenant)), None)

    def group(self, tenants: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the tenant names of each rollout wave, in the order of the rollout.

        Omit rollout waves without tenants, and tenants without a rollout wave.
        """
        groups: dict[str, list[str]] = {wave.name: [] for wave in self.waves}
        for tenant in tenants:
            if (name := self.wave_of(tenant)) is not None:
                groups[name].append(tenant)
        return {name: tuple(members) for name, members in groups.items() if members}
