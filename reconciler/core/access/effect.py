"""Find out which applications a grant gives access, and whether the grant gives access at all."""

from collections.abc import Collection

from reconciler.core.directory import Application, Directory
from reconciler.core.grant import ClientGrant, Key, has_callers


def default_holders(key: Key, directory: Directory, existing: Collection[Key]) -> tuple[Application, ...] | None:
    """Return the applications that a default grant applies to, or None if reconciler did not read the applications.

    An application with its own grant for the same API does not use the default grant, according to Auth0's
    documentation. `existing` contains the keys of all grants of the tenant. If `key` belongs to an application, return
    an empty tuple.
    """
    if key.default_for is None:
        return ()
    if directory.applications is None:
        return None
    return tuple(
        each
        for each in directory.applications
        if each.is_third_party is not False and Key(each.client_id, key.audience, key.subject_type) not in existing
    )


def reason_without_effect(grant: ClientGrant, directory: Directory) -> str:
    """Return the reason why a grant of the tenant gives no access, or an empty string."""
    if not has_callers(grant):
        return "the grant requires an organization and has none"
    if directory.apis is not None and grant.key.audience not in directory.apis_by_identifier:
        return "the tenant has no API with this identifier"
    return ""
