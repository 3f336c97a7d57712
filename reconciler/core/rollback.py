"""Pure: what a snapshot says of the run that it undoes."""

from dataclasses import dataclass

from reconciler.core.grant import ClientGrant, Key, ObservedGrant

CREATED_AND_CHANGED = "created by the run and changed since, so it is not deleted"
CREATED_AND_KEPT = "created by the run"


@dataclass(frozen=True, slots=True)
class Rollback:
    """The run to undo: its id, the name and domain of its tenant, and the grants that it was to create."""

    run: str
    tenant: str
    domain: str
    created: tuple[ClientGrant, ...]

    def deletes(self, observed: ObservedGrant) -> bool:
        """Return whether undoing the run deletes a grant: the run was to create exactly this one."""
        return any(_bare(each) == _bare(observed.grant) for each in self.created)

    def has_created(self, key: Key) -> bool:
        """Return whether the run was to create a grant with `key`."""
        return any(each.key == key for each in self.created)


def _bare(grant: ClientGrant) -> ClientGrant:
    """Return a grant without its organizations, which go with the grant and may not have been read."""
    return grant._replace(organizations=None)
