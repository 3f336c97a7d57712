"""`import --update`: change the declarations in grant files to match the tenant, and print the plan."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from functools import partial
from pathlib import Path

from reconciler.app.console import Console
from reconciler.app.import_grants import open_and_observe, plan_again, reload_grants
from reconciler.app.load import load_config, load_grants
from reconciler.app.options import GlobalOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.artifacts.atomic_files import rewrite_text
from reconciler.contract import stored
from reconciler.core.characters import pluralize, visible
from reconciler.core.directory import Directory
from reconciler.core.fields import ORGANIZATIONS
from reconciler.core.imports.selection import ImportFilter, SelectedUpdates, UpdateRules, select_updates
from reconciler.core.planner import Observation
from reconciler.core.problems import Problem, Severity, Source, errors
from reconciler.core.scope_sets import escape_scope
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant_filter import insert_variables
from reconciler.errors import Exit, ProblemsError, ReconcilerError
from reconciler.files.discover import find, name_of
from reconciler.files.read import LoadedGrants, validate_file
from reconciler.files.specs import grant_specs
from reconciler.files.update import NotEditableError, update_text
from reconciler.files.write import organization_text
from reconciler.output.styled import Line, Span, Style, line

NOT_EDITABLE_ADVICE = "edit the file by hand"


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """The grant files to update, the grants to update, and whether to print only the differences.

    If `paths` is empty, the command updates the grant files in the folder of --grants.
    """

    paths: tuple[Path, ...] = ()
    grant_filter: ImportFilter = field(default_factory=ImportFilter)
    only_diff: bool = False


def update_grants(
    options: GlobalOptions, console: Console, update_options: UpdateOptions, request_options: RequestOptions
) -> Exit:
    """Update the files, and print the plan. If `only_diff` is true, print the differences and change no file.

    Raises:
        ReconcilerError: if the files are invalid, if the tenant cannot be read, or if an updated file would be invalid.
            A ReconcilerError means that no file was changed.
    """
    paths = list(update_options.paths) or [Path(options.grants)]
    with open_and_observe(options, console, paths, request_options) as (tenants, session, observation):
        declared = load_grants(options, load_config(options.config), [session.tenant], paths)
        rules = _update_rules(options, session, observation.directory, update_options.grant_filter)
        selected = select_updates(declared.specs, observation.grants, observation.directory, rules)
        texts, problems = new_texts(declared, selected)
        _check(texts, observation, rules)
        console.problems(sorted((*selected.not_updated, *problems)), declared.texts)
        if update_options.only_diff:
            console.result(
                line(visible(each)) for name in texts for each in diff_lines(name, declared.texts[name], texts[name])
            )
            return Exit.DONE
        write_texts(paths, texts)
        console.result(_report(texts, selected))
        plan_again(tenants, reload_grants(session, options, paths), observation, console, verbose=options.verbose)
    return Exit.DONE


def _update_rules(
    options: GlobalOptions, session: TenantSession, directory: Directory, choice: ImportFilter
) -> UpdateRules:
    convert = partial(insert_variables, values=session.tenant.target.values)

    def write_item(name: str, item: str) -> str:
        text = convert(organization_text(item, directory) if name == ORGANIZATIONS else item)
        return escape_scope(text) if name == "scope" else text

    others = [name for name in load_config(options.config).tenants if name != session.tenant.name]
    return UpdateRules(
        target=session.tenant.target, other_tenants=others, choice=choice, write_item=write_item, now=session.now
    )


def new_texts(declared: LoadedGrants, selected: SelectedUpdates) -> tuple[dict[str, str], list[Problem]]:
    """Return the new content of each changed grant file, and a warning for each file that cannot be edited."""
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for name, updates in selected.by_file.items():
        try:
            texts[name] = update_text(declared.texts[name], updates)
        except NotEditableError as error:
            problems.append(Problem(Source(name), f"not updated: {error}", NOT_EDITABLE_ADVICE, Severity.WARNING))
    return texts, problems


def _check(texts: Mapping[str, str], observation: Observation, rules: UpdateRules) -> None:
    """Check that the updated grant files are valid and declare the grants of the tenant.

    Raises:
        ProblemsError: if the new content of a grant file is not valid.
        ReconcilerError: if the new content of a grant file does not match the grants of the tenant.
    """
    specs: list[GrantSpec] = []
    for name, text in texts.items():
        file = validate_file(name, text.encode(), stored.load(stored.GRANTS))
        if errors(file.problems):
            raise ProblemsError(file.problems, {name: text})
        specs.extend(grant_specs(file.data, name))
    left = select_updates(specs, observation.grants, observation.directory, rules)
    if left.by_file:
        name = next(iter(left.by_file))
        raise ReconcilerError(f"nothing was written: {name} would still differ from the tenant; edit the file by hand")


def diff_lines(name: str, before: str, after: str) -> Iterator[str]:
    """Return the differences between two versions of a file as the lines of a unified diff."""
    lines = unified_diff(before.splitlines(), after.splitlines(), f"{name} now", f"{name} updated", lineterm="")
    return iter(lines)


def write_texts(paths: Sequence[Path], texts: Mapping[str, str]) -> None:
    """Replace the content of grant files in `paths`.

    `texts` maps file names to the new contents. Raises ReconcilerError.
    """
    by_name = {name_of(path): path for path in find(paths)[0]}
    counts = Counter(map(name_of, find(paths)[0]))
    for name in texts:
        if counts[name] != 1:
            raise ReconcilerError(
                f"nothing was written: the output would show several files as {name}; rename the files"
            )
    for name, text in texts.items():
        try:
            rewrite_text(by_name[name], text)
        except OSError as error:
            raise ReconcilerError(f"{name} cannot be written: {error.strerror}") from error


def _report(texts: Mapping[str, str], selected: SelectedUpdates) -> Iterator[Line]:
    written = {name: selected.by_file[name] for name in texts}
    changed = sum(update is not None for updates in written.values() for update in updates.values())
    removed = sum(update is None for updates in written.values() for update in updates.values())
    rest = f"; {len(selected.not_updated)} not updated" if selected.not_updated else ""
    files = pluralize(len(texts), "file")
    yield line(Span(f"Updated: {changed} changed and {removed} removed in {files}{rest}.", Style.STRONG))
    for name, updates in written.items():
        removed = sum(update is None for update in updates.values())
        yield line("    ", f"{visible(name)}  {len(updates) - removed} changed, {removed} removed")
