import json

from jsonschema import Draft202012Validator
from support.builders import a_directory, an_api

from reconciler.contract import stored
from reconciler.contract.editor import editor_schema
from reconciler.core.directory import Api, Application, Directory, Organization
from reconciler.core.tenant_filter import TargetTenant

GRANTS = stored.load(stored.GRANTS)
TENANT = TargetTenant("dev", {"domain": "dev.auth0.com"}, {"readers": ("a",)})
DIRECTORY = Directory(
    (Application("b1", "Billing"), Application("p1", "Portal"), Application("p2", "Portal"), Application("x", "${x}")),
    (
        Api("urn:x", "Invoices", frozenset({"read:invoices", "@odd"})),
        Api("https://dev.auth0.com/api/v2/", "Management", frozenset({"read:users"})),
        Api("urn:twin", "Twin", frozenset({"t"})),
        Api("urn:other", "Twin"),
    ),
    (Organization("org_0000000000000001", "acme"),),
)


def test_names_of_the_tenant_are_offered_and_other_texts_stay_valid() -> None:
    schema = editor_schema(GRANTS, DIRECTORY, TENANT)
    fields = schema["properties"]["grants"]["items"]["properties"]

    assert fields["client"]["anyOf"] == [{"enum": ["$${x}", "Billing"]}, {"type": "string"}]
    assert fields["clients"]["items"]["anyOf"] == fields["client"]["anyOf"]
    assert fields["client_id"]["anyOf"][0]["enum"] == ["b1", "p1", "p2", "x"]
    assert fields["api"]["anyOf"][0]["enum"] == ["Invoices", "Management"]
    assert "https://${domain}/api/v2/" in fields["audience"]["anyOf"][0]["enum"]
    assert fields["organizations"]["items"]["anyOf"][0]["enum"] == ["acme"]
    assert fields["scope"]["items"]["anyOf"][0]["enum"] == ["@readers"]


def test_each_api_offers_its_scopes_and_the_scope_sets() -> None:
    rules = editor_schema(GRANTS, DIRECTORY, TENANT)["properties"]["grants"]["items"]["allOf"]

    offered = {
        json.dumps(rule["if"]["properties"]): rule["then"]["properties"]["scope"]["items"]["anyOf"][0]["enum"]
        for rule in rules[len(GRANTS["properties"]["grants"]["items"]["allOf"]) :]
    }

    assert offered == {
        '{"api": {"const": "Invoices"}}': ["@@odd", "read:invoices", "@readers"],
        '{"audience": {"const": "urn:x"}}': ["@@odd", "read:invoices", "@readers"],
        '{"api": {"const": "Management"}}': ["read:users", "@readers"],
        '{"audience": {"const": "https://${domain}/api/v2/"}}': ["read:users", "@readers"],
        '{"audience": {"const": "urn:twin"}}': ["t", "@readers"],
        '{"audience": {"const": "urn:other"}}': ["@readers"],
    }


def test_the_schema_accepts_and_refuses_the_same_files() -> None:
    schema = editor_schema(GRANTS, DIRECTORY, TENANT)
    Draft202012Validator.check_schema(schema)
    validator, plain = Draft202012Validator(schema), Draft202012Validator(GRANTS)

    for item in (
        {"client": "New", "api": "Invoices", "scope": ["new", "@readers"]},
        {"client": "${x}", "audience": "${y}"},
        {"client": "Billing", "api": "Invoices", "scope": ["a", "a"]},
        {"client": "", "api": "Invoices"},
        {"client": 1, "api": "Invoices"},
        {"clients": [], "api": "Invoices"},
    ):
        assert validator.is_valid({"grants": [item]}) == plain.is_valid({"grants": [item]})


def test_lists_that_were_not_read_offer_nothing() -> None:
    assert editor_schema(GRANTS, Directory(), TargetTenant("dev", {})) == GRANTS


def test_the_generic_schema_is_not_changed() -> None:
    before = json.dumps(GRANTS)

    editor_schema(GRANTS, a_directory({"a": "A"}, [an_api()]), TENANT)

    assert json.dumps(GRANTS) == before
