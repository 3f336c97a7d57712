"""Find removed grants: grants that an earlier commit declared and that the files no longer declare."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from reconciler.core.characters import join_first, pluralize
from reconciler.core.declared_history import (
    Commit,
    DeclarationLine,
    DeclaredKey,
    Presence,
    TenantHistory,
    spec_of,
)
from reconciler.core.directory import Directory
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.problems import Source
from reconciler.core.resolve import DesiredGrant, resolve
from reconciler.core.spec import GrantSpec

MAX_NAMED = 5
"""The maximum number of removed grants that a note lists."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A removed grant: an earlier commit declared the grant, and the files no longer declare the grant."""

    spec: GrantSpec
    """The removed declaration, with variables replaced. Only the identifying fields and the position are set."""
    removed_by: Commit | None = None
    """The commit that removed the declaration, or None if the commit is unknown or the removal is uncommitted."""
    declared_by: Commit | None = None
    """The commit that added the declaration, or None if the commit is unknown."""
    is_from_history: bool = False
    """True if reconciler found the removed declaration in the git history, and not only at the base revision.

    If `is_from_history` is true and `removed_by` is None, the removal of the declaration is not yet committed.
    """
    commit: str = ""
    """The hash of the commit that last contained the declaration, or an empty string if the commit is unknown."""
    is_unknown: bool = False
    """True if reconciler does not know which grant of the tenant the removed declaration identifies.

    reconciler then does not know the tenant or the variables in the commits that contain the declaration.
    """
    is_from_branch: bool = field(default=False, compare=False)
    """True if a commit after the base revision removed the declaration, or if the removal is not yet committed."""
    is_side: bool = False
    """True if only a merged branch, or a file that was later moved into the grant folder, contained the declaration."""
    history: TenantHistory | None = field(default=None, compare=False, repr=False)
    """The git history in which the declaration was found, or None for a declaration of the base revision."""

    @property
    def path(self) -> str:
        """The path of the grant file that contained the removed declaration."""
        if self.is_from_history and not self.commit:  # `file` is only a path, which may contain " in "
            return self.spec.file
        path, separator, _ = self.spec.file.rpartition(" in ")
        return path if separator else self.spec.file


class NoLongerDeclared(NamedTuple):
    """A grant in the tenant that only the files at the base revision declare. The plan does not delete the grant."""

    observed: ObservedGrant
    """The grant in the tenant."""
    source: Source
    """The file and line of the declaration at the base revision."""
    reason: str
    """The reason why the plan does not delete the grant."""
    moved_to: Key | None = None
    """The new application, API and subject type, if the edited declaration now declares a different grant."""
    commit: str = ""
    """The hash of the base commit, or an empty string if the base commit is unknown."""

    @property
    def key(self) -> Key:
        """The fields that identify the grant: application, API and subject type."""
        return self.observed.key


def find_removals(history: TenantHistory, declared: Iterable[GrantSpec]) -> tuple[Removal, ...]:
    """Return the removed grants of a tenant. `declared` contains the current declarations for the tenant.

    The comparison uses the names in the declarations, not the ids. A file version that reconciler cannot read counts as
    unchanged.
    """
    now = {DeclaredKey.of(spec)._replace(tenants=()) for spec in declared}
    found = tuple(_removal(key, history, (key,)) for key in history.presences if key not in now)
    known = now.union(history.presences)
    unknown = {key: line for key, line in history.unknown.items() if key._replace(tenants=()) not in known}
    side = {key: line for key, line in history.side.items() if key not in now}
    return (
        *found,
        *(_kept_removal(key, line, is_unknown=True) for key, line in unknown.items()),
        *(_kept_removal(key, line, is_side=True) for key, line in side.items()),
    )


def _kept_removal(
    key: DeclaredKey, line: DeclarationLine, *, is_unknown: bool = False, is_side: bool = False
) -> Removal:
    commit = line[-1].hash if line[-1] else ""
    return Removal(spec_of(key, line), commit=commit, is_unknown=is_unknown, is_side=is_side)


def find_first_commits(history: TenantHistory, declared: Iterable[GrantSpec]) -> Mapping[Source, Commit]:
    """Return a mapping from the position of each declaration to the commit that added the declaration.

    For a declaration that was removed and added again, return the last commit that added the declaration. Omit
    uncommitted declarations and declarations that are older than the available git history.
    """
    found: dict[Source, Commit] = {}
    for spec in declared:
        presence = history.presences.get(DeclaredKey.of(spec)._replace(tenants=()), Presence())
        if presence.lines and presence.declared_by:
            found[spec.source] = presence.declared_by
    return found


def _removal(key: DeclaredKey, history: TenantHistory, keys: tuple[DeclaredKey, ...]) -> Removal:
    """Return the removal of the grant that the declarations in `keys` identify."""
    presence = history.presence_of(keys) if len(keys) > 1 else history.presences[key]
    _, _, commit = presence.newest_line
    return Removal(
        spec_of(key, presence.newest_line),
        None if presence.lines else presence.removed_by,
        presence.declared_by,
        is_from_history=True,
        commit=commit.hash if commit else "",
        history=history,
    )


