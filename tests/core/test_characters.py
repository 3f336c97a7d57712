import sys
import unicodedata

import pytest

from reconciler.core.characters import (
    belongs_to_text,
    character_name,
    escape_for_yaml,
    has_invisible,
    is_invisible,
    join_words,
    quote_text,
    visible,
)

EVERY = [chr(number) for number in range(sys.maxunicode + 1)]


def test_all_format_characters_and_spaces_that_python_knows_are_in_the_table() -> None:
    missing = [
        character_name(char)
        for char in EVERY
        if unicodedata.category(char) in {"Cf", "Zs"} and char != " " and not is_invisible(char)
    ]

    assert missing == []


@pytest.mark.parametrize(
    "ranges",
    [
        *("AD", "34F", "61C", "115F-1160", "17B4-17B5", "180B-180F", "200B-200F", "202A-202E", "2060-206F", "2800"),
        *("3164", "FE00-FE0F", "FEFF", "FFA0", "FFF0-FFFC", "1BCA0-1BCA3", "1D173-1D17A", "E0000-E0FFF", "3000"),
    ],
)
def test_unassigned_characters_in_invisible_ranges_are_invisible(ranges: str) -> None:
    first, _, last = ranges.partition("-")

    assert all(map(is_invisible, map(chr, range(int(first, 16), int(last or first, 16) + 1))))


@pytest.mark.parametrize("char", ["a", " ", "é", "日", "\u0301", "⚠", "~", "\u2011", "\U000e1000", "\ue000"])
def test_visible_characters_are_not_invisible(char: str) -> None:
    assert not is_invisible(char)


@pytest.mark.slow
def test_has_invisible_agrees_with_is_invisible() -> None:
    found = {char for char in EVERY if has_invisible(f"é{char}")}

    assert found == {char for char in EVERY if is_invisible(char)}


@pytest.mark.slow
def test_every_invisible_character_is_escaped() -> None:
    for char in EVERY:
        shown = visible(f"a{char}b")
        assert shown.isprintable()
        assert not has_invisible(shown)
        if is_invisible(char):
            assert shown.isascii()


def test_the_name_of_a_character_has_its_number_and_its_unicode_name() -> None:
    assert character_name("\u200b") == "U+200B ZERO WIDTH SPACE"
    assert character_name("\x85") == "U+0085 NEXT LINE"
    assert character_name("\U000e0002") == "U+E0002"


def test_an_escape_has_four_or_eight_digits() -> None:
    assert [escape_for_yaml("\xad"), escape_for_yaml("\uffff"), escape_for_yaml("\U000e0100")] == [
        "\\u00ad",
        "\\uffff",
        "\\U000e0100",
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("⚠[\ufe0f]", "⚠[\ufe0e] x", "1[\ufe0f]\u20e3", "#[\ufe0f]\u20e3", "❤[\ufe0f]\u200d🔥", "❤\ufe0f[\u200d]🔥"),
        *("👩[\u200d]💻", "👩🏽[\u200d]💻", "👨[\u200d]👩\u200d👧", "👨\u200d👩[\u200d]👧"),
        *("می[\u200c]رود", "क्[\u200d]ष", "क्[\u200c]ष", "ශ්[\u200d]රී", "ক্[\u200d]য", "മന്[\u200d]റെ"),
        *("a[\xa0]b", "[\u3000]日本", "5[\u202f]%"),
    ],
    ids=ascii,
)
def test_an_invisible_character_with_a_purpose_belongs_to_the_text(text: str) -> None:
    before, _, after = text.partition("[")
    assert belongs_to_text(before + after.replace("]", "", 1), len(before))


@pytest.mark.parametrize(
    "text",
    [
        *("[\ufe0f]", "a[\ufe0f]", "1[\ufe0f]", "1[\ufe0f]x", "日[\ufe00]", "⚠[\ufe00]", "⚠\ufe0f[\ufe0f]"),
        *("⚠ [\ufe0f]", "[\u200d]", "[\u200d]💻", "👩[\u200d]", "👩[\u200d]a", "a[\u200d]💻", "👩[\u200c]💻"),
        *("👩\u200d[\u200d]💻", "a[\u200d]b", "a[\u200c]b", "می[\u200c]", "[\u200c]می", "می[\u200c] رود"),
        *("ن[\u200c]क", "ن\u200c[\u200c]ن", "\u0661[\u200c]\u0662", "é[\u200c]é", "🏴[\U000e0067]", "a[\u200b]b"),
        *("a[\u2800]b", "a[\xad]b", "\u202e[\u202c]", "[\ufeff]"),
        "ខ[\u17b4]ខ",
    ],
    ids=ascii,
)
def test_an_invisible_character_without_a_purpose_does_not_belong_to_the_text(text: str) -> None:
    before, _, after = text.partition("[")
    assert not belongs_to_text(before + after.replace("]", "", 1), len(before))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Billing Worker", "Billing Worker"),
        ("Größe €", "Größe €"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("line\nbreak", "line\\nbreak"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\udcff"),
        ("Portal\ufe0f", "Portal\\ufe0f"),
        ("Portal\u3164", "Portal\\u3164"),
        ("⚠\ufe0f", "⚠\\ufe0f"),
        ("a\u2800b\U000e0100", "a\\u2800b\\U000e0100"),
        ("a ::b::", "a ::b::"),
        ("::error::x", "\\x3a:error::x"),
        ("  ::add-mask::x", "  \\x3a:add-mask::x"),
        ("a ##[group]x", "a #\\x23[group]x"),
    ],
)
def test_unprintable_characters_are_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_long_text_is_shortened() -> None:
    assert quote_text("x" * 60) == f'"{"x" * 60}"'
    assert quote_text("x" * 61) == f'"{"x" * 59}…"'


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")]
)
def test_words_are_joined_with_commas_and_a_conjunction(words: list[str], text: str) -> None:
    assert join_words(words, "or") == text
