"""Import: write grant files for grants of a tenant that no file declares, then plan."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from os.path import lexists, relpath
from pathlib import Path

from reconciler.app.console import Console
from reconciler.app.load import read_declared, read_settings, workspace_of
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import TenantRuns, tenant_runs
from reconciler.artifacts.atomic_files import check_new_folder, write_new_files
from reconciler.core.grant import ClientGrant, Key
from reconciler.core.import_selection import GrantImport, ImportFilter, UniqueNames, select_grants
from reconciler.core.planner import Observation
from reconciler.core.resolve import resolve
from reconciler.core.tenant_filter import insert_variables
from reconciler.errors import Exit, ReconcilerError
from reconciler.files.discover import name_of
from reconciler.files.write import FileHeader, import_file, portions
from reconciler.output.styled import line
from reconciler.output.text.grants import import_lines, left_out_lines
from reconciler.output.text.plan import plan_lines

SCHEMA = Path("schemas", "grants.schema.json")
"""The schema of grant files for editors, relative to the configuration."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Which grants to write, and where. `confirm` receives the number of grants and may decline."""

    folder: Path
    choice: ImportFilter = field(default_factory=ImportFilter)
    confirm: Callable[[int], bool] = lambda _: True


def import_grants(
    given: GlobalOptions, console: Console, import_options: ImportOptions, request_options: RequestOptions
) -> Exit:
    """Write files for the selected grants that no file declares, then plan.

    Raises:
        ReconcilerError: if the existing files cannot be planned or the tenant cannot be read. Nothing is written.
    """
    folder = import_options.folder
    _check_folder(given, folder)
    with _reached(given, console, folder, request_options) as (tenants, sessions):
        ((session, observation),) = (
            (done.session, done.result) for done in tenants.each(sessions, TenantSession.surveyed)
        )
        grant_import = select_grants(
            observation.grants,
            observation.directory,
            choice=import_options.choice,
            protection=session.protection(),
            declared=_declared(session, observation),
        )
        if grant_import.holders and not import_options.confirm(grant_import.count):
            return Exit.DONE
        heading = _heading(session, given, folder)
        say = partial(insert_variables, values=session.tenant.target.values)
        texts = _texts(grant_import, folder, lambda some: import_file(some, observation.directory, heading, say))
        _write(folder, texts)
        for note in observation.notes:
            console.note(f"Note: {note}")
        console.say(left_out_lines(grant_import, observation.directory, verbose=given.verbose))
        console.result(import_lines(grant_import, [name_of(path) for path in texts], verbose=given.verbose))
        if texts or session.declared.specs:
            _plan(tenants, _afresh(session, given, folder), observation, console, verbose=given.verbose)
    return Exit.DONE


@contextmanager
def _reached(
    given: GlobalOptions, console: Console, folder: Path, request_options: RequestOptions
) -> Iterator[tuple[TenantRuns, list[TenantSession]]]:
    """Open the tenant. Before the first import, the grant folder may not exist."""
    with tenant_runs(given, PlanOptions(), request_options, console, _folders(given, folder)) as (tenants, sessions):
        if tenants.are_several:
            raise ReconcilerError("import works on one tenant at a time: name one with --tenant")
        yield tenants, sessions


def _folders(given: GlobalOptions, folder: Path) -> list[Path]:
    return [path for path in (Path(given.grants), folder) if lexists(path)]


def _declared(session: TenantSession, observation: Observation) -> Collection[Key]:
    """Return the keys that files declare, after checking that they can be planned."""
    if not session.declared.specs:
        return ()
    session.plan(observation)
    return {each.key for each in resolve(session.declared.specs, observation.directory)[0]}


def _heading(session: TenantSession, given: GlobalOptions, folder: Path) -> FileHeader:
    """Return the comments at the top of each file, and the tenant if there are others."""
    schema = session.folder.parent / SCHEMA
    editors = [f"yaml-language-server: $schema={way_to(schema, folder)}"] if schema.exists() else []
    tenants = read_settings(given.config).tenants
    name = session.tenant.name
    if tenants and name not in tenants:
        raise ReconcilerError(
            f"{name} is not a tenant of the configuration, so the files could not name it; add it to the configuration"
        )
    only = name if name in tenants and len(tenants) > 1 else None
    return FileHeader([*editors, f"Imported from {session.tenant.title}."], only)


def way_to(file: Path, folder: Path) -> str:
    """Return the relative path from `folder` to `file` with `/`."""
    return Path(relpath(file, folder)).as_posix()


def _texts(grant_import: GrantImport, folder: Path, text_of: Callable[[Iterable[ClientGrant]], str]) -> dict[Path, str]:
    free = UniqueNames(path.stem for path in folder.iterdir()) if folder.is_dir() else UniqueNames(())
    return {
        folder / f"{free(name)}.yaml": text_of(some)
        for name, grants in grant_import.holders
        for some in portions(grants)
    }


def _check_folder(given: GlobalOptions, folder: Path) -> None:
    """Raise ReconcilerError if the folder cannot contain new files, or a link in its path leaves the repository."""
    workspace_of(given.config).refuse_stray_links([folder])
    try:
        check_new_folder(folder)
    except OSError as error:
        raise ReconcilerError(f"nothing was written: {name_of(folder)}: {error.strerror}") from error


def _write(folder: Path, texts: dict[Path, str]) -> None:
    try:
        write_new_files(texts)
    except OSError as error:
        raise ReconcilerError(
            f"nothing was written: {name_of(Path(error.filename or folder))}: {error.strerror}"
        ) from error


def _afresh(session: TenantSession, given: GlobalOptions, folder: Path) -> TenantSession:
    """Return the session with the current content of the files."""
    declared = read_declared(given, read_settings(given.config), [session.tenant], _folders(given, folder))
    return replace(session, declared=declared.at(session.tenant.target))


def _plan(
    tenants: TenantRuns, session: TenantSession, observation: Observation, console: Console, *, verbose: bool
) -> None:
    """Plan like `reconciler plan`, with the tenant as just observed."""
    (done,) = tenants.each([session], lambda each: each.planned_from(observation))
    plan = done.result.plan
    console.problems(session.warnings(plan), session.declared.texts)
    console.result([line()])
    console.result(plan_lines(plan, verbose=verbose))
