"""The single file of `make zipapp`."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pipeline.project import ROOT, TIMEOUT_SECONDS, build_once


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_once(tmp_path_factory, "zipapp", build) / "reconciler.pyz"


def build(folder: Path) -> None:
    command = [ROOT / ".venv" / "bin" / "python", ROOT / "tools" / "zipapp.py", folder / "reconciler.pyz"]
    subprocess.run(command, check=True, timeout=TIMEOUT_SECONDS, capture_output=True)


def run(archive: Path, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the file in a folder with its own cache."""
    variables: Mapping[str, str] = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(folder / "cache"), **environment}
    command = [sys.executable, "-I", str(archive), *arguments]
    return subprocess.run(command, cwd=folder, env=variables, check=False, capture_output=True, text=True)


def test_the_file_runs_without_an_installation(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "grants").mkdir()
    (tmp_path / "grants" / "one.yaml").write_text("grants: [{client: A, api: B}]\n", encoding="utf-8")

    first, second = run(archive, tmp_path, "validate"), run(archive, tmp_path, "validate")

    assert (first.stdout, first.stderr) == ("1 grant in 1 file: valid.\n", "")
    assert second.stdout == first.stdout
    assert len(list((tmp_path / "cache" / "reconciler").iterdir())) == 1
    (folder,) = (tmp_path / "cache" / "reconciler").iterdir()
    assert folder.stat().st_mode & 0o077 == 0


def test_the_file_contains_the_locked_packages(archive: Path, tmp_path: Path) -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    versions = dict(line.split(" ", 1) for line in run(archive, tmp_path, "--version", "-v").stdout.splitlines())

    for name in ("click", "cryptography", "httpx", "jsonschema-rs", "PyYAML", "PyJWT"):
        assert f"\n{name.lower()}=={versions[name]} " in lock


def test_code_that_another_user_may_have_written_is_not_run(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "reconciler"
    folder.mkdir(parents=True)
    folder.chmod(0o777)

    refused = run(archive, tmp_path, "validate")

    assert refused.returncode == 1
    assert "so it is not used" in refused.stderr


def test_a_cache_that_cannot_be_written_is_an_error(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    refused = run(archive, tmp_path, "validate", XDG_CACHE_HOME=str(tmp_path / "file"))

    assert refused.returncode == 1
    assert "set XDG_CACHE_HOME" in refused.stderr


def test_equal_inputs_give_equal_bytes(archive: Path, tmp_path: Path) -> None:
    build(tmp_path)

    assert (tmp_path / "reconciler.pyz").read_bytes() == archive.read_bytes()
