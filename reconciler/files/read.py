"""Read grant files and configuration files. Return the validated content and all problems."""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from reconciler.contract import stored
from reconciler.core.characters import visible
from reconciler.core.problems import Problem, Source, errors
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant_filter import NO_TENANTS, TargetTenant, TargetTenants, select_for_tenant
from reconciler.errors import ReconcilerError
from reconciler.files import discover, document
from reconciler.files.document import MAX_PROBLEMS, too_many_problems
from reconciler.files.loader import parse
from reconciler.files.revision import read_one, read_revision
from reconciler.files.schema import violations
from reconciler.files.specs import grant_specs, partial_specs, problems_of
from reconciler.files.validity import Check, validity_check
from reconciler.files.workspace import Workspace, checkout_problems, git_warnings
from reconciler.git.revision import Revision

GRANTS = "grants"
MAX_CHARACTERS = 64_000_000
"""The maximum total size of all grant files, in characters."""
MAX_VALUES = 1_000_000
"""The maximum total number of values in all grant files that the YAML parser reads.

The faster function `read_fast` does not count values.
"""


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """The content and the problems of a validated file.

    If the file is unreadable, `data` is empty and `problems` contains the reason. `values` is the number of values that
    the YAML parser has read.
    """

    file: str
    data: document.YamlMapping
    problems: tuple[Problem, ...] = ()
    text: str = field(default="", repr=False)
    values: int = 0


@dataclass(frozen=True, slots=True)
class LoadedGrants:
    """The content of all grant files."""

    specs: tuple[GrantSpec, ...]
    """The valid grant declarations, in the order of the files."""
    problems: tuple[Problem, ...]
    """All problems of the files, sorted by position."""
    texts: Mapping[str, str] = field(repr=False)
    """Maps the name of each file to the content of the file. Messages quote the line that contains a problem."""
    commit: str = ""
    """The id of the commit that contains the files, or an empty string for files of the checkout."""
    of_all_tenants: tuple[GrantSpec, ...] = ()
    """The grant declarations for all tenants. The tuple is empty unless `specs` is limited to one tenant."""

    def at(self, target: TargetTenant) -> "LoadedGrants":
        """Return a copy of the content with only the grant declarations for the tenant `target`.

        In the returned copy, the tenant's values replace the variables in the grant declarations.
        """
        return replace(self, specs=select_for_tenant(self.specs, target), of_all_tenants=self.specs)


def read_grants(  # noqa: PLR0913 - callers set the options independently
    paths: Iterable[Path],
    tenants: TargetTenants = NO_TENANTS,
    workspace: Workspace | None = None,
    *,
    may_be_empty: bool = True,
    is_snapshot: bool = False,
    must_be_complete: bool = False,
) -> LoadedGrants:
    """Read the grant files in `paths` (files or folders), and check the grants for all tenants in `tenants`.

    If `workspace` is given, the function reports files that git alters at checkout, and refuses symbolic links that
    leave the workspace. Set `is_snapshot` only for a snapshot that `reconciler apply` wrote.

    If `may_be_empty` is true, the function accepts folders without grant files. If `is_snapshot` is true, the files may
    contain the key `snapshot`. A file with the key `snapshot` may contain scopes that an API does not define. If
    `must_be_complete` is true, a missing grant file is an error instead of a warning.

    Raises:
        ReconcilerError: if a path does not exist or leaves the workspace through a symbolic link, or if git cannot read
            attributes.
    """
    paths = list(paths)
    if workspace:
        workspace.refuse_outside_links(paths)
    files, problems = discover.find_by_real_path(paths)
    if not may_be_empty:
        problems = (*problems, *discover.empty_folder_problems(paths))
    if workspace:
        checkout = checkout_problems(paths, must_be_complete=must_be_complete)
        problems = (*problems, *workspace.altered_files(files), *checkout)
    contents = ((discover.name_of(path), discover.read(path)) for path in files.values())
    return load_contents(contents, tenants, problems, is_snapshot=is_snapshot)


