"""pre-commit installs the hook from a repository and runs it."""

import os
import subprocess
from pathlib import Path

from pipeline.project import BIN, ROOT, TIMEOUT_SECONDS, Project, copy_source, git

CONFIGURATION = """
repos:
  - repo: {repository}
    rev: {revision}
    hooks:
      - id: validate
"""


def run_hook(project: Project, home: Path) -> tuple[int, str]:
    """Run the hook on all files. Return the exit code and the output."""
    project.git("add", "--all")
    completed = subprocess.run(
        [BIN / "pre-commit", "run", "--all-files"],
        cwd=project.folder,
        env={**os.environ, "PRE_COMMIT_HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull},
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    return completed.returncode, completed.stdout + completed.stderr


def test_the_hook_accepts_valid_files_and_reports_problems(project: Project, tmp_path: Path) -> None:
    repository = tmp_path / "reconciler"
    copy_source(ROOT, repository, ".pre-commit-hooks.yaml")
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "All")
    configuration = CONFIGURATION.format(repository=repository, revision=git(repository, "rev-parse", "HEAD"))
    (project.folder / ".pre-commit-config.yaml").write_text(configuration, encoding="utf-8")

    code, output = run_hook(project, tmp_path / "home")
    assert code == 0, output
    assert "validate grant files" in output

    project.write(more="grants:\n  - {client: Billing, api: Invoices API, scop: []}\n")
    code, output = run_hook(project, tmp_path / "home")
    assert code == 1
    assert "grants/more.yaml:2:" in output
