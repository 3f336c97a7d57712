"""Build sdist, wheel and SBOM: `python tools/build.py dist`. Equal commits give equal files.

The Python that runs tools/build.py needs the packages in requirements-release.lock.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SBOM = "auth0-grants-{}.cdx.json"


def main(folder: Path) -> None:
    """Build the sdist, the wheel and the SBOM in `folder`."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": commit_time()}
    os.umask(0o022)
    run("build", "--no-isolation", "--outdir", str(folder), environment=environment)
    (wheel,) = folder.glob("*.whl")
    version = wheel.name.split("-")[1]
    sbom = folder / SBOM.format(version)
    options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--spec-version", "1.6"]
    run(
        "cyclonedx_py",
        "requirements",
        *options,
        "--output-file",
        str(sbom),
        "requirements.lock",
        environment=environment,
    )
    complete_sbom(sbom, version)


def commit_time() -> str:
    """Return the time of the commit in UNIX seconds. All files in the archives get the time of the commit."""
    command = ["git", "log", "-1", "--format=%ct"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def run(module: str, *arguments: str, environment: dict[str, str]) -> None:
    """Run a module with the current Python interpreter in the root folder."""
    subprocess.run([sys.executable, "-I", "-m", module, *arguments], cwd=ROOT, env=environment, check=True)


def complete_sbom(sbom: Path, version: str) -> None:
    """Add the version and the dependencies of the main component, because requirements.lock does not contain them."""
    content = json.loads(sbom.read_text(encoding="utf-8"))
    component = content["metadata"]["component"]
    component |= {"version": version, "purl": f"pkg:pypi/{component['name']}@{version}"}
    packages = [each["bom-ref"] for each in content["components"]]
    content["dependencies"] = [
        {"ref": component["bom-ref"], "dependsOn": packages},
        *({"ref": each} for each in packages),
    ]
    sbom.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
