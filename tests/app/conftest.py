from pathlib import Path

import pytest
from support.commands import a_workspace


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a configuration, a sandbox seed and a grant file. The environment has no settings."""
    return a_workspace(tmp_path, monkeypatch)
