"""Pure: the kinds of changes that reconciler.yaml can have since the base, each with its level of risk."""

from dataclasses import dataclass

from reconciler.core.problems import Level, Risk


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A change of reconciler.yaml since the base. `tenants` is empty if it is about the file or the shared settings."""

    tenants: tuple[str, ...]
    risk: Risk


@dataclass(frozen=True, slots=True)
class ConfigRule:
    """One kind of change of reconciler.yaml."""

    name: str
    level: Level
    meaning: str

    def risk(self, message: str) -> Risk:
        """Return the risk that this rule sees in a change."""
        return Risk(self.name, self.level, message)


UNKNOWN = ConfigRule(
    "config-not-compared", Level.CRITICAL, "reconciler.yaml could not be read at the base, so every guard may be looser"
)
NEW_FILE = ConfigRule("config-new", Level.HIGH, "the base has no reconciler.yaml at this path")
MOVED = ConfigRule("tenant-moved", Level.CRITICAL, "a tenant has another domain or kind")
RENAMED = ConfigRule("tenant-renamed", Level.HIGH, "a tenant has another name")
ADDED = ConfigRule("tenant-added", Level.HIGH, "reconciler.yaml declares another tenant")
REMOVED = ConfigRule("tenant-removed", Level.HIGH, "reconciler.yaml declares a tenant no longer")
LOOSENED = ConfigRule(
    "guard-loosened", Level.CRITICAL, "protect, manage, own, limits or policy allow something that they did not"
)
CREDENTIALS = ConfigRule("credentials-changed", Level.CRITICAL, "a tenant takes its credentials from other variables")
VARIABLE = ConfigRule("variable-changed", Level.HIGH, "a variable that grant files use has another value")
DEFAULT = ConfigRule("default-tenant-changed", Level.HIGH, "commands without --tenant work on another tenant")
LEFT = ConfigRule("grant-left-guard", Level.CRITICAL, "protect or manage no longer keeps reconciler off a grant")
ENTERED = ConfigRule("grant-entered-guard", Level.LOW, "protect or manage now keeps reconciler off a grant")
STRICTER = ConfigRule("setting-changed", Level.LOW, "a setting changed without allowing more")
CONFIG_RULES = (
    *(UNKNOWN, MOVED, LOOSENED, LEFT, CREDENTIALS, NEW_FILE, REMOVED, RENAMED, ADDED, DEFAULT, VARIABLE),
    *(ENTERED, STRICTER),
)
"""All kinds of changes, the worst first."""
