"""Shell: read YAML files, and return checked values with all problems."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from reconciler.contract import stored
from reconciler.core.problems import Problem, Severity, Source, errors
from reconciler.core.quoting import join_some, pluralize, visible
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant_filter import NO_TENANTS, TargetTenant, TargetTenants, select_for_tenant
from reconciler.errors import ReconcilerError
from reconciler.files import discover, document
from reconciler.files.discover import SUFFIXES, name_of
from reconciler.files.document import MOST_PROBLEMS, too_many
from reconciler.files.loader import parse
from reconciler.files.revision import read_one, read_revision
from reconciler.files.schema import violations
from reconciler.files.specs import grant_specs, legible_specs, problems_of
from reconciler.files.validity import Check, validity_check
from reconciler.files.workspace import Workspace, git_warnings
from reconciler.git.command import GitError, GitMissingError
from reconciler.git.repository import find_root, git_dir_of, open_repository
from reconciler.git.revision import SUBMODULE, Revision, tracked_entries


def checkout_problems(paths: Iterable[Path], *, must_be_whole: bool) -> Iterator[Problem]:
    """Yield a problem if git tracks files below `paths` that the checkout lacks: an error with `must_be_whole`.

    Also yield a warning for names that are equal on some file systems.
    """
    for path in paths:
        real = Path(os.path.realpath(path))
        root = find_root(real if real.is_dir() else real.parent)
        if root is None:
            continue
        try:
            names = _grant_files(root, real)
        except GitError as error:
            yield from _not_known(path, root, error, must_be_whole=must_be_whole)
            continue
        yield from _absent(path, root, names, Severity.ERROR if must_be_whole else Severity.WARNING)
        yield from _alike(path, names)


def _grant_files(root: Path, real: Path) -> list[str]:
    """Return the tracked grant files at or below a real path, relative to the root. Raises GitError."""
    repository = open_repository(root)
    inside = real.relative_to(root).as_posix()
    below = "" if inside == "." else inside
    entries = (entry for entry in tracked_entries(repository, [below]) if entry.mode != SUBMODULE)
    return sorted({entry.path for entry in entries if _is_grant_file(PurePosixPath(entry.path).relative_to(below))})


def _is_grant_file(path: PurePosixPath) -> bool:
    """Return whether a file at this path in the grant folder is read."""
    return path.name.lower().endswith(SUFFIXES) and not any(part.startswith(".") for part in path.parts)


def _absent(path: Path, root: Path, names: Iterable[str], severity: Severity) -> Iterator[Problem]:
    absent = [name for name in names if not os.path.lexists(root / name)]
    if absent:
        missing = pluralize(len(absent), "grant file")
        what = f"git tracks {missing} here that the checkout does not have: {join_some(absent)}"
        fix = "check them out (git sparse-checkout disable, git restore), or remove them with git rm"
        yield Problem(Source(name_of(path)), what, fix, severity)


def _alike(path: Path, names: Iterable[str]) -> Iterator[Problem]:
    """Yield a warning for each group of names that differ in case or Unicode normal form only."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())].append(name)
    for group in groups.values():
        if len(group) > 1:
            what = f"some file systems treat these names as equal: {join_some([ascii(name)[1:-1] for name in group])}"
            yield Problem(Source(name_of(path)), what, "rename all but one", Severity.WARNING)


def _not_known(path: Path, root: Path, error: GitError, *, must_be_whole: bool) -> Iterator[Problem]:
    """Yield a problem because git failed.

    It is an error only in a sparse checkout, where files are certainly absent.
    """
    is_sparse = (git_dir_of(root) / "info" / "sparse-checkout").exists()
    if isinstance(error, GitMissingError) and not is_sparse:
        return
    severity = Severity.ERROR if must_be_whole and is_sparse else Severity.WARNING
    yield Problem(
        Source(name_of(path)), f"could not check whether the checkout has all grant files: {error}", "", severity
    )


MOST_CHARACTERS = 64_000_000
"""The limit for all grant files together."""
MOST_VALUES = 1_000_000
"""The limit for all grant files that the YAML parser reads. The fast reader does not count values."""


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """One file after validation. `data` is empty if the file is unreadable, so check `problems` first.

    `values` counts the values from the YAML parser.
    """

    file: str
    data: document.YamlMapping
    problems: tuple[Problem, ...] = ()
    text: str = field(default="", repr=False)
    values: int = 0


@dataclass(frozen=True, slots=True)
class LoadedGrants:
    """The content of all grant files: specs in the order of the files, problems in the order of their positions.

    `specs` contains the grants without errors. `texts` contains the text of each file, to show the line of a problem.
    """

    specs: tuple[GrantSpec, ...]
    problems: tuple[Problem, ...]
    texts: Mapping[str, str] = field(repr=False)

    def at(self, target: TargetTenant) -> "LoadedGrants":
        """Return a copy with the specs that apply to a tenant, with its values inserted."""
        return replace(self, specs=select_for_tenant(self.specs, target))


def read_grants(  # noqa: PLR0913 - what callers differ in
    paths: Iterable[Path],
    tenants: TargetTenants = NO_TENANTS,
    workspace: Workspace | None = None,
    *,
    may_lack_files: bool = True,
    is_snapshot: bool = False,
    must_be_whole: bool = False,
) -> LoadedGrants:
    """Read the grant files under `paths` (files or folders) and check them for all `tenants`.

    In a `workspace`, links and git attributes must not replace reviewed files by others. A folder without grant files
    is a problem unless `may_lack_files` is set. The key `snapshot` weakens checks. It is a problem unless `is_snapshot`
    is set for a snapshot that apply wrote. A tracked file that the checkout lacks is an error with `must_be_whole`,
    otherwise a warning.

    Raises:
        ReconcilerError: if one of `paths` does not exist or is a link out of the workspace, or if git cannot read
            attributes that may apply.
    """
    paths = list(paths)
    if workspace:
        workspace.refuse_stray_links(paths)
    files, problems = discover.find_real(paths)
    if not may_lack_files:
        problems = (*problems, *discover.without_files(paths))
    if workspace:
        whole = checkout_problems(paths, must_be_whole=must_be_whole)
        problems = (*problems, *workspace.altered(files), *whole)
    contents = ((discover.name_of(path), discover.read(path)) for path in files.values())
    return _declared(contents, tenants, problems, is_snapshot=is_snapshot)


