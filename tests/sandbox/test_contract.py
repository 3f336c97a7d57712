import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from auth0_sandbox.api import (
    associations,
    client_grants,
    clients,
    credentials,
    logs,
    organizations,
    resource_servers,
)
from auth0_sandbox.requests import contract
from auth0_sandbox.requests.validation import UNDERSTOOD
from reconciler.contract import stored

DOCUMENT: dict[str, Any] = stored.load(stored.OPENAPI)
PARTS = (associations, client_grants, clients, credentials, logs, organizations, resource_servers)
SERVED = {(each.method, each.path.replace(":path", "")): each for part in PARTS for each in part.ENDPOINTS}
WORDS = {"title", "description", "examples", "default", "properties", "additionalProperties", "items"}
METHODS = ("get", "post", "patch", "delete")


def test_the_sandbox_serves_exactly_the_operations_of_the_document() -> None:
    described = {
        (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item
    }
    assert described == set(SERVED)


def keywords(schema: object) -> set[str]:
    """Return the keywords of a schema and of the schemas in it."""
    if not isinstance(schema, dict):
        return set()
    inner = [*schema.get("properties", {}).values(), schema.get("items")]
    return set(schema) | {word for each in inner for word in keywords(each)}


@pytest.mark.parametrize("operation", SERVED, ids=" ".join)
def test_the_sandbox_supports_every_keyword_of_the_schemas(operation: tuple[str, str]) -> None:
    endpoint = SERVED[operation]
    checked = [endpoint.identity, *endpoint.query.values(), endpoint.body() if endpoint.body else {}]
    assert {word for schema in checked for word in keywords(schema)} <= UNDERSTOOD | WORDS


@pytest.mark.parametrize("operation", SERVED, ids=" ".join)
def test_every_operation_describes_its_permissions_and_errors(operation: tuple[str, str]) -> None:
    method, path = operation
    described = DOCUMENT["paths"][path][method.lower()]
    assert SERVED[operation].any_of
    assert {"400", "401", "403", "429"} <= set(described["responses"])
    has_body = method in {"POST", "PATCH"} and not path.endswith("/rotate-secret")
    assert ("requestBody" in described) == has_body == ("413" in described["responses"])


def test_every_reference_has_a_target_and_every_component_is_used() -> None:
    text = json.dumps(DOCUMENT)
    for kind in ("parameters", "responses", "schemas"):
        for name in DOCUMENT["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text
    assert "$ref" not in json.dumps(contract.described_paths())


def test_every_schema_is_valid() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_example_is_valid() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        complete_schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
        for example in schema.get("examples", ()):
            Draft202012Validator(complete_schema).validate(example)


def test_an_update_accepts_null_for_attributes_that_can_be_removed() -> None:
    properties = contract.body("PATCH", "/client-grants/{id}")["properties"]
    nullable = {name for name, schema in properties.items() if "null" in schema["type"]}
    assert nullable == {"scope", "organization_usage", "allow_any_organization", "allow_all_scopes"}
    assert set(properties) == nullable | {"authorization_details_types"}


def test_an_operation_that_is_not_described_cannot_be_served() -> None:
    with pytest.raises(KeyError):
        contract.body("PUT", "/client-grants")
