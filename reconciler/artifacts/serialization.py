"""Convert plans to JSON data (schemas/plan.schema.json) and back."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.artifacts.grant_json import field_json, grant_from_json, grant_json, key_from_json, key_json
from reconciler.core.checks import NotChecked
from reconciler.core.config_rules import ConfigChange
from reconciler.core.diff import changed_fields
from reconciler.core.directory import Api, Application, Directory, Organization
from reconciler.core.expiry import ExpiryChange
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.identity import TenantName
from reconciler.core.plan import (
    Blocked,
    Change,
    Create,
    Delete,
    GrantFacts,
    LeftAlone,
    Origin,
    Plan,
    Reason,
    Update,
    grant_after,
    grant_before,
)
from reconciler.core.plan_risks import risks_at_level
from reconciler.core.problems import Level, Risk, Source
from reconciler.core.removals import Commit, NoLongerDeclared, Removal
from reconciler.core.resolve import DesiredGrant
from reconciler.core.selection import SELECTION_FIELDS, GrantSelection, SelectionResult
from reconciler.core.spec import GrantSpec, PartialLocations

FORMAT_VERSION = "1"
SHORT_ID_LENGTH = 10

Json = dict[str, object]


def plan_json(plan: Plan) -> Json:
    """Return the plan as JSON data.

    The list of changes ends with the blocked changes. Each blocked change contains the reason for blocking the change.
    """
    actions = [action_of(change) for change in plan.changes]
    ends = [_expiry_change(each, plan) for each in plan.expiry_changes]
    return {
        "format_version": FORMAT_VERSION,
        "plan_id": plan_id(plan),
        "tenant": tenant_json(plan.tenant),
        "summary": {
            **{action: actions.count(action) for action in ("create", "update", "delete")},
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
        "changes": [
            *(_change(change, plan, None) for change in plan.changes),
            *(_change(each.change, plan, each.reason) for each in plan.blocked),
        ],
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


def tenant_json(tenant: TenantName) -> Json:
    """Return the name and domain of a tenant, and whether the tenant is a sandbox."""
    return {"name": tenant.name, "domain": tenant.domain, "sandbox": tenant.is_sandbox}


def plan_id(plan: Plan) -> str:
    """Return one digest that covers both the tenant and the changes of a plan. Compare whole digests, never prefixes.

    An attacker can construct two plans with digests that start with the same characters.
    """
    return digest(
        {
            "tenant": tenant_json(plan.tenant),
            "changes": [change_effect(change) for change in plan.changes],
            "blocked": [change_effect(each.change) for each in plan.blocked],
        }
    )


def short_id(plan: Plan) -> str:
    """Return the first characters of the plan id, for messages. To compare plans, use the whole plan id."""
    return plan_id(plan)[:SHORT_ID_LENGTH]


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


def digest(value: object) -> str:
    """Return the SHA-256 of a JSON value in canonical form, as hexadecimal text."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def plan_from_json(data: Mapping[str, Any]) -> Plan:
    """Return the plan that `data` describes. The caller must have validated `data` against the schema of plans."""
    changes = [(_change_from(each), each["blocked"]) for each in data["changes"]]
    moved = [each["moved_to"] for each in data["no_longer_declared"] if each["moved_to"]]
    ends = data.get("expiry_changes", ())
    with_risks = (*data["changes"], *data["no_longer_declared"], *ends)
    return Plan(
        tenant=TenantName(data["tenant"]["name"], data["tenant"]["domain"], data["tenant"]["sandbox"]),
        changes=tuple(change for change, blocked in changes if blocked is None),
        blocked=tuple(Blocked(change, blocked) for change, blocked in changes if blocked is not None),
        left_alone=tuple(_left_alone_from(each) for each in data["unmanaged"]),
        no_longer_declared=tuple(_no_longer_declared_from(each) for each in data["no_longer_declared"]),
        unchanged=data["summary"]["unchanged"],
        differing=data["differing"],
        narrowed_by=tuple(data.get("narrowed_by", ())),
        skipped=data["skipped"],
        expired_unknown=data.get("expired_unknown", 0),
        directory=_directory_from(
            [*data["changes"], *data["unmanaged"], *moved, *ends], data["organization_names"], data["confusable"]
        ),
        notes=tuple(data["notes"]),
        config_changes=tuple(_config_change_from(each) for each in data["config_changes"]),
        not_checked=tuple(NotChecked(each["check"], each["why"], each["grants"]) for each in data.get("unknown", ())),
        risks={key_from_json(each["key"]): _risks_from(each["risks"]) for each in with_risks if each["risks"]},
        facts={key_from_json(each["key"]): _facts_from(each["facts"]) for each in data["changes"] if "facts" in each},
        attributions={
            key_from_json(each["key"]): each["attribution"]
            for each in (*data["changes"], *data["unmanaged"])
            if "attribution" in each
        },
        expiry_changes=tuple(_expiry_change_from(each) for each in ends),
        origins={key_from_json(each["key"]): Origin(each["origin"]) for each in data["changes"] if each["origin"]},
        selection=_selection_from(data["selection"]) if "selection" in data else None,
    )


