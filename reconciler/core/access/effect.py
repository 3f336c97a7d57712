"""Find the applications that a default grant applies to, and the grants that give no access."""

from collections.abc import Collection, Iterator

from reconciler.core.characters import join_some
from reconciler.core.directory import Application, Directory
from reconciler.core.grant import SUBJECT_USER, ClientGrant, Key, has_callers

DENY_ALL = "deny_all"
ALLOW_ALL = "allow_all"


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
    if directory.apis is None:
        return ""
    api = directory.apis_by_identifier.get(grant.key.audience)
    if api is None:
        return "the tenant has no API with this identifier"
    subject_type = grant.key.subject_type
    if api.policy_for(subject_type) == DENY_ALL:
        return f"the API denies all tokens for the subject type {subject_type}"
    return ""


def access_without_grants(directory: Directory) -> Iterator[str]:
    """Yield a note that names the APIs that first-party applications may call for a user without having a grant.

    The policy of an API decides whether applications need a grant.
    """
    names = [
        each.name or each.identifier for each in directory.apis or () if each.policy_for(SUBJECT_USER) == ALLOW_ALL
    ]
    if names:
        yield (
            "this report shows only grants, but every first-party application may call these APIs for signed-in users "
            f"without a grant (policy {ALLOW_ALL} for users): {join_some(names)}"
        )
