"""Pure: which permissions of the Management API a plan takes, and which of them a token lacks."""

from reconciler.core.plan import Change, Create, Delete, Plan, Update

READING = ("read:client_grants", "read:clients", "read:resource_servers")
WRITING = ("create:client_grants", "update:client_grants", "delete:client_grants")


def missing_permissions(plan: Plan, held: frozenset[str] | None) -> list[str]:
    """Return what `plan` needs and `held` lacks, sorted; nothing if it is not known what the token holds."""
    if held is None:
        return []
    return sorted({_permission(change) for change in plan.changes} - held)


def _permission(change: Change) -> str:
    match change:
        case Create():
            return "create:client_grants"
        case Update():
            return "update:client_grants"
        case Delete():
            return "delete:client_grants"
