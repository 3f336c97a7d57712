"""The wheel works with the installers that the README names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline.project import BIN, ROOT, TIMEOUT_SECONDS, build_once, build_wheel

from reconciler import DISTRIBUTION, __version__

PYTHON = str(ROOT / ".venv" / "bin" / "python")


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env=environment(folder),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which the installers write only into `folder`."""
    names = ("UV_CACHE_DIR", "UV_TOOL_DIR", "PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR")
    return {**os.environ, "PATH": f"{BIN}:/usr/bin:/bin", **{name: str(folder / name) for name in names}}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_once(tmp_path_factory, "wheel", build_wheel)
    (built,) = folder.glob("*.whl")
    assert built.name.startswith(f"{DISTRIBUTION.replace('-', '_')}-{__version__}-")
    return built


def test_uvx(wheel: Path, tmp_path: Path) -> None:
    shown = run(
        BIN / "uv",
        "tool",
        "run",
        "--python",
        sys.executable,
        "--from",
        wheel,
        "reconciler",
        "--version",
        folder=tmp_path,
    )

    assert shown == f"reconciler {__version__}\n"


def test_pipx(wheel: Path, tmp_path: Path) -> None:
    run(BIN / "pipx", "install", "--python", sys.executable, wheel, folder=tmp_path)

    shown = run(tmp_path / "PIPX_BIN_DIR" / "reconciler", "--version", folder=tmp_path)
    assert shown == f"reconciler {__version__}\n"


def test_pip_with_the_lock(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    pip = [PYTHON, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    lock = str(ROOT / "requirements.lock")
    subprocess.run(
        [*pip, "--require-hashes", "--only-binary", ":all:", "-r", lock], check=True, timeout=TIMEOUT_SECONDS
    )
    subprocess.run([*pip, str(wheel)], check=True, timeout=TIMEOUT_SECONDS)

    shown = run(tmp_path / "venv" / "bin" / "reconciler", "--version", folder=tmp_path)
    assert shown == f"reconciler {__version__}\n"
    subprocess.run([PYTHON, "-m", "pip", "--python", python, "check"], check=True)
