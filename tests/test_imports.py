"""Each folder in imports/ is a test of `import --from`: files of another tool, and the files that an import writes.

Files of a folder:

    source/           the files before the import, with reconciler.yaml if there is one
    scenario.yaml     a description, the arguments of `import`, and its exit code (default 0)
    expected/         the new and changed files after the import
    output.txt        stdout of the import
    problems.txt      stderr of the import

A missing file counts as empty. `REMAKE_SCENARIOS=1 pytest tests/test_imports.py` writes everything but the source. Read
the diff before you commit it.
"""

import os
import shlex
import shutil
from pathlib import Path

import pytest
from support.commands import enter_clean_folder, reconciler

from reconciler.files.read import read_yaml

FOLDERS = sorted(path for path in (Path(__file__).parent / "imports").iterdir() if path.is_dir())
REMAKE = "REMAKE_SCENARIOS" in os.environ
SCENARIO = {
    "type": "object",
    "additionalProperties": False,
    "required": ["what", "import"],
    "properties": {
        "what": {"type": "string"},
        "import": {"type": "string"},
        "code": {"type": "integer"},
    },
}


def texts_in(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".reconciler" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


def expect(file: Path, found: str) -> None:
    if REMAKE:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found, encoding="utf-8") if found else file.unlink(missing_ok=True)
    assert found == (file.read_text(encoding="utf-8") if file.exists() else "")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_import_writes_the_expected_files(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_yaml(folder / "scenario.yaml", SCENARIO)
    assert not settings.problems
    before = texts_in(folder / "source")
    shutil.copytree(folder / "source", tmp_path, dirs_exist_ok=True)
    enter_clean_folder(tmp_path, monkeypatch)

    ran = reconciler("import", *shlex.split(settings.data["import"]))

    expect(folder / "output.txt", ran.stdout)
    expect(folder / "problems.txt", ran.stderr)
    assert ran.code == settings.data.get("code", 0)
    after = texts_in(tmp_path)
    changed = {name: text for name, text in after.items() if before.get(name) != text}
    if REMAKE:
        shutil.rmtree(folder / "expected", ignore_errors=True)
    for name in {*changed, *texts_in(folder / "expected")}:
        expect(folder / "expected" / name, changed.get(name, ""))
    assert before.keys() <= after.keys()
    if changed:
        assert reconciler("validate").code == 0
        assert reconciler("fmt", "--check").code == 0
        assert reconciler("import", *shlex.split(settings.data["import"])).stdout.startswith("Imported: nothing new")
        assert texts_in(tmp_path) == after
