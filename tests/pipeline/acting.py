"""Run a workflow as GitHub does, by act, on this machine; the actions of others are stand-ins."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.project import BIN, EXAMPLES, ROOT, TIMEOUT_SECONDS, Project, copied, stand_in_python
from support.forges import NAME, NUMBER, OWNER, GitHub

ACTIONS = Path(__file__).parent / "actions"
USES = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<hash>[0-9a-f]{40})")
REPOSITORY = f"{OWNER}/{NAME}"


@dataclass(frozen=True, slots=True)
class Acted:
    """What a run of a workflow left behind."""

    code: int
    log: str

    def ran(self, job: str) -> bool:
        """Return whether a job of that name took part."""
        return bool(re.search(rf"^\[[^]]*{re.escape(job)}(-\d+)?\s*\]", self.log, re.MULTILINE))


@dataclass(frozen=True, slots=True)
class Runner:
    """A machine for the workflows of a project. What they keep is in `artifacts`, by name."""

    project: Project
    forge: GitHub
    artifacts: Path
    folder: Path

    def pull_request(
        self, workflow: str = "pull-request.yml", *, of: str = REPOSITORY, base: str = "main", **more: str
    ) -> Acted:
        """Merge what is not committed to the main branch as a pull request, and run the workflow for that."""
        sha = {"sha": self.project.git("rev-parse", base)}
        event = {"pull_request": {"number": NUMBER, "head": {"repo": {"full_name": of}}, "base": sha}}
        self.project.branch("Change")
        self.project.git("checkout", "--quiet", "-B", "merge", "main")
        self.project.git("merge", "--quiet", "--no-ff", "--message", "Merge", "change")
        return self.run("pull_request", workflow, event, **more)

    def merged(self, tip: str = "main", **more: str) -> Acted:
        """Put what the pull request changes on the main branch, and run the workflow for that.

        `tip` is where the hosting service has the main branch when the workflow applies.
        """
        self.project.merge()
        self.forge.branches = {"main": self.project.git("rev-parse", tip)}
        return self.run("push", "apply.yml", {"ref": "refs/heads/main"}, **more)

    def run(self, name: str, workflow: str, event: Mapping[str, object], **more: str) -> Acted:
        """Run a workflow for an event; `more` is seen by its steps."""
        file = self.folder / "event.json"
        file.write_text(json.dumps(event), encoding="utf-8")
        seen = {
            "PYTHON": str(stand_in_python(self.folder)),
            "PREPARED": sys.prefix,
            "ARTIFACTS": str(self.artifacts),
            "GITHUB_GRAPHQL_URL": f"{self.forge.url}/graphql",
        }
        reaches = self.project.reaches
        secrets = self.folder / "secrets"  # act gives its own environment to steps, so they cannot be in there
        secrets.write_text(
            f"AUTH0_CLIENT_SECRET={reaches['AUTH0_CLIENT_SECRET']}\n"
            f"GITHUB_TOKEN={self.forge.environment()['GITHUB_TOKEN']}\n",
            encoding="utf-8",
        )
        words = [
            *(str(BIN / "act"), name, "--workflows", f".github/workflows/{workflow}", "--eventpath", str(file)),
            *("--platform", "ubuntu-latest=-self-hosted", "--no-cache-server", "--action-offline-mode"),
            *("--remote-name", "github"),
            *("--action-cache-path", str(self.folder / "cache")),
            *(word for each in self._stand_ins() for word in ("--local-repository", each)),
            *(word for each in (seen | more).items() for word in ("--env", "=".join(each))),
            *("--var", f"AUTH0_DOMAIN={reaches['AUTH0_DOMAIN']}", "--var", "AUTH0_CLIENT_ID=own"),
            *("--var", f"AUTH0_DEV_DOMAIN={reaches['AUTH0_DEV_DOMAIN']}"),
            *("--secret-file", str(secrets)),
        ]
        done = subprocess.run(
            words,
            cwd=self.project.folder,
            env=os.environ,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        return Acted(done.returncode, done.stdout)

    def _stand_ins(self) -> list[str]:
        """Return which folder stands in for which action, at every commit that a file names."""
        action = self.folder / "reconciler"
        if not action.exists():
            copied(ROOT, action, "action.yml")
        files = [*EXAMPLES.rglob("*.yml"), ROOT / "action.yml", *self.project.folder.rglob(".github/workflows/*")]
        used = {match.groups() for file in files for match in USES.finditer(file.read_text(encoding="utf-8"))}
        folders = {"example/reconciler": action} | {f"actions/{each.name}": each for each in ACTIONS.iterdir()}
        return [f"{name}@{commit}={folders[name]}" for name, commit in sorted(used) if name in folders]
