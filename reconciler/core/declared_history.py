"""Find the grants that each commit in the git history declares for a tenant.

The declarations of a commit have the variables and tenants of the same commit, because a variable, a domain or a list
of tenants in reconciler.yaml may have changed since the commit.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from reconciler.core.characters import shorten
from reconciler.core.problems import Source
from reconciler.core.spec import GrantSpec, PartialLocations, TenantPattern, TenantPatterns
from reconciler.core.tenant_filter import (
    Patterns,
    TargetTenant,
    applies_to_tenant,
    patterns_of,
    substitute,
    variable_names,
)

SHORT_HASH = 10
MAX_SUBJECT = 72
"""The maximum number of characters of a commit subject in the output."""
MAX_AUTHOR = 40


class Commit(NamedTuple):
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


class FileVersion(NamedTuple):
    """A version of a grant file in the git history, with the grants that the version declares.

    `declares` is None if reconciler could not read the file, and empty if the commit deleted the file.
    """

    path: str
    declares: Declarations | None


class HistoryStep(NamedTuple):
    """A commit and the grant files that the commit changed.

    `commit` is None for the files as they were before the first commit of the history. `config` is the number of the
    version of reconciler.yaml that the commit contains.
    """

    commit: Commit | None
    versions: tuple[FileVersion, ...]
    config: int = 0


class TenantStatus(Enum):
    """The reason why a version of reconciler.yaml contains no settings of a tenant.

    UNDECLARED means that the version declares other tenants, so the grant files declare nothing for the tenant. UNKNOWN
    means that reconciler does not know whether the version declares the tenant.
    """

    UNDECLARED = "undeclared"
    UNKNOWN = "unknown"


TenantVersion = TargetTenant | TenantStatus
"""The settings of a tenant in a version of reconciler.yaml, or the reason why the version has no settings."""

DeclarationLine = tuple[str, int, Commit | None]
"""The file, the line and the git commit of a declaration.

The commit is None if the declaration is older than the known part of the git history.
"""


@dataclass(slots=True)
class Presence:
    """The lines that declare a grant, and the commits that last added and removed the grant."""

    lines: dict[str, DeclarationLine] = field(default_factory=dict)  # the most recently changed file comes last
    last_line: DeclarationLine = ("", 0, None)
    declared_by: Commit | None = None
    removed_by: Commit | None = None

    @property
    def newest_line(self) -> DeclarationLine:
        """The current or last line that declares the grant."""
        return list(self.lines.values())[-1] if self.lines else self.last_line


_UNDECLARED, _UNKNOWN = -1, -2
"""Numbers in `_GrantNumbers` for a declaration that excludes the tenant, and for a declaration of an unknown grant."""

_GrantNumbers = tuple[int, ...]
"""The number of a grant for each declaration in the history, with the variables of one version of reconciler.yaml.

