"""The Containerfile: rules for its content, and its steps run in a folder, because no container engine is needed."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from pipeline.project import ROOT, TIMEOUT_SECONDS, pip_settings

CONTAINERFILE = ROOT / "Containerfile"
Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """Return the name and the text of each instruction, without comments."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def stages() -> list[list[Instruction]]:
    """Return the instructions of each stage, without FROM."""
    found: list[list[Instruction]] = []
    for name, text in instructions():
        if name == "FROM":
            found.append([])
        elif found:
            found[-1].append((name, text))
    return found


def test_the_image_runs_the_command_as_an_unprivileged_user() -> None:
    final = dict(stages()[-1])

    user, _, group = final["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert json.loads(final["ENTRYPOINT"]) == ["/opt/reconciler/bin/reconciler"]
    assert final["WORKDIR"] == "/work"


def test_every_installation_of_packages_checks_hashes() -> None:
    installations = [text for name, text in instructions() if name == "RUN" and "pip" in shlex.split(text)]

    assert len(installations) == 1
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(shlex.split(installations[0]))


def test_the_image_contains_no_secret_and_no_download() -> None:
    for name, text in instructions():
        assert name not in {"ADD", "VOLUME", "EXPOSE"}
        assert not re.search(r"(?i)secret|token|password|curl|wget", text)


def test_every_copied_file_is_in_the_build_context() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = {
        source
        for name, text in instructions()
        if name == "COPY" and not text.startswith("--from")
        for source in text.split()[:-1]
    }

    assert ignore[0] == "*"
    assert sources == {line[1:] for line in ignore if line.startswith("!")}


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("NOT CHECKED: hadolint is not installed")
    done = subprocess.run([hadolint, str(CONTAINERFILE)], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the steps of the build stage in a folder, and return the folder in place of /."""
    root = tmp_path_factory.mktemp("image")
    source, tools = root / "source", root / "tools"
    source.mkdir()
    (root / "opt").mkdir()
    tools.mkdir()
    python = tools / "python"  # pip of this machine, with its settings built in, because --isolated ignores them
    add_settings = f'[[ " $* " != *" -m pip "* ]] || set -- "$@" {pip_settings()}'
    python.write_text(f'#!/bin/bash\n{add_settings}\nexec {ROOT}/.venv/bin/python "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    for name, text in stages()[0]:
        if name == "COPY":
            *starts, target = text.split()
            destination = source / target
            for start in starts:
                if target.endswith("/"):
                    shutil.copy(ROOT / start, destination)
                else:
                    shutil.copytree(ROOT / start, destination, ignore=shutil.ignore_patterns("__pycache__"))
        elif name == "RUN":
            subprocess.run(
                ["/bin/sh", "-e", "-c", text.replace("/opt/", f"{root}/opt/")],
                cwd=source,
                env={"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(root)},
                check=True,
                timeout=TIMEOUT_SECONDS,
            )
    return root


def test_the_command_runs_without_writing_to_the_image(image: Path, tmp_path: Path) -> None:
    def files() -> set[Path]:
        return set((image / "opt").rglob("*"))

    (tmp_path / "grants").mkdir()
    (tmp_path / "grants" / "one.yaml").write_text("grants: [{client: A, api: B}]\n", encoding="utf-8")
    before = files()
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    command = [str(image / "opt" / "reconciler" / "bin" / "reconciler")]

    validated = subprocess.run(
        [*command, "validate"], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
    )
    version = subprocess.run([*command, "--version", "-v"], env=environment, check=True, capture_output=True, text=True)

    assert (validated.stdout, validated.stderr) == ("1 grant in 1 file: valid.\n", "")
    assert files() == before
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert f"httpx=={re.search(r'^httpx (.*)$', version.stdout, re.MULTILINE)[1]} " in lock  # type: ignore[index]