def read_grants_at(revision: Revision, path: Path, tenants: TargetTenants = NO_TENANTS) -> LoadedGrants:
    """Read the grant files at `path` in a git revision, and check the grants for all `tenants`.

    Raises:
        GitError: if git cannot read the files.
    """
    # the generator `git_warnings` must run after reconciler has read all files, because git writes warnings until then
    warnings = git_warnings(revision.repository, visible(revision.name))
    return replace(load_contents(read_revision(revision, path), tenants, warnings), commit=revision.commit)


def grant_file_contents(path: Path, workspace: Workspace) -> Iterator[tuple[str, bytes | Problem]]:
    """Yield the name and the bytes of each grant file at `path`.

    For an unreadable file, yield a problem instead of the bytes.

    Raises:
        ReconcilerError: if `path` does not exist or leaves the workspace through a symbolic link.
    """
    workspace.refuse_outside_links([path])
    files, problems = discover.find((path,))
    yield from ((problem.source.file, problem) for problem in errors(problems))
    yield from ((discover.name_of(file), discover.read(file)) for file in files)


def check_texts(texts: Mapping[str, str], tenants: TargetTenants = NO_TENANTS) -> LoadedGrants:
    """Validate the future content of grant files for all `tenants`, and return the parsed content.

    `texts` maps the name of each file to the future content of the file.
    """
    return load_contents(((name, text.encode()) for name, text in texts.items()), tenants)


def load_contents(
    contents: Iterable[tuple[str, bytes | Problem]],
    tenants: TargetTenants,
    problems: Iterable[Problem] = (),
    *,
    is_snapshot: bool = False,
) -> LoadedGrants:
    """Validate grant files for all `tenants`, and return the content.

    `contents` contains the name and the bytes of each file. For an unreadable file, `contents` contains a problem
    instead of the bytes. The function adds `problems` to the problems of the result. If `is_snapshot` is true, files
    may contain the key `snapshot`.
    """
    schema = stored.load(stored.GRANTS)
    files = list(_limit_total(validate_file(file, content, schema) for file, content in contents))
    specs = tuple(spec for file in files for spec in grant_specs(file.data, file.file, errors(file.problems)))
    partial = (spec for file in files for spec in partial_specs(file.data, file.file, errors(file.problems)))
    file_problems = [problem for file in files for problem in file.problems]
    file_problems += () if is_snapshot else filter(None, map(_forged_snapshot, files))
    return LoadedGrants(
        specs=specs,
        problems=tuple(
            sorted((*problems, *file_problems, *_limit_problems(problems_of(specs, tenants, partial, _check_item))))
        ),
        texts={file.file: file.text for file in files},
    )


def _forged_snapshot(file: LoadedFile) -> Problem | None:
    """Return a problem if the file contains the key `snapshot`.

    Only a snapshot that `reconciler apply` wrote may contain the key `snapshot`.
    """
    if "snapshot" not in file.data:
        return None
    what = 'the key "snapshot" is only valid in files that `reconciler apply` wrote'
    return Problem(
        Source(file.file, *document.mark_of(file.data, ("snapshot",))),
        what,
        "remove the key, or select the snapshot folder with --grants",
    )


def _limit_total(files: Iterable[LoadedFile]) -> Iterator[LoadedFile]:
    """Yield the files until the total number of characters, values or problems exceeds a limit.

    If the files exceed a limit in total, the last LoadedFile contains no grants and one problem that names the limit.
    """
    size = values = problems = 0
    for file in files:
        size += len(file.text)
        values += file.values
        problems += len(errors(file.problems))
        yield file
        bounds = (
            (size, MAX_CHARACTERS, "characters"),
            (values, MAX_VALUES, "keys and values"),
            (problems, MAX_PROBLEMS, "problems"),
        )
        for count, most, what in bounds:
            if count > most:
                more = f"the files up to this one have more than {most:,} {what} together, so no more files are read"
                fix = "correct these first" if what == "problems" else "check fewer files at once"
                yield replace(file, data=document.YamlMapping(), problems=(Problem(Source(file.file), more, fix),))
                return


def _check_item(item: document.YamlMapping, values: Mapping[str, Any], file: str) -> tuple[Problem, ...]:
    """Replace some fields of a grant declaration with `values`, and return the schema violations of the result."""
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


