import pytest

from reconciler.core.characters import join_words, quote_text, visible


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
