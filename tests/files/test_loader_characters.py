import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from reconciler.core.characters import escape_for_yaml, is_invisible
from reconciler.files.document import MAX_PROBLEMS, too_many_problems
from reconciler.files.loader import parse
from reconciler.files.read import read_grants
from reconciler.files.write import double_quoted, scalar

CONTROLS = [chr(number) for number in (*range(0x20), *range(0x7F, 0xA0)) if chr(number) not in "\t\n\r"]
REFUSED = [
    *CONTROLS,
    *("\r", "\u2028", "\u2029", "\ufffe", "\uffff"),
    *(chr(number) for number in range(sys.maxunicode + 1) if is_invisible(chr(number))),
]
SOME = [char for char in REFUSED if not "\U000e0080" <= char <= "\U000e0ffe"]
SPACES = [char for char in REFUSED if char.isspace() and is_invisible(char)]
GRANT = "grants:\n  - client: Billing\n    api: Invoices\n    scope: [read]\n"


def split_by_size(chars: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (chars[start : start + size] for start in range(0, len(chars), size))


def messages_of(text: str) -> list[str]:
    return [f"{each.source.line}:{each.source.column}: {each.message}" for each in parse(text.encode(), "f").problems]


def positions_of(text: str) -> list[tuple[int, int]]:
    return [(each.source.line, each.source.column) for each in parse(text.encode(), "f").problems]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("grants:\n  - client: Bill", "ing\n    api: Invoices\n", id="a word"),
        pytest.param("grants:\n  - client: Billing", " \n    api: Invoices\n", id="the end of a word"),
        pytest.param('grants:\n  - client: "', '"\n', id="double quotes"),
        pytest.param("grants:\n  - client: 'a", "b'\n", id="single quotes"),
        pytest.param("grants:\n  - scope: [read", "]\n", id="a list in brackets"),
        pytest.param("grants:\n  - scope:\n      - read", " \n", id="a list"),
        pytest.param("grants:\n  - client: |\n      a", " \n", id="a block"),
        pytest.param("grants:\n  - cli", "ent: Billing\n", id="a key"),
        pytest.param("variables: {description: a", "b}\n", id="a variable"),
        pytest.param("description: {a", ": b}\n", id="a key in a description"),
    ],
)
def test_misleading_characters_are_refused_in_values(before: str, after: str) -> None:
    position = (before.count("\n") + 1, len(before) - before.rfind("\n"))

    assert [char for char in SOME if position not in positions_of(f"{before}{char}{after}")] == []


@pytest.mark.parametrize("before", ["# about", "grants: []  # about", "description: about"])
def test_misleading_characters_are_refused_in_comments(before: str) -> None:
    allowed = [char for char in REFUSED if not positions_of(f"{before}{char}it\n")]

    assert allowed == SPACES


def test_escapes_in_double_quotes_are_allowed() -> None:
    for chars in split_by_size(REFUSED, 500):
        written = "".join(map(escape_for_yaml, chars))
        for text in (f'"{written}"', double_quoted("".join(chars))):
            parsed = parse(f"grants: [{{client: {text}}}]\n".encode(), "f")
            assert (parsed.problems, parsed.data) == ((), {"grants": [{"client": "".join(chars)}]})


@pytest.mark.slow
def test_every_written_character_is_read_back() -> None:
    every = [chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number <= 0xDFFF]
    for chars in split_by_size(every, 4000):
        text = "".join(chars)
        parsed = parse(f"- {double_quoted(text)}\n- {scalar(f'a{text}a')}\n".encode(), "f")
        assert (parsed.data, parsed.problems) == ([text, f"a{text}a"], ())


@pytest.mark.slow
def test_every_other_character_is_allowed() -> None:
    every = {chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number <= 0xDFFF}
    for chars in split_by_size(sorted(every.difference(REFUSED, "'\t\n")), 4000):
        text = "".join(chars)
        parsed = parse(f"- '{text}x'  # {text}\n".encode(), "f")
        assert (parsed.data, parsed.problems) == ([f"{text}x"], ())


@pytest.mark.parametrize("end", ["\r", "\x85", "\u2028", "\u2029"], ids=ascii)
def test_a_comment_ends_only_where_editors_end_it(end: str) -> None:
    text = f"grants:\n# old:{end}  - client: X{end}    api: Y{end}    allow_all_scopes: true\n"

    parsed = parse(text.encode(), "f")

    assert (parsed.data, parsed.is_complete) == (None, False)
    assert [(each.source.line, each.source.column) for each in parsed.problems] == [(2, 7), (2, 21), (2, 32)]
    assert "is a line break only in YAML" in parsed.problems[0].what


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=ascii)
def test_lines_and_columns_match_an_editor(end: str) -> None:
    lines = ["\ufeffgrants:", "  - client: ключ\u200b", "    # a\u2028b", "    api: 'x\u202e'", "# \ufeff"]

    assert positions_of(end.join(lines)) == [(2, 17), (3, 8), (4, 12), (5, 3)]


