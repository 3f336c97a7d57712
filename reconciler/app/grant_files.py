"""Load the grant files that a plan needs: from the checkout, from the --base revision, and from the git history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.app import ci
from reconciler.app.load import config_file_at, load_config_at, load_grants, rollback_of_paths, workspace_of
from reconciler.app.options import GlobalOptions, PlanOptions
from reconciler.config.past_tenants import PastConfig
from reconciler.config.tenants import DEFAULT_FILE, Config, tenant_at_domain, undeclared_tenant
from reconciler.core.characters import quote_text, visible
from reconciler.core.config_rules import ConfigChange
from reconciler.core.declared_history import TenantStatus
from reconciler.core.outcome import Rollback
from reconciler.core.problems import errors
from reconciler.core.removals import Removal, find_removals, unread_versions_note
from reconciler.core.tenant import Tenant
from reconciler.core.tenant_filter import TargetTenant
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.discover import name_of
from reconciler.files.read import (
    LoadedGrants,
    read_grants_at,
)
from reconciler.git.repository import GitError, Repository, find_root
from reconciler.git.revision import Revision, commits_after, refuse_unless_ancestor, resolve_revision

if TYPE_CHECKING:
    from reconciler.app.past_declarations import PastDeclarations

SHARED_DOMAIN = "shared.invalid"
"""A placeholder domain for the settings that all tenants share."""


@dataclass(frozen=True, slots=True)
class GrantFiles:
    """The declared grants of all tenants in the checkout, and the declared grants in the git revision of --base."""

    declared: LoadedGrants
    """The grants that the files in the checkout declare."""
    base: LoadedGrants | None = None
    """The grants that the files in the revision of --base declare, or None without --base."""
    rollback: Rollback | None = None
    """The snapshot that the run restores, or None if the grant files do not come from a snapshot."""
    targets_at_base: Mapping[str, TargetTenant] = field(default_factory=dict)
    """A mapping from tenant name to tenant in the revision of --base."""
    config_changes: tuple[ConfigChange, ...] = ()
    """The differences between reconciler.yaml in the revision of --base and in the checkout."""
    tenants_at_base: Mapping[str, Tenant] = field(default_factory=dict)
    """The settings of each tenant in the revision of --base, by the tenant's name in the checkout.

    If no domain in the revision matches, the mapping contains the tenant of the same name, so that a new domain does
    not hide the grants that a loosened guard no longer matches.
    """
    tenant_notes: Mapping[str, str] = field(default_factory=dict)
    """The notes that only the plans of one tenant show, by the name of the tenant."""
    notes: tuple[str, ...] = ()
    """The notes that every plan shows."""
    past: "PastDeclarations | None" = None
    """The declarations of earlier commits, or None without --prune-removed."""
    branch_commits: frozenset[str] | None = None
    """The commits after the revision of --base, or None without --base or --prune-removed."""

    def removals(self, target: TargetTenant) -> tuple[Removal, ...] | None:
        """Return the tenant's grants that earlier commits declared but the files no longer declare."""
        if self.past is None:
            return None
        removals = find_removals(self.past.of(target.name), self.declared.at(target).specs)
        if self.branch_commits is None:
            return removals
        return tuple(
            replace(each, is_from_branch=each.removed_by is None or each.removed_by.hash in self.branch_commits)
            for each in removals
        )

    def at(self, target: TargetTenant) -> tuple[LoadedGrants, LoadedGrants | None]:
        """Return the declared grants of one tenant in the checkout, and in the revision of --base."""
        declared = self.declared.at(target)
        if self.base is None:
            return declared, None
        at_base = self.targets_at_base.get(target.name)
        return declared, self.base.at(at_base) if at_base else replace(self.base, specs=())


