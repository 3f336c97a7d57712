from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import reconciler.files.loader
from reconciler.files import document
from reconciler.files.document import MAX_CHARACTERS, MAX_PROBLEMS, Document, mark_of, too_many_problems
from reconciler.files.loader import parse
from reconciler.files.yaml_messages import MAX_LEVELS

JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text().filter(lambda key: key != "<<"), inner, max_size=4)
    ),
    max_leaves=12,
)
YAML_LIKE = st.text(st.sampled_from("ab1: -\n\t[]{},&*!|>'\"#%?@<~\\x\r\ufeff\x85\u2028é\0"), max_size=60)


def messages_of(parsed: Document) -> list[str]:
    return [f"{problem.source.line}:{problem.source.column}: {problem.message}" for problem in parsed.problems]


def test_data_has_positions() -> None:
    parsed = parse(b"grants:\n  - client: a\n    scope: [x, 'y']\n", "f.yaml")
    root = parsed.data
    assert isinstance(root, document.YamlMapping)
    assert root == {"grants": [{"client": "a", "scope": ["x", "y"]}]}
    assert (root.mark, dict(root.value_marks)) == ((1, 1), {"grants": (2, 3)})
    grants = root["grants"]
    assert (grants.mark, list(grants.item_marks)) == ((2, 3), [(2, 5)])
    assert [mark_of(grants[0], [key], key=True) for key in grants[0]] == [(2, 5), (3, 5)]
    assert grants[0].value_marks == {"client": (2, 13), "scope": (3, 12)}
    assert list(grants[0]["scope"].item_marks) == [(3, 13), (3, 16)]


def positions_in(node: object) -> Iterator[tuple[tuple[int, int], object]]:
    """Yield all values in `node` at any depth, with their positions."""
    if isinstance(node, document.YamlMapping):
        placed = [(node.value_marks[key], value) for key, value in node.items()]
        assert node.value_marks.keys() == node.keys()
    else:
        placed = list(zip(node.item_marks, node, strict=True)) if isinstance(node, document.YamlList) else []
    for place, value in placed:
        yield place, value
        yield from positions_in(value)


@given(data=YAML_LIKE.map(str.encode))
def test_values_have_positions_in_a_file_with_problems(data: bytes) -> None:
    for place, value in positions_in(parse(data, "f.yaml").data):
        assert not isinstance(value, document.YamlMapping | document.YamlList) or value.mark == place


def test_a_refused_key_does_not_shift_positions() -> None:
    root = parse(b"{4: a, b: [], <<: {c: d}, b: 5, '4': {e: f}}", "f.yaml").data
    assert isinstance(root, document.YamlMapping)
    assert dict(root.value_marks) == {"b": (1, 11), "4": (1, 38)}
    assert list(root["b"].item_marks) == []
    assert mark_of(root, ["4", "e"], key=True) == (1, 39)


def test_columns_count_characters_not_bytes() -> None:
    parsed = parse("ключ: значение\n€: {ß: &x 1}\n".encode(), "f.yaml")
    assert messages_of(parsed) == ['2:8: anchors ("&x") are not allowed; remove it']


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbfa: b\nc: [d]\n", id="byte order mark"),
        pytest.param(b"a: b\r\nc: [d]\r\n", id="CRLF"),
        pytest.param(b"\xef\xbb\xbfa: b\r\nc:\r\n  - d", id="both, without a line break at the end"),
        pytest.param(b"---\na: b\nc: [d]\n...\n", id="document marks"),
    ],
)
def test_line_ends_and_byte_order_mark_do_not_matter(data: bytes) -> None:
    parsed = parse(data, "f.yaml")
    assert (parsed.data, parsed.problems, parsed.is_complete) == ({"a": "b", "c": ["d"]}, (), True)


