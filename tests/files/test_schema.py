from typing import Any

import pytest

from reconciler.files.custom_schemas import NotASchemaError, compile_schema
from reconciler.files.document import MAX_PROBLEMS
from reconciler.files.loader import parse
from reconciler.files.schema import violations


def messages_of(text: str, schema: dict[str, Any]) -> list[str]:
    problems = violations(parse(text.encode(), "f.yaml").data, schema, file="f.yaml")
    assert all(problem.source.file == "f.yaml" for problem in problems)
    return [f"{problem.source.line}:{problem.source.column}: {problem.message}" for problem in problems]


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["must"],
    "additionalProperties": False,
    "properties": {
        "must": {"type": ["string", "null"]},
        "number": {"type": "number", "minimum": 0, "maximum": 100},
        "whole": {"type": "integer"},
        "long": {"minLength": 3},
        "list": {"type": "array", "maxItems": 1, "items": {"type": "array", "items": {"type": "string"}}},
        "unique": {"uniqueItems": True},
        "choice": {"enum": [1, "two"]},
        "either": {"oneOf": [{"type": "string"}, {"minimum": 5}]},
        "one": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
    },
}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("must: 5", '1:7: "must" is the number 5, not text or nothing; put it in quotes'),
        ("number: 1", '1:1: "must" is missing; add it'),
        ("must: a\nnumber: -1", '2:9: "number" is -1; write at least 0'),
        ("must: a\nnumber: 100.5", '2:9: "number" is 100.5; write at most 100'),
        ("must: a\nnumber: ten", '2:9: "number" is text, not a number; write a number'),
        ("must: a\nwhole: 1.5", '2:8: "whole" is the number 1.5, not a whole number; write a whole number'),
        ("must: a\nlong: ab", '2:7: "long" has 2 characters; write at least 3 characters'),
        (
            "must: a\nlist: [[a], [b]]",
            '2:7: "list" has too many items; write at most 1',
        ),
        ("must: a\nlist:\n- - 1", '3:5: an item of "list" is the number 1, not text; put it in quotes'),
        ("must: a\nlist:", '2:6: "list" is empty; write a list, or []'),
        ("must: a\nunique: [a, 1, 1, {}, a]", '2:23: "a" is listed twice; list it once'),
        ("must: a\nchoice: tow", '2:9: "choice" cannot be "tow"; did you mean "two"?'),
        ("must: a\nchoice: [1]", '2:9: "choice" cannot be "a list"; write 1 or two'),
        (
            "must: a\neither: 3",
            '2:9: "either" violates the rule "oneOf" of its schema; compare the value with the schema',
        ),
        ("must: a\none: {c: 1}", '2:6: "a" and "b" are missing; give exactly one of a and b'),
        ("must: a\none: [c]", '2:6: "one" is a list, not a mapping; write a mapping'),
        ("must: a\nmsut: b", '2:1: the key "msut" is unknown; did you mean "must"?'),
    ],
)
def test_each_keyword_has_a_message(text: str, problem: str) -> None:
    assert messages_of(text, SCHEMA) == [problem]


def test_the_message_about_a_list_at_the_top_names_no_key() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    assert messages_of("- 1", schema) == ["1:3: an item of the file is the number 1, not text; put it in quotes"]
    assert messages_of("a: 1", schema) == [
        '1:1: the file is a mapping, not a list; write each item on its own line, after "- "'
    ]


def test_an_empty_file_violates_a_schema_for_mappings() -> None:
    assert messages_of("", {"type": "object"}) == ["1:1: the file is empty; write a mapping, or remove it"]


def test_an_error_message_of_the_schema_is_the_problem() -> None:
    schema = {
        "properties": {
            "a": {"pattern": "^x", "errorMessage": "a begins with x; fix it"},
            "b": {"pattern": "^x", "errorMessage": "no fix"},
        }
    }
    assert messages_of("a: y\nb: y", schema) == ["1:1: a begins with x; fix it", "2:1: no fix"]


def test_an_escape_sequence_in_a_file_never_reaches_the_terminal() -> None:
    (problem,) = messages_of('"must": a\n"\\e[31m": b', SCHEMA)
    assert "\\x1b[31m" in problem
    assert "\x1b" not in problem


def test_equal_explanations_are_reported_once() -> None:
    schema = {"type": "object", "allOf": [{"type": "object"}, {"type": "object"}]}
    assert messages_of("- a", schema) == ["1:1: the file is a list, not a mapping; write a mapping"]


def test_the_number_of_violations_is_limited() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    lines = messages_of("- 1\n" * (MAX_PROBLEMS + 100), schema)
    assert len(lines) == MAX_PROBLEMS + 1
    assert lines[0] == "0:0: this file has 1,000 problems or more; correct these first"


def test_every_missing_key_is_named() -> None:
    schema = {"required": ["a", "b", "c"]}
    assert messages_of("b: 1", schema) == ['1:1: "a" is missing; add it', '1:1: "c" is missing; add it']


def test_a_compiled_schema_checks_data() -> None:
    is_valid = compile_schema({"properties": {"description": {"pattern": "^OPS-"}}})

    assert [is_valid({"description": text}) for text in ("OPS-1", "why not")] == [True, False]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "grant"}, r'JSON Schema: type: "grant" is not valid'),
        ({"properties": 1}, r"JSON Schema: properties: 1 is not"),
        ({"properties": {"client": {"pattern": "("}}}, r'^the pattern "\(" cannot run in linear time'),
        ({"properties": {"client": {"$ref": "https://elsewhere.example/schema.json"}}}, r"^references \(\$ref\) are"),
        ({"anyOf": [{"$ref": "#"}]}, r"^references \(\$ref\) are not followed"),
    ],
    ids=["type", "properties", "pattern", "elsewhere", "itself"],
)
def test_an_invalid_custom_schema_is_an_error(schema: dict[str, object], message: str) -> None:
    with pytest.raises(NotASchemaError, match=message):
        compile_schema(schema)
