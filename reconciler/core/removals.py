"""Find removed grants. An earlier commit declared a removed grant, and the files no longer declare the grant."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.core.characters import pluralize, shorten
from reconciler.core.directory import Directory
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.problems import Source
from reconciler.core.resolve import DesiredGrant, resolve
from reconciler.core.spec import GrantSpec, PartialLocations, TenantPattern
from reconciler.core.tenant_filter import (
    Patterns,
    TargetTenant,
    is_same_for_all_tenants,
    patterns_of,
    select_for_tenant,
)

SHORT_HASH = 10
MAX_SUBJECT = 72
"""The usual maximum length of a commit subject, in characters. The output truncates longer subjects."""
MAX_AUTHOR = 40
MAX_NAMED = 5
"""The maximum number of items that a note lists."""


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
        """Return the hash, day, author and subject in a single line. The text is not escaped for terminals."""
        return f"{self.short_hash} {self.day} {shorten(self.author, MAX_AUTHOR)}: {shorten(self.subject, MAX_SUBJECT)}"


class DeclaredKey(NamedTuple):
    """The fields of a declaration that identify a grant. Names and variables are spelled as in the file."""

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
"""The grants that one version of a file declares, with the line of each declaration."""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """The grants that a file declares after a commit.

    `declares` is None if reconciler could not read the file, and empty if the commit deleted the file.
    """

    path: str
    declares: Declarations | None


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """A commit and the files that the commit changed.

    For the files before the first commit of the history, `commit` is None.
    """

    commit: Commit | None
    versions: tuple[FileVersion, ...]


@dataclass(frozen=True, slots=True)
class Removal:
    """A grant that an earlier commit declared and the files no longer declare."""

    spec: GrantSpec
    """The removed declaration with the tenant's variables, reduced to the identity and the source of the grant."""
    removed_by: Commit | None = None
    """The commit that removed the declaration, or None if the commit is not known or does not exist yet."""
    declared_by: Commit | None = None
    """The commit that added the declaration, or None if the commit is not known."""
    is_from_history: bool = False
    """True if the git history contains the removal.

    If `removed_by` is None for a removal in the history, the removal is uncommitted.
    """
    commit: str = ""
    """The id of the commit that contains the source, or an empty string if the commit is not known."""
    history: "DeclaredHistory | None" = field(default=None, compare=False, repr=False)
    """The git history that contains the removal."""
    group: "Group" = field(default=(), compare=False, repr=False)
    """All declarations of the removed grant in `history`."""

    @property
    def path(self) -> str:
        """The path of the grant file, from `spec.file` (`path in revision`)."""
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
    """The new key of the grant, if a change of the declaration replaced the key."""
    commit: str = ""
    """The id of the base commit, or an empty string if the commit is not known."""

    @property
    def key(self) -> Key:
        """The key of the grant in the tenant."""
        return self.observed.key


_DeclarationLine = tuple[str, int, Commit | None]
"""The file, the line and the commit of a declaration.

The commit is None for a file version that is older than the history.
"""


@dataclass(slots=True)
class _Presence:
    """The declarations of a grant after a commit, and the commits that last added and removed the grant."""

    lines: dict[str, _DeclarationLine] = field(default_factory=dict)  # by file path, in the order of the changes
    last_line: _DeclarationLine = ("", 0, None)
    declared_by: Commit | None = None
    removed_by: Commit | None = None


Group = tuple[DeclaredKey, ...]
"""All declarations that identify the same grant of a tenant. The earliest declaration comes first."""


class DeclaredHistory:
    """The grants that each commit in the git history declares. The oldest commit comes first.

    A declaration may contain variables and a list of tenants. Therefore, several declarations may identify the same
    grant of a tenant. The declarations of the same grant form a group. The history of a group of declarations is the
    same for all tenants. Therefore, `presences` walks through the history only once for all tenants. If a later tenant
    has a new group of declarations, `presences` walks through the history again.
    """

    def __init__(self, steps: Iterable[HistoryStep] = ()) -> None:
        self._steps = tuple(steps)
        versions = (version for step in self._steps for version in step.versions)
        self._keys = dict.fromkeys(key for version in versions for key in version.declares or ())
        self._presences: dict[Group, _Presence] = {}

    def presences(self, target: TargetTenant) -> Mapping[DeclaredKey, tuple["Group", "_Presence"]]:
        """Return the declarations and commits of each grant of a tenant in the history, in the order of the history."""
        groups: dict[DeclaredKey, list[DeclaredKey]] = {}
        for key in self._keys:
            if (own := _for_target(key, target)) is not None:
                groups.setdefault(own, []).append(key)
        found = self.presences_of(map(tuple, groups.values()))
        return {own: (tuple(keys), found[tuple(keys)]) for own, keys in groups.items()}

    def presences_of(self, groups: Iterable["Group"]) -> Mapping["Group", "_Presence"]:
        """Return the commits of each group of declarations. A declaration must not belong to several groups."""
        new = {group for group in groups if group not in self._presences}
        if new:
            self._presences |= self._walk(new)
        return self._presences

    def _walk(self, groups: Collection[Group]) -> dict[Group, "_Presence"]:
        """Walk through the history, and return the commits of each group of declarations."""
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
            # If a commit moves a declaration to another file, the grant stays declared.
            for version in step.versions:
                for group in current.get(version.path, {}):
                    presences[group].removed_by = None
        return presences


