"""The options of commands as plain values, without the types of the command-line library click."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.core.fleet.run import Shard
    from reconciler.core.selection import GrantSelection
    from reconciler.core.settings import Limits


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The options that all commands share, and the time of the run.

    Every part of the run uses `now` as the current time.
    """

    config: str | None = None
    grants: str = "grants"
    tenants: tuple[str, ...] = ()
    all_tenants: bool = False
    wave: str | None = None
    allow_unnamed_tenant: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    color: str = "auto"
    quiet: bool = False
    verbose: bool = False
    shard: "Shard | None" = None
    searches_config: bool = False
    """True if reconciler searched for reconciler.yaml, because the command line contains no path."""

    @property
    def tenant(self) -> str | None:
        """The tenant name in --tenant, or None. Raises ReconcilerError if the options select several tenants."""
        return next(iter(self.require_one_tenant().tenants), None)

    def require_one_tenant(self) -> "GlobalOptions":
        """Return these options. Raises ReconcilerError if the options select several tenants."""
        if self.all_tenants or self.wave or len(self.tenants) > 1:
            raise ReconcilerError("this command works on one tenant at a time: select the tenant with --tenant")
        return self


class RequestOptions(NamedTuple):
    """The options for requests to a tenant.

    Each attribute has the same default as the command-line option of the same name.
    """

    rate_share: float = 0.25
    """The share of the tenant's rate limits that stays free for other programs, from 0 to 0.9."""
    max_rps: float | None = None
    """The maximum total number of requests per second to all tenants, or None for no maximum."""
    concurrency: int = 8
    """The maximum number of requests in flight to one tenant."""
    attempts: int = 5
    """The maximum number of attempts per request."""
    timeout: float = 1800.0
    """The time limit for each tenant in seconds."""
    at_once: int = 16
    """The maximum number of tenants that are processed at the same time."""


class PlanOptions(NamedTuple):
    """The options that decide which changes a plan contains, and which policy and limits apply."""

    prune: bool = False
    """True if the plan deletes the grants that no file declares."""
    prune_removed: bool = False
    """True if the plan deletes the grants that an earlier commit declared but the files no longer declare."""
    since: str | None = None
    """The oldest git revision that `prune_removed` reads, or None to read the whole history."""
    create_only: bool = False
    """True if the plan contains only creates."""
    skip_missing: bool = False
    """True if the plan omits declared grants whose application, API or organization does not exist in the tenant."""
    max_deletes: int | None = None
    """The maximum number of deletes, or None to use the limit in the configuration."""
    max_updates: int | None = None
    """The maximum number of updates, or None to use the limit in the configuration."""
    policy: str | None = None
    """The configuration file that contains the policy, or None for the configuration file of the run."""
    policy_at: str | None = None
    """The git revision from which reconciler reads the configuration file with the policy."""
    base: str | None = None
    """The git revision that decides whether a change comes from the branch or is drift."""
    only_branch: bool = False
    """True if the plan contains only the changes that result from file differences between the checkout and --base."""
    attribute: bool = False
    """True if reconciler searches the tenant's logs for the user who changed each grant."""
    paths: tuple[str, ...] = ()
    """Grant files or folders. The plan contains only the grants in the files and folders of `paths`."""
    clients: tuple[str, ...] = ()
    """Patterns for names or ids of applications.

    The plan contains only the grants of applications that match a pattern.
    """
    apis: tuple[str, ...] = ()
    """Patterns for names or identifiers of APIs. The plan contains only the grants of APIs that match a pattern."""
    only_expired: bool = False
    """True if the plan contains only deletes of expired grants."""

    def check(self) -> None:
        """Raise ReconcilerError if the options contradict each other.

        Call `check` after the results of earlier runs were removed, so that wrong options leave no old result.
        """
        if self.policy and self.policy_at:
            raise ReconcilerError(
                "--policy and --policy-at cannot be combined, because a plan has one policy: use one of them"
            )
        if self.prune and self.prune_removed:
            raise ReconcilerError(
                "--prune and --prune-removed cannot be combined, because --prune also deletes the grants that "
                "--prune-removed deletes: use one of the two options"
            )
        if self.since is not None and not self.prune_removed:
            raise ReconcilerError(
                "--since has no effect without --prune-removed: add --prune-removed, or remove --since"
            )
        if self.deletes and self.create_only:
            raise ReconcilerError(
                f"{self.deletes} cannot be combined with --create-only, because --create-only deletes nothing: "
                "use one of them"
            )
        if self.deletes and self.skip_missing:
            raise ReconcilerError(
                f"{self.deletes} cannot be combined with --skip-missing, because reconciler could delete "
                "the skipped grants as undeclared"
            )
        if self.only_branch and self.base is None:
            raise ReconcilerError("--only-branch needs --base; add --base with the revision where the branch started")
        others = (self.deletes, "--create-only" * self.create_only, "--only-branch" * self.only_branch)
        if self.only_expired and any(others):
            other = next(filter(None, others))
            raise ReconcilerError(f"--only-expired deletes expired grants and nothing else: remove {other}")

    @property
    def deletes(self) -> str:
        """The option that allows the plan to delete grants (`--prune` or `--prune-removed`), or an empty string."""
        return "--prune" if self.prune else "--prune-removed" if self.prune_removed else ""

    @property
    def selects(self) -> bool:
        """True if the options restrict the plan to a part of the grants."""
        return bool(self.paths or self.clients or self.apis)

    def selection(self, grants: str) -> "GrantSelection":
        """Return the selection of grants (files, applications and APIs) from the options. `grants` is the grant folder.

        The paths of removed files are allowed, because `--prune-removed` finds the grants of removed files.

        Raises:
            ReconcilerError: if a path is outside the grant folder.
        """
        from reconciler.core.selection import GrantSelection
        from reconciler.files.discover import name_of

        paths = dict.fromkeys(_path_in(grants, path) for path in self.paths)
        files = () if name_of(Path()) in paths else tuple(paths)
        folder = name_of(Path(grants)) if files else ""
        return GrantSelection(files=files, clients=self.clients, apis=self.apis, folder=folder)

    def saved_options(self) -> dict[str, bool]:
        """Return a mapping from option name to value for the options that influence the changes of a plan."""
        names = ("prune", "prune_removed", "create_only", "skip_missing", "only_branch", "only_expired")
        return {name: getattr(self, name) for name in names}

    def as_arguments(self) -> list[str]:
        """Return the command-line options that `apply` needs for a plan that `plan` saved with the current options.

        Omit the options that select grants, because a saved plan records the selection. Omit the option --attribute,
        because --attribute does not change a plan.
        """
        words: list[str] = []
        for name, default in self._field_defaults.items():
            value = getattr(self, name)
            if value == default or name in {"paths", "clients", "apis", "attribute"}:
                continue
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        return words

    def override_limits(self, limits: "Limits") -> "Limits":
        """Return a copy of `limits` that contains the values of --max-deletes and --max-updates."""
        return limits._replace(max_deletes=self.max_deletes, max_updates=self.max_updates)


def _path_in(grants: str, path: str) -> str:
    """Return a path relative to the grant folder."""
    from reconciler.files.discover import name_of

    inside = os.path.relpath(path, grants)
    if Path(inside).parts[:1] == (os.pardir,):
        raise ReconcilerError(
            f"{name_of(Path(path))} is outside the grant folder {name_of(Path(grants))}; use files in this "
            "folder, or choose another folder with --grants"
        )
    return name_of(Path(inside))


class ResultOptions(NamedTuple):
    """The values of --result (the folder for result files) and --run (the name of the run)."""

    result: Path | None = None
    run: str | None = None
