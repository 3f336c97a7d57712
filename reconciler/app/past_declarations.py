"""Read the declarations of earlier commits, and the tenants and variables that reconciler.yaml had in each commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.config.file import parse_config
from reconciler.config.past_tenants import PastConfig
from reconciler.config.tenants import Config
from reconciler.core.declared_history import DeclaredHistory, TenantHistory, TenantStatus, TenantVersion
from reconciler.core.problems import errors
from reconciler.core.tenant import Tenant
from reconciler.core.tenant_filter import TargetTenant
from reconciler.errors import ProblemsError
from reconciler.files.history import read_history
from reconciler.files.read import validate_config
from reconciler.git.repository import Repository


@dataclass(frozen=True, slots=True)
class PastDeclarations:
    """The declarations of earlier commits, and the settings that each tenant had in these commits."""

    history: DeclaredHistory
    tenants: Mapping[str, Sequence[TenantVersion]]
    unread: tuple[str, ...] = ()
    """The versions of grant files that reconciler could not read, in the form `FILE in COMMIT (REASON)`."""
    _cached: dict[str, TenantHistory] = field(default_factory=dict, compare=False, repr=False)

    def of(self, tenant: str) -> TenantHistory:
        """Return the history of the grants of a tenant."""
        if tenant not in self._cached:
            self._cached[tenant] = self.history.of(self.tenants[tenant])
        return self._cached[tenant]


def read_past_declarations(
    repository: Repository, grants: Path, config: Config, tenants: Sequence[Tenant], since: str | None = None
) -> PastDeclarations:
    """Read the git history of the grant files at `grants` and of reconciler.yaml.

    `tenants` are the tenants of the configuration `config` whose history is needed. If `since` is a git revision, the
    history starts at this revision.

    Raises:
        GitError: if the clone is shallow or lacks an object, or if `since` is not an ancestor of HEAD.
    """
    found = read_history(repository, grants, Path(config.file), since)
    versions: dict[str, list[TenantVersion]] = {tenant.name: [] for tenant in tenants}
    known: dict[tuple[str, str, tuple[tuple[str, str], ...]], TargetTenant] = {}
    for content in found.configs:
        past = _parse(content, config.file)
        for tenant in tenants:
            version = TenantStatus.UNKNOWN if past is None else past.find(tenant, config)
            # Many commits have equal settings. They share one object to save memory.
            if isinstance(version, TargetTenant):
                key = (tenant.name, version.name, tuple(sorted(version.values.items())))
                version = known.setdefault(key, TargetTenant(version.name, dict(version.values)))
            versions[tenant.name].append(version)
    return PastDeclarations(found.declared, versions, found.unread)


def _parse(content: bytes | None, file: str) -> PastConfig | None:
    """Return an earlier version of reconciler.yaml, or None if the version is not valid."""
    if content is None:
        return None
    read = validate_config(Path(file), content)
    if errors(read.problems):
        return None
    try:
        return PastConfig(parse_config(read.data, file))
    except ProblemsError:
        return None
