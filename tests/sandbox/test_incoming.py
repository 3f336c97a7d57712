import pytest

from auth0_sandbox.requests.incoming import query_values
from auth0_sandbox.requests.responses import RefusalError
from auth0_sandbox.store.documents import Schema

PARAMETERS: dict[str, Schema] = {
    "page": {"type": "integer", "minimum": 0},
    "totals": {"type": "boolean"},
    "audience": {"type": "string"},
    "identifiers": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
}


@pytest.mark.parametrize(
    ("pairs", "values"),
    [
        pytest.param([("page", "3")], {"page": 3}, id="integer"),
        pytest.param([("totals", "true")], {"totals": True}, id="true"),
        pytest.param([("totals", "false")], {"totals": False}, id="false"),
        pytest.param([("audience", "5")], {"audience": "5"}, id="digits stay text"),
        pytest.param([("identifiers", "a")], {"identifiers": ["a"]}, id="array of one"),
        pytest.param([("identifiers", "a"), ("identifiers", "b")], {"identifiers": ["a", "b"]}, id="array of two"),
    ],
)
def test_parameters_are_converted_to_the_types_of_their_schemas(
    pairs: list[tuple[str, str]], values: dict[str, object]
) -> None:
    assert query_values(pairs, PARAMETERS, refuse_unknown=True) == values


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        pytest.param([("page", "one")], "Expected type integer but found type string", id="not an integer"),
        pytest.param([("page", "9" * 19)], "Expected type integer but found type string", id="too large integer"),
        pytest.param([("page", "-1")], "Value -1 is less than minimum 0", id="negative"),
        pytest.param([("totals", "yes")], "Expected type boolean but found type string", id="not a boolean"),
        pytest.param(
            [("audience", "a"), ("audience", "b")], "Expected type string but found type array", id="repeated"
        ),
        pytest.param([("identifiers", "a")] * 3, "Array is too long (3), maximum 2", id="many"),
        pytest.param([("pge", "1")], "Additional properties not allowed: pge", id="unknown"),
    ],
)
def test_invalid_parameters_are_refused(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(RefusalError) as refused:
        query_values(pairs, PARAMETERS, refuse_unknown=True)
    assert refused.value.answer.status == 400
    assert f"Query validation error: '{message}'" in refused.value.answer.text
    assert '"errorCode":"invalid_query_string"' in refused.value.answer.text


def test_a_setting_accepts_unknown_parameters() -> None:
    assert query_values([("pge", "1")], PARAMETERS, refuse_unknown=False) == {"pge": "1"}
