"""Measure the time that `--prune-removed` needs to read a git history of 1,000 commits over 200 files.

python -m benchmarks.history
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter

from reconciler.core.removals import find_removals
from reconciler.core.tenant_filter import ANY_TENANT
from reconciler.files.history import read_history
from reconciler.git.repository import open_repository

COMMITS, FILES, GRANTS_PER_FILE, CHANGES_PER_COMMIT = 1_000, 200, 20, 5


def make_history(folder: Path) -> int:
    """Create a git repository with the history. Return the number of file versions in the history."""
    random = Random(5)
    names = [[f"Application {file} {number}" for number in range(GRANTS_PER_FILE)] for file in range(FILES)]
    commands: list[bytes] = []
    versions = 0
    for commit in range(COMMITS):
        message = f"commit {commit}".encode()
        commands.append(
            b"commit refs/heads/main\ncommitter Somebody <somebody@example.com> %d +0000\ndata %d\n%s\n"
            % (1_700_000_000 + commit * 1_000, len(message), message)
        )
        for file in range(FILES) if commit == 0 else random.sample(range(FILES), CHANGES_PER_COMMIT):
            if commit:
                names[file][random.randrange(GRANTS_PER_FILE)] = f"Application {file} {commit}"
            text = _text(names[file])
            commands.append(b"M 100644 inline grants/%d.yaml\ndata %d\n%s\n" % (file, len(text), text))
            versions += 1
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    subprocess.run([*git, "fast-import", "--quiet"], input=b"".join(commands), check=True)
    subprocess.run([*git, "reset", "--quiet", "--hard", "main"], check=True)
    return versions


def _text(names: list[str]) -> bytes:
    items = "".join(f"  - client: {name}\n    api: Invoices API\n    scope: [read:x, write:y]\n" for name in names)
    return f"grants:\n{items}".encode()


def main() -> None:
    """Print the number of versions and removed grants, the time and the memory."""
    with tempfile.TemporaryDirectory() as name:
        versions = make_history(Path(name))
        start = perf_counter()
        repository = open_repository(Path(name))
        history = read_history(repository, Path(name, "grants"), Path(name, "reconciler.yaml"))
        removed = [
            each
            for each in find_removals(history.declared.of([ANY_TENANT] * len(history.configs)), ())
            if each.removed_by
        ]
        seconds = perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024
    sys.stdout.write(
        f"{COMMITS:,} commits, {FILES} files, {versions:,} versions: {len(removed):,} removed grants found in "
        f"{seconds:.1f} s with {peak} MB\n"
    )


if __name__ == "__main__":
    main()
