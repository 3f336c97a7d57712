"""`apply --require-tip`: refuse to apply a commit that is not the tip of its branch."""

import os
from functools import partial

from reconciler.app.load import workspace_of
from reconciler.core.quoting import quote_text
from reconciler.errors import StalePlanError
from reconciler.forge import github, gitlab
from reconciler.forge.http import TransientForgeError
from reconciler.forge.job import GitHubJob, GitLabJob, job_of
from reconciler.git.revision import resolve_revision
from reconciler.http.retry import RetryPolicy, retry_blocking

ATTEMPTS = 4
BRANCHES = "refs/heads/"


def refuse_unless_tip(branch: str, config: str | None) -> None:
    """Raise an error unless HEAD is the tip of `branch`.

    The tip comes from the API of the hosting service, not from `git fetch`. reconciler runs git without the network,
    credentials or the settings of the repository.

    Raises:
        StalePlanError: if the tip is another commit.
        ReconcilerError: if the tip is unknown.
    """
    name = branch.removeprefix(BRANCHES)
    head = resolve_revision(workspace_of(config).repository(), "HEAD").commit
    tip = retry_blocking(partial(_tip_of, name), RetryPolicy(ATTEMPTS), (TransientForgeError,))
    if tip != head:
        raise StalePlanError(
            f"nothing was written: superseded by {tip}, the tip of {quote_text(name)}; the checkout of this run "
            f"is at {head}"
        )


def _tip_of(branch: str) -> str:
    match job_of(os.environ):
        case GitHubJob() as job:
            with github.open_github(job) as api:
                return github.tip_of(api, job, branch)
        case GitLabJob() as job:
            with gitlab.open_gitlab(job) as api:
                return gitlab.tip_of(api, job, branch)
