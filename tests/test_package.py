"""The content of the wheel. It works without the checkout."""

import configparser
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from reconciler.contract import stored

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "reconciler"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, and return the folder with its content."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def run_unpacked(wheel: Path, *words: str) -> str:
    """Run Python outside of the checkout, with the unpacked wheel first on its path."""
    # coverage of the unpacked files is not measured
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment["PYTHONPATH"] = str(wheel)
    done = subprocess.run(
        [sys.executable, *words], cwd=wheel.parent, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout


def names(folder: Path) -> set[str]:
    """Return the files below a folder, without files that Python and editors create."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if "__pycache__" not in path.parts}


def test_the_wheel_contains_every_file_of_the_packages_and_the_schemas(wheel: Path) -> None:
    schemas = {f"schemas/{name}" for name in names(ROOT / "schemas")}
    folders = ("examples/github", "examples/gitlab", "grants")
    templates = {f"{folder}/{name}" for folder in folders for name in names(ROOT / folder)}
    templates |= {"action.yml", "reconciler.yaml", "requirements.lock", "sandbox.yaml"}

    assert names(wheel / "reconciler") == names(PACKAGE) | schemas | templates
    assert "py.typed" in names(wheel / "reconciler")
    assert names(wheel / "auth0_sandbox") == names(ROOT / "auth0_sandbox") | {"client-grants.openapi.json"}
    assert {f"schemas/{name}" for name in (stored.OPENAPI, stored.GRANTS, stored.PLAN, stored.CONFIG)} <= schemas


def test_the_wheel_installs_only_the_packages(wheel: Path) -> None:
    assert {path.name.partition("-")[0] for path in wheel.iterdir()} == {"auth0_grants", "auth0_sandbox", "reconciler"}


def test_the_wheel_installs_the_command(wheel: Path) -> None:
    (entry_points,) = wheel.glob("*.dist-info/entry_points.txt")
    parser = configparser.ConfigParser()
    parser.read(entry_points)

    assert dict(parser["console_scripts"]) == {"reconciler": "reconciler.__main__:start"}


def test_the_unpacked_wheel_finds_its_own_schemas(wheel: Path) -> None:
    script = "from reconciler.contract import stored; print(stored.folder())"

    assert run_unpacked(wheel, "-c", script) == f"{wheel / 'reconciler' / 'schemas'}\n"
    assert run_unpacked(wheel, "-m", "reconciler", "schema") == (ROOT / "schemas" / stored.GRANTS).read_text()


@pytest.mark.parametrize("service", ["github", "gitlab", "none"])
def test_the_unpacked_wheel_starts_a_repository(wheel: Path, service: str) -> None:
    folder = wheel.parent / f"with-{service}"
    options = ("--domain", "company.eu.auth0.com", "--ci", service, "--config", f"{folder}/reconciler.yaml")

    assert "written" in run_unpacked(wheel, "-m", "reconciler", "init", *options)


def test_the_unpacked_wheel_runs_the_demo_in_an_empty_folder(wheel: Path) -> None:
    output = run_unpacked(wheel, "-m", "reconciler", "-q", "demo", "demo")

    assert "Apply: 5 applied; the tenant matches the files." in output


def test_the_unpacked_wheel_plans_on_a_sandbox(wheel: Path) -> None:
    folder = wheel.parent
    (folder / "grants").mkdir()
    (folder / "grants" / "one.yaml").write_text("grants: [{client: A, api: B}]\n", encoding="utf-8")
    (folder / "seed.yaml").write_text("applications: [{name: A}]\napis: [{name: B, identifier: b}]\n", encoding="utf-8")
    config = "default_tenant: local\ntenants: {local: {kind: sandbox, seed: seed.yaml}}\n"
    (folder / "reconciler.yaml").write_text(config, encoding="utf-8")

    assert "  + A -> B\n" in run_unpacked(wheel, "-m", "reconciler", "plan")
