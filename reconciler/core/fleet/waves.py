"""Pure: the waves of a rollout. `apply --all-tenants` changes the tenants of one wave after the other."""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.core.pattern import matches

DEFAULT_STOP_AFTER = 1


@dataclass(frozen=True, slots=True)
class Wave:
    """A group of tenants. `tenants` contains names and patterns of tenants."""

    name: str
    tenants: tuple[str, ...]

    def includes(self, tenant: str) -> bool:
        """Return whether the name of a tenant matches an item of `tenants`."""
        return any(matches(tenant, pattern) for pattern in self.tenants)


@dataclass(frozen=True, slots=True)
class Rollout:
    """The order in which `apply` changes tenants."""

    waves: tuple[Wave, ...] = ()
    """The waves in their order. Without waves, `apply` changes all tenants at the same time."""
    stop_after: int = DEFAULT_STOP_AFTER
    """The number of unsuccessful tenants after which no wave starts.

    A tenant is unsuccessful if it failed, was refused, was partly applied or is unknown. The tenants of all waves are
    counted together.
    """

    def wave_of(self, tenant: str) -> str | None:
        """Return the name of the first wave that includes a tenant, or None if no wave includes the tenant."""
        return next((wave.name for wave in self.waves if wave.includes(tenant)), None)

    def group(self, tenants: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the names of the tenants by wave, in the order of the waves.

        The result lacks waves without a tenant, and tenants without a wave. A configuration with waves may not have a
        tenant without a wave.
        """
        groups: dict[str, list[str]] = {wave.name: [] for wave in self.waves}
        for tenant in tenants:
            if (name := self.wave_of(tenant)) is not None:
                groups[name].append(tenant)
        return {name: tuple(members) for name, members in groups.items() if members}
