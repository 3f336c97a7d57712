"""Run a pipeline like GitLab does, with gitlab-ci-local on this machine."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from pipeline.project import BIN, TIMEOUT_SECONDS, Project, fake_python
from support.commands import reconciler
from support.forges import GitLab

CLI = Path(sys.prefix) / "node_modules" / ".bin" / "gitlab-ci-local"
PROGRAMS = Path(__file__).parent / "programs"
PROJECT_ID = "42"
NEEDS_NODE = pytest.mark.skipif(
    not (CLI.exists() and shutil.which("node")), reason="npm is not installed, so gitlab-ci-local is missing"
)


@dataclass(frozen=True, slots=True)
class GitLabRunner:
    """A runner for the pipelines of a project."""

    project: Project
    forge: GitLab
    home: Path
    source: tuple[Path, str]

    def merge_request(self, *, of: str = PROJECT_ID) -> tuple[int, str]:
        """Open a merge request with the uncommitted changes, and run its pipeline."""
        self.project.branch("Change")
        return self.merge_request_of_branch(of=of)

    def merge_request_of_branch(self, *, of: str = PROJECT_ID) -> tuple[int, str]:
        """Run the pipeline of a merge request for the branch as it is."""
        return self.run(
            CI_PIPELINE_SOURCE="merge_request_event",
            CI_MERGE_REQUEST_PROJECT_ID=PROJECT_ID,
            CI_MERGE_REQUEST_SOURCE_PROJECT_ID=of,
            CI_MERGE_REQUEST_DIFF_BASE_SHA=self.project.git("merge-base", "main", "change"),
            CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main",
        )

    def run(self, *words: str, **variables: str) -> tuple[int, str]:
        """Run a pipeline, or only some jobs. Return the exit code and the log."""
        programs = f"{fake_python(self.home.parent).parent}:/usr/local/bin:/usr/bin:/bin"
        job_variables = {
            **self.project.credentials,
            "AUTH0_CLIENT_ID": "own",
            "PROGRAMS": programs,
            "RECONCILER_REPOSITORY": str(self.source[0]),
            "RECONCILER_COMMIT": self.source[1],
            **self.forge.environment(),
            **variables,
        }
        if variables.get("CI_PIPELINE_SOURCE") != "merge_request_event":
            del job_variables["CI_MERGE_REQUEST_IID"]
        # A child pipeline sees variables of this file, like variables of a real project. It sees no --variable.
        (self.project.folder / ".gitlab-ci-local-variables.yml").write_text(
            json.dumps({name: {"type": "variable", "values": {"*": value}} for name, value in job_variables.items()}),
            encoding="utf-8",
        )
        completed = subprocess.run(
            [
                *("node", str(CLI), "--force-shell-executor", "--shell-isolation", "--home", str(self.home)),
                *(word for each in job_variables.items() for word in ("--variable", "=".join(each))),
                *words,
            ],
            cwd=self.project.folder,
            env={**os.environ, "PATH": f"{PROGRAMS}:{BIN}:{os.environ['PATH']}"},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        return completed.returncode, completed.stdout

    def plan_ids(self) -> set[str]:
        """Return the ids of all stored plans for prod."""
        kept = (self.project.folder / ".gitlab-ci-local" / "artifacts").glob("plan*/reconciler-plans/prod.json")
        return {str(reconciler("show", file, "--format", "json").data["plan_id"]) for file in kept}