def load_grant_files(
    options: GlobalOptions,
    plan_options: PlanOptions,
    config: Config,
    tenants: Sequence[Tenant],
    folders: Sequence[Path] | None = None,
) -> GrantFiles:
    """Load the grants that the files declare in the checkout and in the revision of --base.

    Variables in the revision of --base get their values from the configuration in the same revision. If the
    configuration in the revision of --base is missing or invalid, use the configuration in the checkout.

    Raises:
        GitError: if git cannot read the revision, or if a pull or merge request does not contain the revision.
        ProblemsError: if the grant files are invalid. Invalid grant files in the revision of --base are an error only
            with --only-branch.
    """
    must_be_complete = bool(plan_options.deletes) or plan_options.base is not None
    declared = load_grants(options, config, tenants, folders, must_be_complete=must_be_complete)
    rollback = rollback_of_paths([Path(options.grants)], options.config) if folders is None else None
    if rollback and plan_options.deletes:
        raise ReconcilerError(
            f"{plan_options.deletes} cannot be combined with a snapshot, because a snapshot deletes exactly "
            "the grants that the run created"
        )
    if rollback and plan_options.selects:
        raise ReconcilerError("a snapshot always restores all grants of a run; omit PATHs, --client and --api")
    if not plan_options.base and not plan_options.prune_removed:
        return GrantFiles(declared, rollback=rollback)
    option = "--base" if plan_options.base else "--prune-removed"
    try:
        repository = workspace_of(options.config).repository()
    except GitError as error:
        if plan_options.base or find_root(Path(options.config or DEFAULT_FILE).parent) is not None:
            raise
        fix = "check the files out with git (actions/checkout with fetch-depth: 0)"
        raise GitError(f"{option} needs the git history: {error}; {fix}") from error
    _refuse_other_repository(Path(options.grants), repository, option)
    past = _read_past(repository, options, plan_options, config, tenants) if plan_options.prune_removed else None
    unread = tuple(unread_versions_note(past.unread)) if past else ()
    if not plan_options.base:
        return GrantFiles(declared, rollback=rollback, past=past, notes=unread)
    revision = resolve_revision(repository, plan_options.base)
    if ci.is_pull_request_job():
        refuse_unless_ancestor(revision)
    base_config, changes = _base_config(revision, options, config, tenants)
    at_base, tenant_notes = _tenants_at_base(tenants, config, base_config, revision)
    if plan_options.only_branch and tenant_notes:
        raise ReconcilerError(f"--only-branch cannot recognize drift: {next(iter(tenant_notes.values()))}")
    targets = (base_config or config).targets(*at_base.values())
    base = read_grants_at(revision, Path(options.grants), targets)
    if plan_options.only_branch and errors(base.problems):
        raise ProblemsError(base.problems, base.texts)
    notes = () if base.texts else (_note_without_files(revision, options, only_branch=plan_options.only_branch),)
    return GrantFiles(
        declared=declared,
        base=base,
        rollback=rollback,
        targets_at_base={name: tenant.target for name, tenant in at_base.items()},
        config_changes=changes,
        tenants_at_base={**base_config.tenants, **at_base} if base_config else {},
        tenant_notes=tenant_notes,
        notes=(*notes, *unread),
        past=past,
        branch_commits=commits_after(revision) if past else None,
    )


def _read_past(
    repository: Repository,
    options: GlobalOptions,
    plan_options: PlanOptions,
    config: Config,
    tenants: Sequence[Tenant],
) -> "PastDeclarations":
    from reconciler.app.past_declarations import read_past_declarations

    return read_past_declarations(repository, Path(options.grants), config, tenants, plan_options.since)


def _note_without_files(revision: Revision, options: GlobalOptions, *, only_branch: bool) -> str:
    """Return a note that the revision has no grant files, or raise ReconcilerError if `only_branch` is true."""
    what = f"{visible(revision.name)} has no grant files in {name_of(Path(options.grants))}"
    if only_branch:
        raise ReconcilerError(
            f"{what}, so --only-branch cannot recognize drift; omit --only-branch until the base has grant files"
        )
    return f"{what}, so the plan labels every change as a change of this branch"


