"""Convert the JSON data of a saved plan (schemas/plan.schema.json) back to a plan."""

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.artifacts.grant_json import grant_from_json, key_from_json
from reconciler.core.checks import NotChecked
from reconciler.core.config_rules import ConfigChange
from reconciler.core.declared_history import Commit
from reconciler.core.diff import changed_fields
from reconciler.core.directory import Api, Application, Directory, Organization
from reconciler.core.expiry import ExpiryChange
from reconciler.core.grant import ClientGrant, ObservedGrant
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
)
from reconciler.core.problems import Level, Risk, Source
from reconciler.core.removals import NoLongerDeclared, Removal
from reconciler.core.resolve import DesiredGrant
from reconciler.core.selection import SELECTION_FIELDS, GrantSelection, SelectionResult
from reconciler.core.spec import GrantSpec, PartialLocations


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


def _selection_from(data: Mapping[str, Any]) -> SelectionResult:
    values = {name: tuple(data[name]) for name in SELECTION_FIELDS}
    selection = GrantSelection(**values, folder=data.get("folder", ""))
    return SelectionResult(selection, data["selected"], data["others"])


def _facts_from(data: Mapping[str, Any]) -> GrantFacts:
    scopes = data["api_scopes"]
    return GrantFacts(data["third_party"], data["app_type"], None if scopes is None else frozenset(scopes))


def _expiry_change_from(data: Mapping[str, Any]) -> ExpiryChange:
    source = data["source"]
    position = Source(source["file"], source["line"], source["column"])
    return ExpiryChange(key_from_json(data["key"]), position, data["before"] or "", data["after"] or "")


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
