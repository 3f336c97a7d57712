import gc
from collections.abc import Iterator

import pytest

from reconciler.cli.memory import OBJECTS_BETWEEN_COLLECTIONS, kept, look_seldom


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_no_garbage_is_looked_for_among_what_is_kept() -> None:
    with kept():
        assert not gc.isenabled()
        made = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(made)


def test_garbage_is_looked_for_again_after_an_error() -> None:
    with pytest.raises(KeyError), kept():
        raise KeyError
    assert gc.isenabled()


def test_a_run_looks_for_garbage_seldom() -> None:
    look_seldom()
    assert gc.get_threshold()[0] == OBJECTS_BETWEEN_COLLECTIONS
