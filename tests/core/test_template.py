import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.template import BROKEN, filled, literal, names_in

VALUES = {"stage": "dev", "n": "${stage}"}
texts = st.text(alphabet="${}ab_1-é", max_size=12)


@pytest.mark.parametrize(
    ("text", "names", "result"),
    [
        ("plain", [], "plain"),
        ("${stage}", ["stage"], "dev"),
        ("a-${stage}-${stage}", ["stage", "stage"], "a-dev-dev"),
        ("${other}${stage}", ["other", "stage"], "${other}dev"),
        ("$${stage}", [], "${stage}"),
        ("$$${stage}", [], "$${stage}"),
        ("$${${stage}", ["stage"], "${dev"),
        ("$stage {stage} $$ $", [], "$stage {stage} $$ $"),
        ("${n}", ["n"], "${stage}"),
    ],
)
def test_values_stand_in_the_places_of_their_names(text: str, names: list[str], result: str) -> None:
    assert (list(names_in(text)), filled(text, VALUES)) == (names, result)


@given(texts)
def test_every_text_can_be_said_literally(text: str) -> None:
    assert filled(literal(text), VALUES) == text
    assert names_in(literal(text)) == ()
    assert not re.search(BROKEN, literal(text))


@given(texts)
def test_a_text_is_broken_exactly_if_an_opening_begins_no_name(text: str) -> None:
    openings, escaped = text.count("${"), text.count("$${")

    assert bool(re.search(BROKEN, text)) is (openings > escaped + len(names_in(text)))
