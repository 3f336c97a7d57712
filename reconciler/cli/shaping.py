"""The options that shape a plan; `plan` and `apply` have the same, because apply carries out what plan shows."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import Any

import click

from reconciler.core.guards import Limits
from reconciler.errors import Exit, ReconcilerError

NUMBER = click.IntRange(min=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What a plan covers.

    `policy` is the configuration file to take the policy from, if not the usual one; `policy_at` the revision of git
    whose configuration file has the policy; `base` a revision of git.
    """

    prune: bool = False
    create_only: bool = False
    skip_missing: bool = False
    max_deletes: int | None = None
    max_updates: int | None = None
    policy: str | None = None
    policy_at: str | None = None
    base: str | None = None
    only_branch: bool = False

    def __post_init__(self) -> None:
        if self.policy and self.policy_at:
            raise ReconcilerError("--policy and --policy-at both name a policy: use one of them")
        if self.prune and self.create_only:
            raise ReconcilerError("--prune deletes and --create-only does not: use one of them")
        if self.prune and self.skip_missing:
            raise ReconcilerError("--prune cannot tell what --skip-missing leaves out from what no file declares")
        if self.only_branch and self.base is None:
            raise ReconcilerError("--only-branch needs to know what the branch comes from: name it with --base")

    def options(self) -> dict[str, bool]:
        """Return the options that say which changes a plan has; the numbers only say how many it may have."""
        names = ("prune", "create_only", "skip_missing", "only_branch")
        return {name: getattr(self, name) for name in names}

    def lift(self, limits: Limits) -> Limits:
        """Return `limits` with the numbers that were named."""
        return replace(limits, max_deletes=self.max_deletes, max_updates=self.max_updates)


def shaping_options(command: Callable[..., Exit]) -> Callable[..., Exit]:
    """Give a command the options of a Shape; it receives the Shape as `shape`."""
    names = [field.name for field in fields(PlanOptions)]

    @wraps(command)
    def shaped(**given: Any) -> Exit:  # noqa: ANN401 - click's own
        shape = PlanOptions(**{name: given.pop(name) for name in names})
        return command(shape=shape, **given)

    options = [
        click.option("--prune", is_flag=True, help="Delete the grants that no file declares."),
        click.option("--create-only", is_flag=True, help="Only create what is missing."),
        click.option(
            "--skip-missing",
            is_flag=True,
            help="Leave out grants that name what the tenant lacks; exits with 3 if there are any.",
        ),
        click.option("--max-deletes", type=NUMBER, metavar="N", help="Allow up to N deletes, whatever their share."),
        click.option("--max-updates", type=NUMBER, metavar="N", help="Allow up to N updates, whatever their share."),
        click.option("--policy", metavar="FILE", help="Take the policy from this configuration file instead."),
        click.option(
            "--policy-at",
            metavar="REVISION",
            help="Take the policy from the configuration file as it is in this revision of git.",
        ),
        click.option(
            "--base",
            metavar="REVISION",
            help="Tell of each change whether it comes from the files, which were otherwise in this revision of git, "
            "from the tenant having moved (drift), or both.",
        ),
        click.option("--only-branch", is_flag=True, help="With --base, leave drift out of the plan."),
    ]
    with_options: Callable[..., Exit] = shaped
    for option in reversed(options):
        with_options = option(with_options)
    return with_options
