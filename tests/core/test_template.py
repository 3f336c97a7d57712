import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.tenant_filter import BROKEN, filled, literal, names_in, restored

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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Billing", "${app}"),
        ("Billing Worker", "Billing Worker"),
        ("acme.eu.auth0.com", "${domain}"),
        ("https://acme.eu.auth0.com/api/v2/", "https://${domain}/api/v2/"),
        ("${x}", "$${x}"),
        ("$acme.eu.auth0.com", "$acme.eu.auth0.com"),
        ("read", "${a}"),
    ],
)
def test_a_text_of_the_tenant_is_said_by_the_names_of_its_values(text: str, said: str) -> None:
    values = {"domain": "acme.eu.auth0.com", "app": "Billing", "b": "read", "a": "read"}

    assert restored(text, values) == said


@given(texts, st.dictionaries(st.sampled_from(["a", "b", "domain"]), texts | st.sampled_from(["a", "$", "{"])))
def test_a_text_said_by_names_is_filled_to_what_it_was(text: str, values: dict[str, str]) -> None:
    said = restored(text, values)

    assert filled(said, values) == text
    assert set(names_in(said)) <= values.keys()
    assert not re.search(BROKEN, said)
