"""Shell: YAML files in, checked values and every problem out, in one run."""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from reconciler.contract import stored
from reconciler.core.problems import Problem, Source, errors
from reconciler.core.quoting import visible
from reconciler.core.spec import GrantSpec
from reconciler.core.tenancy import NOBODY, Target, Tenants, for_tenant
from reconciler.errors import ReconcilerError
from reconciler.files import discover, document
from reconciler.files.document import MOST_PROBLEMS, too_many
from reconciler.files.loader import parse
from reconciler.files.revision import read_one, read_revision
from reconciler.files.schema import violations
from reconciler.files.specs import grant_specs, legible_specs, problems_of
from reconciler.files.validity import Check, validity_check
from reconciler.files.workspace import Workspace, git_warnings
from reconciler.git.revision import Revision

MOST_CHARACTERS = 64_000_000
"""Of all grant files together."""
MOST_VALUES = 1_000_000
"""Of all grant files that YAML's parser reads; those that `import` writes are read without it."""


@dataclass(frozen=True, slots=True)
class Read:
    """One file that should fit a schema: look at `problems` before you believe `data`, which is empty if unreadable.

    `values` counts what the YAML parser found.
    """

    file: str
    data: document.Mapping
    problems: tuple[Problem, ...] = ()
    text: str = field(default="", repr=False)
    values: int = 0


@dataclass(frozen=True, slots=True)
class Declared:
    """What all grant files say together: specs in the order of the files, problems in the order of their places.

    `specs` has those of the grants without an error. `texts` has each file's text, for showing a problem's line.
    """

    specs: tuple[GrantSpec, ...]
    problems: tuple[Problem, ...]
    texts: Mapping[str, str] = field(repr=False)

    def at(self, target: Target) -> "Declared":
        """Return this with the specs that apply to a tenant, and with its values in them."""
        return replace(self, specs=for_tenant(self.specs, target))


def read_grants(
    paths: Iterable[Path],
    tenants: Tenants = NOBODY,
    workspace: Workspace | None = None,
    *,
    may_lack_files: bool = True,
    is_snapshot: bool = False,
) -> Declared:
    """Return what the grant files under `paths` (files or folders) declare, and what is wrong for any of `tenants`.

    In a `workspace`, neither links nor attributes of git may put other files in the place of those that are reviewed.
    Unless folders `may_lack_files`, one without a grant file is a problem. So is the key `snapshot`, which weakens
    checks, unless the caller says that `paths` are a snapshot that apply wrote.

    Raises:
        ReconcilerError: one of `paths` does not exist, or is a link that leads out of the workspace; or git cannot
            read attributes that may apply.
    """
    paths = list(paths)
    if workspace:
        workspace.refuse_stray_links(paths)
    files, problems = discover.find_real(paths)
    if not may_lack_files:
        problems = (*problems, *discover.without_files(paths))
    if workspace:
        problems = (*problems, *workspace.altered(files))
    contents = ((discover.name_of(path), discover.read(path)) for path in files.values())
    return _declared(contents, tenants, problems, is_snapshot=is_snapshot)


def read_grants_at(revision: Revision, path: Path, tenants: Tenants = NOBODY) -> Declared:
    """Return what the grant files of `path` declare in a revision of git, and what is wrong for any of `tenants`.

    Raises:
        GitError: if git cannot read them.
    """
    warnings = git_warnings(revision.repository, visible(revision.name))  # looked at once all is read
    return _declared(read_revision(revision, path), tenants, warnings)


def _declared(
    contents: Iterable[tuple[str, bytes | Problem]],
    tenants: Tenants,
    problems: Iterable[Problem] = (),
    *,
    is_snapshot: bool = False,
) -> Declared:
    schema = stored.load(stored.GRANTS)
    all_read = list(_within_bounds(_understood(file, content, schema) for file, content in contents))
    specs = tuple(spec for one in all_read for spec in grant_specs(one.data, one.file, one.problems))
    legible = (spec for one in all_read for spec in legible_specs(one.data, one.file, one.problems))
    in_files = [problem for one in all_read for problem in one.problems]
    in_files += () if is_snapshot else filter(None, map(_forged_snapshot, all_read))
    return Declared(
        specs=specs,
        problems=tuple(sorted((*problems, *in_files, *_at_most(problems_of(specs, tenants, legible, _check_item))))),
        texts={one.file: one.text for one in all_read},
    )


def _forged_snapshot(one: Read) -> Problem | None:
    """Return the problem of a file that calls itself a snapshot and is not one that apply wrote."""
    if "snapshot" not in one.data:
        return None
    what = "the key snapshot is valid only in a folder of snapshots that apply wrote, given by --grants"
    return Problem(Source(one.file, *document.mark_of(one.data, ("snapshot",))), what, "remove it")


def _within_bounds(files: Iterable[Read]) -> Iterator[Read]:
    """Yield `files` as long as one run may hold them all, with what is wrong if it may not."""
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
                more = f"the files up to this one have more than {most:,} {what} together, so no further one is read"
                fix = "correct these first" if what == "problems" else "check fewer files at once"
                yield replace(one, data=document.Mapping(), problems=(Problem(Source(one.file), more, fix),))
                return


def _check_item(item: document.Mapping, values: Mapping[str, Any], file: str) -> tuple[Problem, ...]:
    """Return what is wrong with an item of `grants` that has `values` in the places of its own."""
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
    """Pass on as many problems as anybody reads, and say so where there are more."""
    yield from islice(problems, MOST_PROBLEMS)
    if more := next(problems, None):
        yield too_many(more.source.file)


def read_config(path: Path) -> Read:
    """Return what `reconciler.yaml` says; raises as `read_yaml` does."""
    return read_yaml(path, stored.load(stored.CONFIG))


def read_config_at(revision: Revision, path: Path) -> Read | None:
    """Return what `reconciler.yaml` says in a revision of git, None where it does not exist. Raises GitError."""
    found = read_one(revision, path)
    return _understood(*found, stored.load(stored.CONFIG)) if found else None


def read_yaml(path: Path, schema: Mapping[str, Any]) -> Read:
    """Return what one file says that should fit `schema`, which expects a mapping.

    Raises:
        ReconcilerError: there is no such file.
    """
    if not path.exists():
        raise ReconcilerError(f"there is no {discover.name_of(path)}; check the path")
    return _understood(discover.name_of(path), discover.read(path), schema)


def _understood(file: str, content: bytes | Problem, schema: Mapping[str, Any]) -> Read:
    if isinstance(content, Problem):
        return Read(file, document.Mapping(), (content,))
    parsed = parse(content, file)
    problems = parsed.problems
    if parsed.whole:
        problems = (*problems, *violations(parsed.data, schema, file=file))
    data = parsed.data if isinstance(parsed.data, document.Mapping) else document.Mapping()
    return Read(file, data, tuple(sorted(problems)), parsed.text, parsed.values)
