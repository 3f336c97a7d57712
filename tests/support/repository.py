"""Git repositories in the folder of a test."""

import subprocess
from pathlib import Path

IDENTITY = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "init.defaultBranch=main"]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit_all(folder: Path) -> str:
    """Commit all files in `folder` and return the hash of the commit. Create the repository if necessary."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "state", "--no-gpg-sign")
    return git(folder, "rev-parse", "HEAD")
