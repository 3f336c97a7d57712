"""Pure: what an import from the files of another tool finds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.imports.shared_grants import NamedGrant
from reconciler.core.problems import Problem, Source

ProtectItem = Mapping[str, str]
"""An item of `protect` in reconciler.yaml."""


@dataclass(frozen=True, slots=True, order=True)
class LeftOut:
    """A grant that is not imported for some tenants, and the reason."""

    source: Source
    label: str
    reason: str
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignGrants:
    """The grants in files of another tool, and what reconciler.yaml needs for them.

    Attributes:
        by_tenant: The grants by the name of the tenant.
        domains: The domains of the tenants, by the name of the tenant, as far as the files contain them.
        variables: The variables by the name of the tenant.
        scope_sets: The scope sets by the name of the tenant.
        protect: The grants that the tool leaves alone, by the name of the tenant.
        left_out: The grants that are not imported.
        notes: What the user should know.
        problems: The problems of the files. If there are any, nothing is imported.
        handover: Paragraphs that tell how to take the imported grants out of the other tool.
    """

    by_tenant: Mapping[str, Sequence[NamedGrant]]
    domains: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    scope_sets: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    protect: Mapping[str, Sequence[ProtectItem]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    handover: tuple[str, ...] = ()


def join_results(results: Iterable[ForeignGrants]) -> ForeignGrants:
    """Return the results of several sources as one. Their tenants must differ."""
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
