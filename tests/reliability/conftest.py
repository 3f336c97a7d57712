from collections.abc import Iterator
from pathlib import Path

import pytest
from reliability.served_workspace import ServedWorkspace, served_workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedWorkspace]:
    """A workspace and its served tenant."""
    with served_workspace(tmp_path, monkeypatch) as made:
        yield made
