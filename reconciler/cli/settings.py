"""Read reconciler.yaml, where there is one."""

from collections.abc import Iterator
from pathlib import Path

from reconciler.config import DEFAULT_FILE, Config, TenantKind
from reconciler.config_file import parse_config
from reconciler.core.problems import Problem, Source, errors
from reconciler.errors import ProblemsError
from reconciler.files.document import mark_of
from reconciler.files.read import LoadedFile, read_config, read_config_at
from reconciler.files.workspace import Workspace
from reconciler.git.revision import Revision, resolve_revision

OWN_FOLDER = ".reconciler"


def read_settings(file: str | None) -> Config:
    """Return the configuration in `file`; without one, in reconciler.yaml, and an empty one where that is missing.

    Raises:
        ReconcilerError: if a named file is missing, or what the file says cannot be.
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
    """Yield a problem for each file of a sandbox that is not inside the workspace, or is reached by a link."""
    sandboxes = [tenant for tenant in config.tenants.values() if tenant.kind is TenantKind.SANDBOX]
    workspace = workspace_of(config.file) if sandboxes else None
    for tenant in sandboxes:
        for key, path in (("database", tenant.database), ("seed", tenant.seed)):
            reason = path and workspace and workspace.reason_not_ours(path)
            if reason:
                what, fix = reason
                yield Problem(Source(read.file, *mark_of(read.data, ("tenants", tenant.name, key))), what, fix)


def read_settings_at(revision: Revision, file: str) -> Config | None:
    """Return the configuration as `file` said it in a revision of git; None if the revision has no such file.

    Raises:
        GitError: if git cannot read it.
        ProblemsError: if it was not valid.
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
    """Return the configuration whose policy counts instead of the usual one; None if the usual one counts.

    `policy` is a file, `policy_at` a revision of git in which the configuration `file` does not have to exist.

    Raises:
        ReconcilerError: if the file or the revision cannot be read, or is not valid.
    """
    if policy:
        return read_settings(policy)
    if policy_at:
        return read_settings_at(resolve_revision(workspace_of(file).repository(), policy_at), file or DEFAULT_FILE)
    return None


def own_folder(file: str | None) -> Path:
    """Return where we keep what is ours, beside the configuration `file`, which need not exist."""
    return Path(file or DEFAULT_FILE).parent / OWN_FOLDER


def workspace_of(file: str | None) -> Workspace:
    """Return the folder and the repository that belong to the configuration `file`, which need not exist."""
    return Workspace.around(Path(file or DEFAULT_FILE))
