"""Pure: how much a single scope allows, as far as its name and its API tell."""

import re
from functools import lru_cache

from reconciler.core.confusable import latin
from reconciler.core.directory import MANAGEMENT_API_SUFFIX
from reconciler.core.management_scopes import level_of
from reconciler.core.risk import Level
from reconciler.core.system_apis import system_api_of

MOST_REMEMBERED = 4096
READING = frozenset({"get", "list", "read", "search", "view"})
SEPARATOR = "[^a-z]?"
ADMINISTRATION_WORDS = (
    "[a-z]*admin(s|ister|istrat[a-z]*)?",
    "all",
    "bypass",
    f"break{SEPARATOR}glass",
    "(elevat|escalat|impersonat|masquerad)[a-z]*",
    "everything",
    f"full{SEPARATOR}(access|control|permissions?|rights?)",
    f"god({SEPARATOR}mode)?",
    "manage",
    f"(act|log{SEPARATOR}in|run|sign{SEPARATOR}in){SEPARATOR}as",
    f"on{SEPARATOR}behalf{SEPARATOR}of",
    f"(co{SEPARATOR})?owner(s|ship)?",
    "privileged?s?",
    "root",
    f"(power|super){SEPARATOR}users?",
    "sudo",
    "(unlimited|unrestricted|wildcard)",
)
ADMINISTRATION = re.compile(rf"\*|(^|[^a-z])full($|[:./ ])|(^|[^a-z])({'|'.join(ADMINISTRATION_WORDS)})([^a-z]|$)")
"""Words that name administration in a scope of any API. They count as whole words only, whatever separates them."""


def is_administration(scope: str) -> bool:
    """Return whether a scope is named as those are that administer an API: `admin`, `manage:users`, `write:*`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", latin(scope))
    return ADMINISTRATION.search(spaced.lower()) is not None


@lru_cache(MOST_REMEMBERED)
def scope_order(audience: str, scope: str) -> tuple[int, bool, str]:
    """Return what scopes are sorted by, the worst first: by their level, then writing before reading."""
    return _level(audience, scope).order, re.split("[^a-z]", scope.lower())[0] in READING, scope


def _level(audience: str, scope: str) -> Level:
    if audience.endswith(MANAGEMENT_API_SUFFIX):
        return level_of(scope)
    if api := system_api_of(audience):
        return api.level_of(scope)
    return Level.HIGH if is_administration(scope) else Level.LOW
