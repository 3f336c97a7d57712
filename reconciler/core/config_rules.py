"""The kinds of changes to reconciler.yaml, each with a risk level."""

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.core.problems import Level, Risk


class ConfigChange(NamedTuple):
    """A change in reconciler.yaml since the base revision.

    If `tenants` is empty, the change affects the whole file or the settings that all tenants share.
    """

    tenants: tuple[str, ...]
    risk: Risk


class ConfigRule(NamedTuple):
    """A kind of change in reconciler.yaml, with a risk level."""

    name: str
    level: Level
    meaning: str

    def risk(self, message: str) -> Risk:
        """Return a risk with the name and level of the rule, and the message `message`."""
        return Risk(self.name, self.level, message)


UNKNOWN = ConfigRule(
    "config-not-compared",
    Level.CRITICAL,
    "the base revision of reconciler.yaml could not be read, so every protection might have become less strict",
)
NEW_FILE = ConfigRule("config-new", Level.HIGH, "reconciler.yaml is new, or was moved since the base revision")
MOVED = ConfigRule("tenant-moved", Level.CRITICAL, "the domain or the kind of a tenant changed")
RENAMED = ConfigRule("tenant-renamed", Level.HIGH, "the name of a tenant changed")
ADDED = ConfigRule("tenant-added", Level.HIGH, "reconciler.yaml declares a new tenant")
REMOVED = ConfigRule("tenant-removed", Level.HIGH, "reconciler.yaml no longer declares a tenant")
LOOSENED = ConfigRule(
    "guard-loosened", Level.CRITICAL, "one of the settings protect, manage, own, limits and policy became less strict"
)
CREDENTIALS = ConfigRule("credentials-changed", Level.CRITICAL, "the prefix of a tenant's credential variables changed")
VARIABLE = ConfigRule("variable-changed", Level.HIGH, "a variable of grant files has a new value")
DEFAULT = ConfigRule("default-tenant-changed", Level.HIGH, "commands without --tenant use a different tenant")
WAVES = ConfigRule(
    "waves-changed", Level.HIGH, "the rollout order of the tenants changed, or a rollout stops after more failures"
)
GRANT_LEFT = ConfigRule(
    "grant-left-guard", Level.CRITICAL, "reconciler may now change a grant that `protect` or `manage` excluded"
)
GRANT_ENTERED = ConfigRule(
    "grant-entered-guard",
    Level.LOW,
    "reconciler may no longer change a grant, because `protect` or `manage` excludes the grant",
)
STRICTER = ConfigRule("setting-changed", Level.LOW, "a setting changed and did not become less strict")
CONFIG_RULES = (
    *(UNKNOWN, MOVED, LOOSENED, GRANT_LEFT, CREDENTIALS, NEW_FILE, REMOVED, RENAMED, ADDED, DEFAULT, WAVES, VARIABLE),
    *(GRANT_ENTERED, STRICTER),
)
"""All kinds of changes in reconciler.yaml, sorted by risk: the most dangerous kind first."""


def sort_by_risk(changes: Iterable[ConfigChange]) -> tuple[ConfigChange, ...]:
    """Sort changes by kind (the most dangerous kind first), then by tenant. Other changes keep their order."""
    order = {rule.name: number for number, rule in enumerate(CONFIG_RULES)}
    return tuple(sorted(changes, key=lambda each: (order[each.risk.rule], each.tenants)))
