"""List the tenants of a fleet run (a run of many tenants in several CI jobs), and collect the results."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import normpath
from pathlib import Path

from reconciler.app import ci
from reconciler.app.grant_files import compare_configs
from reconciler.app.load import config_file_at, load_config, load_config_at, select_names, workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.artifacts.fleet_files import read_fleet, read_results
from reconciler.config.tenants import DEFAULT_FILE, Config, tenant_named
from reconciler.core.characters import join_some, quote_text, visible
from reconciler.core.config_rules import ConfigChange
from reconciler.core.fleet.report import FleetReport, collect
from reconciler.core.fleet.run import ExpectedTenant, Fleet, RunInputs, Shard, affected_tenants, files_digest
from reconciler.core.problems import Problem, errors
from reconciler.core.suggest import did_you_mean
from reconciler.core.tenant import Tenant
from reconciler.core.tenant_filter import UNKNOWN_TENANTS, TargetTenants
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.discover import MAX_BYTES, read
from reconciler.files.read import MAX_CHARACTERS, LoadedGrants, grant_file_contents, load_contents
from reconciler.files.revision import read_one, read_revision
from reconciler.git.repository import GitError
from reconciler.git.revision import Revision, refuse_unless_ancestor, resolve_revision
from reconciler.output.words import tenants_prefix

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
Contents = Mapping[bytes, str]
"""A mapping from the content of a grant file to the name of the file.

