"""Reduce the output in a result file, so that the file does not exceed the maximum size.

A pull request can make a plan very large, for example with one long description for hundreds of applications. A reduced
output still contains the most dangerous changes and the changes of reconciler.yaml.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.artifacts.deserialization import plan_from_json
from reconciler.artifacts.serialization import Json, plan_json
from reconciler.core.characters import pluralize, shorten
from reconciler.core.fleet.run import PLAN
from reconciler.core.outcome import Result
from reconciler.core.problems import Level

MAX_DESCRIPTION_LENGTH = 250
"""The maximum length of a description in a reduced plan.

A comment shows up to 300 characters of a text. The limit leaves room for the remark that a text was shortened."""
LISTS_OF_PLAN = ("changes", "no_longer_declared", "expiry_changes", "unmanaged")
LISTS_OF_RUN = ("outcomes", "blocked", "differences")


def reduced_outputs(command: str, output: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Yield smaller and smaller versions of an output, with the number of omitted grants.

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
