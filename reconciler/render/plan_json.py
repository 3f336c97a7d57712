"""Pure: a plan as data, in the form of schemas/plan.schema.json."""

from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Directory
from reconciler.core.grant import ClientGrant, Key
from reconciler.core.plan import Change, Create, Delete, LeftAlone, Plan, Update, grants_after

FORMAT_VERSION = "1"

Json = dict[str, object]


def plan_json(plan: Plan) -> Json:
    """Return the plan as an object that json.dumps takes; blocked changes stand last, with their reason."""
    kinds = [type(change) for change in plan.changes]
    return {
        "format_version": FORMAT_VERSION,
        "tenant": {"name": plan.tenant.name, "domain": plan.tenant.domain},
        "summary": {
            "create": kinds.count(Create),
            "update": kinds.count(Update),
            "delete": kinds.count(Delete),
            "unchanged": plan.unchanged,
            "unmanaged": len(plan.left_alone),
            "blocked": len(plan.blocked),
        },
        "changes": [
            *(_change(change, plan.directory, None) for change in plan.changes),
            *(_change(each.change, plan.directory, each.reason) for each in plan.blocked),
        ],
        "unmanaged": [_left_alone(each) for each in plan.left_alone],
    }


def action_of(change: Change) -> str:
    """Return the word for what a change does."""
    match change:
        case Create():
            return "create"
        case Update():
            return "update"
        case Delete():
            return "delete"


def key_json(key: Key) -> Json:
    """Return a key as an object with all four parts."""
    return {
        "client_id": key.client_id,
        "default_for": key.default_for,
        "audience": key.audience,
        "subject_type": key.subject_type,
    }


def grant_json(grant: ClientGrant) -> Json:
    """Return a grant as an object with every field, defaults included and sets sorted."""
    return {
        **key_json(grant.key),
        "scope": sorted(grant.scope),
        "organization_usage": grant.organization_usage,
        "allow_any_organization": grant.allow_any_organization,
        "authorization_details_types": sorted(grant.authorization_details_types),
        "allow_all_scopes": grant.allow_all_scopes,
    }


def _change(change: Change, directory: Directory, blocked: str | None) -> Json:
    before = None if isinstance(change, Create) else change.before.grant
    after = grants_after(change)
    source = None if isinstance(change, Delete) else change.after.spec.source
    return {
        "action": action_of(change),
        "key": key_json(change.key),
        "client_name": directory.client_name(change.key),
        "api_name": directory.api_name(change.key),
        "before": before and grant_json(before),
        "after": after and grant_json(after),
        "fields": [_field(field) for field in change.fields],
        "source": source and {"file": source.file, "line": source.line, "column": source.column},
        "blocked": blocked,
    }


def _field(change: FieldChange) -> Json:
    match change:
        case SetChange():
            return {"field": change.field, "added": list(change.added), "removed": list(change.removed)}
        case ValueChange():
            return {"field": change.field, "before": change.before, "after": change.after}


def _left_alone(each: LeftAlone) -> Json:
    return {"id": each.observed.id, "key": key_json(each.observed.key), "reason": str(each.reason)}