Two declarations have the same number if they identify the same grant. If the settings of the tenant are unknown, the
tuple is empty.
"""


class _Timeline(NamedTuple):
    """The grant numbers for each version of reconciler.yaml.

    `numbers` contains each distinct tuple once. `versions` contains the position of a tuple in `numbers` for each
    version.
    """

    numbers: tuple[_GrantNumbers, ...]
    versions: tuple[int, ...]


class _Walk:
    """Finds the commits that added and removed each grant of a tenant.

    `presences` contains the result by grant number. `unknown` contains the declarations whose grant is unknown in every
    commit that contains them. `positions` contains the position of each declaration in `_GrantNumbers`.
    """

    def __init__(self, positions: Mapping[DeclaredKey, int]) -> None:
        self.presences: dict[int, Presence] = {}
        self._positions = positions
        self._unknown: dict[DeclaredKey, DeclarationLine] = {}
        self._known: set[DeclaredKey] = set()
        self._files: dict[str, Declarations] = {}
        self._current: dict[str, Mapping[int, int]] = {}
        self._waiting: dict[str, None] = {}  # the files that changed since the last commit with known settings

    @property
    def unknown(self) -> Mapping[DeclaredKey, DeclarationLine]:
        return {key: line for key, line in self._unknown.items() if key not in self._known}

    def read(self, step: HistoryStep, numbers: _GrantNumbers, *, has_new_settings: bool) -> None:
        """Read the next commit. `numbers` contains the grant numbers for the reconciler.yaml of the commit.

        If the version of a file in a commit is unreadable, the file keeps the grants of the last readable version, even
        if the commit changes reconciler.yaml.
        """
        for version in step.versions:
            self._files.pop(version.path, None)
            self._waiting.pop(version.path, None)
            if version.declares is not None:
                self._files[version.path], self._waiting[version.path] = version.declares, None
        if not numbers:
            for version in step.versions:
                for key, line in (version.declares or {}).items():
                    self._unknown[key] = (version.path, line, step.commit)
            return
        if has_new_settings:
            self._waiting = {path: None for path in self._files if path not in self._waiting} | self._waiting
        for path in self._waiting:
            declares = self._grants_in(path, numbers, step.commit)
            _move(self.presences, self._current.get(path, {}), declares, path, step.commit)
            self._current[path] = declares
        # A commit that moves a declaration between two files does not remove the grant.
        for path in self._waiting:
            for number in self._current[path]:
                self.presences[number].removed_by = None
        self._waiting = {}

    def _grants_in(self, path: str, numbers: _GrantNumbers, commit: Commit | None) -> Mapping[int, int]:
        """Return the numbers of the grants that a file declares, with the lines of the declarations."""
        found: dict[int, int] = {}
        for key, line in self._files[path].items():
            number = numbers[self._positions[key]]
            if number == _UNKNOWN:
                self._unknown[key] = (path, line, commit)
                continue
            self._known.add(key)
            if number != _UNDECLARED:
                found.setdefault(number, line)
        return found


class DeclaredHistory:
    """The grants that each commit in the git history declares. The oldest commit comes first.

    Several declarations may identify one grant of a tenant, because declarations may contain variables and lists of
    tenants. The class caches the results, because many tenants have the same declarations.
    """

    def __init__(
        self, steps: Iterable[HistoryStep] = (), side: Mapping[DeclaredKey, DeclarationLine] = MappingProxyType({})
    ) -> None:
        """Index the declarations in `steps` and `side`.

        `side` contains the declarations of all commits, including the commits of merged branches, and of files that a
        commit moved into the grant folder.
        """
        self._steps = tuple(steps)
        versions = (version for step in self._steps for version in step.versions)
        keys = dict.fromkeys(key for version in versions for key in version.declares or ())
        self._positions = {key: position for position, key in enumerate(keys)}
        self._side = {key: line for key, line in side.items() if key not in self._positions}
        self._walks: dict[_Timeline, _Walk] = {}

    def of(self, versions: Sequence[TenantVersion]) -> "TenantHistory":
        """Return the history of a tenant's grants.

        `versions` contains the settings of the tenant in each version of reconciler.yaml.
        """
        grants: dict[DeclaredKey, int] = {}
        by_id = {id(version): version for version in versions}  # many commits share one version
        numbers = {
            each: () if version is TenantStatus.UNKNOWN else tuple(self._numbers(version, grants))
            for each, version in by_id.items()
        }
        distinct = {each: position for position, each in enumerate(dict.fromkeys(numbers.values()))}
        timeline = _Timeline(tuple(distinct), tuple(distinct[numbers[id(version)]] for version in versions))
        side: dict[DeclaredKey, DeclarationLine] = {}
        for version in by_id.values():
            for key, line in self._side.items():
                if isinstance(own := _declared_for(key, version), DeclaredKey):
                    side[own] = line
        return TenantHistory(self, timeline, grants, side)

    def _numbers(self, version: TenantVersion, grants: dict[DeclaredKey, int]) -> Iterator[int]:
        """Yield the number of the grant that each declaration identifies. Add new grants to `grants`."""
        for key in self._positions:
            own = _declared_for(key, version)
            yield own if isinstance(own, int) else grants.setdefault(own, len(grants))

    def walk(self, timeline: _Timeline) -> _Walk:
        """Return the result for all tenants that have the grant numbers in `timeline`."""
        if timeline not in self._walks:
            walk, settings = _Walk(self._positions), -1
            for step in self._steps:
                position = timeline.versions[step.config]
                numbers = timeline.numbers[position]
                walk.read(step, numbers, has_new_settings=position != settings)
                settings = position if numbers else settings
            self._walks[timeline] = walk
        return self._walks[timeline]


def _move(
    presences: dict[int, Presence],
    before: Mapping[int, int],
    after: Mapping[int, int],
    path: str,
    commit: Commit | None,
) -> None:
    """Record that a commit changed the declarations in a file from `before` to `after`."""
    for number in before:
        if number not in after:
            presence = presences[number]
            removed = presence.lines.pop(path)
            if not presence.lines:
                presence.last_line, presence.removed_by = removed, commit
    for number, line in after.items():
        presence = presences.setdefault(number, Presence())
        # A commit that moves a declaration between two files is not the commit that added the declaration.
        if not presence.lines and presence.removed_by != commit:
            presence.declared_by = commit
        presence.lines.pop(path, None)  # an assignment does not move an existing key to the end
        presence.lines[path] = (path, line, commit)


class TenantHistory:
    """The grants that each commit in the git history declares for a tenant.

    `presences` contains the lines and commits of each declared grant. `unknown` contains the declarations whose grant
    is unknown, because the tenant or a variable is unknown in every commit with the declaration. `side` contains the
    grants that only commits of merged branches, or files outside the grant folder, may declare.
    """

    def __init__(
        self,
        history: DeclaredHistory,
        timeline: _Timeline,
        grants: Mapping[DeclaredKey, int],
        side: Mapping[DeclaredKey, DeclarationLine],
    ) -> None:
        self._history, self._timeline, self._grants = history, timeline, grants
        walk = history.walk(timeline)
        self.presences: Mapping[DeclaredKey, Presence] = {
            key: walk.presences[number] for key, number in grants.items() if number in walk.presences
        }
        self.unknown: Mapping[DeclaredKey, DeclarationLine] = walk.unknown
        self.side: Mapping[DeclaredKey, DeclarationLine] = {
            key: line for key, line in side.items() if key not in self.presences
        }

    def presence_of(self, keys: Collection[DeclaredKey]) -> Presence:
        """Return the lines and commits of a grant that several declarations identify, for example by name and id."""
        same = {self._grants[key] for key in keys}
        number = min(same)
        numbers = tuple(
            tuple(number if each in same else each for each in numbers) for numbers in self._timeline.numbers
        )
        return self._history.walk(_Timeline(numbers, self._timeline.versions)).presences[number]


def _declared_for(key: DeclaredKey, version: TenantVersion) -> DeclaredKey | int:
    """Return the declaration with the values of the tenant's variables.

    Return _UNDECLARED if the declaration excludes the tenant, and _UNKNOWN if the tenant or a variable is unknown.
    """
    if version is TenantStatus.UNDECLARED:
        return _UNDECLARED
    if not isinstance(version, TargetTenant):
        return _UNKNOWN
    if not applies_to_tenant(key.tenants, version.name):
        return _UNDECLARED
    texts = (key.client, key.client_id, key.api, key.audience)
    if any(name not in version.values for text in texts for name in variable_names(text or "")):
        return _UNKNOWN
    client, client_id, api, audience = (text and substitute(text, version.values) for text in texts)
    return DeclaredKey(client, client_id, key.default_for, api, audience, key.subject_type, ())


def spec_of(key: DeclaredKey, line: DeclarationLine) -> GrantSpec:
    """Return a declaration that has only the identifying fields and the position."""
    path, number, commit = line
    file = f"{path} in {commit.short_hash}" if commit else path
    source = Source(file, number, 1)
    return GrantSpec(
        file,
        PartialLocations((number, 1)),
        client=key.client,
        client_id=key.client_id,
        default_for=key.default_for,
        api=key.api,
        audience=key.audience,
        subject_type=key.subject_type,
        tenants=tuple(TenantPatterns(TenantPattern(text, source) for text in texts) for texts in key.tenants),
    )
