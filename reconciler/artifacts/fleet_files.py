"""Write and read the files of a fleet run: fleet.json, and one result file per tenant.

A result may come from the job of an untrusted pull request, so reconciler checks every result file. A result file must
be a small regular file with strict JSON that matches the schema. Symbolic links to result files are not followed. If
two fields of a result file contradict each other, `fleet collect` does not use the result, and the state of the tenant
is unknown.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from reconciler.artifacts.atomic_files import OWNER_ONLY, write_output
from reconciler.artifacts.deserialization import plan_from_json
from reconciler.artifacts.fleet_json import fleet_from_json, result_from_json, result_json
from reconciler.artifacts.grant_json import json_text
from reconciler.artifacts.saved_plan import parse_untrusted_json
from reconciler.artifacts.serialization import ACTIONS, DIFFERENCES, Json, plan_counts, plan_id, plan_json
from reconciler.contract import stored
from reconciler.core.characters import pluralize, shorten
from reconciler.core.fleet.report import ResultFile
from reconciler.core.fleet.rollout import PLAN, TenantState, exit_code_of_plan, state_of
from reconciler.core.fleet.run import BEGUN, Fleet, FleetResult
from reconciler.core.outcome import Result
from reconciler.core.plan import Plan
from reconciler.core.problems import Level, Problem
from reconciler.errors import Exit, ReconcilerError, reason
from reconciler.files.discover import name_of, read
from reconciler.files.validity import validity_check

MAX_FLEET_BYTES = 50_000_000
MAX_RESULT_BYTES = 20_000_000
MAX_FILES = 50_000
"""The maximum total number of files and folders in the result folders."""
MAX_LEVELS = 4
"""The maximum depth of nested result folders. A download of CI artifacts contains one folder per artifact."""
SUFFIX = ".json"
CREATE_FLEET = "create the file with `reconciler fleet list --format json`"
MAX_DESCRIPTION_LENGTH = 250
"""The maximum length of a description in a reduced plan.

A comment shows up to 300 characters of a text. The limit leaves room for the remark that a text was shortened."""
LISTS_OF_PLAN = ("changes", "no_longer_declared", "expiry_changes", "unmanaged")
LISTS_OF_RUN = ("outcomes", "blocked", "differences")
INTERRUPTIONS = frozenset({Exit.INTERRUPTED, Exit.TERMINATED})
FIELDS = ("ended_at", "exit_code", "output", "errors")
REQUIREMENTS: Mapping[str, tuple[bool | None, ...]] = {
    BEGUN: (False, False, False, False),
    TenantState.NOT_STARTED: (True, False, False, None),
    TenantState.PLANNED: (True, True, True, False),
    TenantState.APPLIED: (True, True, True, False),
    TenantState.REFUSED: (True, True, None, None),
    TenantState.FAILED: (True, True, False, None),
    TenantState.PARTIAL: (True, True, None, None),
}
"""Maps each status to the fields in FIELDS that the status requires (True), forbids (False) or allows (None)."""


def read_fleet(path: Path) -> Fleet:
    """Read a file that lists the tenants of a fleet run (a run of many tenants in several CI jobs).

    Raises ReconcilerError.
    """
    data = _read_json(path, MAX_FLEET_BYTES, stored.FLEET)
    if isinstance(data, str):
        raise ReconcilerError(f"{name_of(path)} {data}; {CREATE_FLEET}")
    fleet = fleet_from_json(data)
    if len({each.name for each in fleet.tenants}) < len(fleet.tenants):
        raise ReconcilerError(f"{name_of(path)} contains a tenant twice; {CREATE_FLEET}")
    return fleet


def result_file(folder: Path, tenant: str) -> Path:
    """Return the path of a tenant's result file.

    If a character of the tenant name is not safe in file names, the file name contains the character as %XX.
    """
    name = quote(tenant, safe="")
    return folder / f"{f'%2E{name[1:]}' if name.startswith('.') else name}{SUFFIX}"


def write_result(path: Path, result: FleetResult, output: Mapping[str, object] | None) -> None:
    """Write the result file of a tenant, completely or not at all. Only the owner of the result file may read the file.

    `output` is the JSON output of the command. If the result file would be too large for `read_results`, the result
    file contains a reduced output, and the number of omitted grants.

    Raises:
        ReconcilerError: if the result file cannot be written.
    """
    text = _result_text(result, output)
    try:
        write_output(path, text.encode(), OWNER_ONLY)
    except OSError as error:
        raise ReconcilerError(f"the result {name_of(path)} cannot be written: {reason(error)}") from error


def _result_text(result: FleetResult, output: Mapping[str, object] | None) -> str:
    """Return the text of a result file with `output`, or with the largest reduced output that fits into the file.

    If no reduced output fits, the result file contains no output, so `fleet collect` reports the state unknown.
    """
    outputs = [] if output is None else chain([(output, 0)], reduced_outputs(result.command, output))
    for each, omitted in outputs:
        content = {**result_json(replace(result, omitted=omitted)), "output": each}
        if (
            len(json.dumps(content)) > MAX_RESULT_BYTES
        ):  # compact JSON is a lower bound, and ten times faster to create than indented JSON
            continue
        text = json_text(content)
        if len(text) <= MAX_RESULT_BYTES:  # the text is ASCII: one byte for each character
            return text
    return json_text({**result_json(result), "output": None})


def reduced_outputs(command: str, output: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Yield smaller and smaller versions of an output, with the number of omitted grants.

    A pull request can make a plan very large, for example with one long description for hundreds of applications.
    The first version omits no grant, but has shortened descriptions. Each further version contains half of the grants
    of the previous version. The last version contains no grants. Grants with dangerous risks are omitted last.
    """
    if command == PLAN:
        changes = [_with_short_description(change) for change in output["changes"]]
        output = {**output, "changes": changes}
    yield output, 0
    lists = [name for name in (LISTS_OF_PLAN if command == PLAN else LISTS_OF_RUN) if name in output]
    ranked = sorted(
        ((name, index) for name in lists for index in range(len(output[name]))),
        key=lambda each: _importance(each[0], output[each[0]][each[1]]),
    )
    count = len(ranked)
    while count:
        count //= 2
        kept, omitted = set(ranked[:count]), len(ranked) - count
        parts = {name: [each for index, each in enumerate(output[name]) if (name, index) in kept] for name in lists}
        yield _consistent_plan({**output, **parts}, omitted) if command == PLAN else {**output, **parts}, omitted


