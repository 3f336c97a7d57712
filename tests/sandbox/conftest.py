from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox.sandbox_client import SandboxClient, open_client


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[SandboxClient]:
    opened = open_client(tmp_path)
    with opened.sandbox:
        yield opened
