"""What the grant files declare, now and in a revision of git, for the tenants of a command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.cli import ci
from reconciler.cli.memory import kept
from reconciler.cli.options import GlobalOptions
from reconciler.cli.settings import own_folder, read_settings_at, workspace_of
from reconciler.cli.shaping import PlanOptions
from reconciler.config import Config, Tenant, at_domain, unnamed
from reconciler.core.config_changes import SHARED, config_changes, file_is_new, not_compared
from reconciler.core.config_rules import ConfigChange
from reconciler.core.problems import Severity, errors
from reconciler.core.quoting import visible
from reconciler.core.rollback import Rollback
from reconciler.core.tenancy import TargetTenant
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.discover import name_of, without_files
from reconciler.files.read import LoadedGrants, read_grants, read_grants_at
from reconciler.git.repository import Repository, find_root
from reconciler.git.revision import Revision, refuse_unless_ancestor, resolve_revision
from reconciler.snapshot import rollback_of

SHARED_DOMAIN = "shared.invalid"
"""Stands for the domain of the settings that tenants share."""


@dataclass(frozen=True, slots=True)
class GrantFiles:
    """What all grant files declare, and what they declared at the base, for whichever tenant.

    `then` has the tenants, by name, as the base knew them; to one that it did not know, it declared nothing.
    `config_changes` are those of reconciler.yaml since the base, `guards` has the tenants with their settings then.
    """

    declared: LoadedGrants
    base: LoadedGrants | None = None
    rollback: Rollback | None = None
    then: Mapping[str, TargetTenant] = field(default_factory=dict)
    config_changes: tuple[ConfigChange, ...] = ()
    guards: Mapping[str, Tenant] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def at(self, target: TargetTenant) -> tuple[LoadedGrants, LoadedGrants | None]:
        """Return both for one tenant."""
        declared = self.declared.at(target)
        if self.base is None:
            return declared, None
        then = self.then.get(target.name)
        return declared, self.base.at(then) if then else replace(self.base, specs=())


def read_files(
    options: GlobalOptions,
    shape: PlanOptions,
    config: Config,
    tenants: Sequence[Tenant],
    folders: Sequence[Path] | None = None,
) -> GrantFiles:
    """Return what the files declare, and what they declared at the base, with the values that tenants had then.

    Where the base cannot tell these, because the configuration was not there yet, or not valid, they are as now.

    Raises:
        GitError: if git cannot read the base; in a job about a pull or merge request, if HEAD does not descend from it.
        ProblemsError: with every problem of the files; with those of the base only if drift is to be left out.
    """
    must_be_whole = shape.prune or shape.base is not None
    declared = read_declared(options, config, tenants, folders, must_be_whole=must_be_whole)
    rollback = rollback_of(Path(options.grants), own_folder(options.config)) if folders is None else None
    if rollback and shape.prune:
        raise ReconcilerError("--prune does not go with a snapshot: applying it deletes just what the run created")
    if not shape.base:
        return GrantFiles(declared, rollback=rollback)
    repository = workspace_of(options.config).repository()
    _refuse_other_repository(Path(options.grants), repository)
    revision = resolve_revision(repository, shape.base)
    if ci.is_about_request():
        refuse_unless_ancestor(revision)
    was, changes = _base_config(revision, config, tenants)
    then = tenants if was is None else [old for each in tenants if (old := _then(each, config, was))]
    guards = {each.name: each for each in then} if was else {}
    was = was or config
    base = read_grants_at(revision, Path(options.grants), was.readers(*then))
    if shape.only_branch and errors(base.problems):
        raise ProblemsError(base.problems, base.texts)
    notes = () if base.texts else (_nothing_at_base(revision, options, only_branch=shape.only_branch),)
    return GrantFiles(declared, base, rollback, {tenant.name: tenant.target for tenant in then}, changes, guards, notes)


def _nothing_at_base(revision: Revision, options: GlobalOptions, *, only_branch: bool) -> str:
    """Return a note that the base has no grant files. Raises ReconcilerError if drift is to be left out."""
    what = f"{visible(revision.name)} has no grant files at {name_of(Path(options.grants))}"
    if only_branch:
        raise ReconcilerError(
            f"{what}, so --only-branch cannot tell drift from the branch; omit it until the files are there"
        )
    return f"{what}: every change counts as one of this branch"


def _refuse_other_repository(grants: Path, repository: Repository) -> None:
    """Raise ReconcilerError if the files belong to another repository than the configuration."""
    root = find_root(grants)
    if root is not None and root != repository.root:
        raise ReconcilerError(
            f"--base: {name_of(grants)} belongs to the repository {name_of(root)}, and the configuration to "
            f"{name_of(repository.root)}; name a folder of the same repository"
        )


def _base_config(
    revision: Revision, config: Config, tenants: Sequence[Tenant]
) -> tuple[Config | None, tuple[ConfigChange, ...]]:
    """Return the configuration of the base, None if it cannot be used, and what has changed in it since.

    Raises:
        GitError: if git cannot read it.
    """
    try:
        was = read_settings_at(revision, config.file)
    except ProblemsError:
        return None, not_compared(visible(config.file), visible(revision.name), "is not valid")
    if was is None:
        is_there = Path(config.file).exists()
        return None, file_is_new(visible(config.file), visible(revision.name)) if is_there else ()
    unnamed_now = [each for each in tenants if each.name not in config.tenants]
    unnamed_then = [old for each in unnamed_now if (old := _then(each, config, was)) and old.name not in was.tenants]
    changes = config_changes(
        [*was.tenants.values(), *unnamed_then, _shared(was)],
        [*config.tenants.values(), *unnamed_now, _shared(config)],
        (was.default_tenant, config.default_tenant),
    )
    return was, changes


def _shared(config: Config) -> Tenant:
    """Return the shared settings as those of a tenant."""
    return replace(unnamed(config, SHARED_DOMAIN), name=SHARED)


def _then(tenant: Tenant, now: Config, was: Config) -> Tenant | None:
    """Return a tenant as the base knew it, by its name, or by its domain alone; None where it is new."""
    if tenant.name in was.tenants:
        return was.tenants[tenant.name]
    if tenant.name in now.tenants:
        return None
    return replace(at_domain(was, tenant.domain) or unnamed(was, tenant.domain), name=tenant.name)


def is_snapshot(paths: Sequence[Path], config: str | None) -> bool:
    """Return whether `paths` is one snapshot that apply wrote. Raises ReconcilerError if it was altered."""
    return len(paths) == 1 and rollback_of(paths[0], own_folder(config)) is not None


def read_declared(
    options: GlobalOptions,
    config: Config,
    tenants: Sequence[Tenant],
    folders: Sequence[Path] | None = None,
    *,
    must_be_whole: bool = False,
) -> LoadedGrants:
    """Return what the grant files (in `folders`, or that of --grants) declare; `must_be_whole` as for `read_grants`.

    A folder of --grants without a grant file gets a warning: nothing is declared then, perhaps by mistake.

    Raises:
        ProblemsError: with all that is wrong for any of `tenants`.
    """
    with kept():
        paths = [Path(options.grants)] if folders is None else folders
        declared = read_grants(
            paths,
            config.readers(*tenants),
            workspace_of(options.config),
            is_snapshot=is_snapshot(paths, options.config),
            must_be_whole=must_be_whole,
        )
        if folders is None:
            lacking = (replace(each, severity=Severity.WARNING) for each in without_files(paths))
            declared = replace(declared, problems=tuple(sorted((*declared.problems, *lacking))))
    if errors(declared.problems):
        raise ProblemsError(declared.problems, declared.texts)
    return declared
