import sys

import pytest
import yaml
from hypothesis import given
from support.odd_tenants import odd_texts

from reconciler.core.characters import escape_for_yaml, has_invisible, is_invisible
from reconciler.files.loader import parse
from reconciler.files.write import double_quoted, scalar


@pytest.mark.parametrize(
    "text", ["read:invoices", "Billing Worker", "https://api.example.com/x", "Überweisung", "a@b+c"]
)
def test_plain_text_is_not_quoted(text: str) -> None:
    assert scalar(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "true",
        "No",
        "1:30",
        "0x10",
        "~",
        "a: b",
        "a #b",
        "a:",
        "a ",
        " a",
        "- a",
        "[a",
        "it's",
        "a\u0301",
        "-",
        "é\n",
    ],
)
def test_ambiguous_text_is_quoted(text: str) -> None:
    assert scalar(text).startswith('"')


def test_unprintable_characters_are_escaped() -> None:
    assert double_quoted('a\x1b\u202e\U000e0001"\\日') == '"a\\u001b\\u202e\\U000e0001\\"\\\\日"'


@pytest.mark.slow
def test_no_scalar_contains_an_invisible_character() -> None:
    for number in range(sys.maxunicode + 1):
        if is_invisible(char := chr(number)):
            assert scalar(f"a{char}b") == double_quoted(f"a{char}b") == f'"a{escape_for_yaml(char)}b"'


@given(odd_texts)
def test_every_text_is_read_back_unchanged(text: str) -> None:
    for written in (scalar(text), double_quoted(text)):
        assert written.isprintable()
        assert not has_invisible(written)
        document = f"{written}: [{written}]\nlist:\n  - {written}  # {written if written.isprintable() else ''}\n"
        read = parse(document.encode(), "file.yaml")
        assert read.problems == ()
        assert read.data == {text: [text], "list": [text]} == yaml.safe_load(document)
