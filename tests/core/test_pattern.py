import re
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.core.pattern import matches

texts = st.text(alphabet="ab[]!-.\\n*?", max_size=12)


def by_definition(value: str, pattern: str) -> bool:
    """The definition, by an engine of its own: each wildcard as a regular expression, everything else as itself."""
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
def test_brackets_are_characters(value: str) -> None:
    assert not matches(value, "Billing [EU]")
    assert matches("Billing [EU]", "Billing [EU]")


def test_capitals_count() -> None:
    assert not matches("billing", "Billing*")


def test_a_pattern_of_many_wildcards_takes_no_longer_than_its_length() -> None:
    """A matcher that tries every combination would not end."""
    begin = process_time()

    assert not matches("a" * 8_000, "*a" * 2_000 + "b")
    assert not matches("a" * 8_000, "*" + "?" * 2_000 + "b")

    assert process_time() - begin < 20
