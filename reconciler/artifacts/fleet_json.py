"""Convert fleet runs and results to JSON data and back.

The JSON Schemas of the data are schemas/fleet.schema.json and schemas/fleet-result.schema.json.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.artifacts.serialization import FORMAT_VERSION, Json
from reconciler.core.characters import shorten, visible
from reconciler.core.fleet.run import ExpectedTenant, Fleet, FleetResult, RunInputs

MAX_ERRORS, MAX_ERROR_LENGTH = 100, 1900
"""The maximum number of error lines in a result, and the maximum length of an error line."""


def fleet_json(fleet: Fleet) -> Json:
    """Return a fleet run as JSON data that matches schemas/fleet.schema.json."""
    return {
        "format_version": FORMAT_VERSION,
        **_inputs_json(fleet.inputs),
        "base": fleet.base,
        "waves": list(fleet.waves),
        "stop_after": fleet.stop_after,
        "shards": fleet.shards,
        "notes": list(fleet.notes),
        "tenants": [
            {
                "name": each.name,
                "domain": each.domain,
                "sandbox": each.is_sandbox,
                "wave": each.wave,
                "shard": each.shard,
                "reasons": list(each.reasons),
            }
            for each in fleet.tenants
        ],
    }


def fleet_from_json(data: Mapping[str, Any]) -> Fleet:
    """Convert JSON data to a Fleet object. The data must match schemas/fleet.schema.json."""
    return Fleet(
        _inputs_from(data),
        tuple(
            ExpectedTenant(
                each["name"], each["domain"], each["wave"], each["shard"], tuple(each["reasons"]), each["sandbox"]
            )
            for each in data["tenants"]
        ),
        waves=tuple(data["waves"]),
        stop_after=data["stop_after"],
        base=data["base"],
        shards=data["shards"],
        notes=tuple(data["notes"]),
    )


def result_json(result: FleetResult) -> Json:
    """Return a result as JSON data that matches schemas/fleet-result.schema.json, without the field `output`."""
    return {
        "format_version": FORMAT_VERSION,
        **_inputs_json(result.inputs),
        "attempt": result.attempt,
        "wave": result.wave,
        "shard": result.shard,
        "tenant": result.tenant,
        "domain": result.domain,
        "sandbox": result.is_sandbox,
        "command": result.command,
        "started_at": result.started_at,
        "ended_at": result.ended_at,
        "status": str(result.status),
        "exit_code": result.exit_code,
        "plan_id": result.plan_id,
        "counts": dict(result.counts),
        "errors": _limit_errors(result.errors),
        **({"omitted": result.omitted} if result.omitted else {}),
    }


def result_from_json(data: Mapping[str, Any]) -> FleetResult:
    """Convert JSON data to the result of a tenant. The data must match schemas/fleet-result.schema.json."""
    names = ("attempt", "wave", "shard", "tenant", "domain", "command", "started_at", "ended_at", "status")
    return FleetResult(
        inputs=_inputs_from(data),
        **{name: data[name] for name in (*names, "exit_code", "plan_id", "counts")},
        is_sandbox=data["sandbox"],
        errors=tuple(data["errors"]),
        omitted=data.get("omitted", 0),
    )


def timestamp(moment: datetime) -> str:
    """Format a time in UTC as text. The alphabetical order of formatted times is the chronological order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _inputs_json(inputs: RunInputs) -> Json:
    return {
        "run": inputs.run,
        "commit": inputs.commit,
        "digests": {"configuration": inputs.configuration, "grants": inputs.grants},
    }


def _inputs_from(data: Mapping[str, Any]) -> RunInputs:
    return RunInputs(data["run"], data["commit"], data["digests"]["configuration"], data["digests"]["grants"])


def _limit_errors(errors: Sequence[str]) -> list[str]:
    more = len(errors) - MAX_ERRORS
    lines = [shorten(visible(each), MAX_ERROR_LENGTH) for each in errors[:MAX_ERRORS]]
    return [*lines, *([f"and {more} more"] if more > 0 else [])]
