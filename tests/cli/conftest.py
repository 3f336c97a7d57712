from pathlib import Path

import pytest
from support.commands import a_workspace


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a configuration, a sandbox's seed and a grant file, and a silent environment."""
    return a_workspace(tmp_path, monkeypatch)
