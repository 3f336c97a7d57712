"""Write new grant files for the grants that exist only in the tenant, and print the plan."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from os.path import lexists, relpath
from pathlib import Path

from reconciler.app.console import Console
from reconciler.app.load import load_config, load_grants, workspace_of
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import TenantRuns, tenant_runs
from reconciler.artifacts.atomic_files import check_new_folder, write_new_files
from reconciler.core.expiry import split_expired
from reconciler.core.grant import ClientGrant, Key
from reconciler.core.imports.selection import GrantImport, ImportFilter, UniqueNames, select_grants
from reconciler.core.planner import Observation
from reconciler.core.resolve import resolve
from reconciler.core.tenant_filter import insert_variables
from reconciler.errors import Exit, ReconcilerError
from reconciler.files.discover import name_of
from reconciler.files.write import import_file, split_by_size
from reconciler.output.styled import line
from reconciler.output.text.lists import ImportCounts, import_lines, left_out_lines
from reconciler.output.text.plan import plan_lines

SCHEMA = Path("schemas", "grants.schema.json")
"""The path of the JSON Schema that editors use for grant files, relative to the configuration."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options of `reconciler import`.

    The function `confirm` receives the number of grants and returns whether to write the files. If `variables` is true,
    the import uses a variable in place of each string that differs between tenants.
    """

    folder: Path
    grant_filter: ImportFilter = field(default_factory=ImportFilter)
    confirm: Callable[[int], bool] = lambda _: True
    variables: bool = False


def import_grants(
    options: GlobalOptions, console: Console, import_options: ImportOptions, request_options: RequestOptions
) -> Exit:
    """Write new grant files for the selected grants that no file declares, and print the plan.

    Raises:
        ReconcilerError: if the existing files are invalid, or if the tenant cannot be read. A ReconcilerError means
            that no file was written.
    """
    folder = import_options.folder
    check_folder(options, folder)
    folders = grant_folders(options, folder)
    with open_and_observe(options, console, folders, request_options) as (tenants, session, observation):
        grant_import = select_grants(
            observation.grants,
            observation.directory,
            choice=import_options.grant_filter,
            protection=session.protection(),
            declared=declared_keys(session, observation),
        )
        if grant_import.holders and not import_options.confirm(grant_import.count):
            return Exit.DONE
        comments, tenant = _file_header(session, options, folder)
        convert = partial(insert_variables, values=session.tenant.target.values)
        texts = _file_texts(
            grant_import, folder, lambda grants: import_file(grants, observation.directory, comments, tenant, convert)
        )
        _write(folder, texts)
        for note in observation.notes:
            console.note(f"Note: {note}")
        console.info(left_out_lines(grant_import, observation.directory, verbose=options.verbose))
        counts = ImportCounts(grant_import.count, grant_import.declared, len(grant_import.left_out))
        console.result(import_lines(counts, [name_of(path) for path in texts], verbose=options.verbose))
        if texts or session.declared.specs:
            reloaded = reload_grants(session, options, grant_folders(options, folder))
            plan_again(tenants, reloaded, observation, console, verbose=options.verbose)
    return Exit.DONE


@contextmanager
def open_and_observe(
    options: GlobalOptions,
    console: Console,
    folders: Sequence[Path],
    request_options: RequestOptions,
    observe: Callable[[TenantSession], Awaitable[Observation]] = TenantSession.observe_all,
) -> Iterator[tuple[TenantRuns, TenantSession, Observation]]:
    """Load the grant files in `folders`, connect to the selected tenant, and read the tenant with `observe`.

    Raises ReconcilerError if several tenants are selected.
    """
    with tenant_runs(options, PlanOptions(), request_options, console, folders) as tenants:
        if tenants.are_several:
            raise ReconcilerError("import --update works on one tenant at a time: select the tenant with --tenant")
        with tenants.opened() as sessions:
            (observed,) = tenants.run_open(sessions, observe)
            yield tenants, observed.session, observed.result


def grant_folders(options: GlobalOptions, folder: Path) -> list[Path]:
    """Return the grant folder and the folder for new files. Omit a folder that does not exist."""
    return [path for path in (Path(options.grants), folder) if lexists(path)]


def declared_keys(session: TenantSession, observation: Observation) -> Collection[Key]:
    """Return the fields that identify each declared grant: application, API and subject type.

    Raises the same errors as `TenantSession.plan` if the files are invalid.
    """
    if not session.declared.specs:
        return ()
    session.plan(observation)
    specs = (spec for part in split_expired(session.declared.specs, session.now) for spec in part)
    return {each.key for each in resolve(specs, observation.directory)[0]}


def _file_header(session: TenantSession, options: GlobalOptions, folder: Path) -> tuple[list[str], str | None]:
    """Return the comment lines and the tenant name for the top of new files.

    Omit the tenant name unless the configuration has several tenants.
    """
    schema = session.folder.parent / SCHEMA
    editor_comments = [f"yaml-language-server: $schema={relative_path(schema, folder)}"] if schema.exists() else []
    tenants = load_config(options.config).tenants
    name = session.tenant.name
    if tenants and name not in tenants:
        raise ReconcilerError(
            f"the configuration has no tenant {name}, so the new files cannot mention the tenant; add {name} "
            "to the configuration"
        )
    only_tenant = name if name in tenants and len(tenants) > 1 else None
    return [*editor_comments, f"Imported from {session.tenant.title}."], only_tenant


def relative_path(file: Path, folder: Path) -> str:
    """Return the path from `folder` to `file`, with `/` between the parts."""
    return Path(relpath(file, folder)).as_posix()


def _file_texts(
    grant_import: GrantImport, folder: Path, text_of: Callable[[Iterable[ClientGrant]], str]
) -> dict[Path, str]:
    unique_name = UniqueNames(path.stem for path in folder.iterdir()) if folder.is_dir() else UniqueNames(())
    return {
        folder / f"{unique_name(name)}.yaml": text_of(part)
        for name, grants in grant_import.holders
        for part in split_by_size(grants)
    }


def check_folder(options: GlobalOptions, folder: Path) -> None:
    """Raise ReconcilerError if the folder is not writable, or if a symbolic link leads out of the workspace."""
    workspace_of(options.config).refuse_outside_links([folder])
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


def reload_grants(session: TenantSession, options: GlobalOptions, folders: Sequence[Path]) -> TenantSession:
    """Load the grant files again, and return a copy of the session with the loaded grants."""
    declared = load_grants(options, load_config(options.config), [session.tenant], folders)
    return replace(session, declared=declared.at(session.tenant.target))


def plan_again(
    tenants: TenantRuns, session: TenantSession, observation: Observation, console: Console, *, verbose: bool
) -> None:
    """Make a new plan from the grants in `observation`, and print the plan.

    The function does not read the grants from the tenant again.
    """
    (tenant_result,) = tenants.run_open([session], lambda each: each.plan_from(observation))
    plan = tenant_result.result.plan
    console.problems(session.warnings(plan), session.declared.texts)
    console.result([line()])
    console.result(plan_lines(plan, verbose=verbose))