def _limit_problems(problems: Iterator[Problem]) -> Iterator[Problem]:
    """Yield the first MAX_PROBLEMS problems.

    If `problems` contains more than MAX_PROBLEMS problems, also report that a file has too many problems.
    """
    yield from islice(problems, MAX_PROBLEMS)
    if more := next(problems, None):
        yield too_many_problems(more.source.file)


def read_config(path: Path) -> LoadedFile:
    """Return the validated content of `reconciler.yaml`. Raises ReconcilerError if the file does not exist."""
    return read_yaml(path, stored.load(stored.CONFIG))


def validate_config(path: Path, content: bytes) -> LoadedFile:
    """Validate `content`, which reconciler is about to write to the `reconciler.yaml` at `path`."""
    return validate_file(discover.name_of(path), content, stored.load(stored.CONFIG))


def read_config_at(revision: Revision, path: Path) -> LoadedFile | None:
    """Return the content of `reconciler.yaml` in a git revision, or None if the revision lacks the file.

    Raises GitError.
    """
    found = read_one(revision, path)
    return validate_file(*found, stored.load(stored.CONFIG)) if found else None


def read_yaml(path: Path, schema: Mapping[str, Any]) -> LoadedFile:
    """Read a YAML file, and validate the content against `schema`. `schema` must accept only mappings.

    Raises:
        ReconcilerError: if the file does not exist.
    """
    if not path.exists():
        if path.is_symlink():
            raise ReconcilerError(
                f"{discover.name_of(path)} is a link to a file that does not exist; correct or remove the link"
            )
        raise ReconcilerError(f"{discover.name_of(path)} does not exist; check the path")
    return validate_file(discover.name_of(path), discover.read(path), schema)


def validate_file(file: str, content: bytes | Problem, schema: Mapping[str, Any]) -> LoadedFile:
    """Parse the content of a YAML file and validate the data against `schema`.

    If `content` is a Problem, the file could not be read, and the LoadedFile contains only the Problem.
    """
    if isinstance(content, Problem):
        return LoadedFile(file, document.YamlMapping(), (content,))
    parsed = parse(content, file)
    if parsed.data is None and GRANTS in schema.get("required", ()) and _has_only_comments(parsed):
        empty = document.YamlMapping()
        empty[GRANTS] = document.YamlList()
        return LoadedFile(file, empty, (), parsed.text)
    problems = _problems_of(parsed, schema)
    if errors(problems):
        from reconciler.files.mistakes import CheckResult, explain_mistakes

        def check(text: str) -> CheckResult:
            again = parse(text.encode(), file)
            return CheckResult(again.is_complete, _problems_of(again, schema))

        problems = explain_mistakes(parsed.text, file, CheckResult(parsed.is_complete, problems), schema, check)
    elif "##" in parsed.text:
        from reconciler.files.mistakes import keyword_comments

        problems = (*problems, *keyword_comments(parsed.text, file))
    elif " #" in parsed.text and GRANTS in schema.get("required", ()):
        from reconciler.files.mistakes import attached_comments

        problems = (*problems, *attached_comments(parsed.text, file))
    data = parsed.data if isinstance(parsed.data, document.YamlMapping) else document.YamlMapping()
    return LoadedFile(file, data, tuple(sorted(problems)), parsed.text, parsed.values)


def _problems_of(parsed: document.Document, schema: Mapping[str, Any]) -> tuple[Problem, ...]:
    if not parsed.is_complete:
        return parsed.problems
    return (*parsed.problems, *violations(parsed.data, schema, file=parsed.file))


def _has_only_comments(parsed: document.Document) -> bool:
    """Return whether a file contains comments and no data.

    For a completely empty file, return False, because an empty file may be a mistake.
    """
    lines = [line.strip() for line in parsed.text.splitlines() if line.strip()]
    is_valid = parsed.is_complete and not parsed.problems
    comments = [line for line in lines if line.startswith("#")]
    return is_valid and bool(comments) and all(line in comments or line == "---" for line in lines)
