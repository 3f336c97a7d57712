"""Rollout waves. A rollout wave is a group of tenants that `apply --all-tenants` changes together.

`apply --all-tenants` finishes a rollout wave before the next rollout wave starts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.core.pattern import matches

DEFAULT_STOP_AFTER = 1


@dataclass(frozen=True, slots=True)
class Wave:
    """A rollout wave: a group of tenants. `tenants` contains tenant names and patterns for tenant names."""

    name: str
    tenants: tuple[str, ...]

    def includes(self, tenant: str) -> bool:
        """Return whether a tenant name matches an item of `tenants`."""
        return any(matches(tenant, pattern) for pattern in self.tenants)


@dataclass(frozen=True, slots=True)
class Rollout:
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
