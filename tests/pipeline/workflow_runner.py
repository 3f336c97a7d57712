"""Run a workflow like GitHub does, with act on this machine. Replacements stand in for third-party actions."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.project import BIN, EXAMPLES, ROOT, TIMEOUT_SECONDS, Project, copy_source, fake_python
from support.forges import NAME, NUMBER, OWNER, GitHub

ACTIONS = Path(__file__).parent / "actions"
PROGRAMS = Path(__file__).parent / "programs"
USES = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<hash>[0-9a-f]{40})")
REPOSITORY = f"{OWNER}/{NAME}"
ACTOR = "alice"


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """Exit code and log of a workflow run."""

    code: int
    log: str

    def ran(self, job: str) -> bool:
        """Return True if a job with this name ran."""
        return bool(re.search(rf"^\[[^]]*{re.escape(job)}(-\d+)?\s*\]", self.log, re.MULTILINE))


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner for the workflows of a project. `artifacts` contains the uploaded artifacts by name.

    It runs the jobs of `tenant` only, because each job takes seconds. None stands for all tenants.
    """

    project: Project
    forge: GitHub
    artifacts: Path
    folder: Path
    proposes_drift: bool = False
    required_reviewers: bool = True
    approvers: str = ""
    tenant: str | None = "prod"

    def pull_requests(self) -> list[str]:
        """Return the branches of the open pull requests."""
        file = self.folder / "pull-requests"
        return file.read_text(encoding="utf-8").split() if file.exists() else []

    def pull_request(
        self, workflow: str = "pull-request.yml", *, of: str = REPOSITORY, author: str = "somebody", **more: str
    ) -> WorkflowRun:
        """Merge the uncommitted changes into the main branch like a pull request, and run its workflow."""
        self.project.branch("Change")
        return self.pull_request_of_branch(workflow, of=of, author=author, **more)

    def pull_request_of_branch(
        self,
        workflow: str = "pull-request.yml",
        *,
        of: str = REPOSITORY,
        author: str = "somebody",
        base: str = "main",
        **more: str,
    ) -> WorkflowRun:
        """Merge the branch into the main branch like a pull request, and run its workflow."""
        request = {
            "number": NUMBER,
            "head": {"repo": {"full_name": of}},
            "base": {"sha": self.project.git("rev-parse", base)},
            "user": {"login": author},
        }
        self._merge_for_review()
        return self.run("pull_request", workflow, {"pull_request": request}, **more)

    def merge_group(self, workflow: str = "pull-request.yml", **more: str) -> WorkflowRun:
        """Merge the uncommitted changes into the main branch like a merge queue, and run its workflow."""
        self.project.branch("Change")
        group = {"base_sha": self.project.git("rev-parse", "main"), "base_ref": "refs/heads/main"}
        self._merge_for_review()
        return self.run("merge_group", workflow, {"merge_group": group}, **more)

    def _merge_for_review(self) -> None:
        self.project.git("checkout", "--quiet", "-B", "merge", "main")
        self.project.git("merge", "--quiet", "--no-ff", "--message", "Merge", "change")

    def merged(self, tip: str = "main", **more: str) -> WorkflowRun:
        """Merge the changes of the pull request into the main branch, and run the workflow for it.

        `tip` is the main branch at the hosting service when the workflow applies.
        """
        self.project.merge()
        self.forge.branches = {"main": self.project.git("rev-parse", tip)}
        self.forge.merged = {self.project.git("rev-parse", "main"): NUMBER}
        return self.run("push", "apply.yml", {"ref": "refs/heads/main"}, **more)

    def dispatch(self, tenant: str, approval_id: str) -> WorkflowRun:
        """Run the workflow of apply by hand."""
        inputs = {"tenant": tenant, "approval-id": approval_id}
        event = {"ref": "refs/heads/main", "inputs": inputs, "repository": {"default_branch": "main"}}
        return self.run("workflow_dispatch", "apply.yml", event)

    def run(self, name: str, workflow: str, event: Mapping[str, object], **more: str) -> WorkflowRun:
        """Run a workflow for an event. Its steps see the variables `more`."""
        file = self.folder / "event.json"
        file.write_text(json.dumps(event), encoding="utf-8")
        variables = {
            "PYTHON": str(fake_python(self.folder)),
            "PREPARED": sys.prefix,
            "ARTIFACTS": str(self.artifacts),
            "GITHUB_GRAPHQL_URL": f"{self.forge.url}/graphql",
            "PULL_REQUESTS": str(self.folder / "pull-requests"),
        }
        credentials = self.project.credentials
        lines = "\\n".join("=".join(each) for each in credentials.items())
        secrets = self.folder / "secrets"  # act passes its own environment to steps, so secrets must be in a file
        secrets.write_text(
            f"AUTH0_CLIENT_SECRET={credentials.get('AUTH0_CLIENT_SECRET', '')}\n"
            f'AUTH0_CREDENTIALS="{lines}"\n'
            f"GITHUB_TOKEN={self.forge.environment()['GITHUB_TOKEN']}\n",
            encoding="utf-8",
        )
        command = [
            *(str(BIN / "act"), name, "--workflows", f".github/workflows/{workflow}", "--eventpath", str(file)),
            *("--platform", "ubuntu-latest=-self-hosted", "--no-cache-server", "--action-offline-mode"),
            *("--remote-name", "github"),
            *("--action-cache-path", str(self.folder / "cache")),
            *(argument for each in self._replacement_actions() for argument in ("--local-repository", each)),
            *(argument for each in (variables | more).items() for argument in ("--env", "=".join(each))),
            *("--var", f"AUTH0_DOMAIN={credentials.get('AUTH0_DOMAIN', '')}", "--var", "AUTH0_CLIENT_ID=own"),
            *("--var", f"AUTH0_DEV_DOMAIN={credentials.get('AUTH0_DEV_DOMAIN', '')}"),
            *("--var", f"PROPOSE_DRIFT={str(self.proposes_drift).lower()}"),
            *("--var", f"REQUIRED_REVIEWERS={str(self.required_reviewers).lower()}"),
            *("--var", f"APPROVERS={self.approvers}", "--actor", ACTOR),
            *("--secret-file", str(secrets)),
            *(("--matrix", f"tenant:{self.tenant}") if self.tenant else ()),
        ]
        completed = subprocess.run(
            command,
            cwd=self.project.folder,
            env={**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        return WorkflowRun(completed.returncode, completed.stdout)

    def _replacement_actions(self) -> list[str]:
        """Return the replacement folder of each action, for each commit in the workflow files."""
        action = self.folder / "reconciler"
        if not action.exists():
            copy_source(ROOT, action, "action.yml")
        files = [*EXAMPLES.rglob("*.yml"), ROOT / "action.yml", *self.project.folder.rglob(".github/workflows/*")]
        used = {match.groups() for file in files for match in USES.finditer(file.read_text(encoding="utf-8"))}
        folders = {"example/reconciler": action} | {f"actions/{each.name}": each for each in ACTIONS.iterdir()}
        return [f"{name}@{commit}={folders[name]}" for name, commit in sorted(used) if name in folders]