def find_removals(history: DeclaredHistory, declared: Iterable[GrantSpec], target: TargetTenant) -> tuple[Removal, ...]:
    """Return the removed grants of a tenant.

    An earlier commit declared a removed grant, and `declared` lacks the grant. `declared` contains the current
    declarations for the tenant `target`. The comparison uses the names in the declarations, not the ids. If reconciler
    cannot read a version of a file, the version counts as unchanged. Variables have the current values of the tenant,
    because earlier values are not known.
    """
    now = {DeclaredKey.of(spec)._replace(tenants=()) for spec in declared}
    found = history.presences(target)
    return tuple(_removal(key, history, *found[key]) for key in found if key not in now)


def find_first_commits(
    history: DeclaredHistory, declared: Iterable[GrantSpec], target: TargetTenant
) -> Mapping[Source, Commit]:
    """Return the commit that added each declaration in `declared`, by the source of the declaration.

    If a declaration was removed and added again, the result contains the last commit that added the declaration. The
    result does not contain uncommitted declarations, or declarations that are older than the history.
    """
    presences = history.presences(target)
    found: dict[Source, Commit] = {}
    for spec in declared:
        _, presence = presences.get(DeclaredKey.of(spec)._replace(tenants=()), ((), _Presence()))
        if presence.lines and presence.declared_by:
            found[spec.source] = presence.declared_by
    return found


def _for_target(key: DeclaredKey, target: TargetTenant) -> DeclaredKey | None:
    """Return a declaration with the values of the tenant's variables, or None for a declaration of other tenants."""
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
    """Update `presences` for a commit that changes the declarations in a file from `before` to `after`."""
    for key in before:
        if key not in after:
            presence = presences[key]
            removed = presence.lines.pop(path)
            if not presence.lines:
                presence.last_line, presence.removed_by = removed, commit
    for key, line in after.items():
        presence = presences.setdefault(key, _Presence())
        # If this commit moves a declaration to another file, keep the earlier commit that added the declaration.
        if not presence.lines and presence.removed_by != commit:
            presence.declared_by = commit
        presence.lines.pop(path, None)  # so that the dictionary has this path as the last key
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
        tenants=tuple(tuple(TenantPattern(text, source) for text in texts) for texts in key.tenants),
    )


@dataclass(frozen=True, slots=True)
class ResolvedRemovals:
    """The removed grants by key, and the removals that do not match exactly one application and one API."""

    by_key: Mapping[Key, Removal]
    unresolved: tuple[Removal, ...]


def resolve_removals(removals: Iterable[Removal], directory: Directory) -> ResolvedRemovals:
    """Find the keys of the removed grants. Combine several removals of the same grant."""
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
    """Return the old key and the new key of each removed grant whose declaration now has a changed key.

    A key counts as changed if one removed grant and one added grant in a file differ in a single part of the key. The
    parts of the key are the application, the API and the subject type.
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
    """Yield three tuples for a grant. Each tuple contains the file, and the key without one of the three parts."""
    holder = (key.client_id, key.default_for)
    yield file, "holder", key.audience, key.subject_type
    yield file, holder, "audience", key.subject_type
    yield file, holder, key.audience, ("subject type",)


def earlier_source(source: Source) -> str:
    """Return `file:line in revision` for a source whose file name has the form `file in revision`."""
    file, separator, revision = source.file.rpartition(" in ")
    return f"{file}:{source.line} in {revision}" if separator else f"{source.file}:{source.line}"


def unread_versions_note(unread: Sequence[str]) -> Iterator[str]:
    """Yield a note if reconciler could not read versions of grant files."""
    if unread:
        yield (
            f"{pluralize(len(unread), 'earlier version')} of grant files could not be read, so grants that only "
            f"these versions declare are not deleted: {_some(unread)}"
        )


def unresolved_note(unresolved: Sequence[Removal]) -> Iterator[str]:
    """Yield a note about removals that do not match exactly one application and one API of the tenant."""
    if unresolved:
        labels = [
            f"{each.spec.client or each.spec.client_id or each.spec.default_for} -> "
            f"{each.spec.api or each.spec.audience} ({earlier_source(each.spec.source)})"
            for each in unresolved
        ]
        yield (
            f"{pluralize(len(unresolved), 'removed grant')} could not be compared, because the tenant does not have "
            f"exactly one application or API with that name: {_some(labels)}"
        )


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - MAX_NAMED} more" if len(texts) > MAX_NAMED else ""
    return f"{', '.join(texts[:MAX_NAMED])}{more}"
