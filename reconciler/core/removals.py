"""Find removed grants: grants that an earlier commit declared and that the files no longer declare."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.core.characters import pluralize, shorten
from reconciler.core.directory import Directory
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.problems import Source
from reconciler.core.resolve import DesiredGrant, resolve
from reconciler.core.spec import GrantSpec, PartialLocations, TenantPattern, TenantPatterns
from reconciler.core.tenant_filter import (
    Patterns,
    TargetTenant,
    is_same_for_all_tenants,
    patterns_of,
    select_for_tenant,
)

SHORT_HASH = 10
MAX_SUBJECT = 72
"""The maximum number of characters of a commit subject in the output."""
MAX_AUTHOR = 40
MAX_NAMED = 5
"""The maximum number of removed grants that a note lists."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: the full hash, the day in UTC (YYYY-MM-DD), the author's name, and the subject."""

    hash: str
    day: str
    author: str
    subject: str

    @property
    def short_hash(self) -> str:
        """The first characters of the commit hash, for the output."""
        return self.hash[:SHORT_HASH]

    def __str__(self) -> str:
        """Return the hash, day, author and subject in a single line. The returned line is not escaped for terminals."""
        return f"{self.short_hash} {self.day} {shorten(self.author, MAX_AUTHOR)}: {shorten(self.subject, MAX_SUBJECT)}"


class DeclaredKey(NamedTuple):
    """The fields of a declaration that identify a grant, spelled as in the grant file."""

    client: str | None
    client_id: str | None
    default_for: str | None
    api: str | None
    audience: str | None
    subject_type: str
    tenants: Patterns

    @classmethod
    def of(cls, spec: GrantSpec) -> "DeclaredKey":
        """Return the fields of a declaration that identify the grant."""
        return cls(
            spec.client,
            spec.client_id,
            spec.default_for,
            spec.api,
            spec.audience,
            spec.subject_type,
            patterns_of(spec),
        )


Declarations = Mapping[DeclaredKey, int]
"""The grants that a version of a grant file declares, each with the line of the declaration."""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A version of a grant file in the git history, with the grants that the version declares.

    `declares` is None if reconciler could not read the file, and empty if the commit deleted the file.
    """

    path: str
    declares: Declarations | None


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """A commit and the files that the commit changed.

    `commit` is None for the files as they were before the first commit of the history.
    """

    commit: Commit | None
    versions: tuple[FileVersion, ...]


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
    history: "DeclaredHistory | None" = field(default=None, compare=False, repr=False)
    """The git history in which the declaration was found, or None for a declaration of the base revision."""
    group: "Group" = field(default=(), compare=False, repr=False)
    """All declarations of the removed grant in the git history."""

    @property
    def path(self) -> str:
        """The path of the grant file that contained the removed declaration."""
        path, separator, _ = self.spec.file.rpartition(" in ")
        return path if separator else self.spec.file


@dataclass(frozen=True, slots=True)
class NoLongerDeclared:
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


_DeclarationLine = tuple[str, int, Commit | None]
"""The file, the line and the git commit of a declaration.

The commit is None if the declaration is older than the known part of the git history.
"""


@dataclass(slots=True)
class _Presence:
    """The lines that declare a grant, and the commits that last added and removed the grant."""

    lines: dict[str, _DeclarationLine] = field(default_factory=dict)  # the most recently changed file comes last
    last_line: _DeclarationLine = ("", 0, None)
    declared_by: Commit | None = None
    removed_by: Commit | None = None


Group = tuple[DeclaredKey, ...]
"""All declarations in the git history that identify one grant of a tenant, the earliest declaration first."""


class DeclaredHistory:
    """The grants that each commit in the git history declares. The oldest commit comes first.

    Several declarations may identify one grant of a tenant, because declarations may contain variables and lists of
    tenants. A `Group` contains all declarations that identify one grant. The class caches the commits of each `Group`,
    because most tenants have the same declarations.
    """

    def __init__(self, steps: Iterable[HistoryStep] = ()) -> None:
        self._steps = tuple(steps)
        versions = (version for step in self._steps for version in step.versions)
        self._keys = dict.fromkeys(key for version in versions for key in version.declares or ())
        self._presences: dict[Group, _Presence] = {}

    def presences(self, target: TargetTenant) -> Mapping[DeclaredKey, tuple["Group", "_Presence"]]:
        """Find a tenant's grants in the git history. Return the declarations and the commits of each grant."""
        groups: dict[DeclaredKey, list[DeclaredKey]] = {}
        for key in self._keys:
            if (own := _for_target(key, target)) is not None:
                groups.setdefault(own, []).append(key)
        found = self.presences_of(map(tuple, groups.values()))
        return {own: (tuple(keys), found[tuple(keys)]) for own, keys in groups.items()}

    def presences_of(self, groups: Iterable["Group"]) -> Mapping["Group", "_Presence"]:
        """Return the commits that added and removed each grant. A declaration must not belong to several grants."""
        new = {group for group in groups if group not in self._presences}
        if new:
            self._presences |= self._walk(new)
        return self._presences

    def _walk(self, groups: Collection[Group]) -> dict[Group, "_Presence"]:
        """Read the git history, and return the commits that added and removed each grant."""
        by_key = {key: group for group in groups for key in group}
        current: dict[str, Mapping[Group, int]] = {}
        presences: dict[Group, _Presence] = {}
        for step in self._steps:
            for version in step.versions:
                if version.declares is None:
                    continue
                declares: dict[Group, int] = {}
                for key, line in version.declares.items():
                    if (group := by_key.get(key)) is not None:
                        declares.setdefault(group, line)
                _move(presences, current.get(version.path, {}), declares, version.path, step.commit)
                current[version.path] = declares
            # A commit that moves a declaration between two files does not remove the grant.
            for version in step.versions:
                for group in current.get(version.path, {}):
                    presences[group].removed_by = None
        return presences


