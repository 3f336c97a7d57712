"""Run tests with each supported version of Python: `python tools/pythons.py TEST...`.

A missing version of Python is reported at the end. A missing version is not a failure, because a machine rarely has all
versions.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
TEST_TOOLS = ("hypothesis", "pytest", "pytest-xdist")
VERSION_CODE = "import sys; print('.'.join(map(str, sys.version_info[:2])))"


def main(tests: list[str]) -> int:
    """Run `tests` with each version of Python, and return the exit code."""
    results = {version: run_tests(version, tests) for version in VERSIONS}
    print()
    for version, result in results.items():
        print(f"Python {version}: {result}")
    return int("failed" in results.values())


def run_tests(version: str, tests: list[str]) -> str:
    """Run `tests` with a version of Python, and return the result as a short text."""
    interpreter = find_interpreter(version)
    if interpreter is None:
        return "NOT INSTALLED, NOT TESTED"
    print(f"\nPython {version}: {interpreter}", flush=True)
    python = prepare_environment(interpreter, version)
    done = subprocess.run([python, "-m", "pytest", "-q", "-n", "2", *tests], cwd=ROOT, check=False)
    return "failed" if done.returncode else "passed"


def find_interpreter(version: str) -> str | None:
    """Return an interpreter of this version from the PATH or from pyenv, or None."""
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), reverse=True)
    for candidate in (f"python{version}", *map(str, installed)):
        try:
            done = subprocess.run([candidate, "-c", VERSION_CODE], check=False, capture_output=True, text=True)
        except OSError:
            continue
        if done.returncode == 0 and done.stdout.strip() == version:
            return candidate
    return None


def prepare_environment(interpreter: str, version: str) -> Path:
    """Create the virtual environment for a version of Python, and install the packages and the test tools."""
    folder = ROOT / f".venv-python{version}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([interpreter, "-m", "venv", folder], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*install, "--editable", ".[jwt,sandbox]", *test_tools()], cwd=ROOT, check=True)
    return python


def test_tools() -> Iterator[str]:
    """Yield the test tools with the versions in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in project["optional-dependencies"]["dev"]:
        if requirement.partition("==")[0] in TEST_TOOLS:
            yield requirement


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
