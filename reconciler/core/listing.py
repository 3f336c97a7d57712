"""Pure: the grants that are declared for a tenant, by all that is known of their names and ids."""

from dataclasses import dataclass

from reconciler.core.desired import DesiredGrant
from reconciler.core.directory import Directory
from reconciler.core.spec import GrantSpec


@dataclass(frozen=True, slots=True)
class ListedGrant:
    """A declared grant with the names and ids of its application and its API; what nobody looked up is None."""

    spec: GrantSpec
    client: str | None
    client_id: str | None
    api: str | None
    audience: str | None

    @property
    def order(self) -> tuple[str, ...]:
        """What a list is sorted by: what a person reads first."""
        texts = (self.client, self.client_id, self.spec.default_for, self.api, self.audience, self.spec.subject_type)
        return tuple(text or "" for text in texts)


def as_declared(spec: GrantSpec) -> ListedGrant:
    """Return a grant as its file names it."""
    return ListedGrant(spec, spec.client, spec.client_id, spec.api, spec.audience)


def as_resolved(desired: DesiredGrant, directory: Directory) -> ListedGrant:
    """Return a grant as the tenant knows it."""
    key = desired.key
    return ListedGrant(desired.spec, directory.client_name(key), key.client_id, directory.api_name(key), key.audience)
