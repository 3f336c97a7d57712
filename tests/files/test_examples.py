from pathlib import Path

import pytest

from reconciler.core.problems import errors
from reconciler.files.read import read_grants

EXAMPLES = Path(__file__).parent.parent / "examples"


def examples(kind: str) -> list[Path]:
    found = sorted((EXAMPLES / kind).glob("*.yaml"))
    assert found
    return found


def problems_of(path: Path) -> str:
    lines = [f"{problem.source}: {problem.message}\n" for problem in read_grants([path]).problems]
    assert all(line.startswith(f"{path.as_posix()}:") for line in lines)
    return "".join(line.removeprefix(f"{path.as_posix()}:") for line in lines).replace(path.as_posix(), path.name)


def expected_problems(path: Path) -> str:
    beside = path.with_suffix(".problems")
    return beside.read_text(encoding="utf-8") if beside.exists() else ""


@pytest.mark.parametrize("path", examples("valid"), ids=lambda path: path.stem)
def test_a_valid_file_has_only_the_expected_warnings(path: Path) -> None:
    assert not errors(read_grants([path]).problems)
    assert problems_of(path) == expected_problems(path)


@pytest.mark.parametrize("path", examples("invalid"), ids=lambda path: path.stem)
def test_an_invalid_file_has_exactly_the_expected_problems(path: Path) -> None:
    assert errors(read_grants([path]).problems)
    assert problems_of(path) == expected_problems(path)