def find_removals(history: DeclaredHistory, declared: Iterable[GrantSpec], target: TargetTenant) -> tuple[Removal, ...]:
    """Return the removed grants of a tenant.

    `declared` contains the current declarations for the tenant `target`. The comparison uses the names in the
    declarations, not the ids. A file version that reconciler cannot read counts as unchanged. Variables have the
    tenant's current values, because earlier values are unknown.
    """
    now = {DeclaredKey.of(spec)._replace(tenants=()) for spec in declared}
    found = history.presences(target)
    return tuple(_removal(key, history, *found[key]) for key in found if key not in now)


def find_first_commits(
    history: DeclaredHistory, declared: Iterable[GrantSpec], target: TargetTenant
) -> Mapping[Source, Commit]:
    """Return a mapping from the position of each declaration to the commit that added the declaration.

    For a declaration that was removed and added again, return the last commit that added the declaration. Omit
    uncommitted declarations and declarations that are older than the available git history.
    """
    presences = history.presences(target)
    found: dict[Source, Commit] = {}
    for spec in declared:
        _, presence = presences.get(DeclaredKey.of(spec)._replace(tenants=()), ((), _Presence()))
        if presence.lines and presence.declared_by:
            found[spec.source] = presence.declared_by
    return found


def _for_target(key: DeclaredKey, target: TargetTenant) -> DeclaredKey | None:
    """Apply the tenant's variables to a declaration. Return None for a declaration that excludes the tenant."""
    spec = _spec(key, "", 0)
    if is_same_for_all_tenants(spec):
        return key
    own = next(iter(select_for_tenant([spec], target)), None)
    return own and DeclaredKey.of(own)._replace(tenants=())


def _move(
    presences: dict[Group, _Presence],
    before: Mapping[Group, int],
    after: Mapping[Group, int],
    path: str,
    commit: Commit | None,
) -> None:
    """Record that a commit changed the declarations in a file from `before` to `after`."""
    for key in before:
        if key not in after:
            presence = presences[key]
            removed = presence.lines.pop(path)
            if not presence.lines:
                presence.last_line, presence.removed_by = removed, commit
    for key, line in after.items():
        presence = presences.setdefault(key, _Presence())
        # A commit that moves a declaration between two files is not the commit that added the declaration.
        if not presence.lines and presence.removed_by != commit:
            presence.declared_by = commit
        presence.lines.pop(path, None)  # an assignment does not move an existing key to the end
        presence.lines[path] = (path, line, commit)


def _removal(key: DeclaredKey, history: DeclaredHistory, group: Group, presence: _Presence) -> Removal:
    path, line, commit = list(presence.lines.values())[-1] if presence.lines else presence.last_line
    at = f" in {commit.short_hash}" if commit else ""
    return Removal(
        _spec(key, f"{path}{at}", line),
        None if presence.lines else presence.removed_by,
        presence.declared_by,
        is_from_history=True,
        commit=commit.hash if commit else "",
        history=history,
        group=group,
    )


def _spec(key: DeclaredKey, file: str, line: int) -> GrantSpec:
    source = Source(file, line, 1)
    return GrantSpec(
        file,
        PartialLocations((line, 1)),
        client=key.client,
        client_id=key.client_id,
        default_for=key.default_for,
        api=key.api,
        audience=key.audience,
        subject_type=key.subject_type,
        tenants=tuple(TenantPatterns(TenantPattern(text, source) for text in texts) for texts in key.tenants),
    )


@dataclass(frozen=True, slots=True)
class ResolvedRemovals:
    """The removed declarations by grant, and the removed declarations with an unknown or ambiguous name."""

    by_key: Mapping[Key, Removal]
    unresolved: tuple[Removal, ...]


def resolve_removals(removals: Iterable[Removal], directory: Directory) -> ResolvedRemovals:
    """Look up the removed grants' applications and APIs in the tenant. Combine the removals of the same grant."""
    found: dict[Key, list[Removal]] = {}
    unresolved: list[Removal] = []
    for removal in removals:
        desired, _ = resolve([removal.spec], directory)
        (found.setdefault(desired[0].key, []) if desired else unresolved).append(removal)
    return ResolvedRemovals({key: _combined_removal(each) for key, each in found.items()}, tuple(unresolved))


def _combined_removal(removals: Sequence[Removal]) -> Removal:
    last = removals[-1]
    if len(removals) == 1 or last.history is None:
        return last
    group = tuple(key for each in removals for key in each.group)
    return _removal(DeclaredKey.of(last.spec), last.history, group, last.history.presences_of([group])[group])


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
            f"these versions declare are not deleted: {_some(unread)}"
        )


def unresolved_note(unresolved: Sequence[Removal]) -> Iterator[str]:
    """Yield a note about removed declarations whose application or API name is unknown or ambiguous."""
    if unresolved:
        labels = [
            f"{each.spec.client or each.spec.client_id or each.spec.default_for} -> "
            f"{each.spec.api or each.spec.audience} ({earlier_source(each.spec.source)})"
            for each in unresolved
        ]
        count = pluralize(len(unresolved), "removed declaration")
        yield (
            f"{count} could not be compared, because the name of an application or API is unknown or ambiguous in the "
            f"tenant: {_some(labels)}"
        )


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - MAX_NAMED} more" if len(texts) > MAX_NAMED else ""
    return f"{', '.join(texts[:MAX_NAMED])}{more}"
