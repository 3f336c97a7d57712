import pytest

from reconciler.files.document import START, mark_of
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


def test_a_single_scalar_is_at_the_start() -> None:
    assert mark_of("text", ()) == START
