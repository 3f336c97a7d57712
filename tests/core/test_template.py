import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.tenant_filter import (
    INVALID_PLACEHOLDER,
    escape_variables,
    insert_variables,
    substitute,
    variable_names,
)

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
def test_variables_are_substituted(text: str, names: list[str], result: str) -> None:
    assert (list(variable_names(text)), substitute(text, VALUES)) == (names, result)


@given(texts)
def test_every_text_can_be_escaped(text: str) -> None:
    assert substitute(escape_variables(text), VALUES) == text
    assert variable_names(escape_variables(text)) == ()
    assert not re.search(INVALID_PLACEHOLDER, escape_variables(text))


@given(texts)
def test_an_opening_without_a_valid_name_is_an_invalid_placeholder(text: str) -> None:
    openings, escaped = text.count("${"), text.count("$${")

    assert bool(re.search(INVALID_PLACEHOLDER, text)) is (openings > escaped + len(variable_names(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_variables_are_inserted_for_values(text: str, expected: str) -> None:
    values = {"domain": "acme.eu.auth0.com", "app": "Billing", "b": "read", "a": "read"}

    assert insert_variables(text, values) == expected


@given(texts, st.dictionaries(st.sampled_from(["a", "b", "domain"]), texts | st.sampled_from(["a", "$", "{"])))
def test_substituting_inserted_variables_restores_the_text(text: str, values: dict[str, str]) -> None:
    with_variables = insert_variables(text, values)

    assert substitute(with_variables, values) == text
    assert set(variable_names(with_variables)) <= values.keys()
    assert not re.search(INVALID_PLACEHOLDER, with_variables)
