"""Load the configuration from the checkout or from a git revision, and load the grants in the checkout."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.app.options import GlobalOptions
from reconciler.config.file import parse_config
from reconciler.config.file_search import refuse_ignored_config
from reconciler.config.tenants import DEFAULT_FILE, Config
from reconciler.core.characters import join_some, quote_text
from reconciler.core.problems import Problem, Severity, Source, errors
from reconciler.core.scope_sets import set_name_of
from reconciler.core.suggest import did_you_mean
from reconciler.core.tenant import Tenant, TenantKind
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.discover import MANIFEST, empty_folder_problems
from reconciler.files.document import mark_of
from reconciler.files.read import (
    LoadedFile,
    LoadedGrants,
    read_config,
    read_config_at,
    read_grants,
    validate_config,
)
from reconciler.files.workspace import Workspace, tracked_folder_problems
from reconciler.git.revision import Revision, resolve_revision

if TYPE_CHECKING:
    from reconciler.core.outcome import Rollback

DATA_FOLDER = ".reconciler"


def load_config(file: str | None, grants: Path | None = None) -> Config:
    """Return the configuration in `file`.

    If `file` is None, read reconciler.yaml. If reconciler.yaml does not exist, return an empty configuration. `grants`
    is the grant folder of a command that plans changes.

    Raises:
        ReconcilerError: if `file` is missing, the configuration is invalid, or a file looks like the configuration but
            is not read, for example reconciler.yml.
    """
    if file is None and not os.path.lexists(DEFAULT_FILE):
        refuse_ignored_config(Path(), grants)
        return Config()
    path = Path(file or DEFAULT_FILE)
    return _config(read_config(path), path)


def parse_config_text(text: str, file: str) -> Config:
    """Parse `text` as the content of the configuration `file`. Raises ProblemsError if the configuration is invalid."""
    path = Path(file)
    return _config(validate_config(path, text.encode()), path)


def _config(read: LoadedFile, path: Path) -> Config:
    if errors(read.problems):
        raise ProblemsError(read.problems, {read.file: read.text})
    try:
        config = parse_config(read.data, str(path))
    except ProblemsError as error:
        raise ProblemsError(error.problems, {read.file: read.text}) from error
    if problems := tuple(_misplaced_files(config, read)):
        raise ProblemsError(problems, {read.file: read.text})
    return config


def _misplaced_files(config: Config, read: LoadedFile) -> Iterator[Problem]:
    """Yield a problem for each sandbox database or seed file outside the workspace or behind a symbolic link."""
    sandboxes = [tenant for tenant in config.tenants.values() if tenant.kind is TenantKind.SANDBOX]
    workspace = workspace_of(config.file) if sandboxes else None
    for tenant in sandboxes:
        for key, path in (("database", tenant.database), ("seed", tenant.seed)):
            reason = path and workspace and workspace.reason_unusable(path)
            if reason:
                what, fix = reason
                yield Problem(Source(read.file, *mark_of(read.data, ("tenants", tenant.name, key))), what, fix)


def select_names(config: Config, options: GlobalOptions) -> list[str]:
    """Return the names of the tenants that --tenant, --all-tenants, --wave and --shard select.

    Without --tenant, --all-tenants and --wave, return an empty list.

    Raises:
        ReconcilerError: if the options cannot be combined, or select no tenants.
    """
    if options.all_tenants and options.tenants:
        raise ReconcilerError("use either --all-tenants or --tenant")
    if options.all_tenants and not config.tenants:
        raise ReconcilerError(f"--all-tenants: {config.file} declares no tenants")
    if options.wave is not None and options.tenants:
        raise ReconcilerError("use either --wave or --tenant")
    names = list(config.tenants if options.all_tenants else dict.fromkeys(options.tenants))
    if options.wave is not None:
        names = _names_in_wave(config, options.wave)
    if options.shard is None:
        return names
    if not names:
        raise ReconcilerError(
            "--shard divides the selected tenants, but no tenants are selected; add --all-tenants or --wave, or "
            "--tenant for each tenant"
        )
    return options.shard.part(names)


def refuse_shards_of_waves(config: Config, options: GlobalOptions) -> None:
    """Raise ReconcilerError if --shard is set and the selected tenants belong to several rollout waves.

    The jobs of the shards do not wait for each other, so a later wave could start before an earlier wave has ended.
    """
    if options.shard is None:
        return
    waves = list(config.rollout.group(select_names(config, replace(options, shard=None))))
    if len(waves) > 1:
        raise ReconcilerError(
            f"--shard: the selected tenants belong to the waves {join_some(waves)}, but the shards do not wait for "
            "each other; apply one wave after another with --wave NAME"
        )


def _names_in_wave(config: Config, wave: str) -> list[str]:
    """Return the names of the tenants in a rollout wave.

    Raises ReconcilerError if the rollout wave is not declared or has no tenants.
    """
    known = [each.name for each in config.rollout.waves]
    if wave not in known:
        advice = did_you_mean(wave, known) or f"declared waves: {join_some(known) or 'none'}"
        raise ReconcilerError(f'--wave: {config.file} does not declare the wave "{wave}"; {advice}')
    names = [name for name in config.tenants if config.rollout.wave_of(name) == wave]
    if not names:
        raise ReconcilerError(f'--wave: the wave "{wave}" in {config.file} has no tenants')
    return names


def load_config_at(revision: Revision, file: str) -> Config | None:
    """Return the configuration in `file` at a git revision, or None if the revision does not contain `file`.

    Raises:
        GitError: if git cannot read the file.
        ProblemsError: if the configuration is invalid.
    """
    read = read_config_at(revision, Path(file))
    if read is None:
        return None
    if errors(read.problems):
        raise ProblemsError(read.problems, {read.file: read.text})
    try:
        return parse_config(read.data, file)
    except ProblemsError as error:
        raise ProblemsError(error.problems, {read.file: read.text}) from error


def config_file_at(revision: Revision, options: GlobalOptions) -> str:
    """Return the path of the configuration at a git revision.

    Without --config, search the current folder and its parents in the revision. With the path in the checkout, a pull
    request that adds a reconciler.yaml in another folder could avoid the comparison with the revision.

    Raises GitError if git cannot read the revision.
    """
    here, repository = Path(os.path.realpath(Path())), revision.repository
    searched = (here, *here.parents) if options.searches_config else ()
    for folder in searched:
        if not folder.is_relative_to(repository.root):
            break
        if revision.find(repository.path_of(folder / DEFAULT_FILE)) is not None:
            return os.path.relpath(folder / DEFAULT_FILE, here)
    return options.config or DEFAULT_FILE


def load_policy_config(policy: str | None, policy_at: str | None, options: GlobalOptions) -> Config | None:
    """Return the configuration that --policy or --policy-at selects, or None without --policy and --policy-at.

    `policy` is a file. `policy_at` is a git revision. If the revision has no configuration, return None.

    Raises:
        ReconcilerError: if the file or the revision cannot be read or is invalid.
    """
    if policy:
        return load_config(policy)
    if policy_at:
        revision = resolve_revision(workspace_of(options.config).repository(), policy_at)
        return load_config_at(revision, config_file_at(revision, options))
    return None


def data_folder(file: str | None) -> Path:
    """Return the folder .reconciler next to the configuration `file`. The configuration file does not have to exist."""
    return Path(file or DEFAULT_FILE).parent / DATA_FOLDER


def workspace_of(file: str | None) -> Workspace:
    """Return the workspace that contains the configuration `file`. The configuration file does not have to exist."""
    return Workspace.around(Path(file or DEFAULT_FILE))


def rollback_of_paths(paths: Sequence[Path], config: str | None) -> "Rollback | None":
    """Return the data for undoing a run, or None if `paths` is not the path of a single snapshot.

    Raises:
        ReconcilerError: if the snapshot was altered, or if git may track the snapshot. A pull request could
            otherwise add a forged snapshot, and the setting `limits` does not apply to a rollback.
    """
    if len(paths) != 1:
        return None
    if not os.path.isfile(paths[0] / MANIFEST):  # noqa: PTH113 - `Path.is_file` raises for an unreadable folder
        return None
    from reconciler.artifacts.snapshot import rollback_of

    rollback = rollback_of(paths[0], data_folder(config))
    problems = tracked_folder_problems(data_folder(config)) if rollback else ()
    if forged := tuple(each._replace(severity=Severity.ERROR) for each in problems):
        raise ProblemsError(forged)
    return rollback


def unused_scope_sets(config: Config, grants: LoadedGrants) -> Iterator[Problem]:
    """Yield a warning for each scope set that no grant uses.

    `grants` contains the grants of the whole grant folder. If a grant is invalid, or the folder has a problem, such as
    files that are not read, yield nothing, because an unread grant may use the scope set.
    """
    if errors(grants.problems) or any(problem.source.file not in grants.texts for problem in grants.problems):
        return
    used = {set_name_of(item) for spec in grants.specs for item in spec.scope} if config.scope_set_sources else set()
    for name, source in config.scope_set_sources.items():
        if name not in used:
            what, fix = f"no grant uses the scope set {quote_text(name)}", "remove it"
            yield Problem(source, what, fix, Severity.WARNING)


def load_grants(
    options: GlobalOptions,
    config: Config,
    tenants: Sequence[Tenant],
    folders: Sequence[Path] | None = None,
    *,
    must_be_complete: bool = False,
) -> LoadedGrants:
    """Load the grants from the folder of --grants, or from `folders`.

    If `must_be_complete` is true and a committed file is missing in the checkout, report an error.

    If the folder of --grants has no grant file, the result contains a warning, because the path may be wrong.

    Raises:
        ProblemsError: if the grant files are invalid for one of `tenants`.
    """
    paths = [Path(options.grants)] if folders is None else folders
    is_snapshot = rollback_of_paths(paths, options.config) is not None
    declared = read_grants(
        paths,
        config.targets(*tenants),
        workspace_of(options.config),
        is_snapshot=is_snapshot,
        must_be_complete=must_be_complete,
    )
    if folders is None:
        warnings = (each._replace(severity=Severity.WARNING) for each in empty_folder_problems(paths))
        declared = replace(declared, problems=tuple(sorted((*declared.problems, *warnings))))
        unused = () if is_snapshot else unused_scope_sets(config, declared)
        declared = replace(declared, problems=tuple(sorted((*declared.problems, *unused))))
    if errors(declared.problems):
        raise ProblemsError(declared.problems, declared.texts)
    return declared
