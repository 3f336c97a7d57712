"""Check that the items of `protect`, `manage` and `policy` match grants of the tenant."""

from collections.abc import Mapping

from reconciler.auth0.management import ClientOptions
from reconciler.config import Tenant
from reconciler.connect import open_tenant
from reconciler.core.findings import Finding, Status
from reconciler.core.identity import IdentityCheck
from reconciler.core.quoting import counted
from reconciler.core.unmatched import items_of, unmatched
from reconciler.errors import ReconcilerError
from reconciler.observe import needs_of, observe
from reconciler.redaction import Secrets

CHECK = "patterns"


async def pattern_finding(
    tenant: Tenant,
    environment: Mapping[str, str],
    identity: IdentityCheck | None,
    secrets: Secrets,
    *,
    answers: bool,
) -> Finding:
    """Read the tenant's grants and the names that the items need, and return which items match nothing.

    `answers` says whether the tenant lists grants. Raises nothing that the tenant, the network or the environment did.
    """
    items = tuple(items_of(tenant.protect, tenant.border, tenant.policy))
    if not items:
        return Finding(CHECK, Status.OK, "the configuration names no grants by patterns")
    if not answers:
        return Finding(CHECK, Status.SKIPPED, "the API did not answer")
    try:
        async with open_tenant(tenant, environment, ClientOptions(), secrets, identity) as client:
            observation = await observe(client, needs_of((), (item.pattern for item in items)))
    except ReconcilerError as error:
        return Finding(CHECK, Status.SKIPPED, f"the tenant could not be read: {error}")
    found = list(unmatched(items, (each.key for each in observation.grants), observation.directory))
    if not found:
        return Finding(CHECK, Status.OK, f"{counted(len(items), 'item')} of the configuration match grants")
    more = f" (and {len(found) - 1} more)" if found[1:] else ""
    return Finding(CHECK, Status.WARNING, f"{found[0]}{more}", "`reconciler plan` notes all; correct or remove them")
