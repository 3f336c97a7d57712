"""A repository of git in a test's folder."""

import subprocess
from pathlib import Path

NOBODY = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "init.defaultBranch=main"]


def git(folder: Path, *arguments: str) -> str:
    words = ["git", "-C", str(folder), *NOBODY, *arguments]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def committed(folder: Path) -> str:
    """Commit everything in `folder`, which becomes a repository if it is none, and return the commit's name."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "state", "--no-gpg-sign")
    return git(folder, "rev-parse", "HEAD")
