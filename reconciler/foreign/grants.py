"""The result of importing grants from the files of another tool."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.imports.shared_grants import NamedGrant
from reconciler.core.problems import Problem, Source

ProtectItem = Mapping[str, str]
"""An item of `protect` in reconciler.yaml."""


@dataclass(frozen=True, slots=True, order=True)
class LeftOut:
    """A grant or value that reconciler does not import for some tenants, with the reason."""

    source: Source
    label: str
    reason: str
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignGrants:
    """The grants in the files of another tool, and the settings that the grants need in reconciler.yaml."""

    by_tenant: Mapping[str, Sequence[NamedGrant]]
    """The grants for each tenant, by the name of the tenant."""
    domains: Mapping[str, str] = field(default_factory=dict)
    """The known domains of tenants, by the name of the tenant."""
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The variables for each tenant, by the name of the tenant."""
    scope_sets: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """The scope sets for each tenant, by the name of the tenant."""
    protect: Mapping[str, Sequence[ProtectItem]] = field(default_factory=dict)
    """For each tenant name, the items for `protect` that match the grants excluded by auth0-deploy-cli."""
    left_out: tuple[LeftOut, ...] = ()
    """The grants and values that reconciler does not import."""
    notes: tuple[str, ...] = ()
    """Notes for the user about the import."""
    problems: tuple[Problem, ...] = ()
    """The problems in the files. If the files have problems, reconciler imports nothing."""
    handover: tuple[str, ...] = ()
    """Instructions for the user on how to remove the imported grants from the other tool."""


def join_results(results: Iterable[ForeignGrants]) -> ForeignGrants:
    """Combine the results of imports for different tenants."""
    found = list(results)
    return ForeignGrants(
        by_tenant={name: grants for each in found for name, grants in each.by_tenant.items()},
        domains={name: domain for each in found for name, domain in each.domains.items()},
        variables={name: values for each in found for name, values in each.variables.items()},
        scope_sets={name: sets for each in found for name, sets in each.scope_sets.items()},
        protect={name: items for each in found for name, items in each.protect.items()},
        left_out=tuple(item for each in found for item in each.left_out),
        notes=tuple(dict.fromkeys(note for each in found for note in each.notes)),
        problems=tuple(problem for each in found for problem in each.problems),
        handover=tuple(dict.fromkeys(text for each in found for text in each.handover)),
    )
