"""zizmor finds no security problem in the action and the examples."""

import subprocess

import pytest
from pipeline.project import BIN, EXAMPLES, ROOT

FILES = [
    ROOT / "action.yml",
    *sorted((EXAMPLES / "github").glob("*.yml")),
    ROOT / ".github" / "workflows" / "release.yml",
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_zizmor_finds_nothing_in_pedantic_mode(file: str) -> None:
    words = [str(BIN / "zizmor"), "--color", "never", "--offline", "--persona", "auditor", "--no-ignores", str(file)]

    done = subprocess.run(words, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout.strip()) == (0, "No findings to report. Good job!")
