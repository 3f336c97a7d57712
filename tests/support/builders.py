"""Builders of values that are valid by default. A test passes only the fields that it is about."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.artifacts.fleet_files import write_result
from reconciler.artifacts.grant_json import key_json
from reconciler.artifacts.serialization import plan_counts, plan_id, plan_json
from reconciler.core.directory import Api, Application, Directory, Organization
from reconciler.core.fleet.rollout import TenantState, state_of
from reconciler.core.fleet.run import BEGUN, ExpectedTenant, Fleet, FleetResult, RunInputs
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.guards import ProtectionRules
from reconciler.core.identity import TenantName
from reconciler.core.outcome import Result
from reconciler.core.plan import Plan
from reconciler.core.planner import Observation, PlanRules, make_plan
from reconciler.core.settings import Limits
from reconciler.core.spec import GrantSpec, PartialLocations

INVOICES = "https://api.example.com/invoices"
OWN = Key("own-client", "https://sandbox.localhost/api/v2/")
TENANT = TenantName("test", "test.example")


def a_key(client_id: str | None = "billing", audience: str = INVOICES, **parts: Any) -> Key:
    return Key(client_id, audience, **parts)


def a_grant(key: Key | None = None, scope: Iterable[str] = ("read:invoices",), **fields: Any) -> ClientGrant:
    return ClientGrant(key or a_key(), frozenset(scope), **fields)


def an_observed(
    grant: ClientGrant | None = None, grant_id: str = "cgr_0000000000000001", **fields: Any
) -> ObservedGrant:
    return ObservedGrant(grant_id, grant or a_grant(), **fields)


def a_spec(line: int = 2, **fields: Any) -> GrantSpec:
    fields.setdefault("scope", ("read:invoices",))
    if not {"client", "client_id", "default_for"} & fields.keys():
        fields["client_id"] = "billing"
    if not {"api", "audience"} & fields.keys():
        fields["audience"] = INVOICES
    positions = {name: (line + index, 5) for index, name in enumerate(fields)}
    item_positions = {
        "scope": tuple((line + 50 + index, 9) for index, _ in enumerate(fields["scope"])),
        "organizations": tuple((line + 80 + index, 9) for index, _ in enumerate(fields.get("organizations") or ())),
    }
    locations = PartialLocations((line, 5), positions, item_positions)
    return GrantSpec(file="grants/a.yaml", locations=locations, **fields)


def spec_of(grant: ClientGrant) -> GrantSpec:
    return a_spec(
        client_id=grant.key.client_id,
        audience=grant.key.audience,
        subject_type=grant.key.subject_type,
        scope=tuple(sorted(grant.scope)),
        organization_usage=grant.organization_usage,
        allow_any_organization=grant.allow_any_organization,
        authorization_details_types=tuple(grant.authorization_details_types),
        allow_all_scopes=grant.allow_all_scopes,
    )


def a_directory(
    applications: dict[str, str] | None = None,
    apis: Iterable[Api] | None = None,
    organizations: dict[str, str] | None = None,
) -> Directory:
    """Build a directory from applications and organizations as id -> name. None means that the list was not read."""
    listed_applications = None if applications is None else tuple(Application(*each) for each in applications.items())
    listed_organizations = (
        None if organizations is None else tuple(Organization(*each) for each in organizations.items())
    )
    return Directory(listed_applications, None if apis is None else tuple(apis), listed_organizations)


def an_api(identifier: str = INVOICES, name: str = "Invoices API", **fields: Any) -> Api:
    fields.setdefault("scopes", frozenset({"read:invoices", "write:invoices"}))
    return Api(identifier, name, **fields)


NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def rules(**fields: Any) -> PlanRules:
    fields.setdefault("now", NOW)
    fields.setdefault("protection", ProtectionRules(OWN))
    fields.setdefault("limits", Limits())
    return PlanRules(**fields)


def a_plan(
    specs: Iterable[GrantSpec],
    observed: Iterable[ObservedGrant] = (),
    directory: Directory | None = None,
    **fields: Any,
) -> Plan:
    """Make a plan.

    The default directory has all applications, as first-party applications without names. Its APIs were not read.
    """
    specs, observed = tuple(specs), tuple(observed)
    observation = Observation(observed, first_parties(specs, observed) if directory is None else directory)
    return make_plan(specs, observation, rules(**fields), TENANT)


def first_parties(specs: Iterable[GrantSpec], observed: Iterable[ObservedGrant] = ()) -> Directory:
    ids = {*(spec.client_id for spec in specs), *(each.key.client_id for each in observed)} - {None}
    return Directory(tuple(Application(str(each), "") for each in sorted(filter(None, ids))))


RUN_INPUTS = RunInputs("7", "c" * 40, "d" * 64, "e" * 64)


def a_result(tenant: str = "t1", exit_code: int | None = 0, command: str = "apply", **fields: Any) -> FleetResult:
    """Build a result of a run. Without an exit code, its run has not ended."""
    values: dict[str, Any] = {
        "inputs": RUN_INPUTS,
        "attempt": 1,
        "wave": None,
        "shard": None,
        "domain": f"{tenant}.eu.auth0.com",
        "is_sandbox": False,
        "started_at": "2026-11-28T03:00:00.000Z",
        "ended_at": None if exit_code is None else "2026-11-28T03:00:01.000Z",
        "status": BEGUN if exit_code is None else str(state_of(command, exit_code)),
    }
    return FleetResult(tenant=tenant, exit_code=exit_code, command=command, **{**values, **fields})


def leave_result(path: Path, result: FleetResult) -> None:
    """Write a result file. If the command succeeded, the file has a plan or outcomes, and counts that agree with them.

    The plan is `result.plan`, by default an empty plan. The number of applied changes is in `result.counts`.
    """
    if result.status == TenantState.PLANNED:
        plan = result.plan or Plan(tenant=result.title)
        write_result(path, replace(result, plan_id=plan_id(plan), counts=plan_counts(plan)), plan_json(plan))
    elif result.status == TenantState.APPLIED:
        applied = result.counts.get("applied", 0)
        none = dict.fromkeys(map(str, Result), 0)
        result = replace(result, plan_id="a" * 64, counts={"create": applied, **none, **result.counts})
        write_result(path, result, run_output(result, applied))
    else:
        write_result(path, result, None)


def run_output(result: FleetResult, applied: int) -> dict[str, object]:
    """Return the output of an `apply` that created grants and left no difference."""
    outcomes = [{"action": "create", "key": key_json(a_key()), "outcome": "applied", "detail": ""}] * applied
    return {
        "tenant": result.tenant,
        "sandbox": result.is_sandbox,
        "summary": {**dict.fromkeys(map(str, Result), 0), "applied": applied, "converged": True},
        "blocked": [],
        "differences": [],
        "outcomes": outcomes,
    }


def a_fleet(*tenants: str, waves: Mapping[str, Iterable[str]] | None = None, **fields: Any) -> Fleet:
    """Build a fleet run that expects tenants without a wave, and the tenants of `waves`."""
    wave_of = {name: wave for wave, names in (waves or {}).items() for name in names}
    names = sorted({*tenants, *wave_of})
    expected = tuple(ExpectedTenant(name, f"{name}.eu.auth0.com", wave_of.get(name)) for name in names)
    return Fleet(RUN_INPUTS, expected, waves=tuple(waves or ()), **fields)
