"""Pure: where a change comes from, as seen from a base: the files as they were before this branch."""

from enum import StrEnum


class Origin(StrEnum):
    """What moved since the base: the files, the tenant, or both."""

    BRANCH = "branch"
    DRIFT = "drift"
    BOTH = "both"