def read_grants_at(revision: Revision, path: Path, tenants: TargetTenants = NO_TENANTS) -> LoadedGrants:
    """Return the content of the grant files of `path` in a git revision, checked for all `tenants`.

    Raises:
        GitError: git cannot read the files.
    """
    warnings = git_warnings(revision.repository, visible(revision.name))  # lazy: evaluated after all files are read
    return _declared(read_revision(revision, path), tenants, warnings)


def _declared(
    contents: Iterable[tuple[str, bytes | Problem]],
    tenants: TargetTenants,
    problems: Iterable[Problem] = (),
    *,
    is_snapshot: bool = False,
) -> LoadedGrants:
    schema = stored.load(stored.GRANTS)
    all_read = list(_within_bounds(_understood(file, content, schema) for file, content in contents))
    specs = tuple(spec for one in all_read for spec in grant_specs(one.data, one.file, one.problems))
    legible = (spec for one in all_read for spec in legible_specs(one.data, one.file, one.problems))
    in_files = [problem for one in all_read for problem in one.problems]
    in_files += () if is_snapshot else filter(None, map(_forged_snapshot, all_read))
    return LoadedGrants(
        specs=specs,
        problems=tuple(sorted((*problems, *in_files, *_at_most(problems_of(specs, tenants, legible, _check_item))))),
        texts={one.file: one.text for one in all_read},
    )


def _forged_snapshot(one: LoadedFile) -> Problem | None:
    """Return the problem of a file with the key `snapshot` outside a snapshot that apply wrote."""
    if "snapshot" not in one.data:
        return None
    what = 'the key "snapshot" is only valid in a snapshot folder that apply wrote, passed with --grants'
    return Problem(Source(one.file, *document.mark_of(one.data, ("snapshot",))), what, "remove it")


def _within_bounds(files: Iterable[LoadedFile]) -> Iterator[LoadedFile]:
    """Yield `files` until a limit for all files is exceeded, then yield a problem and stop."""
    size = values = problems = 0
    for one in files:
        size += len(one.text)
        values += one.values
        problems += len(errors(one.problems))
        yield one
        bounds = (
            (size, MOST_CHARACTERS, "characters"),
            (values, MOST_VALUES, "keys and values"),
            (problems, MOST_PROBLEMS, "problems"),
        )
        for count, most, what in bounds:
            if count > most:
                more = f"the files up to this one have more than {most:,} {what} together, so no more files are read"
                fix = "correct these first" if what == "problems" else "check fewer files at once"
                yield replace(one, data=document.YamlMapping(), problems=(Problem(Source(one.file), more, fix),))
                return


def _check_item(item: document.YamlMapping, values: Mapping[str, Any], file: str) -> tuple[Problem, ...]:
    """Return the problems of an item of `grants` after replacing its values by `values`."""
    if _item_check()({**item, **values}):
        return ()
    replaced = copy(item)
    for name, value in values.items():
        if isinstance(value, list):
            replaced[name] = copy(item[name])
            replaced[name][:] = value
        else:
            replaced[name] = value
    return violations(replaced, _item_schema(), file=file)


@cache
def _item_check() -> Check:
    return validity_check(_item_schema())


def _item_schema() -> Mapping[str, Any]:
    items: Mapping[str, Any] = stored.load(stored.GRANTS)["properties"]["grants"]["items"]
    return items


def _at_most(problems: Iterator[Problem]) -> Iterator[Problem]:
    """Yield the first MOST_PROBLEMS problems, and one more if there are others."""
    yield from islice(problems, MOST_PROBLEMS)
    if more := next(problems, None):
        yield too_many(more.source.file)


def read_config(path: Path) -> LoadedFile:
    """Return the content of `reconciler.yaml`. Raises like `read_yaml`."""
    return read_yaml(path, stored.load(stored.CONFIG))


def read_config_at(revision: Revision, path: Path) -> LoadedFile | None:
    """Return the content of `reconciler.yaml` in a git revision, or None if it does not exist. Raises GitError."""
    found = read_one(revision, path)
    return _understood(*found, stored.load(stored.CONFIG)) if found else None


def read_yaml(path: Path, schema: Mapping[str, Any]) -> LoadedFile:
    """Return the content of a file, validated against `schema`, which requires a mapping.

    Raises:
        ReconcilerError: The file does not exist.
    """
    if not path.exists():
        raise ReconcilerError(f"{discover.name_of(path)} does not exist; check the path")
    return _understood(discover.name_of(path), discover.read(path), schema)


def _understood(file: str, content: bytes | Problem, schema: Mapping[str, Any]) -> LoadedFile:
    if isinstance(content, Problem):
        return LoadedFile(file, document.YamlMapping(), (content,))
    parsed = parse(content, file)
    problems = parsed.problems
    if parsed.whole:
        problems = (*problems, *violations(parsed.data, schema, file=file))
    data = parsed.data if isinstance(parsed.data, document.YamlMapping) else document.YamlMapping()
    return LoadedFile(file, data, tuple(sorted(problems)), parsed.text, parsed.values)