If several files have the same content, the mapping contains the name of only one of the files.
"""


def run_inputs(options: GlobalOptions, run: str | None, *, required: bool) -> RunInputs:
    """Return the inputs of a fleet run: the name of the run, the commit, and the digests of the files.

    `run` is the value of --run. Without --run, the number of the CI run is the name of the fleet run.

    Raises:
        ReconcilerError: if a file cannot be read, or if `required` is true and the run has no name.
    """
    return _inputs(options, run, _read_contents(options), required=required)


def _inputs(options: GlobalOptions, run: str | None, contents: Contents, *, required: bool) -> RunInputs:
    name = run or ci.run_number()
    if required and not name:
        raise ReconcilerError(
            "the run has no name: use --run NAME or set RECONCILER_RUN, with the same name in all jobs of the run; "
            "in a CI job, the number of the run is the default"
        )
    return RunInputs(name, _commit(options), _configuration_digest(options), files_digest(contents))


def _commit(options: GlobalOptions) -> str:
    """Return the commit of the CI job.

    Outside a CI job, return the commit of the checkout. Return "" outside a git repository.
    """
    if commit := ci.source_links(options.config).commit:
        return commit
    workspace = workspace_of(options.config)
    if workspace.root is None:
        return ""
    try:
        return resolve_revision(workspace.repository(), "HEAD").commit
    except GitError:
        return ""


def _configuration_digest(options: GlobalOptions) -> str:
    file = Path(options.config or DEFAULT_FILE)
    content = read(file, MAX_BYTES) if options.config or file.exists() else b""
    if isinstance(content, Problem):
        raise ProblemsError((content,))
    return hashlib.sha256(content).hexdigest()


def _read_contents(options: GlobalOptions) -> Contents:
    """Return the contents of the grant files in the folder --grants.

    Raises:
        ProblemsError: if grant files cannot be read. The ProblemsError contains a problem for each unreadable file.
        ReconcilerError: if the total size of the grant files is too large.
    """
    contents: dict[bytes, str] = {}
    problems, size = [], 0
    for name, content in grant_file_contents(Path(options.grants), workspace_of(options.config)):
        if isinstance(content, Problem):
            problems.append(content)
            continue
        size += len(content)
        if size > MAX_CHARACTERS:
            raise ReconcilerError(f"the grant files together have more than {MAX_CHARACTERS:,} bytes")
        contents.setdefault(content.removeprefix(BYTE_ORDER_MARK), name)
    if problems:
        raise ProblemsError(tuple(problems))
    return contents


@dataclass(frozen=True, slots=True)
class FleetSelection:
    """The options of `fleet list`.

    `shards` is the number of jobs that share the tenants. `run` is the name of the run for many tenants.
    """

    base: str | None = None
    wave: str | None = None
    shards: int | None = None
    run: str | None = None


def list_fleet(options: GlobalOptions, selection: FleetSelection, *, needs_run: bool) -> Fleet:
    """Return the fleet run (a run of many tenants in several CI jobs) with the selected tenants.

    `list_fleet` sends no requests to the tenants.

    If a base revision is given, the fleet run contains only the tenants affected by changes since the base revision.

    Raises:
        ReconcilerError: if the configuration declares no tenants, if the selected rollout wave or the base revision
            does not exist, or if `needs_run` is true and the run has no name.
        ProblemsError: if the configuration or a changed grant file is not valid.
    """
    config = load_config(options.config)
    tenants = _selected_tenants(config, options)
    contents = _read_contents(options)
    reasons: Mapping[str, Sequence[str]] = dict.fromkeys(tenants, ())
    notes: Sequence[str] = ()
    if selection.base:
        reasons, notes = _affected(options, selection.base, config, tenants, contents)
    names = sorted(name for name in tenants if name in reasons)
    if selection.wave is not None:
        _require_wave(config, selection.wave)
        names = [name for name in names if config.rollout.wave_of(name) == selection.wave]
    shard_of = _shards(names, selection.shards)
    return Fleet(
        _inputs(options, selection.run, contents, required=needs_run),
        tuple(
            ExpectedTenant(
                name,
                tenants[name].host,
                config.rollout.wave_of(name),
                shard_of.get(name),
                tuple(reasons[name]),
                tenants[name].title.is_sandbox,
            )
            for name in names
        ),
        waves=tuple(config.rollout.group(names)),
        stop_after=config.rollout.stop_after,
        base=selection.base,
        shards=selection.shards,
        notes=tuple(notes),
    )


def _selected_tenants(config: Config, options: GlobalOptions) -> dict[str, Tenant]:
    """Return the tenants that --tenant selects, by tenant name.

    Without --tenant, return all tenants of the configuration.
    """
    names = select_names(config, replace(options, all_tenants=options.all_tenants or not options.tenants))
    return {name: tenant_named(config, name) for name in names}


def _require_wave(config: Config, wave: str) -> None:
    names = [each.name for each in config.rollout.waves]
    if wave not in names:
        declared = f"the declared waves are {join_some(names)}" if names else "the file declares no waves"
        advice = did_you_mean(wave, names)
        raise ReconcilerError(
            f"--wave: {config.file} has no wave {quote_text(wave)}; {declared}{f'; {advice}' if advice else ''}"
        )


def _shards(names: Sequence[str], count: int | None) -> dict[str, str]:
    """Return a mapping from tenant name to shard."""
    shards = [Shard(index, count) for index in range(min(count, len(names)))] if count else []
    return {name: str(shard) for shard in shards for name in shard.part(names)}


def _affected(
    options: GlobalOptions, base: str, config: Config, tenants: Mapping[str, Tenant], contents: Contents
) -> tuple[Mapping[str, Sequence[str]], Sequence[str]]:
    """Return the tenants affected by the changed files, the reasons for each tenant, and notes for the user.

    If the current files cannot be compared with the files at the base revision, return all tenants.
    """
    revision = resolve_revision(workspace_of(options.config).repository(), base)
    if ci.is_pull_request_job():
        refuse_unless_ancestor(revision)
    changed = _changed_files(contents, list(read_revision(revision, Path(options.grants))))
    declared = load_contents(((name, content) for content, name in changed.now.items()), config.targets())
    if errors(declared.problems):
        raise ProblemsError(errors(declared.problems), declared.texts)
    file_at_base = config_file_at(revision, options)
    if normpath(file_at_base) != normpath(config.file):
        return _all(tenants, f"the configuration in {visible(base)} is {visible(file_at_base)}"), ()
    try:
        base_config = _config_at_base(revision, config)
    except ProblemsError:
        return _all(tenants, f"{visible(config.file)} is not valid in {visible(base)}"), ()
    if base_config is None:
        return _all(tenants, f"{visible(config.file)} does not exist in {visible(base)}"), ()
    at_base = _load_at_base(changed, base_config)
    if isinstance(at_base, Problem):
        return _all(tenants, f"the files in {visible(base)} cannot be compared: {at_base.source}: {at_base.what}"), ()
    changes = () if base_config is config else compare_configs(base_config, config)
    notes = tuple(_notes_on_config(changes, config))
    return affected_tenants(tenants, base_config.tenants, declared.specs, at_base.specs), notes


MAX_CONFIG_NOTES = 50


def _notes_on_config(changes: Sequence[ConfigChange], config: Config) -> Iterator[str]:
    """Yield a note for each change of the configuration that belongs to no tenant of the file, such as a changed wave.

    The plans of the tenants show all other changes.
    """
    others = [each for each in changes if config.tenants.keys().isdisjoint(each.tenants)]
    for each in others[:MAX_CONFIG_NOTES]:
        what = f"{tenants_prefix(each)}{each.risk.message}"
        yield f"{visible(config.file)} changed: {each.risk.level}: {what} ({each.risk.rule})"
    if others[MAX_CONFIG_NOTES:]:
        yield f"{visible(config.file)} has {len(others) - MAX_CONFIG_NOTES} more changes"


def _config_at_base(revision: Revision, config: Config) -> Config | None:
    """Return the configuration at the base revision, or None if the base revision has no configuration file.

    If the configuration file is unchanged, return the current configuration without parsing the file again.
    """
    path = Path(config.file)
    found = read_one(revision, path)
    if found is not None and found[1] == read(path, MAX_BYTES):
        return config
    return load_config_at(revision, config.file) if found else None


def _all(tenants: Mapping[str, Tenant], reason: str) -> Mapping[str, Sequence[str]]:
    return dict.fromkeys(tenants, (f"{reason}, so every tenant may be affected",))


@dataclass(frozen=True, slots=True)
class _ChangedFiles:
    """The grant files that differ between the checkout and the base revision.

    `now` contains the files of the checkout, and `at_base` contains the files of the base revision. `unreadable` is the
    problem with the first unreadable file at the base revision, or None.
    """

    now: Contents
    at_base: Contents
    unreadable: Problem | None


def _changed_files(contents: Contents, at_base: Sequence[tuple[str, bytes | Problem]]) -> _ChangedFiles:
    readable = {
        content.removeprefix(BYTE_ORDER_MARK): name for name, content in at_base if not isinstance(content, Problem)
    }
    return _ChangedFiles(
        {content: name for content, name in contents.items() if content not in readable},
        {content: name for content, name in readable.items() if content not in contents},
        next((content for _, content in at_base if isinstance(content, Problem)), None),
    )


def _load_at_base(changed: _ChangedFiles, base_config: Config) -> LoadedGrants | Problem:
    """Return the grants that the changed files declare at the base revision, or the first problem in a changed file."""
    if changed.unreadable:
        return changed.unreadable
    targets: TargetTenants = base_config.targets() if base_config.tenants else UNKNOWN_TENANTS
    loaded = load_contents(((name, content) for content, name in changed.at_base.items()), targets)
    return next(iter(errors(loaded.problems)), loaded)


def collect_results(file: Path, folders: Sequence[Path], last_wave: str | None) -> FleetReport:
    """Read the list of tenants in `file` and the result files in `folders`. Return the state of each listed tenant.

    Raises:
        ReconcilerError: if `file` or a folder cannot be read, or if `file` does not contain the rollout wave
            `last_wave`.
    """
    fleet = read_fleet(file)
    if last_wave is not None and last_wave not in fleet.waves:
        known = f"the declared waves are {join_some(fleet.waves)}" if fleet.waves else "the run has no waves"
        raise ReconcilerError(f"--wave: {visible(str(file))} has no wave {quote_text(last_wave)}; {known}")
    return collect(fleet, read_results(folders, file), last_wave)


def remaining_fleet(report: FleetReport, last_wave: str | None) -> Fleet:
    """Return a new fleet run (a run of many tenants in several CI jobs) with only the unfinished tenants.

    The state of a tenant in `report` becomes the reason why the returned fleet run includes the tenant. If `last_wave`
    is given, omit the tenants of later waves, so that a second attempt does not start a later wave.
    """
    waves = report.fleet.waves
    later = waves[waves.index(last_wave) + 1 :] if last_wave is not None else ()
    tenants = tuple(
        replace(each.expected, reasons=(f"{each.state}: {each.reason}" if each.reason else str(each.state),))
        for each in report.remaining
        if each.expected.wave not in later
    )
    remaining_waves = {each.wave for each in tenants}
    return replace(report.fleet, tenants=tenants, waves=tuple(name for name in waves if name in remaining_waves))
