"""A response of a hosting service with any unexpected value ends with a ForgeError, or has no effect."""

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from support.forges import (
    NUMBER,
    Azure,
    Bitbucket,
    Fault,
    Forge,
    ForgeResponse,
    GitHub,
    GitLab,
    Request,
    job_at,
    serve_forge,
)

from reconciler.forge.http import ForgeError
from reconciler.forge.job import Job
from reconciler.forge.report import ForgeReport, publish
from reconciler.forge.responses import flag_at, number_at, object_at, objects_at, optional_text_at, text_at
from reconciler.forge.services import merged_request, open_comments, open_issues, tip_of

MARKER = "<!-- reconciler:prod -->"
REPORT = ForgeReport("plan.md", MARKER, f"{MARKER}\n## Plan: 1 to create\n")
COMMIT = "a" * 40
UNEXPECTED: list[Any] = [None, True, 1.5, -1, "x", {}, [], {"x": None}, [None], [[]], [{}]]
MAX_REQUESTS = 3


def paths_in(data: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in JSON data."""
    yield path
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield from paths_in(data[key], (*path, key))  # type: ignore[index]


def replaced(data: object, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    changed: Any = copy.deepcopy(data)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return changed


def publish_comment(job: Job) -> None:
    with open_comments(job) as comments:
        publish(comments, REPORT)


def publish_issue(job: Job) -> None:
    with open_issues(job, "Drift") as issues:
        publish(issues, REPORT)


def find_merged(job: Job) -> None:
    merged_request(job, COMMIT)


def find_tip(job: Job) -> None:
    tip_of(job, "main")


def prepare(forge: Forge) -> None:
    forge.merged = {COMMIT: NUMBER}
    forge.branches = {"main": COMMIT}
    forge.comments = [forge.new_entry(f"{MARKER}\nold")]
    forge.issues = [forge.new_entry(f"{MARKER}\nold")]


def run_with(forge: Forge, action: Callable[[Job], None], faults: list[Fault]) -> None:
    """Run an action with faults. The action may succeed, or fail with a ForgeError, and nothing else."""
    prepare(forge)
    forge.faults = faults
    with suppress(ForgeError):
        action(job_at(forge))


def normally(_: Request, respond: Callable[[], ForgeResponse]) -> ForgeResponse | None:
    return respond()


def respond_with(body: object) -> Fault:
    return lambda _, __: ForgeResponse(200, body)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "action"),
    [
        *((kind, action) for kind in (GitHub, GitLab) for action in (publish_comment, publish_issue, find_merged)),
        *((kind, action) for kind in (Azure, Bitbucket) for action in (publish_comment, find_merged)),
        *((kind, find_tip) for kind in (GitHub, GitLab, Azure, Bitbucket)),
    ],
)
def test_an_unexpected_value_is_an_error(kind: type[Forge], action: Callable[[Job], None]) -> None:
    forge = kind()
    bodies: list[object] = []

    def record(_: Request, respond: Callable[[], ForgeResponse]) -> ForgeResponse | None:
        response = respond()
        bodies.append(response.body)
        return response

    with serve_forge(forge):
        run_with(forge, action, [record] * MAX_REQUESTS)
        assert bodies
        for number, body in enumerate(bodies):
            for path in paths_in(body):
                for value in UNEXPECTED:
                    changed = replaced(body, path, value)
                    run_with(forge, action, [*[normally] * number, respond_with(changed)])


@pytest.mark.parametrize("read", [object_at, text_at, flag_at, objects_at, number_at, optional_text_at])
def test_a_wrong_type_names_the_service_and_the_path(read: Callable[..., object]) -> None:
    with pytest.raises(ForgeError, match=r"^the response of GitLab has no valid author\.id: it must be "):
        read({"author": {"id": 1.5}}, "GitLab", "author", "id")


def test_values_with_the_expected_type_are_returned() -> None:
    data = {"a": {"b": "text", "n": 3, "f": True, "l": [{"x": 1}]}}

    assert object_at(data, "GitHub", "a") == data["a"]
    assert text_at(data, "GitHub", "a", "b") == "text"
    assert optional_text_at(data, "GitHub", "a", "missing") == ""
    assert number_at(data, "GitHub", "a", "n") == 3
    assert flag_at(data, "GitHub", "a", "f") is True
    assert flag_at(data, "GitHub", "a", "missing") is False
    assert objects_at(data, "GitHub", "a", "l") == [{"x": 1}]
