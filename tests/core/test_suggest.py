import pytest

from reconciler.core.suggest import Suggestions, did_you_mean, near_misses


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("wrte:invoices", ["read:invoices", "write:invoices"], ["write:invoices"]),
        ("billing worker", ["Billing Worker", "Portal"], ["Billing Worker"]),
        ("portal", ["Portal A", "Portal B"], ["Portal B", "Portal A"]),
        ("zzz", ["Portal"], []),
        ("x", [], []),
    ],
    ids=["the one", "capitals aside", "equally near", "nothing near", "nothing known"],
)
def test_only_what_is_about_as_near_as_the_nearest_is_meant(word: str, known: list[str], expected: list[str]) -> None:
    assert near_misses(word, known) == expected


def test_several_guesses_are_offered_together() -> None:
    assert did_you_mean("portal", ["Portal A", "Portal B"]) == 'did you mean "Portal B" or "Portal A"?'


def test_guesses_run_out() -> None:
    guess = Suggestions(most=2)

    assert [guess("scpoe", ["scope"]) for _ in range(3)] == ['did you mean "scope"?'] * 2 + [""]