def _with_short_description(change: Mapping[str, Any]) -> Mapping[str, Any]:
    description = change["description"]
    return {**change, "description": description and shorten(description, MAX_DESCRIPTION_LENGTH)}


def _importance(name: str, entry: Mapping[str, Any]) -> tuple[int, bool, int, int]:
    """Return the sort key of an entry in the list `name`. Entries with the worst risks come first.

    Blocked changes and failed changes come before other changes. Of equally important entries, the smaller entry comes
    first, so that large entries do not displace other entries.
    """
    level = min((Level(risk["level"]).order for risk in entry.get("risks", ())), default=len(Level))
    is_ordinary = not entry.get("blocked") and entry.get("outcome") in {None, Result.APPLIED}
    return level, is_ordinary, (LISTS_OF_PLAN + LISTS_OF_RUN).index(name), len(json.dumps(entry))


def _consistent_plan(output: Mapping[str, Any], omitted: int) -> Json:
    """Return the JSON data of a plan whose totals and ids agree with the remaining grants.

    A note in the plan says how many grants were omitted.
    """
    plan = plan_from_json(output)
    note = (
        f"this plan does not show or count {pluralize(omitted, 'grant')}, because the whole plan is too large for a "
        "result file; read the log of the job"
    )
    return plan_json(replace(plan, notes=(note, *plan.notes)))


def read_results(folders: Iterable[Path], fleet_file: Path) -> Iterator[ResultFile]:
    """Yield every JSON file in the folders and their subfolders once, except `fleet_file`.

    Raises:
        ReconcilerError: if a folder cannot be read, or if the folders contain too many files.
    """
    seen = {os.path.realpath(fleet_file)}
    for count, path in enumerate((path for folder in folders for path in _json_files(folder, 1)), start=1):
        if count > MAX_FILES:
            raise ReconcilerError(f"the result folders have more than {MAX_FILES:,} files; use fewer folders")
        place = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - the file itself may be a symbolic link
        if place not in seen:
            seen.add(place)
            yield ResultFile(name_of(path), unquote(path.name.removesuffix(SUFFIX)), _read_result(path))


