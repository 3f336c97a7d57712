"""Write the comment for a pull request with four tenants as Markdown: `comment_picture.py FILE`.

`make picture` runs this script and draws the Markdown. The tenants are sandboxes with the demo's content and a few
differences, so the comment has creates, updates, deletes, drift, a critical risk, a blocked change and a failed tenant.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TENANTS = ("dev", "staging", "prod-eu", "prod-us")
CONFIG = """\
protect:
  - {client: Legacy Batch, reason: ask the payments team first}
tenants:
"""
TENANT = "  {name}: {{kind: sandbox, seed: {name}.yaml, database: .reconciler/{name}.db}}\n"
DECLARED = """\
grants:
  - client: Billing Worker
    api: Invoices API
    description: Nightly invoice run, OPS-1432
    scope: [read:invoices, send:invoices, write:invoices]

  - client: CRM Sync
    api: Customers API
    scope: [merge:customers, read:customers]

  - client: Dunning Service
    api: Invoices API
    scope: [read:invoices]
"""
CHANGED = """\
grants:
  - client: Billing Worker
    api: Invoices API
    description: Nightly invoice run, OPS-1432
    scope: [read:invoices, void:invoices, write:invoices]

  - client: CRM Sync
    api: Customers API
    scope: [merge:customers, read:customers]

  - client: Reporting Service
    api: Auth0 Management API
    tenants: [prod-eu]
    description: Access review, SEC-17
    scope: [read:clients, read:logs, read:users, delete:users, update:users, read:roles, update:roles, create:roles]

  - client: Legacy Batch
    api: Payments API
    tenants: [prod-us]
    scope: [read:payments]
"""
IDENTITY = {
    **{f"GIT_{who}_NAME": "Jane Doe" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "jane@example.com" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": "2026-11-27T09:00:00Z" for who in ("AUTHOR", "COMMITTER")},
}


def main(target: Path) -> None:
    """Make a repository with four tenants, apply its first commit, and plan the second one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seed = (ROOT / "sandbox.yaml").read_text(encoding="utf-8")
        for tenant in TENANTS:
            (folder / f"{tenant}.yaml").write_text(seed, encoding="utf-8")
        config = CONFIG + "".join(TENANT.format(name=tenant) for tenant in TENANTS)
        (folder / "reconciler.yaml").write_text(config, encoding="utf-8")
        (folder / ".gitignore").write_text(".reconciler/\n", encoding="utf-8")
        (folder / "grants").mkdir()
        commit(folder, DECLARED, "Declare the grants")
        reconciler(folder, "apply", "--all-tenants", "--yes")
        drift(folder)
        commit(folder, CHANGED, "Void invoices instead of sending them, review access")
        head = git(folder, "rev-parse", "HEAD")
        job = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_REPOSITORY": "example/grants",
            "GITHUB_RUN_ID": "4711",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": head,
            "GITHUB_WORKSPACE": name,
        }
        options = ("--base", "HEAD~1", "--prune-removed", "--max-deletes", "50", "--report", f"markdown={target}")
        reconciler(folder, "plan", "--all-tenants", *options, **job)


def drift(folder: Path) -> None:
    """Remove a scope in one tenant, as somebody would do by hand."""
    others = folder.parent / f"{folder.name}-drift"
    others.mkdir()
    text = "grants: [{client: CRM Sync, api: Customers API, scope: ['read:customers']}]\n"
    (others / "one.yaml").write_text(text, encoding="utf-8")
    reconciler(folder, "--grants", str(others), "apply", "--tenant", "staging", "--yes")


def commit(folder: Path, text: str, subject: str) -> None:
    """Commit a version of the grant file."""
    (folder / "grants" / "all.yaml").write_text(text, encoding="utf-8")
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--no-gpg-sign", "--message", subject)


def git(folder: Path, *arguments: str) -> str:
    """Run git and return its output."""
    command = ["git", *arguments]
    environment = {**os.environ, **IDENTITY}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def reconciler(folder: Path, *arguments: str, **environment: str) -> None:
    """Run reconciler. A refused plan is expected."""
    command = [sys.executable, "-m", "reconciler", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, check=False, capture_output=True, text=True
    )
    if done.returncode not in {0, 4}:
        sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
