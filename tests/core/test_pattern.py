import re
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.core.pattern import matches

texts = st.text(alphabet="ab[]!-.\\n*?", max_size=12)


def by_definition(value: str, pattern: str) -> bool:
    """Match with a regular expression, as an independent definition of the wildcards."""
    wild = {"*": ".*", "?": "."}
    return re.fullmatch("".join(wild.get(each, re.escape(each)) for each in pattern), value, re.DOTALL) is not None


@given(value=texts, pattern=texts)
@example(value="Billing E", pattern="Billing [EU]")
@example(value="aa", pattern="a*a*a")
@example(value="ab", pattern="*b?")
@example(value="", pattern="**")
def test_only_two_characters_are_wildcards(value: str, pattern: str) -> None:
    assert matches(value, pattern) == (value == pattern or by_definition(value, pattern))


@pytest.mark.parametrize("value", ["Billing E", "Billing U", "Billing [E"])
def test_brackets_are_literal(value: str) -> None:
    assert not matches(value, "Billing [EU]")
    assert matches("Billing [EU]", "Billing [EU]")


def test_patterns_are_case_sensitive() -> None:
    assert not matches("billing", "Billing*")


def test_a_pattern_with_many_wildcards_is_fast() -> None:
    """A matcher with backtracking would take exponential time."""
    begin = process_time()

    assert not matches("a" * 8_000, "*a" * 2_000 + "b")
    assert not matches("a" * 8_000, "*" + "?" * 2_000 + "b")

    assert process_time() - begin < 20
