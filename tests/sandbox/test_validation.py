import pytest

from auth0_sandbox.requests.validation import type_name, violation
from auth0_sandbox.store.documents import Schema


@pytest.mark.parametrize(
    ("value", "schema", "text"),
    [
        pytest.param(None, {"type": "array"}, "Expected type array but found type null", id="type"),
        pytest.param(3, {"type": ["array", "null"]}, "Expected type array,null but found type integer", id="types"),
        pytest.param({}, {"required": ["audience"]}, "Missing required property: audience", id="required"),
        pytest.param(
            {"x": 1, "y": 2}, {"additionalProperties": False}, "Additional properties not allowed: x,y", id="additional"
        ),
        pytest.param({}, {"minProperties": 1}, "Too few properties defined (0), minimum 1", id="too few"),
        pytest.param("x", {"enum": ["a"]}, "No enum match for: x", id="enum"),
        pytest.param(0, {"enum": [False]}, "No enum match for: 0", id="zero is not false"),
        pytest.param("", {"minLength": 1}, "String is too short (0 chars), minimum 1", id="too short"),
        pytest.param("x" * 281, {"maxLength": 280}, "String is too long (281 chars), maximum 280", id="too long"),
        pytest.param(0, {"minimum": 1}, "Value 0 is less than minimum 1", id="too small"),
        pytest.param(101, {"maximum": 100}, "Value 101 is greater than maximum 100", id="too large"),
        pytest.param([1, 2], {"maxItems": 1}, "Array is too long (2), maximum 1", id="too many items"),
        pytest.param("b", {"pattern": "^a$"}, "String does not match pattern ^a$: b", id="pattern"),
        pytest.param("a\n", {"pattern": "^a$"}, "String does not match pattern ^a$: a\n", id="pattern and line break"),
    ],
)
def test_a_violation_has_the_message_of_auth0s_validator(value: object, schema: Schema, text: str) -> None:
    found = violation(value, schema)
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        pytest.param({"x": 1}, {}, id="no keyword"),
        pytest.param(1, {"type": "number"}, id="integer is a number"),
        pytest.param(None, {"enum": ["a", None]}, id="null is a choice"),
        pytest.param(
            7, {"minLength": 9, "maxLength": 1, "pattern": "x", "maxItems": 0, "required": ["a"]}, id="not a string"
        ),
        pytest.param("x", {"minimum": 9, "maximum": 0, "minProperties": 3}, id="not a number"),
        pytest.param(
            {"a": "x"}, {"properties": {"a": {"type": "string"}}, "additionalProperties": False}, id="known property"
        ),
        pytest.param([1], {"type": "array"}, id="items of any kind"),
        pytest.param("an a", {"pattern": "a"}, id="pattern matches a part"),
    ],
)
def test_a_valid_value_has_no_violation(value: object, schema: Schema) -> None:
    assert violation(value, schema) is None


NESTED: Schema = {
    "properties": {
        "scope": {"description": "Scopes.", "type": "array", "items": {"type": "string"}},
        "policy": {"properties": {"client": {"type": "string", "description": "Whose."}}},
    }
}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(
            {"scope": None}, "'Expected type array but found type null' on property scope (Scopes.).", id="property"
        ),
        pytest.param({"scope": [1]}, "'Expected type string but found type integer' on property scope[0].", id="item"),
        pytest.param(
            {"policy": {"client": True}},
            "'Expected type string but found type boolean' on property policy.client (Whose.).",
            id="nested",
        ),
    ],
)
def test_a_violation_names_the_property_and_its_description(value: object, message: str) -> None:
    assert str(violation(value, NESTED)) == message


def test_a_violation_by_the_root_names_no_property() -> None:
    schema = {"description": "Not shown.", "minProperties": 1}
    assert str(violation({}, schema)) == "'Too few properties defined (0), minimum 1'."


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "boolean"),
        (1, "integer"),
        (1.0, "integer"),
        (1.5, "number"),
        ([], "array"),
        ({}, "object"),
    ],
    ids=str,
)
def test_types_have_the_names_of_json(value: object, name: str) -> None:
    assert type_name(value) == name
