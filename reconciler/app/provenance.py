"""Find the commits and pull requests that changed each declared grant."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from difflib import SequenceMatcher
from pathlib import Path

from reconciler.app.past_declarations import PastDeclarations, read_past_declarations
from reconciler.config.tenants import Config
from reconciler.core.access.report import Provenance
from reconciler.core.characters import pluralize
from reconciler.core.declared_history import Commit
from reconciler.core.fields import FIELDS
from reconciler.core.problems import Source
from reconciler.core.removals import find_first_commits
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant import Tenant
from reconciler.files.discover import MAX_BYTES
from reconciler.files.read import LoadedGrants
from reconciler.files.workspace import Workspace
from reconciler.git.history import (
    MAX_FILES,
    Blame,
    BlamedCommit,
    blame_file,
    is_shallow,
    newest_first,
    origin_address,
    read_commits,
)
from reconciler.git.repository import GitError, Repository
from reconciler.git.revision import Revision, TreeEntry, head_commit
from reconciler.output.source_links import NO_REPOSITORY, SourceLinks, address_at_remote

NOT_COMMITTED = "the declaration is not committed"
TOO_OLD = "the clone is shallow, so the commit is not known"
SHALLOW = (
    "the clone is shallow, so some commits are not known and removed grants appear as undeclared; fetch the "
    "whole history (fetch-depth: 0 for actions/checkout, GIT_DEPTH: 0 for GitLab, git fetch --unshallow)"
)
TOO_MANY_FILES = f"only the first {MAX_FILES:,} files are compared with the git history"
MAX_COMPARED_LINES = 20_000
"""A changed file with more than MAX_COMPARED_LINES lines is not compared with HEAD."""


@dataclass(frozen=True, slots=True)
class GitFacts:
    """Data from the git history about the declarations in grant files."""

    commit: str = ""
    """The hash of HEAD, or an empty string."""
    provenance: Mapping[Source, Provenance] = field(default_factory=dict)
    """The commits that changed each declaration, by file and position of the declaration."""
    past: PastDeclarations | None = None
    """The declarations of earlier commits, or None if the history is unknown."""
    unknown: str = ""
    """The reason why the history is unknown or incomplete, or an empty string."""
    links: SourceLinks = NO_REPOSITORY
    """The data for links to the grant files on the hosting service."""

    def at(self, specs: Iterable[GrantSpec], tenant: str) -> Mapping[Source, Provenance]:
        """For each declared grant of a tenant, return the commits that added and last changed the declaration."""
        specs = tuple(specs)
        first = find_first_commits(self.past.of(tenant), specs) if self.past else {}
        known = {spec.source: self.provenance.get(spec.source, Provenance(unknown=self.unknown)) for spec in specs}
        return {source: replace(each, since=first.get(source)) for source, each in known.items()}


def read_git_facts(  # noqa: PLR0913, PLR0917 - each parameter is a separate object
    declared: LoadedGrants,
    folder: Path,
    workspace: Workspace,
    links: SourceLinks,
    config: Config,
    tenants: Sequence[Tenant],
) -> GitFacts:
    """Read the git history of the grant files for `tenants`, which are tenants of `config`.

    If git fails, set the field `unknown` of the returned GitFacts to the error message of git.
    """
    try:
        repository = workspace.repository()
        commit = head_commit(repository)
        if not commit:
            return GitFacts(unknown="the repository has no commit")
        address = address_at_remote(origin_address(repository), commit)
        if address and not links.address:  # the CI job does not provide the URL of the repository
            links = links._replace(root=repository.root.as_posix(), address=address)
        provenance = _read_provenance(repository, Revision(repository, "HEAD", commit), declared, links)
    except GitError as error:
        return GitFacts(unknown=str(error))
    try:
        if is_shallow(repository):
            return GitFacts(commit, provenance, unknown=SHALLOW, links=links)
        past = read_past_declarations(repository, folder, config, tenants)
    except GitError as error:
        return GitFacts(commit, provenance, unknown=str(error), links=links)
    return GitFacts(commit, provenance, past, "; ".join(_unknown_parts(past, tenants)), links)


def _unknown_parts(past: PastDeclarations, tenants: Iterable[Tenant]) -> Iterator[str]:
    """Yield the reasons why the history does not show every removed grant."""
    if past.unread:
        yield f"{len(past.unread)} earlier versions of grant files could not be read"
    unknown = {key for tenant in tenants for key in past.of(tenant.name).unknown}
    if unknown:
        yield (
            f"{pluralize(len(unknown), 'earlier declaration')} could not be assigned to a tenant, because the "
            "reconciler.yaml of the same commit does not show the tenant or the variables"
        )


def _read_provenance(
    repository: Repository, head: Revision, declared: LoadedGrants, links: SourceLinks
) -> dict[Source, Provenance]:
    """For each declared grant, return the commit that last changed the declaration. Raises GitError."""
    shallow = is_shallow(repository)
    specs_by_file: dict[str, list[GrantSpec]] = {}
    for spec in declared.specs:
        specs_by_file.setdefault(spec.file, []).append(spec)
    files = {
        name: _BlamedFile.read(repository, head, name, declared.texts.get(name, ""))
        for name in list(specs_by_file)[:MAX_FILES]
    }
    hashes = {each for file in files.values() if file.blame for each in file.hashes}
    commits, order = read_commits(repository, hashes), newest_first(repository, "")
    return {
        spec.source: files[name].provenance(spec, commits, order, links, shallow=shallow)
        if name in files
        else Provenance(unknown=TOO_MANY_FILES)
        for name, specs in specs_by_file.items()
        for spec in specs
    }


@dataclass(frozen=True, slots=True)
class _BlamedFile:
    """The result of `git blame` for a file at HEAD: the commit that last changed each line.

    `head_lines` maps the number of each unchanged line in the checkout to the number of the line at HEAD. `blame` is
    None if git does not know the file.
    """

    head_lines: Mapping[int, int]
    blame: Blame | None
    unknown: str = ""

    @classmethod
    def read(cls, repository: Repository, head: Revision, name: str, text: str) -> "_BlamedFile":
        """Run `git blame` for the file `name`. `text` is the content of the file in the checkout."""
        try:
            path = repository.path_of(Path(name))
            entry = head.find(path)
            if not isinstance(entry, TreeEntry) or entry.size > MAX_BYTES:
                return cls({}, None, NOT_COMMITTED)
            (content,) = head.contents([entry])
            at_head = content.decode(errors="surrogateescape").removeprefix("\ufeff")
            return cls(_matching_lines(text, at_head), blame_file(repository, path))
        except GitError as error:
            return cls({}, None, str(error))

    @property
    def hashes(self) -> Iterator[str]:
        """The hashes of all commits that `git blame` found, including merge commits."""
        if self.blame:
            yield from self.blame.lines.values()
            yield from self.blame.merges.values()

    def provenance(
        self,
        spec: GrantSpec,
        commits: Mapping[str, BlamedCommit],
        order: Mapping[str, int],
        links: SourceLinks,
        *,
        shallow: bool,
    ) -> Provenance:
        """Return the newest commit that changed a line of a grant declaration, and the pull request of the commit."""
        numbers = sorted(_lines_of(spec))
        if self.blame is None:
            return Provenance(unknown=self.unknown, lines=tuple((number, None) for number in numbers))
        at_head = [self.head_lines.get(number, 0) for number in numbers]
        found = [commits.get(self.blame.lines.get(line, "")) for line in at_head]
        too_old = self.blame.boundary if shallow else frozenset()
        known = {line: each for line, each in zip(at_head, found, strict=True) if each and each.hash not in too_old}
        lines = tuple(
            (number, _commit(known[line]) if line in known else None)
            for number, line in zip(numbers, at_head, strict=True)
        )
        if None in found:
            return Provenance(unknown=NOT_COMMITTED, lines=lines)
        if not known:
            return Provenance(unknown=TOO_OLD, lines=lines)
        line, newest = min(known.items(), key=lambda each: order.get(each[1].hash, len(order)))
        merge = commits.get(self.blame.merges.get(line, ""), newest)
        request = newest.request or merge.request
        return Provenance(
            changed=_commit(newest), pull_request=request, pull_request_link=links.request_link(request), lines=lines
        )


def _commit(found: BlamedCommit) -> Commit:
    return Commit(found.hash, _day(found.time), found.author, found.subject)


def _day(seconds: int) -> str:
    """Return the day in UTC for a UNIX time. Return an empty string if the UNIX time of a commit is out of range."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return "unknown day"


def _lines_of(spec: GrantSpec) -> set[int]:
    """Return the line numbers of a grant's declaration: the first line, and the line of each value."""
    locations = spec.locations
    marks = [locations.mark, *locations.value_marks.values()]
    marks += (mark for each in FIELDS for mark in locations.marks_within(each.name))
    return {line for line, _ in marks}


def _matching_lines(text: str, at_head: str) -> dict[int, int]:
    """Return the line number at HEAD for each unchanged line of `text`. Line numbers start at 1."""
    ours, theirs = text.splitlines(), at_head.splitlines()
    if ours == theirs:
        return {number: number for number in range(1, len(ours) + 1)}
    if max(len(ours), len(theirs)) > MAX_COMPARED_LINES:
        return {}
    return {
        block.a + offset + 1: block.b + offset + 1
        for block in SequenceMatcher(a=ours, b=theirs).get_matching_blocks()
        for offset in range(block.size)
    }
