from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox.talk import Talk, open_talk


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    opened = open_talk(tmp_path)
    with opened.sandbox:
        yield opened
