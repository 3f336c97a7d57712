from typing import Any

import pytest

from reconciler.contract import stored
from reconciler.contract.openapi import create_request
from reconciler.errors import ReconcilerError

BODY: dict[str, Any] = {"type": "object", "properties": {"audience": {"type": "string"}}}


def an_openapi(schema: object = BODY, *, path: str = "/client-grants", **parts: Any) -> dict[str, Any]:
    post = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    return {"openapi": "3.1.0", "paths": {path: {"post": post}}, **parts}


def test_the_committed_document_has_all_fields_of_the_create_request() -> None:
    request = create_request(stored.load(stored.OPENAPI))
    assert set(request["properties"]) == {
        "client_id",
        "default_for",
        "audience",
        "subject_type",
        "scope",
        "allow_all_scopes",
        "organization_usage",
        "allow_any_organization",
        "authorization_details_types",
    }
    assert request["required"] == ["audience"]
    assert request["additionalProperties"] is False


def test_references_are_resolved_at_every_depth() -> None:
    components = {
        "schemas": {
            "Grant": {"type": "object", "properties": {"scope": {"$ref": "#/components/schemas/Scopes"}}},
            "Scopes": {"type": "array", "items": {"$ref": "#/components/schemas/a~1b~0c%20d"}},
            "a/b~c d": {"type": "string"},
        }
    }
    request = create_request(an_openapi({"$ref": "#/components/schemas/Grant"}, components=components))
    assert request["properties"] == {"scope": {"type": "array", "items": {"type": "string"}}}


def test_keys_next_to_a_reference_override_its_target() -> None:
    components = {"schemas": {"Id": {"type": "string", "description": "an id"}}}
    beside = {"$ref": "#/components/schemas/Id", "description": "the client's id"}
    request = create_request(an_openapi({"properties": {"client_id": beside}}, components=components))
    assert request["properties"]["client_id"] == {"type": "string", "description": "the client's id"}


def test_vendor_extensions_are_dropped_at_every_depth() -> None:
    extended = {"x-a": 1, "properties": {"scope": {"x-b": {"c": 2}, "type": "array", "enum": [["x-kept"]]}}}
    assert create_request(an_openapi(extended)) == {"properties": {"scope": {"type": "array", "enum": [["x-kept"]]}}}


def test_the_path_may_have_a_prefix_and_paths_with_parameters_are_ignored() -> None:
    document = an_openapi(path="/api/v2/client-grants")
    document["paths"]["/organizations/{id}/client-grants"] = {"post": {}}
    assert create_request(document) == BODY


LOOP = {"schemas": {"A": {"properties": {"b": {"$ref": "#/components/schemas/A"}}}}}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param([], 'lacks "paths"', id="not a mapping"),
        pytest.param({}, 'lacks "paths"', id="no paths"),
        pytest.param({"paths": {}}, "has 0 paths that end in /client-grants", id="missing path"),
        pytest.param({"paths": {"/client-grants": {}}}, 'lacks "post"', id="no post"),
        pytest.param(an_openapi(7), 'lacks "schema"', id="no schema"),
        pytest.param(an_openapi({"type": "object"}), 'lacks "properties"', id="no properties"),
        pytest.param(an_openapi({"$ref": "#/components/schemas/A"}, components=LOOP), "circular", id="cycle"),
        pytest.param(an_openapi({"$ref": "https://a.example/b"}), "refers to https://a.example/b", id="remote"),
        pytest.param(an_openapi({"$ref": "#/nowhere"}), 'lacks "nowhere"', id="dangling"),
    ],
)
def test_an_invalid_document_is_refused(document: object, message: str) -> None:
    with pytest.raises(ReconcilerError, match=message):
        create_request(document)


@pytest.mark.parametrize("field", [None, 5, "text", ["string"]])
def test_a_property_that_is_not_an_object_is_an_error(field: object) -> None:
    with pytest.raises(ReconcilerError, match='the property "scope" in the OpenAPI document is not an object'):
        create_request(an_openapi({"properties": {"scope": field}}))


@pytest.mark.parametrize("required", [None, 5, "text", {}])
def test_required_properties_that_are_not_a_list_are_an_error(required: object) -> None:
    with pytest.raises(ReconcilerError, match='"required" in the OpenAPI document is not a list'):
        create_request(an_openapi({"properties": {"scope": {}}, "required": required}))
