"""pre-commit installs the hook from a repository, as its users do, and runs it."""

import os
import subprocess
from pathlib import Path

from pipeline.project import BIN, ROOT, TIMEOUT_SECONDS, Project, copied, git

CONFIGURATION = """
repos:
  - repo: {repository}
    rev: {revision}
    hooks:
      - id: validate
"""


def hooked(project: Project, home: Path) -> tuple[int, str]:
    """Run the hook on all files, and return its exit code and what is printed."""
    project.git("add", "--all")
    done = subprocess.run(
        [BIN / "pre-commit", "run", "--all-files"],
        cwd=project.folder,
        env={**os.environ, "PRE_COMMIT_HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull},
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_hook_takes_right_files_and_shows_what_is_wrong_with_others(project: Project, tmp_path: Path) -> None:
    repository = tmp_path / "reconciler"
    copied(ROOT, repository, ".pre-commit-hooks.yaml")
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "All")
    configuration = CONFIGURATION.format(repository=repository, revision=git(repository, "rev-parse", "HEAD"))
    (project.folder / ".pre-commit-config.yaml").write_text(configuration, encoding="utf-8")

    code, said = hooked(project, tmp_path / "home")
    assert code == 0, said
    assert "validate grant files" in said

    project.write(more="grants:\n  - {client: Billing, api: Invoices API, scop: []}\n")
    code, said = hooked(project, tmp_path / "home")
    assert code == 1
    assert "grants/more.yaml:2:" in said