@pytest.mark.parametrize("data", [b"", b"# only a comment\n", b"---\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_null(data: bytes) -> None:
    assert parse(data, "f.yaml") == Document("f.yaml", None, data.decode("utf-8-sig"))


def test_reading_continues_after_recoverable_problems() -> None:
    parsed = parse(b"a: &x 1\na: 2\n<<: {b: !!int 3}\n4: {c: &y [5]}\n~: 6\n'': 7\nd: 8", "f.yaml")
    assert parsed.data == {"a": 1, "": 7, "d": 8}
    assert messages_of(parsed) == [
        '1:4: anchors ("&x") are not allowed; remove it',
        '2:1: duplicate key "a" (first in line 1); keep one of them',
        '3:1: merge keys ("<<") are not allowed; write the keys out',
        '3:9: tags ("!!int") are not allowed; remove the tag, and put strings in quotes',
        '4:1: the key "4" is not text; put it in quotes',
        '4:8: anchors ("&y") are not allowed; remove it',
        '5:1: the key "~" is not text; put it in quotes',
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"a: *x\n", '1:4: aliases ("*x") are not allowed; write the value out', id="alias"),
        pytest.param(b"*x : a\n", '1:1: aliases ("*x") are not allowed; write the value out', id="alias as a key"),
        pytest.param(
            b"? [a]\n: b\n", "1:3: a mapping or a list cannot be a key; use a string as the key", id="list as a key"
        ),
        pytest.param(
            b"a\n--- b\n", "2:1: a second document starts here; write each document to a separate file", id="two"
        ),
        pytest.param(b"a: \xffb", "1:4: byte 0xff is not valid UTF-8; save the file as UTF-8", id="invalid UTF-8"),
        pytest.param(
            "a:\r\n  é: ".encode() + b"\xe9", "2:6: byte 0xe9 is not valid UTF-8; save the file as UTF-8", id="Latin-1"
        ),
        pytest.param("a: b".encode("utf-16"), "1:1: byte 0xff is not valid UTF-8; save the file as UTF-8", id="UTF-16"),
        pytest.param(
            b"ELF \x02",
            "1:5: the control character U+0002 is not allowed in YAML; "
            'remove the character, or write the character as "\\u0002" in double quotes',
            id="binary",
        ),
        pytest.param(
            b"a: b\nc: d\x07e",
            "2:5: the control character U+0007 is not allowed in YAML; "
            'remove the character, or write the character as "\\u0007" in double quotes',
            id="control character",
        ),
        pytest.param(
            b"a: |x\n",
            "1:5: this is not valid YAML (did not find expected comment or line break); "
            "put quotes around text with special characters",
            id="a keyword without its own message",
        ),
    ],
)
def test_reading_stops_after_unrecoverable_problems(data: bytes, problem: str) -> None:
    parsed = parse(data, "f.yaml")
    assert messages_of(parsed) == [problem]
    assert (parsed.data, parsed.is_complete) == (None, False)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_nesting_is_limited(opening: str, closing: str) -> None:
    deepest = parse((opening * MAX_LEVELS + closing * MAX_LEVELS).encode(), "f.yaml")
    assert deepest.problems == ()
    deeper = parse((opening * 50_000).encode(), "f.yaml")
    assert [problem.what for problem in deeper.problems] == ["this value is nested more than 32 levels deep"]


def test_reading_stops_at_the_first_alias() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 40))
    assert [problem.source.line for problem in parse(bomb.encode(), "f.yaml").problems] == [1, 2, 2]


def test_the_length_of_a_scalar_is_limited() -> None:
    longest, longer = "x" * MAX_CHARACTERS, "x" * (MAX_CHARACTERS + 1)
    parsed = parse(f"a: {longest}\nb: {longer}\n{longest}x: &c c\n".encode(), "f.yaml")
    assert "2:4: this text has 8,193 characters; write at most 8,192 characters" in messages_of(parsed)


def test_a_number_with_too_many_digits_is_a_problem() -> None:
    parsed = parse(b"a: " + b"9" * 5000, "f.yaml")
    assert messages_of(parsed) == [
        "1:4: a number of 5,000 characters is too long; put the number in quotes if it is text"
    ]
    assert parsed.data == {"a": "9" * 5000}


def test_the_number_of_problems_is_limited() -> None:
    parsed = parse(b"a: 1\n" * (MAX_PROBLEMS + 100), "f.yaml")
    assert len(parsed.problems) == MAX_PROBLEMS + 1
    assert parsed.problems[-1] == too_many_problems("f.yaml")
    assert not parsed.is_complete


@given(data=st.binary() | YAML_LIKE.map(str.encode))
def test_any_bytes_give_data_or_problems(data: bytes) -> None:
    parsed = parse(data, "f.yaml")
    assert parsed.is_complete or parsed.problems
    assert all(problem.source.line >= 1 and problem.source.column >= 1 for problem in parsed.problems)


def quoted_by_pyyaml(data: Any) -> bytes:
    """Write strings in double quotes, because PyYAML quotes by the rules of YAML 1.1."""

    class Dumper(yaml.SafeDumper):
        pass

    def quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')

    Dumper.add_representer(str, quoted)
    return yaml.dump(data, Dumper=Dumper).encode()


@given(data=JSON_LIKE)
def test_data_written_by_pyyaml_is_read_back_unchanged(data: object) -> None:
    parsed = parse(quoted_by_pyyaml(data), "f.yaml")
    assert parsed.problems == ()
    assert parsed.data == data
    assert not isinstance(parsed.data, Mapping) or parsed.data.keys() == parsed.data.marks.keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            r'a: "x \ud83d\ude80"',
            r"YAML does not allow surrogate pairs such as \ud83d\ude80; write the character 🚀 itself, or \U0001F680",
        ),
        (r'{"a": "\uD83D\uDE80"}', r"pairs such as \uD83D\uDE80; write the character 🚀 itself, or \U0001F680"),
        (r'a: "\ud83d"', "this escape is one half of a surrogate pair; write the character itself"),
        (r'a: "\ude80\ud83d"', "this escape is one half of a surrogate pair; write the character itself"),
    ],
)
@pytest.mark.parametrize("parser", [yaml.CSafeLoader, yaml.SafeLoader])
def test_the_message_about_a_surrogate_pair_names_the_character(
    monkeypatch: pytest.MonkeyPatch, text: str, message: str, parser: type
) -> None:
    monkeypatch.setattr(reconciler.files.loader, "PARSER", parser)
    monkeypatch.setattr(reconciler.files.loader, "IS_SLOW", parser is yaml.SafeLoader)
    (problem,) = parse(text.encode(), "x.yaml").problems

    assert f"{problem.what}; {problem.fix}".lower().endswith(message.lower())
    assert problem.source.line == 1
