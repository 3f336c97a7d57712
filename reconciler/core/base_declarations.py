"""Find the grants that the files at the base revision declare (`--base`), and compare them with the current files.

The tenant may have changed since the base revision. If an organization no longer exists, the application, the API and
the subject type still identify the grant. If an application or API was renamed or deleted, the declaration identifies
no grant, and several grants of the tenant may be the declared grant.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from reconciler.core.declared_history import DeclaredKey
from reconciler.core.directory import Directory
from reconciler.core.expiry import end_of, split_expired
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.plan import Comparison, LeftAlone, Reason
from reconciler.core.removals import NoLongerDeclared, Removal, find_moves
from reconciler.core.resolve import DesiredGrant, KnownParts, is_resolved, known_parts, matching_parts, resolve
from reconciler.core.risks import REMOVAL_RISK
from reconciler.core.spec import GrantSpec

POSSIBLE_REMOVAL_RISK = REMOVAL_RISK._replace(
    message="the base revision may declare this grant under a name that the tenant does not have",
    is_known=False,
)
"""The risk of an undeclared grant that a removed declaration with an unknown name may have declared."""


class BaseDeclarations(NamedTuple):
    """The declarations in the files at the base revision."""

    valid: Mapping[Key, DesiredGrant] = MappingProxyType({})
    """The grants whose declaration has not expired."""
    expired: Mapping[Key, DesiredGrant] = MappingProxyType({})
    """The grants whose declaration has expired."""
    by_key: Mapping[Key, DesiredGrant] = MappingProxyType({})
    """The grants in `valid` and in `expired`."""
    unidentified: tuple[GrantSpec, ...] = ()
    """The declarations whose names do not match exactly one application and one API in the tenant.

    `unidentified` omits declarations that the current files still contain.
    """

    earliest: Mapping[KnownParts, GrantSpec] = MappingProxyType({})
    """For the known parts of unidentified declarations, the declaration with the earliest expiry date."""

    def possible_declarations(self, key: Key) -> list[GrantSpec]:
        """Return unidentified declarations that may declare the grant with the identity `key`."""
        return [self.earliest[each] for each in matching_parts(key) if each in self.earliest]

    def with_renamed(
        self, desired: Iterable[DesiredGrant], observed: Iterable[ObservedGrant]
    ) -> Mapping[Key, DesiredGrant]:
        """Return the declared grants at the base revision, including grants whose application or API was renamed.

        If the base revision does not declare an existing grant under its current names, an unidentified declaration may
        be the base declaration of the grant. If several unidentified declarations are possible, return the declaration
        with the earliest expiry date.
        """
        if not self.earliest:
            return self.by_key
        existing = {each.key for each in observed}
        found = dict(self.by_key)
        for each in desired:
            if each.key in existing and each.key not in found:
                possible = self.possible_declarations(each.key)
                if possible:
                    found[each.key] = DesiredGrant(ClientGrant(each.key), min(possible, key=_end))
        return found


def resolve_base(
    base: Iterable[GrantSpec], current: Iterable[GrantSpec], directory: Directory, now: datetime
) -> BaseDeclarations:
    """Look up the applications and APIs of the declarations at the base revision in the tenant.

    `current` contains the declarations in the current files.
    """
    parts = [_identify(part, directory) for part in split_expired(base, now)]
    (valid, _), (expired, _) = parts
    unidentified = [spec for _, specs in parts for spec in specs]
    still_declared = {DeclaredKey.of(spec) for spec in current} if unidentified else set()
    removed = tuple(spec for spec in unidentified if DeclaredKey.of(spec) not in still_declared)
    earliest: dict[KnownParts, GrantSpec] = {}
    for spec in sorted(removed, key=_end):
        for known in known_parts(spec, directory):
            earliest.setdefault(known, spec)
    return BaseDeclarations(valid, expired, {**expired, **valid}, removed, earliest)


def _identify(
    specs: tuple[GrantSpec, ...], directory: Directory
) -> tuple[Mapping[Key, DesiredGrant], tuple[GrantSpec, ...]]:
    """Return the identified grants, and the declarations that identify no grant."""
    desired, problems = resolve(specs, directory)
    found = {each.key: each for each in desired}
    if not problems:
        return found, ()
    missing = [spec for spec in specs if not is_resolved(spec, directory)]
    copies = {id(spec): spec._replace(organizations=None) for spec in missing if spec.organizations}
    for each in resolve(copies.values(), directory)[0]:
        found.setdefault(each.key, each)
    return found, tuple(spec for spec in missing if not is_resolved(copies.get(id(spec), spec), directory))


def _end(spec: GrantSpec) -> tuple[bool, datetime | None]:
    """Return a sort key that puts the earliest expiry date first, and declarations without an expiry date last."""
    return (False, end_of(spec.expires)) if spec.expires else (True, None)


def unidentified_removals(base: BaseDeclarations, removals: Iterable[Removal], base_commit: str) -> tuple[Removal, ...]:
    """Return the removed declarations that identify no grant: from the git history, and from the base revision."""
    found = {DeclaredKey.of(each.spec): each for each in removals}
    for spec in base.unidentified:
        found.setdefault(DeclaredKey.of(spec), Removal(spec, commit=base_commit))
    return tuple(found.values())


def removed_without_effect(
    left_alone: Iterable[LeftAlone],
    comparison: Comparison,
    base: BaseDeclarations,
    base_commit: str,
) -> tuple[tuple[NoLongerDeclared, ...], tuple[ObservedGrant, ...]]:
    """Return the grants that the files no longer declare and that the plan leaves in the tenant.

    The second part of the returned pair contains the undeclared grants that an unidentified declaration may declare.
    """
    left_alone = tuple(left_alone)
    no_longer = base.by_key.keys() - comparison.expired.keys()
    stays = [each for each in left_alone if each.observed.key in no_longer]
    added = [each for each in comparison.desired if each.key not in base.by_key] if stays else []
    moves = find_moves([base.by_key[each.observed.key] for each in stays], added)
    return tuple(
        NoLongerDeclared(
            each.observed,
            base.by_key[each.observed.key].spec.source,
            "" if each.reason is Reason.REMOVED else each.why,
            moves.get(each.observed.key),
            base_commit,
        )
        for each in stays
    ), _possibly_removed(left_alone, base)


def _possibly_removed(left_alone: Iterable[LeftAlone], base: BaseDeclarations) -> tuple[ObservedGrant, ...]:
    return tuple(
        each.observed
        for each in left_alone
        if each.reason is Reason.UNMANAGED and base.possible_declarations(each.observed.key)
    )
