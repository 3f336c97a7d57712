"""Decide for which grants reconciler reads the assigned organizations, and check the organizations that gain grants."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.core.directory import Directory
from reconciler.core.fields import SUBJECT_CLIENT, admits_organizations
from reconciler.core.grant import Key, ObservedGrant, index_by_key
from reconciler.core.guards import ProtectionRules
from reconciler.core.problems import Problem, Source
from reconciler.core.removals import Removal, resolve_removals
from reconciler.core.resolve import DesiredGrant, resolve
from reconciler.core.spec import GrantSpec


class DeclaredOrganizations(NamedTuple):
    """The declared grants and deletion rules that determine which organizations reconciler reads.

    `pruned` contains the rules that protect undeclared grants from deletion, or None if the plan keeps all undeclared
    grants. With `--prune-removed`, the plan deletes only the grants in `removals`. `expired` contains the expired
    declarations.
    """

    specs: tuple[GrantSpec, ...]
    pruned: ProtectionRules | None = None
    removals: tuple[Removal, ...] | None = None
    expired: tuple[GrantSpec, ...] = ()

    @property
    def may_delete(self) -> bool:
        """True if the plan may delete grants."""
        return self.pruned is not None or bool(self.expired)

    @property
    def are_declared(self) -> bool:
        """True if any grant declaration contains the field `organizations`."""
        return any(spec.organizations is not None for spec in self.specs)

    def grants_to_read(self, grants: Iterable[ObservedGrant], directory: Directory) -> tuple[ObservedGrant, ...]:
        """Return the grants for which reconciler must read the assigned organizations.

        reconciler reads the organizations of grants that the plan may delete, and of grants whose declaration contains
        organizations.
        """
        desired = {each.key: each.grant for each in resolve(self.specs, directory)[0]}
        removed = None if self.removals is None else resolve_removals(self.removals, directory).by_key
        expired = {each.key for each in resolve(self.expired, directory)[0]}

        def must_be_read(observed: ObservedGrant) -> bool:
            if observed.key in desired:
                return desired[observed.key].organizations is not None
            if observed.key in expired:
                return may_have_organizations(observed)
            if removed is not None and observed.key not in removed:
                return False
            is_pruned = self.pruned is not None and self.pruned.reason_to_keep(observed, directory, prunes=True) is None
            return is_pruned and may_have_organizations(observed)

        return tuple(each for each in grants if must_be_read(each))

    def organizations_gaining_grants(self, grants: Iterable[ObservedGrant], directory: Directory) -> frozenset[str]:
        """Return the ids of the organizations that would gain a grant.

        The caller must pass grants that contain the currently assigned organizations.
        """
        observed = index_by_key(grants)
        return frozenset(_count_gains(resolve(self.specs, directory)[0], observed))


def may_have_organizations(observed: ObservedGrant) -> bool:
    """Return whether Auth0 can assign organizations to the grant."""
    admits = admits_organizations(observed.grant.organization_usage)
    return observed.key.client_id is not None and observed.key.subject_type == SUBJECT_CLIENT and admits


def check_organizations(
    desired: Iterable[DesiredGrant],
    observed: Mapping[Key, ObservedGrant],
    grant_counts: Mapping[str, int | None],
    directory: Directory,
    max_grants: int,
) -> tuple[Problem, ...]:
    """Return a problem for each missing organization, and for each organization that would have too many grants.

    `grant_counts` contains the current number of grants of each organization, or None for a missing organization. The
    function does not check organizations that `grant_counts` lacks. `max_grants` is the maximum number of grants per
    organization.
    """
    desired = [each for each in desired if each.grant.organizations]
    gains = _count_gains(desired, observed)
    sources: dict[str, list[Source]] = {}
    for identity, source in _ids_with_sources(desired, directory):
        if identity in gains and identity in grant_counts:
            sources.setdefault(identity, []).append(source)
    problems: list[Problem] = []
    for identity, item_sources in sources.items():
        label, now = directory.organization_label(identity), grant_counts[identity]
        if now is None:
            problems += [_missing(label, source) for source in item_sources]
        elif now + gains[identity] > max_grants:
            problems.append(_too_many(label, min(item_sources), now, gains[identity], max_grants))
    return tuple(problems)


def _count_gains(desired: Iterable[DesiredGrant], observed: Mapping[Key, ObservedGrant]) -> Counter[str]:
    """Count the grants that each organization gains."""
    gains: Counter[str] = Counter()
    for each in desired:
        before = observed[each.key].grant.organizations if each.key in observed else None
        gains.update((each.grant.organizations or frozenset()) - (before or frozenset()))
    return gains


def _ids_with_sources(desired: Iterable[DesiredGrant], directory: Directory) -> Iterator[tuple[str, Source]]:
    for each in desired:
        for text, source in each.spec.organizations_with_sources():
            for identity in directory.find_organizations(text):
                yield identity, source


def _missing(label: str, source: Source) -> Problem:
    what = f'the tenant has no organization "{label}"'
    return Problem(source, what, "create the organization first, or correct the id", is_missing=True)


def _too_many(label: str, source: Source, now: int, gained: int, max_grants: int) -> Problem:
    what = f'the organization "{label}" may have {max_grants} grants, but it has {now} and the files add {gained}'
    fix = "remove grants from the organization; if Auth0 allows more for your tenant, raise limits.organization_grants"
    return Problem(source, what, fix)