def test_messages_name_the_character_and_its_escape() -> None:
    messages = messages_of("a: [b\u200b, c\u202e, d\u2028, e\xa0, f\x07, g\U000e0041, 'h\ri']")

    escapes = ["\\u200b", "\\u202e", "\\u2028", "\\u00a0", "\\u0007", "\\U000e0041", "\\u000d"]
    assert [
        each.removesuffix(f', or write the character as "{written}" in double quotes')
        for each, written in zip(messages, escapes, strict=True)
    ] == [
        "1:6: U+200B ZERO WIDTH SPACE is invisible; remove the character",
        "1:10: U+202E RIGHT-TO-LEFT OVERRIDE changes the direction of text; remove the character",
        "1:14: U+2028 LINE SEPARATOR is a line break only in YAML; remove the character",
        "1:18: U+00A0 NO-BREAK SPACE looks like an ordinary space; write a space",
        "1:22: the control character U+0007 is not allowed in YAML; remove the character",
        "1:26: U+E0041 TAG LATIN CAPITAL LETTER A is invisible; remove the character",
        "1:31: U+000D CARRIAGE RETURN without a line feed is a line break only in YAML; end lines with LF or CRLF",
    ]


LEGITIMATE = ["⚠\ufe0f", "1\ufe0f\u20e3", "👩🏽\u200d💻", "❤\ufe0f\u200d🔥", "می\u200cرود", "क्\u200dष", "5\u202f%"]


@pytest.mark.parametrize("text", LEGITIMATE, ids=ascii)
def test_joiners_and_emoji_are_allowed_in_text(text: str) -> None:
    file = f"""\
# {text}
grants:  # {text}
  - client: >  # {text}
      Billing
    api: Invoices
    # {text}
    description: {text}
  - client: "#"  # {text}
    api: Invoices
    description: |
      # first
      {text}
  - {{client: A, api: Invoices, description: "{text}"}} # {text}
"""
    parsed = parse(file.encode(), "f")

    assert parsed.problems == ()
    assert isinstance(parsed.data, dict)
    assert parsed.data["grants"][0]["description"] == text
    assert parse(f"policy: {{rules: [{{rule: x, reason: '{text}'}}]}}".encode(), "f").problems == ()


@pytest.mark.parametrize("text", LEGITIMATE, ids=ascii)
@pytest.mark.parametrize(
    "file",
    [
        *("client: TEXT", "client: 'TEXT'", 'client: "# TEXT"', "client: |\n  # TEXT", "client: >\n\n  a\n  TEXT"),
        *("TEXT: x", "scope: [a, TEXT]", "scope:\n- TEXT", "? TEXT\n: x", "tenants: {TEXT: {}}", "[a, TEXT]"),
        *("{description: [TEXT]}", "? [a]\n: TEXT", "? {a: b}\n: {c: TEXT}"),
        *("variables: {description: TEXT}", "TEXT", "title: TEXT", "description: x\nclient: TEXT", "a\x07: b\nc: TEXT"),
    ],
)
def test_invisible_characters_in_names_are_refused(file: str, text: str) -> None:
    text_of_file = file.replace("TEXT", text)
    first = re.search("[\ufe0f\u200d\u200c\u202f]", text_of_file)
    assert first

    position = (
        text_of_file.count("\n", 0, first.start()) + 1,
        first.start() - text_of_file.rfind("\n", 0, first.start()),
    )
    assert position in positions_of(text_of_file)


def test_the_fast_reader_refuses_the_same_characters() -> None:
    assert positions_of(GRANT.replace("Billing", "Bill\u3164ing")) == [(2, 17)]
    assert positions_of(GRANT.replace("read", "\uffa0")) == [(4, 13)]
    assert positions_of(f"# \u115f\n{GRANT}") == [(1, 3)]
    assert positions_of(GRANT.replace("Billing", "Bill\ring")) == [(2, 17)]


def test_other_problems_of_the_file_are_reported_as_well() -> None:
    assert positions_of("a: &x b\u200b\nc: d\nc: e\n") == [(1, 8), (1, 4), (3, 1)]


def test_a_syntax_error_is_reported_with_all_misleading_characters() -> None:
    assert positions_of("a: [\nb\u200b: # ⚠\ufe0f\n") == [(2, 2), (3, 1)]


def test_the_number_of_character_problems_is_limited() -> None:
    problems = parse(("\u200b" * 2000).encode(), "f").problems

    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-2].source.column == MAX_PROBLEMS
    assert problems[-1] == too_many_problems("f")


def test_a_file_with_a_misleading_character_declares_no_grants(tmp_path: Path) -> None:
    files = {"a.yaml": GRANT.replace("Billing", "Billing\ufe0f"), "b.yaml": f"# \u2029{GRANT}", "c.yaml": GRANT}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    declared = read_grants([tmp_path])

    assert [spec.file for spec in declared.specs] == [f"{tmp_path.as_posix()}/c.yaml"]
    assert [str(each.source).removeprefix(f"{tmp_path.as_posix()}/") for each in declared.problems] == [
        "a.yaml:2:20",
        "b.yaml:1:3",
    ]
