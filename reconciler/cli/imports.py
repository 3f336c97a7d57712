"""`reconciler import`: grant files for what a tenant has and no file declares, and a plan that shows it."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from os.path import lexists, relpath
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import Options, also_global_options, options
from reconciler.cli.reaching import Reach, reaching_options
from reconciler.cli.session import Session, session
from reconciler.cli.shaping import Shape
from reconciler.core.adopt import Adoption, Choice, adopt
from reconciler.core.desired import resolve
from reconciler.core.directory import Directory
from reconciler.core.file_names import FreeNames
from reconciler.core.grant import Key
from reconciler.core.planner import Observation
from reconciler.core.quoting import counted
from reconciler.disk import write_new_files
from reconciler.errors import Exit, ReconcilerError
from reconciler.files.discover import name_of
from reconciler.files.read import read_grants
from reconciler.render.grant_file import import_file, portions
from reconciler.render.plan_text import plan_lines
from reconciler.render.plan_words import grant_label
from reconciler.render.styled import Line, Span, Style, line

SCHEMA = Path("schemas", "grants.schema.json")
"""Where editors find the schema of grant files, beside the configuration."""
MOST_LISTED = 20


@also_global_options
@click.command("import")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the files go.  [default: the folder of --grants]",
)
@click.option(
    "--client", "clients", metavar="PATTERN", multiple=True, help="Only grants of applications by this name or id."
)
@click.option(
    "--audience", "audiences", metavar="PATTERN", multiple=True, help="Only grants for APIs by this identifier or name."
)
@reaching_options
def command(*, out: Path | None, clients: tuple[str, ...], audiences: tuple[str, ...], reach: Reach) -> Exit:
    """Write grant files for what the tenant has and no file declares.

    Each application gets a file of its own; no file is ever overwritten. A plan at the end shows that the files say
    what the tenant has.
    """
    given = options()
    return bring_in(given, Console(given), out or Path(given.grants), Choice(clients, audiences), reach)


def bring_in(given: Options, console: Console, folder: Path, choice: Choice, reach: Reach) -> Exit:
    """Write files into `folder` for the grants of `choice` that none declares yet, and plan.

    Raises:
        ReconcilerError: if the files that are there cannot be planned, or the tenant not be read; nothing was written.
    """
    with session(given, Shape(), reach, console, _there(given, folder)) as reached:
        observation = reached.observe(everything=True)
        adoption = adopt(
            observation.grants,
            observation.directory,
            choice=choice,
            own=reached.untouchable().own,
            declared=_declared(reached, observation),
        )
        texts = _texts(adoption, folder, observation.directory, _head(reached, folder))
        _write(folder, texts)
        _tell(adoption, list(texts), observation.directory, console, every=given.verbose)
        _plan(replace(reached, declared=read_grants(_there(given, folder))), observation, console, every=given.verbose)
    return Exit.DONE


def _there(given: Options, folder: Path) -> list[Path]:
    """Return the folders of grant files that exist: before the first import there may be none."""
    return [path for path in (Path(given.grants), folder) if lexists(path)]


def _declared(reached: Session, observation: Observation) -> Collection[Key]:
    """Return the keys that files declare, once it is sure that a plan can be made of them."""
    if not reached.declared.specs:
        return ()
    reached.plan(observation)
    return {each.key for each in resolve(reached.declared.specs, observation.directory)[0]}


def _head(reached: Session, folder: Path) -> list[str]:
    """Return what is said at the top of each file."""
    schema = reached.folder.parent / SCHEMA
    editors = [f"yaml-language-server: $schema={Path(relpath(schema, folder)).as_posix()}"] if schema.exists() else []
    return [*editors, f"Imported from {reached.tenant.name} ({reached.tenant.host})."]


def _texts(adoption: Adoption, folder: Path, directory: Directory, head: list[str]) -> dict[Path, str]:
    free = FreeNames(path.stem for path in folder.iterdir()) if folder.is_dir() else FreeNames(())
    return {
        folder / f"{free(name)}.yaml": import_file(some, directory, head)
        for name, grants in adoption.holders
        for some in portions(grants)
    }


def _write(folder: Path, texts: dict[Path, str]) -> None:
    try:
        if texts:
            folder.mkdir(parents=True, exist_ok=True)
        write_new_files(texts)
    except OSError as error:
        raise ReconcilerError(
            f"nothing was written: {name_of(Path(error.filename or folder))}: {error.strerror}"
        ) from error


def _tell(adoption: Adoption, written: list[Path], directory: Directory, console: Console, *, every: bool) -> None:
    for what, listing, permission in (
        ("applications", directory.applications, "read:clients"),
        ("APIs", directory.apis, "read:resource_servers"),
    ):
        if listing is None:
            console.note(f"Note: {what} stand in the files by id, because the token may not list them ({permission})")
    left_out = [f"{grant_label(each.key, directory)}: {each.why}" for each in adoption.left_out]
    for text in _some(left_out, every=every):
        console.note(f"Left out: {text}")
    console.result(_report(adoption, written, every=every))


def _report(adoption: Adoption, written: list[Path], *, every: bool) -> Iterator[Line]:
    grants = sum(len(grants) for _, grants in adoption.holders)
    rest = f"{adoption.declared} declared already, {len(adoption.left_out)} left out"
    total = f"{counted(grants, 'grant')} in {counted(len(written), 'new file')}" if grants else "nothing new"
    yield line(Span(f"Imported: {total}; {rest}.", Style.STRONG))
    for name in _some([name_of(path) for path in written], every=every):
        yield line("    ", name)
    yield line()


def _some(texts: list[str], *, every: bool) -> Iterator[str]:
    """Yield as many of `texts` as somebody reads, and how many more there are."""
    most = len(texts) if every else MOST_LISTED
    yield from texts[:most]
    if texts[most:]:
        yield f"and {len(texts) - most} more; -v lists all"


def _plan(written: Session, observation: Observation, console: Console, *, every: bool) -> None:
    if not written.declared.specs:
        return
    plan = written.plan(observation)
    console.problems(written.warnings(plan), written.declared.texts)
    console.result(plan_lines(plan, every=every))
