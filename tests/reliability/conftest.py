from collections.abc import Iterator
from pathlib import Path

import pytest
from reliability.place import Place, a_place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A workspace and its served tenant."""
    with a_place(tmp_path, monkeypatch) as made:
        yield made
