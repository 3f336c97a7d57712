import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.foreign.document import (
    MAX_LEVELS,
    ForeignSyntaxError,
    plain,
    read_json_text,
    read_yaml_text,
)

json_data = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab\t"\\/é😀', max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(json_data, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_json_is_read_like_the_standard_library(data: object, escaped: bool, indent: int | str | None) -> None:  # noqa: FBT001
    text = json.dumps(data, ensure_ascii=escaped, indent=indent)

    assert plain(read_json_text(text, "a.json").root) == data


def test_yaml_has_anchors_merge_keys_and_positions() -> None:
    text = 'a: &a {x: 1, y: no}\nb:\n  <<: *a\n  y: 2\nc: [*a, "##"]\n'

    document = read_yaml_text(text, "a.yaml")

    assert plain(document.root) == yaml.safe_load(text) | {
        "a": {"x": 1, "y": "no"},
        "b": {"x": 1, "y": 2},
        "c": [{"x": 1, "y": "no"}, "##"],
    }
    node = document.root.get("b")
    assert node is not None
    assert (node.mark, node.end) == ((3, 3), 4)


def test_comments_have_positions() -> None:
    text = "# top\na: b # c#d\nd: 'x # y' #z\ne: |\n  # no\nf: a#b\n    # alone\n"

    comments = read_yaml_text(text, "a.yaml").comments

    assert [(each.line, each.column, each.text, each.is_alone) for each in comments] == [
        (1, 1, "top", True),
        (2, 6, "c#d", False),
        (3, 12, "z", False),
        (7, 5, "alone", True),
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: [b\nc: d", 2, 'a "," or "]" is missing before this position'),
        ("a: *b", 1, 'the anchor "b" does not exist'),
        ("a: 1\na: 2", 2, 'duplicate key "a"'),
        ("? [a]\n: b", 1, "a mapping or a list cannot be a key"),
        ("a: 1\n---\nb: 2", 2, "a second document starts here"),
        ("<<: 1", 1, 'the value of a merge key ("<<") must be a mapping'),
        ("[" * (MAX_LEVELS + 1) + "]" * (MAX_LEVELS + 1), 1, "this file is too large or nested too deeply"),
        ("a: 1" * 0 + "a: " + "9" * 70, 0, "this is not valid YAML (a number of 70 characters is too long)"),
    ],
)
def test_yaml_errors_have_a_line(text: str, line: int, what: str) -> None:
    with pytest.raises(ForeignSyntaxError) as error:
        read_yaml_text(text, "a.yaml")

    assert (error.value.problem.source.line, error.value.problem.what) == (line, what)


@pytest.mark.parametrize("text", ["{", '{"a": 1,}', "[" * 100_000, "NaN_"])
def test_invalid_json_is_a_problem(text: str) -> None:
    with pytest.raises(ForeignSyntaxError, match="this is not valid JSON"):
        read_json_text(text, "a.json")


def test_aliases_take_no_memory() -> None:
    lines = [
        "a0: &a0 [x, x]",
        *(f"a{index}: &a{index} [{', '.join([f'*a{index - 1}'] * 9)}]" for index in range(1, 60)),
    ]

    root = read_yaml_text("\n".join(lines), "a.yaml").root

    assert isinstance(root.value, dict)
    assert len(root.value) == 60
