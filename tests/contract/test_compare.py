import copy
from typing import Any

import pytest

from reconciler.contract import stored
from reconciler.contract.compare import api_differences
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


DOCUMENT: dict[str, Any] = stored.load(stored.OPENAPI)
LIST, GRANT = "/client-grants", "/client-grants/{id}"


def changed(*steps: str, **values: Any) -> dict[str, Any]:
    """Return our document with other values at a path of keys. None removes a key."""
    document = copy.deepcopy(DOCUMENT)
    part: Any = document
    for step in steps:
        part = part[int(step) if isinstance(part, list) else step]
    for name, value in values.items():
        if value is None:
            del part[name]
        else:
            part[name] = value
    return document


def with_parameter(**parameter: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["paths"][LIST]["get"]["parameters"].append({"in": "query", "schema": {"type": "string"}} | parameter)
    return document


def with_path(path: str, *methods: str) -> dict[str, Any]:
    return changed("paths", **{path: {method: {"responses": {}} for method in methods}})


def test_our_document_equals_itself() -> None:
    assert api_differences(DOCUMENT, copy.deepcopy(DOCUMENT)) == ()


UPDATE = ("components", "schemas", "UpdateClientGrantRequest", "properties")
ANSWER = ("components", "schemas", "ClientGrant", "properties")
IN_RESPONSES = ("GET /client-grants", "GET /client-grants/{id}", "PATCH /client-grants/{id}", "POST /client-grants")


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        pytest.param(
            changed(*UPDATE, expires_at={"type": "string"}),
            ["PATCH /client-grants/{id}, body, expires_at: only theirs"],
            id="new field of the update",
        ),
        pytest.param(
            changed("paths", GRANT, "patch", requestBody=None),
            ["PATCH /client-grants/{id}, body: only ours"],
            id="no body",
        ),
        pytest.param(
            changed(*ANSWER, created_at={"type": "string"}),
            [f"{each}, response, created_at: only theirs" for each in IN_RESPONSES],
            id="new attribute of responses",
        ),
        pytest.param(
            changed("components", "schemas", "SubjectTypeAnswered", enum=["client", "user", "agent"]),
            [f"{each}, response, subject_type, values: only theirs agent" for each in IN_RESPONSES],
            id="new value in responses",
        ),
        pytest.param(
            changed(*ANSWER, is_system={"type": "string"}),
            [f"{each}, response, is_system, type: theirs string, ours boolean" for each in IN_RESPONSES],
            id="other type in responses",
        ),
        pytest.param(
            with_parameter(name="organization_id"),
            ["GET /client-grants, query, organization_id: only theirs"],
            id="new query parameter",
        ),
        pytest.param(
            changed("paths", LIST, "get", "parameters", "9", "schema", enum=["third_party_clients", "agents"]),
            ["GET /client-grants, query, default_for, values: only theirs agents"],
            id="new value of a query parameter",
        ),
        pytest.param(
            with_path("/client-grants/{grant}/history", "get", "post"),
            ["GET /client-grants/{id}/history: only theirs", "POST /client-grants/{id}/history: only theirs"],
            id="new endpoints",
        ),
        pytest.param(
            with_path("/organizations/{org}/client-grants/search", "get"),
            ["GET /organizations/{id}/client-grants/search: only theirs"],
            id="new endpoint of an organization",
        ),
        pytest.param(
            changed("paths", GRANT, patch=None), ["PATCH /client-grants/{id}: only ours"], id="missing endpoint"
        ),
        pytest.param(with_path("/users", "get"), [], id="another resource"),
    ],
)
def test_every_difference_of_the_api_is_named(document: dict[str, Any], lines: list[str]) -> None:
    assert list(api_differences(document, DOCUMENT)) == lines


def test_a_prefix_and_the_names_of_path_parameters_do_not_count() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["paths"] = {
        f"/api/v2{path}".replace("{id}", "{identity}"): item for path, item in document["paths"].items()
    }
    assert api_differences(document, DOCUMENT) == ()


@pytest.mark.parametrize("part", [7, None, [], "x", [7]])
@pytest.mark.parametrize("place", ["parameters", "responses", "requestBody"])
def test_a_part_of_the_wrong_type_counts_as_missing(place: str, part: object) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["paths"][LIST]["post"][place] = part
    found = api_differences(document, DOCUMENT)
    assert all(line.startswith("POST /client-grants, ") for line in found)
    assert bool(found) is (place != "parameters")
