"""The files of a release: built twice with the locked tools, they are equal."""

import json
import subprocess
from pathlib import Path

import pytest
from pipeline.project import ROOT, TIMEOUT_SECONDS, git

from reconciler import __version__

FILES = {
    f"auth0-grants-{__version__}.cdx.json",
    f"auth0_grants-{__version__}-py3-none-any.whl",
    f"auth0_grants-{__version__}.tar.gz",
}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the tools of requirements-release.lock, and return their Python."""
    folder = tmp_path_factory.mktemp("tools")
    python, own = folder / "bin" / "python", ROOT / ".venv" / "bin" / "python"
    subprocess.run([own, "-m", "venv", "--without-pip", folder], check=True)
    options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    lock = ROOT / "requirements-release.lock"
    subprocess.run(
        [own, "-m", "pip", "--python", python, "install", *options, "--requirement", lock],
        check=True,
        timeout=TIMEOUT_SECONDS,
        capture_output=True,
    )
    return python


def build(tools: Path, folder: Path) -> Path:
    """Clone the project, build in the clone, and return the folder with the files."""
    clone, target = folder / "clone", folder / "dist"
    git(folder, "clone", "--quiet", "--no-local", str(ROOT), str(clone))
    subprocess.run([tools, "-I", "tools/build.py", target], cwd=clone, check=True, timeout=TIMEOUT_SECONDS)
    return target


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="NOT CHECKED: this is not a clone")
def test_two_builds_give_equal_files_with_an_sbom(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first, second = build(tools, tmp_path / "first"), build(tools, tmp_path / "second")

    assert {file.name for file in first.iterdir()} == FILES
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    sbom = json.loads((first / f"auth0-grants-{__version__}.cdx.json").read_text(encoding="utf-8"))
    assert (sbom["bomFormat"], sbom["metadata"]["component"]["version"]) == ("CycloneDX", __version__)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert {f"{each['name']}=={each['version']}" for each in sbom["components"]} == {
        line.split()[0] for line in lock.splitlines() if "==" in line and not line.startswith(" ")
    }
    assert all(each["externalReferences"][0]["hashes"] for each in sbom["components"])
