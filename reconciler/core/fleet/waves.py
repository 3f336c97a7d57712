"""The waves (groups of tenants) of a rollout.

`apply --all-tenants` finishes the tenants of a wave before the next wave starts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.core.pattern import matches

DEFAULT_STOP_AFTER = 1


@dataclass(frozen=True, slots=True)
class Wave:
    """A group of tenants. `tenants` contains tenant names and patterns for tenant names."""

    name: str
    tenants: tuple[str, ...]

    def includes(self, tenant: str) -> bool:
        """Return whether a tenant name matches an item of `tenants`."""
        return any(matches(tenant, pattern) for pattern in self.tenants)


@dataclass(frozen=True, slots=True)
class Rollout:
    """The order in which `apply` changes tenants."""

    waves: tuple[Wave, ...] = ()
    """The waves, in the order of their start. Without waves, `apply` changes all tenants at the same time."""
    stop_after: int = DEFAULT_STOP_AFTER
    """The number of unsuccessful tenants after which no further wave starts.

    A tenant is unsuccessful if the run failed, was refused or was incomplete, or if the result is unknown. The limit
    counts the tenants of all waves together.
    """

    def wave_of(self, tenant: str) -> str | None:
        """Return the name of the first wave that includes a tenant, or None if no wave includes the tenant."""
        return next((wave.name for wave in self.waves if wave.includes(tenant)), None)

    def group(self, tenants: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the tenant names of each wave, in the order of the waves.

        The result does not contain waves without a tenant, or tenants without a wave. In a valid configuration with
        waves, every tenant has a wave.
        """
        groups: dict[str, list[str]] = {wave.name: [] for wave in self.waves}
        for tenant in tenants:
            if (name := self.wave_of(tenant)) is not None:
                groups[name].append(tenant)
        return {name: tuple(members) for name, members in groups.items() if members}