class ResolvedRemovals(NamedTuple):
    """The removed declarations by grant, and the removed declarations with an unknown or ambiguous name.

    `side` contains the grants that only a merged branch or a file outside the grant folder declared.
    """

    by_key: Mapping[Key, Removal]
    unresolved: tuple[Removal, ...]
    side: Mapping[Key, Removal]

    def not_compared(self, undeclared: Iterable[Key]) -> tuple[Removal, ...]:
        """Return the removals that reconciler cannot compare. `undeclared` contains grants that the plan keeps."""
        return (*self.unresolved, *(self.side[key] for key in undeclared if key in self.side))


def resolve_removals(removals: Iterable[Removal], directory: Directory) -> ResolvedRemovals:
    """Look up the removed grants' applications and APIs in the tenant. Combine the removals of the same grant."""
    found: dict[Key, list[Removal]] = {}
    unresolved: list[Removal] = []
    side: dict[Key, Removal] = {}
    for removal in removals:
        desired = () if removal.is_unknown else resolve([removal.spec], directory)[0]
        if removal.is_side:
            side.update({each.key: removal for each in desired})
        else:
            (found.setdefault(desired[0].key, []) if desired else unresolved).append(removal)
    by_key = {key: _combined_removal(each) for key, each in found.items()}
    return ResolvedRemovals(by_key, tuple(unresolved), {key: side[key] for key in side.keys() - by_key.keys()})


def _combined_removal(removals: Sequence[Removal]) -> Removal:
    """Combine the removals of a grant, and remove `history`, so that a plan does not contain the whole git history."""
    last = removals[-1]
    if len(removals) == 1 or last.history is None:
        return replace(last, history=None)
    found = _removal(DeclaredKey.of(last.spec), last.history, tuple(DeclaredKey.of(each.spec) for each in removals))
    is_from_branch = any(each.is_from_branch for each in removals if each.removed_by == found.removed_by)
    return replace(found, is_from_branch=is_from_branch, history=None)


def find_moves(removed: Iterable[DesiredGrant], added: Iterable[DesiredGrant]) -> Mapping[Key, Key]:
    """Find declarations that now declare a different grant, and return the old and the new identity of the grant.

    The identity of a grant consists of application, API and subject type. A removed and an added grant in the same file
    belong together if only the application, API or subject type differs.
    """
    by_form: dict[tuple[object, ...], list[Key]] = {}
    for each in added:
        for form in _forms(each.key, each.spec.file):
            by_form.setdefault(form, []).append(each.key)
    pairs = [
        (each.key, after)
        for each in removed
        for form in _forms(each.key, Removal(each.spec).path)
        for after in by_form.get(form, ())
    ]
    befores, afters = Counter(before for before, _ in pairs), Counter(after for _, after in pairs)
    return {before: after for before, after in pairs if befores[before] == 1 and afters[after] == 1}


def _forms(key: Key, file: str) -> Iterator[tuple[object, ...]]:
    """Yield three tuples of the file and the key's fields. Each tuple has a placeholder for one field."""
    holder = (key.client_id, key.default_for)
    yield file, "holder", key.audience, key.subject_type
    yield file, holder, "audience", key.subject_type
    yield file, holder, key.audience, ("subject type",)


def earlier_source(source: Source) -> str:
    """Format a position in an earlier file version as `file:line in revision`."""
    file, separator, revision = source.file.rpartition(" in ")
    return f"{file}:{source.line} in {revision}" if separator else f"{source.file}:{source.line}"


def unread_versions_note(unread: Sequence[str]) -> Iterator[str]:
    """Yield a note if reconciler could not read some earlier versions of grant files."""
    if unread:
        yield (
            f"{pluralize(len(unread), 'earlier version')} of grant files could not be read, so grants that only "
            f"these versions declare are not deleted: {join_first(unread, MAX_NAMED)}"
        )


def unresolved_notes(unresolved: Sequence[Removal]) -> Iterator[str]:
    """Yield notes about removed declarations that reconciler could not compare with the grants of the tenant."""
    for marks, reason in (
        ((False, False), "the name of an application or API is unknown or ambiguous in the tenant"),
        (
            (True, False),
            "the reconciler.yaml of the same commit does not show the variables and the domain of this tenant",
        ),
        (
            (False, True),
            "only a merged branch, or a file that was later moved into the grant folder, contained the declaration",
        ),
    ):
        labels = [
            f"{each.spec.client or each.spec.client_id or each.spec.default_for} -> "
            f"{each.spec.api or each.spec.audience} ({earlier_source(each.spec.source)})"
            for each in unresolved
            if (each.is_unknown, each.is_side) == marks
        ]
        if labels:
            count = pluralize(len(labels), "removed declaration")
            yield f"{count} could not be compared, because {reason}: {join_first(labels, MAX_NAMED)}"
