"""Load the configuration and the grant files, now and at a git revision, for the tenants of a command."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.app import ci
from reconciler.app.options import GlobalOptions, PlanOptions
from reconciler.artifacts.snapshot import rollback_of
from reconciler.config.file import parse_config
from reconciler.config.tenants import DEFAULT_FILE, Config, Tenant, TenantKind, tenant_at_domain, undeclared_tenant
from reconciler.core.config_changes import SHARED, config_changes, new_config_file, unreadable_base_file
from reconciler.core.config_rules import ConfigChange
from reconciler.core.outcome import Rollback
from reconciler.core.problems import Problem, Severity, Source, errors
from reconciler.core.quoting import visible
from reconciler.core.tenant_filter import TargetTenant
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.discover import name_of, without_files
from reconciler.files.document import mark_of
from reconciler.files.read import LoadedFile, LoadedGrants, read_config, read_config_at, read_grants, read_grants_at
from reconciler.files.workspace import Workspace
from reconciler.git.repository import Repository, find_root
from reconciler.git.revision import Revision, refuse_unless_ancestor, resolve_revision

OWN_FOLDER = ".reconciler"


def read_settings(file: str | None) -> Config:
    """Return the configuration in `file`. The default is reconciler.yaml, or an empty configuration without it.

    Raises:
        ReconcilerError: if a named file is missing or the configuration is invalid.
    """
    if file is None and not Path(DEFAULT_FILE).exists():
        return Config()
    path = Path(file or DEFAULT_FILE)
    read = read_config(path)
    if errors(read.problems):
        raise ProblemsError(read.problems, {read.file: read.text})
    try:
        config = parse_config(read.data, str(path))
    except ProblemsError as error:
        raise ProblemsError(error.problems, {read.file: read.text}) from error
    if problems := tuple(_stray_files(config, read)):
        raise ProblemsError(problems, {read.file: read.text})
    return config


def _stray_files(config: Config, read: LoadedFile) -> Iterator[Problem]:
    """Yield a problem for each file of a sandbox that is outside the workspace or is reached through a link."""
    sandboxes = [tenant for tenant in config.tenants.values() if tenant.kind is TenantKind.SANDBOX]
    workspace = workspace_of(config.file) if sandboxes else None
    for tenant in sandboxes:
        for key, path in (("database", tenant.database), ("seed", tenant.seed)):
            reason = path and workspace and workspace.reason_not_ours(path)
            if reason:
                what, fix = reason
                yield Problem(Source(read.file, *mark_of(read.data, ("tenants", tenant.name, key))), what, fix)


def read_settings_at(revision: Revision, file: str) -> Config | None:
    """Return the configuration in `file` at a git revision, or None if the revision has no such file.

    Raises:
        GitError: if git cannot read it.
        ProblemsError: if it is invalid.
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


def read_policies(policy: str | None, policy_at: str | None, file: str | None) -> Config | None:
    """Return the configuration with the policy of --policy or --policy-at, or None without these options.

    `policy` is a file. `policy_at` is a git revision, in which the configuration `file` may not exist.

    Raises:
        ReconcilerError: if the file or the revision cannot be read or is invalid.
    """
    if policy:
        return read_settings(policy)
    if policy_at:
        return read_settings_at(resolve_revision(workspace_of(file).repository(), policy_at), file or DEFAULT_FILE)
    return None


def own_folder(file: str | None) -> Path:
    """Return the tool's own folder, next to the configuration `file`, which may not exist."""
    return Path(file or DEFAULT_FILE).parent / OWN_FOLDER


def workspace_of(file: str | None) -> Workspace:
    """Return the workspace of the configuration `file`, which may not exist."""
    return Workspace.around(Path(file or DEFAULT_FILE))


SHARED_DOMAIN = "shared.invalid"
"""The domain of the shared settings, which are no tenant's."""


