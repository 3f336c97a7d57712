"""Convert plans to JSON data (schemas/plan.schema.json), and compute the ids of plans."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable

from reconciler.artifacts.grant_json import field_json, grant_json, key_json
from reconciler.core.declared_history import Commit
from reconciler.core.directory import Directory
from reconciler.core.expiry import ExpiryChange
from reconciler.core.grant import Key
from reconciler.core.identity import TenantName
from reconciler.core.plan import (
    Change,
    Delete,
    GrantFacts,
    LeftAlone,
    Plan,
    grant_after,
    grant_before,
)
from reconciler.core.plan_risks import all_risks, risks_at_level
from reconciler.core.problems import Level, Risk, Source
from reconciler.core.removals import NoLongerDeclared, Removal
from reconciler.core.selection import SELECTION_FIELDS, SelectionResult

FORMAT_VERSION = "1"
SHORT_ID_LENGTH = 10
ACTIONS = ("create", "update", "delete")
DIFFERENCES = (*ACTIONS, "blocked", "no_longer_declared")
"""The names in the result of `plan_counts` that count changes, blocked changes and grants no longer declared."""

Json = dict[str, object]


def plan_json(plan: Plan) -> Json:
    """Return the plan as JSON data.

    The list of changes ends with the blocked changes. Each blocked change contains the reason for blocking the change.
    """
    actions = [action_of(change) for change in plan.changes]
    changes = [_change(change, plan, None) for change in plan.changes]
    blocked = [_change(each.change, plan, each.reason) for each in plan.blocked]
    ends = [_expiry_change(each, plan) for each in plan.expiry_changes]
    return {
        "format_version": FORMAT_VERSION,
        "plan_id": _id_of_changes(plan.tenant, changes, blocked),
        "tenant": tenant_json(plan.tenant),
        "summary": {
            **{action: actions.count(action) for action in ACTIONS},
            "unchanged": plan.unchanged,
            "unmanaged": len(plan.left_alone),
            "blocked": len(plan.blocked),
        },
        "critical": [
            {"grant": each.label, "rule": each.risk.rule, "message": each.risk.message}
            for each in risks_at_level(plan, Level.CRITICAL)
        ],
        "organization_names": _organization_names(plan),
        "confusable": _confusable(plan),
        "changes": [*changes, *blocked],
        "unmanaged": [_left_alone(each, plan) for each in plan.left_alone],
        "no_longer_declared": [_no_longer_declared(each, plan) for each in plan.no_longer_declared],
        "differing": plan.differing,
        **({"narrowed_by": list(plan.narrowed_by)} if plan.narrowed_by else {}),
        "skipped": plan.skipped,
        **({"expired_unknown": plan.expired_unknown} if plan.expired_unknown else {}),
        "notes": list(plan.notes),
        "config_changes": [{"tenants": list(each.tenants), **_risk(each.risk)} for each in plan.config_changes],
        "unknown": [{"check": each.what, "why": each.why, "grants": each.grants} for each in plan.not_checked],
        **({"selection": selection_json(plan.selection)} if plan.selection else {}),
        **({"expiry_changes": ends} if ends else {}),
    }


def plan_counts(plan: Plan) -> dict[str, int]:
    """Return counts for a plan: changes by action, blocked changes, grants that are no longer declared, and risks."""
    actions = Counter(action_of(change) for change in plan.changes)
    risks = Counter(risk.level for risk in all_risks(plan))
    return {
        **{action: actions[action] for action in ACTIONS},
        "blocked": len(plan.blocked),
        "no_longer_declared": len(plan.no_longer_declared),
        "critical": risks[Level.CRITICAL],
        "high": risks[Level.HIGH],
    }


def tenant_json(tenant: TenantName) -> Json:
    """Return the name and domain of a tenant, and whether the tenant is a sandbox."""
    return {"name": tenant.name, "domain": tenant.domain, "sandbox": tenant.is_sandbox}


def plan_id(plan: Plan) -> str:
    """Return one digest that covers both the tenant and the changes of a plan. Compare whole digests, never prefixes.

    An attacker can construct two plans with digests that start with the same characters.
    """
    blocked = [change_effect(each.change) for each in plan.blocked]
    return _id_of_changes(plan.tenant, [change_effect(change) for change in plan.changes], blocked)


def _id_of_changes(tenant: TenantName, changes: Iterable[Json], blocked: Iterable[Json]) -> str:
    effects = {"changes": [_effect(each) for each in changes], "blocked": [_effect(each) for each in blocked]}
    return digest({"tenant": tenant_json(tenant), **effects})


def short_id(plan: Plan) -> str:
    """Return the first characters of the plan id, for messages. To compare plans, use the whole plan id."""
    return plan_id(plan)[:SHORT_ID_LENGTH]


EFFECT = ("action", "key", "before", "after")
"""The fields of a change that `plan_id` includes."""
APPROVED = ("client_name", "api_name", "risks", "facts")
"""The fields of a change that `approval_id` includes, in addition to the fields that `plan_id` includes."""


def approval_id(plan: Plan) -> str:
    """Return the digest of everything that a reviewer approves in a plan. Compare whole digests, never prefixes."""
    changes = [_change(change, plan, None) for change in plan.changes]
    covered = [
        {name: change.get(name) for name in APPROVED} | ({"expires": change["expires"]} if "expires" in change else {})
        for change in changes
    ]
    return digest({"plan": plan_id(plan), "changes": covered, "organizations": _organization_names(plan)})


def change_effect(change: Change) -> Json:
    """Return the action of a change, and the grant before and after the change, as JSON data."""
    before, after = grant_before(change), grant_after(change)
    return {
        "action": action_of(change),
        "key": key_json(change.key),
        "before": before and grant_json(before),
        "after": after and grant_json(after),
    }


def _effect(change: Json) -> Json:
    return {name: change[name] for name in EFFECT}


def digest(value: object) -> str:
    """Return the SHA-256 of a JSON value in canonical form, as hexadecimal text."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def selection_json(result: SelectionResult) -> Json:
    """Return the options that select grants, and the number of selected and omitted declared grants, as JSON data."""
    selection = {name: list(getattr(result.selection, name)) for name in SELECTION_FIELDS}
    folder = {"folder": result.selection.folder} if result.selection.folder else {}
    return {**selection, **folder, "selected": result.selected, "others": result.others}


