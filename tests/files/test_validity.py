import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support.builders import a_plan, a_spec, an_observed

from reconciler.artifacts.serialization import plan_json
from reconciler.contract import stored
from reconciler.files.loader import parse
from reconciler.files.messages import explain_violations, validator
from reconciler.files.schema import violations
from reconciler.files.validity import validity_check

EXAMPLES = Path(__file__).parent.parent / "examples"
GRANT = stored.load(stored.GRANTS)["properties"]["grants"]["items"]
WORDS_OF_GRANTS = sorted({word for field in GRANT["properties"].values() for word in field.get("enum", ())})

LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.sampled_from([0.0, 1.0, 1.5]),
    st.text("ab\n\x7f", max_size=3),
)
KEYS = st.sampled_from(["a", "b", "c"])
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
CONSTANTS: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from([0.0, 1.5]) | st.just("a") | st.just([])
)


def schemas_over(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "additionalProperties": st.booleans() | inner,
            "allOf": several,
            "anyOf": several,
            "const": CONSTANTS,
            "else": inner,
            "enum": st.lists(CONSTANTS, min_size=1, max_size=3) | st.lists(st.text("ab", max_size=2), min_size=1),
            "if": inner,
            "items": inner,
            "maxItems": st.integers(0, 2),
            "maxLength": st.integers(0, 2),
            "maximum": st.integers(-1, 2),
            "minItems": st.integers(0, 2),
            "minLength": st.integers(0, 2),
            "minimum": st.sampled_from([-1, 0.5, 1]),
            "not": inner,
            "oneOf": several,
            "pattern": st.sampled_from(["^a", "b$", "[\\u0000-\\u001f\\u007f]"]),
            "properties": st.dictionaries(KEYS, inner, max_size=3),
            "propertyNames": inner,
            "required": st.lists(KEYS, unique=True, max_size=2),
            "then": inner,
            "title": st.just("words change nothing"),
            "type": KINDS | st.lists(KINDS, min_size=1, max_size=3, unique=True),
        },
    )


SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(st.just({}), schemas_over, max_leaves=10)


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        pytest.param({"const": 1}, True, id="a boolean is not a number"),
        pytest.param({"const": 0.0}, False, id="not a number"),
        pytest.param({"const": False}, 0, id="a number is not a boolean"),
        pytest.param({"enum": [1, 2]}, True, id="a boolean is not a listed number"),
        pytest.param({"type": ["integer", "null"]}, True, id="a boolean is not an integer"),
        pytest.param({"type": "integer"}, 1.5, id="a fraction"),
        pytest.param({"oneOf": [{"type": "string"}, {"minLength": 1}]}, "a", id="two limits of one value"),
        pytest.param({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1, "b": 1}, id="both keys"),
        pytest.param(
            {"properties": {"a": {"type": "string"}}, "allOf": [{"properties": {"a": {"minLength": 2}}}]},
            {"a": 1},
            id="first alternative",
        ),
        pytest.param(
            {"properties": {"a": {"type": "string"}}, "allOf": [{"properties": {"a": {"minLength": 2}}}]},
            {"a": "b"},
            id="second alternative",
        ),
        pytest.param(
            {"allOf": [{"if": {"properties": {"a": {"const": 1}}}, "then": {"properties": {"b": {"const": 1}}}}]},
            {"a": 1, "b": 2},
            id="dependent value",
        ),
        pytest.param({"not": {"properties": {"a": {"const": 1}}}}, {"a": 1}, id="not"),
        pytest.param({"propertyNames": {"maxLength": 1}}, {"a": 1, "bb": 2}, id="a key that is too long"),
        pytest.param({"items": {"maxLength": 1}}, ["a", "bb", "bb"], id="a repeated string"),
    ],
)
def test_invalid_data_is_refused(schema: dict[str, Any], data: object) -> None:
    assert not validity_check(schema)(data)
    assert not Draft202012Validator(schema).is_valid(data)


@given(schema=SCHEMAS, data=DATA)
def test_jsonschema_rs_and_jsonschema_agree(schema: dict[str, Any], data: object) -> None:
    assert validity_check(schema)(data) is Draft202012Validator(schema).is_valid(data)


@given(schema=SCHEMAS, data=st.lists(DATA, max_size=4) | DATA, first=st.booleans())
def test_every_violation_that_jsonschema_finds_is_explained(schema: dict[str, Any], data: Any, *, first: bool) -> None:
    schema = {"items": schema, **({"prefixItems": [{"type": "string"}]} if first else {})}
    found = Draft202012Validator(schema).iter_errors(data)
    assert sorted(map(str, validator(json.dumps(schema)).iter_errors(data))) == sorted(map(str, found))