def _refuse_other_repository(grants: Path, repository: Repository, option: str) -> None:
    """Raise ReconcilerError if the grant files and the configuration belong to different repositories."""
    root = find_root(grants)
    if root is not None and root != repository.root:
        raise ReconcilerError(
            f"{option}: {name_of(grants)} belongs to the repository {name_of(root)}, but the configuration "
            f"belongs to {name_of(repository.root)}; use a folder of the same repository"
        )


def _base_config(
    revision: Revision, options: GlobalOptions, config: Config, tenants: Sequence[Tenant]
) -> tuple[Config | None, tuple[ConfigChange, ...]]:
    """Return the configuration in the revision of --base, and the differences between that configuration and `config`.

    The configuration is None if the revision has no valid configuration.

    Raises:
        GitError: if git cannot read the configuration.
    """
    from reconciler.core.config_changes import moved_config_file, new_config_file, unreadable_base_file

    file = config_file_at(revision, options)
    try:
        base_config = load_config_at(revision, file)
    except ProblemsError:
        return None, unreadable_base_file(visible(file), visible(revision.name), "is not valid")
    if base_config is None:
        exists = Path(config.file).exists()
        return None, new_config_file(visible(config.file), visible(revision.name)) if exists else ()
    unnamed_tenants = [each for each in tenants if each.name not in config.tenants]
    unnamed_at_base = [
        _unnamed_at_base(each, base_config) for each in unnamed_tenants if each.name not in base_config.tenants
    ]
    is_moved = normpath(file) != normpath(config.file) and Path(config.file).exists()
    moved = moved_config_file(visible(config.file), visible(file), visible(revision.name)) if is_moved else ()
    return base_config, (*moved, *compare_configs(base_config, config, (unnamed_at_base, unnamed_tenants)))


def compare_configs(
    base: Config, current: Config, unnamed: tuple[Sequence[Tenant], Sequence[Tenant]] = ((), ())
) -> tuple[ConfigChange, ...]:
    """Return the differences between two configurations, the most dangerous difference first.

    `unnamed` contains the tenants of the run that reconciler.yaml does not declare, with their settings in each
    configuration.
    """
    from reconciler.core.config_changes import config_changes

    return config_changes(
        [*base.tenants.values(), *unnamed[0], _shared_settings(base)],
        [*current.tenants.values(), *unnamed[1], _shared_settings(current)],
        (base.default_tenant, current.default_tenant),
        (base.rollout, current.rollout),
    )


def _shared_settings(config: Config) -> Tenant:
    """Return an artificial tenant that has only the shared settings of reconciler.yaml.

    The function `config_changes` compares only tenants. The artificial tenant lets `config_changes` compare the shared
    settings.
    """
    from reconciler.core.config_changes import SHARED

    return replace(undeclared_tenant(config, SHARED_DOMAIN), name=SHARED)


def _tenants_at_base(
    tenants: Sequence[Tenant], now: Config, base_config: Config | None, revision: Revision
) -> tuple[Mapping[str, Tenant], Mapping[str, str]]:
    """Return the settings of the tenants in the revision of --base, and the notes on tenants with unknown settings.

    The domain identifies a tenant, as in the git history. The settings of a new tenant are omitted. If the revision has
    no configuration, the tenants have today's settings.
    """
    if base_config is None:
        return {tenant.name: tenant for tenant in tenants}, {}
    past = PastConfig(base_config)
    found = {tenant.name: past.find_tenant(tenant, now) for tenant in tenants}
    what = f"the {visible(base_config.file)} in {visible(revision.name)}"
    notes = {
        name: f"{what} does not show whether {quote_text(name)} is the same tenant, so the declarations at the base "
        "are unknown, and the plan labels every change as a change of this branch"
        for name, each in found.items()
        if each is TenantStatus.UNKNOWN
    }
    return {name: each for name, each in found.items() if isinstance(each, Tenant)}, notes


def _unnamed_at_base(tenant: Tenant, base_config: Config) -> Tenant:
    return replace(
        tenant_at_domain(base_config, tenant.domain) or undeclared_tenant(base_config, tenant.domain), name=tenant.name
    )