@dataclass(frozen=True, slots=True)
class GrantFiles:
    """The grants that files declare now and declared at the base, for all tenants.

    `then` has the tenants at the base by name. A tenant that is missing there declared nothing. `config_changes` lists
    the changes of reconciler.yaml since the base. `guards` has the tenants with their settings at the base.
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
    plan_options: PlanOptions,
    config: Config,
    tenants: Sequence[Tenant],
    folders: Sequence[Path] | None = None,
) -> GrantFiles:
    """Return the grants that files declare now and declared at the base, with the variables that tenants had then.

    If the base has no valid configuration, the current variables apply.

    Raises:
        GitError: if git cannot read the base, or if HEAD of a pull or merge request does not descend from it.
        ProblemsError: with every problem of the files. Problems of the base count only with --only-branch.
    """
    must_be_whole = plan_options.prune or plan_options.base is not None
    declared = read_declared(options, config, tenants, folders, must_be_whole=must_be_whole)
    rollback = rollback_of(Path(options.grants), own_folder(options.config)) if folders is None else None
    if rollback and plan_options.prune:
        raise ReconcilerError(
            "--prune cannot be combined with a snapshot: a snapshot deletes exactly the grants that the run created"
        )
    if not plan_options.base:
        return GrantFiles(declared, rollback=rollback)
    repository = workspace_of(options.config).repository()
    _refuse_other_repository(Path(options.grants), repository)
    revision = resolve_revision(repository, plan_options.base)
    if ci.is_about_request():
        refuse_unless_ancestor(revision)
    was, changes = _base_config(revision, config, tenants)
    then = tenants if was is None else [old for each in tenants if (old := _then(each, config, was))]
    guards = {each.name: each for each in then} if was else {}
    was = was or config
    base = read_grants_at(revision, Path(options.grants), was.targets(*then))
    if plan_options.only_branch and errors(base.problems):
        raise ProblemsError(base.problems, base.texts)
    notes = () if base.texts else (_nothing_at_base(revision, options, only_branch=plan_options.only_branch),)
    return GrantFiles(declared, base, rollback, {tenant.name: tenant.target for tenant in then}, changes, guards, notes)


def _nothing_at_base(revision: Revision, options: GlobalOptions, *, only_branch: bool) -> str:
    """Return a note that the base has no grant files. Raises ReconcilerError with --only-branch."""
    what = f"{visible(revision.name)} has no grant files in {name_of(Path(options.grants))}"
    if only_branch:
        raise ReconcilerError(f"{what}, so --only-branch cannot recognize drift; omit it until the files exist there")
    return f"{what}: every change counts as a change of this branch"


def _refuse_other_repository(grants: Path, repository: Repository) -> None:
    """Raise ReconcilerError if the files and the configuration belong to different repositories."""
    root = find_root(grants)
    if root is not None and root != repository.root:
        raise ReconcilerError(
            f"--base: {name_of(grants)} belongs to the repository {name_of(root)}, but the configuration "
            f"belongs to {name_of(repository.root)}; use a folder of the same repository"
        )


def _base_config(
    revision: Revision, config: Config, tenants: Sequence[Tenant]
) -> tuple[Config | None, tuple[ConfigChange, ...]]:
    """Return the configuration at the base, or None if it cannot be used, and its changes since then.

    Raises:
        GitError: if git cannot read it.
    """
    try:
        was = read_settings_at(revision, config.file)
    except ProblemsError:
        return None, unreadable_base_file(visible(config.file), visible(revision.name), "is not valid")
    if was is None:
        is_there = Path(config.file).exists()
        return None, new_config_file(visible(config.file), visible(revision.name)) if is_there else ()
    unnamed_now = [each for each in tenants if each.name not in config.tenants]
    unnamed_then = [old for each in unnamed_now if (old := _then(each, config, was)) and old.name not in was.tenants]
    changes = config_changes(
        [*was.tenants.values(), *unnamed_then, _shared(was)],
        [*config.tenants.values(), *unnamed_now, _shared(config)],
        (was.default_tenant, config.default_tenant),
    )
    return was, changes


def _shared(config: Config) -> Tenant:
    """Return the shared settings in the form of a tenant."""
    return replace(undeclared_tenant(config, SHARED_DOMAIN), name=SHARED)


def _then(tenant: Tenant, now: Config, was: Config) -> Tenant | None:
    """Return a tenant at the base, found by its name or else its domain, or None if it is new."""
    if tenant.name in was.tenants:
        return was.tenants[tenant.name]
    if tenant.name in now.tenants:
        return None
    return replace(tenant_at_domain(was, tenant.domain) or undeclared_tenant(was, tenant.domain), name=tenant.name)


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
    """Return the grants in the files of --grants, or of `folders`. `must_be_whole` is passed to `read_grants`.

    A grant folder without a grant file gets a warning, because that may be a mistake.

    Raises:
        ProblemsError: with all problems for any of `tenants`.
    """
    paths = [Path(options.grants)] if folders is None else folders
    declared = read_grants(
        paths,
        config.targets(*tenants),
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