@given(inner=SCHEMAS, data=DATA)
def test_references_are_followed(inner: dict[str, Any], data: object) -> None:
    schema = {"$defs": {"inner": inner}, "properties": {"a": {"$ref": "#/$defs/inner"}}}
    assert validity_check(schema)(data) is Draft202012Validator(schema).is_valid(data)


def values_of(field: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Draw mostly valid values, sometimes invalid ones."""
    texts = st.sampled_from([*WORDS_OF_GRANTS, "read:x", "", "x" * 280, "x" * 281, "tab\t"])
    usual: dict[str, st.SearchStrategy[Any]] = {
        "array": st.lists(texts, max_size=3),
        "boolean": st.booleans(),
        "string": st.sampled_from(field["enum"]) if "enum" in field else texts,
    }
    return usual[field["type"]] | usual[field["type"]] | texts | st.booleans() | st.lists(LEAVES, max_size=2) | LEAVES


A_GRANT = st.fixed_dictionaries(
    {},
    optional={**{name: values_of(field) for name, field in GRANT["properties"].items()}, "unknown": LEAVES},
)
A_SOUND_START = st.sampled_from([{"client": "a", "api": "b"}, {"client_id": "a", "audience": "b"}, {}])
GRANTS = st.lists(st.builds(lambda start, more: {**start, **more}, A_SOUND_START, A_GRANT), max_size=3)


@given(grants=GRANTS | DATA, more=st.dictionaries(st.sampled_from(["snapshot", "more"]), LEAVES, max_size=1))
def test_both_agree_on_grant_files(grants: object, more: dict[str, object]) -> None:
    data, schema = {"grants": grants, **more}, stored.load(stored.GRANTS)
    assert validity_check(schema)(data) is not bool(explain_violations(data, schema, "f.yaml"))


@given(data=DATA, repeated=st.lists(st.sampled_from(["a", "b", 1, 1.0, True]), max_size=4))
def test_only_repeated_strings_violate_unique_items(data: object, repeated: list[object]) -> None:
    schema = {"properties": {"a": {"uniqueItems": True}}}
    texts = [item for item in repeated if isinstance(item, str)]
    assert bool(violations({"a": repeated}, schema, file="f")) is (len(set(texts)) < len(texts))
    assert violations({"a": data}, schema, file="f") == explain_violations({"a": data}, schema, "f")


@pytest.mark.parametrize("schema", [{"$ref": "#/$defs/absent"}, {"pattern": "(?<"}, {"type": "nonsense"}])
def test_a_schema_that_cannot_be_compiled_accepts_nothing(schema: dict[str, Any]) -> None:
    assert not validity_check(schema)({})


@pytest.mark.parametrize("data", [10**400, "\ud800", float("nan"), {"a": {1, 2}}])
def test_data_that_jsonschema_rs_cannot_read_is_explained_by_jsonschema(data: object) -> None:
    assert violations({"a": data}, {"properties": {"a": {"type": "array"}}}, file="f")


@pytest.mark.parametrize("schema", [stored.GRANTS, stored.CONFIG, stored.PLAN], ids=str)
def test_every_bound_of_a_number_has_a_type(schema: str) -> None:
    """jsonschema-rs reads infinity as null, and limits for numbers do not apply to null."""

    def parts(node: object) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            yield node
        for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from parts(each)

    bounded = [part for part in parts(stored.load(schema)) if {"minimum", "maximum", "multipleOf"} & part.keys()]
    assert all(part.get("type") in {"integer", "number"} for part in bounded)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("valid/*.yaml")), ids=lambda path: path.stem)
def test_a_valid_grant_file_is_accepted(path: Path) -> None:
    assert validity_check(stored.load(stored.GRANTS))(parse(path.read_bytes(), path.name).data)


def test_a_plan_is_accepted() -> None:
    plan = a_plan([a_spec(), a_spec(client_id="other", allow_all_scopes=True, scope=())], [an_observed()])
    assert validity_check(stored.load(stored.PLAN))(json.loads(json.dumps(plan_json(plan))))


@pytest.mark.parametrize("keys", [1, 300, 3000])
def test_mappings_with_many_keys_are_accepted(keys: int) -> None:
    schema = {"items": {"additionalProperties": {"type": "string"}}}
    data = parse("".join(f"- k{number}: v\n" for number in range(keys)).encode(), "f.yaml").data
    assert validity_check(schema)(data)
