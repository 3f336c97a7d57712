import copy
from typing import Any

import pytest

from reconciler.contract import stored
from reconciler.contract.compare import api_differences, body_differences
from reconciler.contract.openapi import create_request
from reconciler.errors import ReconcilerError

DOCUMENT: dict[str, Any] = stored.load(stored.OPENAPI)
LIST, GRANT = "/client-grants", "/client-grants/{id}"


def changed_document(*steps: str, **values: Any) -> dict[str, Any]:
    """Return the stored document with other values at a path of keys. None removes a key."""
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
    return changed_document("paths", **{path: {method: {"responses": {}} for method in methods}})


def test_equal_documents_have_no_differences() -> None:
    assert api_differences(DOCUMENT, copy.deepcopy(DOCUMENT)) == ()


UPDATE = ("components", "schemas", "UpdateClientGrantRequest", "properties")
RESPONSE = ("components", "schemas", "ClientGrant", "properties")
IN_RESPONSES = ("GET /client-grants", "GET /client-grants/{id}", "PATCH /client-grants/{id}", "POST /client-grants")


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        pytest.param(
            changed_document(*UPDATE, expires_at={"type": "string"}),
            ["PATCH /client-grants/{id}, body, expires_at: new"],
            id="new field of the update",
        ),
        pytest.param(
            changed_document("paths", GRANT, "patch", requestBody=None),
            ["PATCH /client-grants/{id}, body: missing"],
            id="missing body",
        ),
        pytest.param(
            changed_document(*RESPONSE, created_at={"type": "string"}),
            [f"{each}, response, created_at: new" for each in IN_RESPONSES],
            id="new attribute of responses",
        ),
        pytest.param(
            changed_document("components", "schemas", "SubjectTypeAnswered", enum=["client", "user", "agent"]),
            [f"{each}, response, subject_type, values: new agent" for each in IN_RESPONSES],
            id="new value in responses",
        ),
        pytest.param(
            changed_document(*RESPONSE, is_system={"type": "string"}),
            [f"{each}, response, is_system, type: string instead of boolean" for each in IN_RESPONSES],
            id="changed type in responses",
        ),
        pytest.param(
            with_parameter(name="organization_id"),
            ["GET /client-grants, query, organization_id: new"],
            id="new query parameter",
        ),
        pytest.param(
            changed_document("paths", LIST, "get", "parameters", "9", "schema", enum=["third_party_clients", "agents"]),
            ["GET /client-grants, query, default_for, values: new agents"],
            id="new value of a query parameter",
        ),
        pytest.param(
            with_path("/client-grants/{grant}/history", "get", "post"),
            ["GET /client-grants/{id}/history: new", "POST /client-grants/{id}/history: new"],
            id="new endpoints",
        ),
        pytest.param(
            with_path("/organizations/{org}/client-grants/search", "get"),
            ["GET /organizations/{id}/client-grants/search: new"],
            id="new endpoint of an organization",
        ),
        pytest.param(
            changed_document("paths", GRANT, patch=None), ["PATCH /client-grants/{id}: missing"], id="missing endpoint"
        ),
        pytest.param(with_path("/users", "get"), [], id="endpoint of another resource"),
    ],
)
def test_each_difference_is_a_line(document: dict[str, Any], lines: list[str]) -> None:
    assert list(api_differences(document, DOCUMENT)) == lines


def test_path_prefixes_and_names_of_path_parameters_are_ignored() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["paths"] = {
        f"/api/v2{path}".replace("{id}", "{identity}"): item for path, item in document["paths"].items()
    }
    assert api_differences(document, DOCUMENT) == ()


@pytest.mark.parametrize("part", [7, None, [], "x", [7]])
@pytest.mark.parametrize("place", ["parameters", "responses", "requestBody"])
def test_a_part_with_the_wrong_type_is_treated_as_missing(place: str, part: object) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["paths"][LIST]["post"][place] = part
    found = api_differences(document, DOCUMENT)
    assert all(line.startswith("POST /client-grants, ") for line in found)
    assert bool(found) is (place != "parameters")


@pytest.mark.parametrize("properties", [7, None, [], "x", [7]])
def test_properties_that_are_not_an_object_are_an_error(properties: object) -> None:
    document = copy.deepcopy(DOCUMENT)
    content = {"application/json": {"schema": {"properties": properties}}}
    document["paths"][GRANT]["patch"]["requestBody"] = {"content": content}
    with pytest.raises(ReconcilerError, match='"properties" in the OpenAPI document is not an object'):
        api_differences(document, DOCUMENT)


REQUEST = create_request(stored.load(stored.OPENAPI))


def a_request(**changed: dict[str, Any] | None) -> dict[str, Any]:
    request = copy.deepcopy(REQUEST)
    for name, keywords in changed.items():
        if keywords is None:
            del request["properties"][name]
        else:
            request["properties"].setdefault(name, {}).update(keywords)
    return request


def test_equal_requests_have_no_differences() -> None:
    assert body_differences(REQUEST, REQUEST) == ()


def test_annotations_and_the_order_of_enums_are_ignored() -> None:
    request = a_request(
        scope={"title": "S", "description": "d", "examples": [[]], "deprecated": True},
        organization_usage={"enum": ["require", "deny", "allow"]},
    )
    assert body_differences(request, REQUEST) == ()


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        pytest.param(a_request(expires={"type": "integer"}), ("expires: new",), id="new field"),
        pytest.param(a_request(default_for=None), ("default_for: missing",), id="missing field"),
        pytest.param(
            a_request(scope={"items": {"type": "string", "minLength": 1, "maxLength": 300}}),
            ("scope, items.maxLength: 300 instead of 280",),
            id="nested limit",
        ),
        pytest.param(
            a_request(subject_type={"enum": ["client", "user"]}),
            ('subject_type, enum: ["client", "user"] instead of ["anonymous_user", "client", "user"]',),
            id="choice",
        ),
        pytest.param(
            a_request(allow_any_organization={"default": True, "type": ["null", "boolean"]}),
            (
                "allow_any_organization, default: true instead of false",
                'allow_any_organization, type: ["boolean", "null"] instead of "boolean"',
            ),
            id="default and type",
        ),
        pytest.param(
            {**a_request(), "required": ["client_id", "audience"]},
            ("client_id, required: true instead of false",),
            id="required",
        ),
        pytest.param(
            {**a_request(), "additionalProperties": True, "minProperties": 1},
            ("(body), additionalProperties: true instead of false", "(body), minProperties: 1 instead of none"),
            id="body",
        ),
    ],
)
def test_each_difference_of_a_body_is_a_line(found: dict[str, Any], lines: tuple[str, ...]) -> None:
    assert body_differences(found, REQUEST) == lines
