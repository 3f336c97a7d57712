import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support.builders import a_plan, a_spec, an_observed

from reconciler.contract import stored
from reconciler.files.breaches import breaches, validator
from reconciler.files.fit import fitting
from reconciler.files.loader import parse
from reconciler.render.plan_json import plan_json

EXAMPLES = Path(__file__).parent.parent / "examples"
GRANT = stored.load(stored.GRANTS)["properties"]["grants"]["items"]
WORDS_OF_GRANTS = sorted({word for field in GRANT["properties"].values() for word in field.get("enum", ())})

LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.sampled_from([0.0, 1.0, 1.5, float("inf"), float("nan")]),
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
        pytest.param({"const": 1}, True, id="a boolean is no number"),
        pytest.param({"const": 0.0}, False, id="no number at all"),
        pytest.param({"const": False}, 0, id="a number is no boolean"),
        pytest.param({"enum": [1, 2]}, True, id="a boolean is not listed as a number"),
        pytest.param({"type": ["integer", "null"]}, True, id="a boolean is no whole number"),
        pytest.param({"type": "integer"}, 1.5, id="half a number"),
        pytest.param({"oneOf": [{"type": "string"}, {"minLength": 1}]}, "a", id="both of one value"),
        pytest.param({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1, "b": 1}, id="both keys"),
        pytest.param(
            {"properties": {"a": {"type": "string"}}, "allOf": [{"properties": {"a": {"minLength": 2}}}]},
            {"a": 1},
            id="what the first of two says of a value",
        ),
        pytest.param(
            {"properties": {"a": {"type": "string"}}, "allOf": [{"properties": {"a": {"minLength": 2}}}]},
            {"a": "b"},
            id="what the second of two says of a value",
        ),
        pytest.param(
            {"allOf": [{"if": {"properties": {"a": {"const": 1}}}, "then": {"properties": {"b": {"const": 1}}}}]},
            {"a": 1, "b": 2},
            id="what depends on another value",
        ),
        pytest.param({"not": {"properties": {"a": {"const": 1}}}}, {"a": 1}, id="the opposite of what a value is"),
        pytest.param({"propertyNames": {"maxLength": 1}}, {"a": 1, "bb": 2}, id="a key that is too long"),
        pytest.param({"items": {"maxLength": 1}}, ["a", "bb", "bb"], id="a text that comes again"),
    ],
)
def test_what_breaches_a_schema_does_not_fit(schema: dict[str, Any], data: object) -> None:
    assert not fitting(schema)(data)
    assert not Draft202012Validator(schema).is_valid(data)


@settings(max_examples=400)
@given(schema=SCHEMAS, data=DATA)
def test_data_fits_exactly_where_jsonschema_finds_no_breach(schema: dict[str, Any], data: object) -> None:
    assert fitting(schema)(data) is Draft202012Validator(schema).is_valid(data)


@given(schema=SCHEMAS, data=st.lists(DATA, max_size=4) | DATA, first=st.booleans())
def test_what_is_explained_are_the_breaches_that_jsonschema_finds(
    schema: dict[str, Any], data: Any, *, first: bool
) -> None:
    schema = {"items": schema, **({"prefixItems": [{"type": "string"}]} if first else {})}
    found = Draft202012Validator(schema).iter_errors(data)
    assert sorted(map(str, validator(json.dumps(schema)).iter_errors(data))) == sorted(map(str, found))


@given(inner=SCHEMAS, data=DATA)
def test_a_reference_says_what_it_refers_to(inner: dict[str, Any], data: object) -> None:
    schema = {"$defs": {"inner": inner}, "properties": {"a": {"$ref": "#/$defs/inner"}}}
    assert fitting(schema)(data) is Draft202012Validator(schema).is_valid(data)


def values_of(field: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Mostly what the field takes, sometimes what it may refuse."""
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
def test_a_grant_file_fits_exactly_where_jsonschema_finds_no_breach(grants: object, more: dict[str, object]) -> None:
    data, schema = {"grants": grants, **more}, stored.load(stored.GRANTS)
    assert fitting(schema)(data) is not bool(breaches(data, schema, "f.yaml"))


@given(data=DATA, repeated=st.lists(st.sampled_from(["a", "b", 1, 1.0, True]), max_size=4))
def test_only_texts_are_looked_at_for_repetitions(data: object, repeated: list[object]) -> None:
    schema = {"uniqueItems": True}
    texts = [item for item in repeated if isinstance(item, str)]
    assert fitting(schema)(repeated) is (len(set(texts)) == len(texts))
    for each in ({"a": repeated}, {"a": data}):
        assert fitting({"properties": {"a": schema}})(each) is not bool(
            breaches(each, {"properties": {"a": schema}}, "f")
        )


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"multipleOf": 2}, id="a keyword"),
        pytest.param({"const": {"a": 1}}, id="a mapping as a constant"),
        pytest.param({"properties": {"a": {"const": [1]}}}, id="a list as a constant, further inside"),
    ],
)
def test_what_is_not_known_here_is_left_to_jsonschema(schema: dict[str, Any]) -> None:
    assert not fitting(schema)({"a": [1]})


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("valid/*.yaml")), ids=lambda path: path.stem)
def test_a_valid_grant_file_needs_no_jsonschema(path: Path) -> None:
    assert fitting(stored.load(stored.GRANTS))(parse(path.read_bytes(), path.name).data)


def test_a_plan_needs_no_jsonschema() -> None:
    plan = a_plan([a_spec(), a_spec(client_id="other", allow_all_scopes=True, scope=())], [an_observed()])
    assert fitting(stored.load(stored.PLAN))(json.loads(json.dumps(plan_json(plan))))


@pytest.mark.parametrize("keys", [1, 300, 3000])
def test_mappings_of_any_number_of_kinds_can_be_checked(keys: int) -> None:
    schema = {"items": {"additionalProperties": {"type": "string"}}}
    data = parse("".join(f"- k{number}: v\n" for number in range(keys)).encode(), "f.yaml").data
    assert fitting(schema)(data)
