import pytest

from reconciler.core.suggest import Suggestions, did_you_mean, similar_words
from reconciler.files.loader import parse


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("wrte:invoices", ["read:invoices", "write:invoices"], ["write:invoices"]),
        ("billing worker", ["Billing Worker", "Portal"], ["Billing Worker"]),
        ("portal", ["Portal A", "Portal B"], ["Portal B", "Portal A"]),
        ("zzz", ["Portal"], []),
        ("x", [], []),
    ],
    ids=["one", "other case", "equally similar", "nothing similar", "no names"],
)
def test_only_words_about_as_similar_as_the_best_are_suggested(
    word: str, known: list[str], expected: list[str]
) -> None:
    assert similar_words(word, known) == expected


def test_several_suggestions_are_joined() -> None:
    assert did_you_mean("portal", ["Portal A", "Portal B"]) == 'did you mean "Portal B" or "Portal A"?'


def test_the_number_of_suggestions_is_limited() -> None:
    guess = Suggestions(max_suggestions=2)

    assert [guess("scpoe", ["scope"]) for _ in range(3)] == ['did you mean "scope"?'] * 2 + [""]


@pytest.mark.parametrize(
    ("word", "twin", "written"),
    [
        ("Mu\u0308ller Dienst", "M\u00fcller Dienst", r"M\xfcller Dienst"),
        ("M\u00fcller Dienst", "Mu\u0308ller Dienst", r"Mu\u0308ller Dienst"),
        ("K", "\u212a", r"\u212a"),
        ('M\u00fcller "\U0001f680', 'Mu\u0308ller "\U0001f680', r"Mu\u0308ller \"\U0001f680"),
        ("\u00e9" * 200, "e\u0301" * 200, r"e\u0301" * 200),
    ],
)
def test_a_name_in_another_normalization_is_explained(word: str, twin: str, written: str) -> None:
    message = did_you_mean(word, iter(["Other", twin]))

    assert message == f'"{twin}" differs only in Unicode normalization; write "{written}", including the double quotes'
    assert parse(f'"{written}"'.encode(), "x.yaml").data == twin
    assert did_you_mean(twin, [twin]) == (f'did you mean "{twin}"?' if len(twin) <= 64 else "")
