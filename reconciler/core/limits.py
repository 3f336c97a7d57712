"""Pure: how much may change in one run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may change in one run: shares in percent of the managed grants, or numbers that lift them.

    With `needs_number`, no delete is allowed without a number.

    `organization_grants` is Auth0's own limit: how many grants an organization may have, 100 in the public cloud.
    """

    deletes_percent: int = 30
    updates_percent: int = 50
    max_deletes: int | None = None
    max_updates: int | None = None
    needs_number: bool = False
    organization_grants: int = 100
