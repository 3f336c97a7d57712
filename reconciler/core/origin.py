"""Pure: where a change comes from, as seen from a base: the files as they were before this branch."""

from collections.abc import Mapping
from enum import StrEnum


class Origin(StrEnum):
    """What moved since the base: the files, the tenant, or both."""

    BRANCH = "branch"
    DRIFT = "drift"
    BOTH = "both"


TITLES: Mapping[Origin, str] = {
    Origin.BRANCH: "From this branch",
    Origin.DRIFT: "Drift: the tenant has moved, this branch has not",
    Origin.BOTH: "From this branch, where the tenant has moved as well",
}