def _json_files(folder: Path, level: int) -> Iterator[Path]:
    """Yield the JSON files and the symbolic links in a folder and its subfolders.

    Do not follow symbolic links to folders.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise ReconcilerError(f"the result folder {name_of(folder)} cannot be read: {reason(error)}") from error
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            if level >= MAX_LEVELS:
                raise ReconcilerError(f"the result folder {name_of(path)} is more than {MAX_LEVELS} levels deep")
            yield from _json_files(path, level + 1)
        elif entry.name.endswith(SUFFIX):
            yield path


def _read_result(path: Path) -> FleetResult | str:
    """Return the result that a file contains, or the reason why the file cannot be used."""
    if path.is_symlink():
        return "is a link, and links are not followed"
    data = _read_json(path, MAX_RESULT_BYTES, stored.FLEET_RESULT)
    if isinstance(data, str):
        return data
    return check_result(result_from_json(data), data["output"])


def _read_json(path: Path, max_bytes: int, schema: str) -> Any:  # noqa: ANN401 - JSON that the schema has checked
    """Return the content of a JSON file that matches a schema, or the reason why the file is not usable."""
    data = read(path, max_bytes)
    if isinstance(data, Problem):
        return f"cannot be used: {data.what}"
    try:
        content = parse_untrusted_json(data)
    except (ValueError, RecursionError):
        return "is not valid JSON"
    return content if validity_check(stored.load(schema))(content) else f"does not match {schema}"


def check_result(result: FleetResult, output: Mapping[str, Any] | None) -> FleetResult | str:
    """Add the plan in `output` to `result`.

    If two fields of the result file contradict each other, return a phrase for the error message instead.
    """
    problem = _contradiction(result, output)
    if problem or output is None:
        return problem or result
    if result.command == PLAN:
        return _with_plan(result, output)
    return _contradiction_of_run(result, output) or result


def _contradiction(result: FleetResult, output: Mapping[str, Any] | None) -> str | None:
    """Return the contradiction between the status and the other fields, or None."""
    if output is None and (result.counts or result.plan_id or result.omitted):
        return "has counts or a plan id but no output (the output may have been too large); read the log of the job"
    present = (result.ended_at is not None, result.exit_code is not None, output is not None, bool(result.errors))
    for name, is_present, is_required in zip(FIELDS, present, REQUIREMENTS[result.status], strict=True):
        if is_required is not None and is_present != is_required:
            return f'has the status "{result.status}", but the field "{name}" is {"not " if is_present else ""}empty'
    if result.exit_code is not None and result.status != state_of(result.command, result.exit_code):
        return "has a status that contradicts the exit code"
    if result.ended_at is not None and result.ended_at < result.started_at:
        return "has an end that is earlier than the start"
    return None


def _with_plan(result: FleetResult, output: Mapping[str, Any]) -> FleetResult | str:
    """Add the plan in `output` to `result`.

    If the plan contradicts other fields of the result file, return a phrase for the error message instead.
    """
    if not validity_check(stored.load(stored.PLAN))(output):
        return f"has an output that does not match {stored.PLAN}"
    plan = plan_from_json(output)
    if plan_json(plan) != output or plan.tenant != result.title or not _has_counts_of(result, plan):
        return 'has a plan in the field "output" that contradicts the other fields'
    if result.exit_code not in _exit_codes_of(plan, result.counts):
        return "has an exit code that contradicts the plan"
    return replace(result, plan=plan)


def _has_counts_of(result: FleetResult, plan: Plan) -> bool:
    """Return whether the counts and the plan id of a result agree with its plan.

    If the result omits grants, the counts may exceed the numbers in the plan, but not by more grants than omitted.
    """
    counts = plan_counts(plan)
    if not result.omitted:
        return result.counts == counts and result.plan_id == plan_id(plan)
    if result.plan_id is None or result.counts.keys() != counts.keys():
        return False
    missing = {name: result.counts[name] - count for name, count in counts.items()}
    return min(missing.values()) >= 0 and sum(missing[name] for name in DIFFERENCES) <= result.omitted


def _exit_codes_of(plan: Plan, counts: Mapping[str, int]) -> set[Exit]:
    """Return the exit codes of `plan` with and without --detailed-exitcode. `counts` describes the whole plan."""
    is_incomplete = not plan.is_complete or plan.selection is not None
    return {
        exit_code_of_plan(
            is_blocked=bool(counts["blocked"]), is_incomplete=is_incomplete, has_differences=has_differences
        )
        for has_differences in (False, any(counts[name] for name in DIFFERENCES))
    }


def _contradiction_of_run(result: FleetResult, output: Mapping[str, Any]) -> str | None:
    """Return the contradiction between the output of `apply` and the other fields of the result file, or None."""
    if not validity_check(stored.load(stored.OUTCOME))(output) or "summary" not in output:
        return f"has an output that does not match {stored.OUTCOME}"
    results = {name: output["summary"][name] for name in map(str, Result)}
    changes = sum(result.counts.get(action, 0) for action in ACTIONS)
    blocked = result.counts.get("blocked", 0)
    listed = Counter([*(each["outcome"] for each in output["outcomes"]), *("blocked" for _ in output["blocked"])])
    is_agreed = (
        (output["tenant"], output["sandbox"]) == (result.tenant, result.is_sandbox)
        and result.plan_id is not None
        and results == {name: result.counts.get(name) for name in results}
        and sum(results.values()) == (0 if blocked else changes)
        and listed <= Counter({**results, "blocked": blocked})
        and sum(results.values()) + blocked - listed.total() <= result.omitted
        and not (output["summary"]["converged"] and (blocked or output["differences"]))
    )
    if not is_agreed:
        return 'has outcomes in the field "output" that contradict the other fields'
    is_done = output["summary"]["converged"] and results[Result.APPLIED] == changes
    if result.exit_code not in _exit_codes_of_run(result, is_blocked=bool(blocked), is_done=is_done):
        return "has an exit code that contradicts the outcomes"
    return None


def _exit_codes_of_run(result: FleetResult, *, is_blocked: bool, is_done: bool) -> frozenset[Exit]:
    """Return the possible exit codes of `apply`.

    The exit code of a run that is done is INCOMPLETE only if the result file contains an error.
    """
    if is_blocked:
        return frozenset({Exit.REFUSED})
    if is_done and not result.errors:
        return INTERRUPTIONS | {Exit.DONE}
    return INTERRUPTIONS | {Exit.INCOMPLETE}
