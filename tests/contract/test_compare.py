import copy
from typing import Any

import pytest

from reconciler.contract import stored
from reconciler.contract.derive import differences
from reconciler.contract.openapi import create_request

OURS = create_request(stored.load(stored.OPENAPI))


def theirs(**changed: dict[str, Any] | None) -> dict[str, Any]:
    request = copy.deepcopy(OURS)
    for name, keywords in changed.items():
        if keywords is None:
            del request["properties"][name]
        else:
            request["properties"].setdefault(name, {}).update(keywords)
    return request


def test_equal_requests_have_no_differences() -> None:
    assert differences(OURS, OURS) == ()


def test_annotations_and_the_order_of_enums_are_ignored() -> None:
    request = theirs(
        scope={"title": "S", "description": "d", "examples": [[]], "deprecated": True},
        organization_usage={"enum": ["require", "deny", "allow"]},
    )
    assert differences(request, OURS) == ()


@pytest.mark.parametrize(
    ("request_of_theirs", "lines"),
    [
        pytest.param(theirs(expires={"type": "integer"}), ("expires: only theirs",), id="new field"),
        pytest.param(theirs(default_for=None), ("default_for: only ours",), id="missing field"),
        pytest.param(
            theirs(scope={"items": {"type": "string", "minLength": 1, "maxLength": 300}}),
            ("scope, items.maxLength: theirs 300, ours 280",),
            id="nested limit",
        ),
        pytest.param(
            theirs(subject_type={"enum": ["client", "user"]}),
            ('subject_type, enum: theirs ["client", "user"], ours ["anonymous_user", "client", "user"]',),
            id="choice",
        ),
        pytest.param(
            theirs(allow_any_organization={"default": True, "type": ["null", "boolean"]}),
            (
                "allow_any_organization, default: theirs true, ours false",
                'allow_any_organization, type: theirs ["boolean", "null"], ours "boolean"',
            ),
            id="default and type",
        ),
        pytest.param(
            {**theirs(), "required": ["client_id", "audience"]},
            ("client_id, required: theirs true, ours false",),
            id="required",
        ),
        pytest.param(
            {**theirs(), "additionalProperties": True, "minProperties": 1},
            ("(body), additionalProperties: theirs true, ours false", "(body), minProperties: theirs 1, ours none"),
            id="body",
        ),
    ],
)
def test_each_difference_is_a_line(request_of_theirs: dict[str, Any], lines: tuple[str, ...]) -> None:
    assert differences(request_of_theirs, OURS) == lines