def selection_json(result: SelectionResult) -> Json:
    """Return the options that select grants, and the number of selected and omitted declared grants, as JSON data."""
    selection = {name: list(getattr(result.selection, name)) for name in SELECTION_FIELDS}
    folder = {"folder": result.selection.folder} if result.selection.folder else {}
    return {**selection, **folder, "selected": result.selected, "others": result.others}


def _selection_from(data: Mapping[str, Any]) -> SelectionResult:
    values = {name: tuple(data[name]) for name in SELECTION_FIELDS}
    selection = GrantSelection(**values, folder=data.get("folder", ""))
    return SelectionResult(selection, data["selected"], data["others"])


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


def _facts_from(data: Mapping[str, Any]) -> GrantFacts:
    scopes = data["api_scopes"]
    return GrantFacts(data["third_party"], data["app_type"], None if scopes is None else frozenset(scopes))


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


def _expiry_change_from(data: Mapping[str, Any]) -> ExpiryChange:
    source = data["source"]
    position = Source(source["file"], source["line"], source["column"])
    return ExpiryChange(key_from_json(data["key"]), position, data["before"] or "", data["after"] or "")


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


def _change_from(data: Mapping[str, Any]) -> Change:
    before = data["before"] and ObservedGrant("", grant_from_json(data["before"]))
    after = data["after"] and DesiredGrant(grant_from_json(data["after"]), _spec_from(data))
    match before, after:
        case None, DesiredGrant():
            return Create(after)
        case ObservedGrant(), DesiredGrant():
            return Update(before, after, changed_fields(before.grant, after.grant))
        case _:
            removal = _removal_from(data["removal"]) if "removal" in data else None
            expired = _spec_from({**data["expired"], "description": None}) if "expired" in data else None
            return Delete(before, removal, expired)


def _removal_from(data: Mapping[str, Any]) -> Removal:
    return Removal(
        _earlier_spec(data["source"]),
        _commit_from(data["removed_by"]),
        _commit_from(data["declared_by"]),
        data["from_history"],
    )


def _earlier_spec(source: Mapping[str, Any]) -> GrantSpec:
    return GrantSpec(source["file"], PartialLocations((source["line"], 1)))


def _commit_from(data: Mapping[str, Any] | None) -> Commit | None:
    return None if data is None else Commit(data["hash"], data["day"], data["author"], data["subject"])


def _no_longer_declared_from(data: Mapping[str, Any]) -> NoLongerDeclared:
    observed = ObservedGrant(data["id"], ClientGrant(key_from_json(data["key"])))
    moved_to = data["moved_to"] and key_from_json(data["moved_to"]["key"])
    return NoLongerDeclared(observed, _earlier_spec(data["source"]).source, data["reason"], moved_to)


def _risks_from(data: Iterable[Mapping[str, Any]]) -> tuple[Risk, ...]:
    return tuple(Risk(each["rule"], Level(each["level"]), each["message"], each.get("known", True)) for each in data)


def _config_change_from(data: Mapping[str, Any]) -> ConfigChange:
    return ConfigChange(tuple(data["tenants"]), *_risks_from([data]))


def _spec_from(data: Mapping[str, Any]) -> GrantSpec:
    source = data["source"]
    location = PartialLocations((source["line"], source["column"]))
    sets = tuple((name, tuple(scopes)) for name, scopes in data.get("scope_sets", {}).items())
    description, expires = data["description"] or "", data.get("expires", "")
    return GrantSpec(source["file"], location, description=description, expires=expires, scope_sets=sets)


def _left_alone_from(data: Mapping[str, Any]) -> LeftAlone:
    observed = ObservedGrant(data["id"], ClientGrant(key_from_json(data["key"])))
    return LeftAlone(observed, Reason(data["reason"]), data.get("detail", ""))


def _directory_from(
    items: Iterable[Mapping[str, Any]], organizations: Mapping[str, str], confusable: Iterable[str]
) -> Directory:
    items = list(items)
    names = {each["key"]["client_id"]: each["client_name"] for each in items if each["client_name"] is not None}
    apis = {each["key"]["audience"]: each["api_name"] for each in items if each["api_name"] is not None}
    return Directory(
        tuple(Application(client_id, name) for client_id, name in names.items() if client_id),
        tuple(Api(identifier, name) for identifier, name in apis.items()),
        associated=tuple(Organization(identity, name) for identity, name in organizations.items()),
        confusable=frozenset(confusable),
    )
