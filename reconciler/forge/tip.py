"""Pure: the id of a commit, as a hosting service answers it."""

import re

from reconciler.forge.errors import ForgeError

COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def commit_id(value: object) -> str:
    """Return the whole id of a commit. Raises ForgeError if `value` is something else."""
    if not isinstance(value, str) or not COMMIT.fullmatch(value):
        raise ForgeError("the answer does not hold the id of a commit")
    return value
