import pytest

from auth0_sandbox.store.documents import MalformedJsonError, dump, parse_foreign, project


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"{", id="unfinished"),
        pytest.param(b"\xff", id="not UTF-8"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"-Infinity", id="infinity by name"),
        pytest.param(b"1e999", id="infinity by size"),
        pytest.param(b'"\\ud800"', id="lone surrogate"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b"1" * 5000, id="more digits than Python reads"),
    ],
)
def test_json_that_could_not_be_answered_again_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        parse_foreign(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b"1.5", 1.5), (b'"\\u00e9"', "é"), (b'"\\ud83d\\ude00"', "😀"), (b'{"a":null}', {"a": None})],
    ids=["number", "escape", "pair of surrogates", "object"],
)
def test_other_json_is_read(raw: bytes, value: object) -> None:
    assert parse_foreign(raw) == value


def test_text_is_compact_and_keeps_the_order_of_attributes() -> None:
    assert dump({"b": ["é"], "a": None}) == '{"b":["é"],"a":null}'


def test_a_projection_keeps_or_drops_the_named_attributes() -> None:
    document = {"c": 1, "a": 2, "b": 3}
    assert list(project(document, frozenset("bc"), include=True)) == ["c", "b"]
    assert project(document, frozenset("bc"), include=False) == {"a": 2}