def action_of(change: Change) -> str:
    """Return the action of a change as a word: create, update or delete."""
    return type(change).__name__.lower()


def _organization_names(plan: Plan) -> Json:
    """Return the names of the organizations in the changes of a plan, by organization id."""
    known = plan.directory.organizations_by_id
    return {identity: known[identity].name for identity in sorted(_organizations(plan)) if identity in known}


def _organizations(plan: Plan) -> set[str]:
    changes = (*plan.changes, *(each.change for each in plan.blocked))
    grants = (grant for change in changes for grant in (grant_before(change), grant_after(change)))
    return {each for grant in grants if grant for each in grant.organizations or ()}


def _confusable(plan: Plan) -> list[str]:
    """Return the ids of applications, APIs and organizations in `plan` that have similar names.

    Reports show the ids next to the names.
    """
    moved = (each.moved_to for each in plan.no_longer_declared if each.moved_to)
    ends = (each.key for each in plan.expiry_changes)
    changed = (change.key for change in (*plan.changes, *(each.change for each in plan.blocked)))
    keys = [*changed, *(each.observed.key for each in plan.left_alone), *moved, *ends]
    return list(plan.directory.ambiguous_ids(keys, _organizations(plan)))


def _change(change: Change, plan: Plan, blocked: str | None) -> Json:
    spec = None if isinstance(change, Delete) else change.after.spec
    scope_sets = {name: sorted(scopes) for name, scopes in spec.scope_sets} if spec else {}
    return {
        **change_effect(change),
        "client_name": plan.directory.client_name(change.key),
        "api_name": plan.directory.api_name(change.key),
        "fields": [field_json(field) for field in change.fields],
        "source": spec and _source(spec.source),
        "description": spec and spec.description,
        "blocked": blocked,
        "risks": [_risk(risk) for risk in plan.risks.get(change.key, ())],
        "origin": plan.origins.get(change.key),
        **({"scope_sets": scope_sets} if scope_sets else {}),
        **({"facts": _facts(plan.facts[change.key])} if change.key in plan.facts else {}),
        **({"attribution": plan.attributions[change.key]} if change.key in plan.attributions else {}),
        **({"expires": spec.expires} if spec and spec.expires else {}),
        **(_deletion(change) if isinstance(change, Delete) else {}),
    }


def _deletion(change: Delete) -> Json:
    """Return the last declaration of a deleted grant. The declaration has expired, or was removed in a commit."""
    if change.expired:
        source = change.expired.source
        return {"expired": {"expires": change.expired.expires, "source": _source(source)}}
    return {"removal": _removal(change.removal)} if change.removal else {}


def _source(source: Source) -> Json:
    return {"file": source.file, "line": source.line, "column": source.column}


def _facts(facts: GrantFacts) -> Json:
    scopes = facts.api_scopes
    return {
        "third_party": facts.third_party,
        "app_type": facts.app_type,
        "api_scopes": None if scopes is None else sorted(scopes),
    }


def _removal(removal: Removal) -> Json:
    return {
        "source": _earlier_source(removal.spec.source),
        "removed_by": _commit(removal.removed_by),
        "declared_by": _commit(removal.declared_by),
        "from_history": removal.is_from_history,
    }


def _earlier_source(source: Source) -> Json:
    return {"file": source.file, "line": source.line}


def _commit(commit: Commit | None) -> Json | None:
    if commit is None:
        return None
    return {"hash": commit.hash, "day": commit.day, "author": commit.author, "subject": commit.subject}


def _no_longer_declared(each: NoLongerDeclared, plan: Plan) -> Json:
    return {
        "id": each.observed.id,
        **_named_key(each.key, plan.directory),
        "source": _earlier_source(each.source),
        "reason": each.reason,
        "moved_to": each.moved_to and _named_key(each.moved_to, plan.directory),
        "risks": [_risk(risk) for risk in plan.risks.get(each.key, ())],
    }


def _expiry_change(each: ExpiryChange, plan: Plan) -> Json:
    return {
        **_named_key(each.key, plan.directory),
        "source": _source(each.source),
        "before": each.before or None,
        "after": each.after or None,
        "risks": [_risk(risk) for risk in plan.risks.get(each.key, ())],
    }


def _named_key(key: Key, directory: Directory) -> Json:
    return {"key": key_json(key), "client_name": directory.client_name(key), "api_name": directory.api_name(key)}


def _risk(risk: Risk) -> Json:
    unknown = {} if risk.is_known else {"known": False}
    return {"rule": risk.rule, "level": risk.level, "message": risk.message, **unknown}


def _left_alone(each: LeftAlone, plan: Plan) -> Json:
    attribution = plan.attributions.get(each.observed.key)
    return {
        "id": each.observed.id,
        **_named_key(each.observed.key, plan.directory),
        "reason": str(each.reason),
        **({"attribution": attribution} if attribution else {}),
        **({"detail": each.detail} if each.detail else {}),
    }
