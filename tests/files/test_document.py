import math

import pytest

from reconciler.files.document import FIRST_CHARACTERS, MAX_DIGITS, START, WORDS, Scalar, mark_of, resolve
from reconciler.files.loader import parse

DATA = parse(b"# first\na:\n  - b: 1\n    c: 2\n", "f.yaml").data


@pytest.mark.parametrize(
    ("path", "value_mark", "key_mark"),
    [
        ((), (2, 1), (2, 1)),
        (("a",), (3, 3), (2, 1)),
        (("a", 0), (3, 5), (3, 5)),
        (("a", 0, "c"), (4, 8), (4, 5)),
        (("a", 0, "missing"), (3, 5), (3, 5)),
        (("a", 0, "c", "deeper"), (4, 8), (4, 5)),
    ],
)
def test_mark_of_returns_the_position_of_a_value_or_key(
    path: tuple[str | int, ...], value_mark: tuple[int, int], key_mark: tuple[int, int]
) -> None:
    assert mark_of(DATA, path) == value_mark
    assert mark_of(DATA, path, key=True) == key_mark


def test_a_single_scalar_has_the_start_position() -> None:
    assert mark_of("text", ()) == START


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("NULL", None),
        ("True", True),
        ("false", False),
        ("12", 12),
        ("-07", -7),
        ("0o17", 15),
        ("0xfF", 255),
        ("1.", 1.0),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("+12.5E-1", 1.25),
        ("-.Inf", -math.inf),
        ("1e999", math.inf),
    ],
)
def test_words_of_the_core_schema_have_their_values(text: str, value: Scalar) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "tRUE", "nULL", "1:30", "2001-01-01", "1_000", "0b1", "0o8", "0x", "-0x1", ".", "-", "1e", "٣"],
)
def test_other_scalars_are_strings(text: str) -> None:
    assert resolve(text) == text


def test_nan_is_a_number() -> None:
    assert math.isnan(float(str(resolve(".nan"))))


def test_a_number_with_too_many_digits_is_refused() -> None:
    assert resolve("9" * MAX_DIGITS) == int("9" * MAX_DIGITS)
    for number in ("9" * 5000, "0x" + "f" * 5000, "1." + "0" * 5000):
        with pytest.raises(ValueError, match="characters is too long"):
            resolve(number)


def test_the_first_characters_cover_every_word() -> None:
    assert all(word[0] in FIRST_CHARACTERS for word in WORDS if word)
