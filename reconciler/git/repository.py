"""Find the git repository of a folder, and run git in it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.quoting import quote_text, visible
from reconciler.git.command import MAX_OUTPUT_BYTES, GitError, GitOutput, environment_of, find_program, run_git

MAX_POINTER_BYTES = 10_000
"""The maximum size of a file that names another folder, for example a file `.git`."""

SETTINGS_LOCATIONS = ("HOME", "XDG_CONFIG_HOME")
"""Environment variables that locate the user's settings of git, in addition to GIT_CONFIG_*."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository whose owner git accepts. All paths are real paths.

    `root` is the root folder of the checkout. `git_dir` is the folder `.git`, or the folder of this worktree in it.
    `common_dir` is the folder `.git` that all worktrees share. `warnings` contains every warning of git so far, once.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    program: str
    warnings: list[str] = field(default_factory=list, compare=False)

    def run(self, *arguments: str, stdin: bytes = b"", max_bytes: int = MAX_OUTPUT_BYTES) -> GitOutput:
        """Run a git command that only reads. Raises GitError."""
        options = (f"--git-dir={self.git_dir}", f"--work-tree={self.root}")
        output = run_git(
            self.program,
            (*options, *arguments),
            folder=self.root,
            environment=environment_of(self.program),
            stdin=stdin,
            max_bytes=max_bytes,
        )
        self.warnings.extend(text for text in output.warnings if text not in self.warnings)
        return output

    def path_of(self, path: Path) -> str:
        """Return a path relative to the root of the checkout, with `/`. The result is empty for the root itself.

        Links below the root are not followed, because their target may differ in another revision.

        Raises:
            GitError: if the path is outside the checkout.
        """
        whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links
        if os.path.realpath(whole) != os.path.realpath(path):
            raise GitError(f"{quote_text(str(path))} contains .. after a link; use a direct path")
        for step in (*reversed(whole.parents), whole):
            real = Path(os.path.realpath(step))
            if real.is_relative_to(self.root):
                inside = (real / whole.relative_to(step)).relative_to(self.root)
                return "" if inside == Path() else inside.as_posix()
        raise GitError(f"{quote_text(str(path))} is not in the git repository {quote_text(str(self.root))}")


def find_root(start: Path) -> Path | None:
    """Return the real path of the first folder that contains `.git`: `start` or one of its parents.

    Unlike git, this function ignores bare repositories. A pull request can contain the files of a bare repository, but
    no commit can contain `.git`.
    """
    folder = Path(os.path.realpath(start))
    return next((each for each in (folder, *folder.parents) if os.path.lexists(each / ".git")), None)


def git_dir_of(root: Path) -> Path:
    """Return the folder `.git`, or the folder that the file `.git` of a worktree names."""
    entry = root / ".git"
    if entry.is_dir():
        return Path(os.path.realpath(entry))
    named = read_pointer(entry).removeprefix("gitdir:").strip()
    return Path(os.path.realpath(root / named))


def read_pointer(file: Path) -> str:
    """Return the start of a file, or "" if it cannot be read or is not a regular file."""
    try:
        if not file.is_file():
            return ""
        with file.open("rb") as stream:
            return os.fsdecode(stream.read(MAX_POINTER_BYTES))
    except OSError:
        return ""


def open_repository(start: Path) -> Repository:
    """Open the repository that contains the folder `start`.

    Raises:
        GitError: if `start` is not in a repository, git is missing or refuses its owner, or the repository uses objects
            of another repository.
    """
    root = find_root(start)
    if root is None:
        raise GitError(f"{quote_text(str(Path(os.path.realpath(start))))} is not in a git repository")
    program = find_program(root)
    repository = _discover(root, program)
    _refuse_alternates(repository)
    return repository


def _discover(root: Path, program: str) -> Repository:
    """Let git open the repository at `root`, so that git checks its owner (safe.directory). Raises GitError."""
    try:
        found = run_git(
            program,
            ("rev-parse", "--path-format=absolute", "--absolute-git-dir", "--git-common-dir"),
            folder=root,
            settings=tuple(f"safe.directory={folder}" for folder in _safe_directories(program)),
            environment={**environment_of(program), "GIT_CEILING_DIRECTORIES": str(root.parent)},
        )
    except GitError as error:
        if "dubious ownership" in str(error) or "unsafe repository" in str(error):
            raise GitError(
                f"git refuses the repository {quote_text(str(root))}, because another user owns it; if you trust it: "
                f"git config --global --add safe.directory {visible(str(root))}"
            ) from error
        raise GitError(f"git cannot use the repository {quote_text(str(root))}: {error}") from error
    paths = [Path(os.path.realpath(line)) for line in found.lines]
    if len(paths) != 2 or paths[0] != git_dir_of(root):  # noqa: PLR2004 - the two paths of the command
        raise GitError(f"git cannot use the repository {quote_text(str(root))}: .git is not a valid repository")
    return Repository(root, paths[0], paths[1], program, list(found.warnings))


def _safe_directories(program: str) -> list[str]:
    """Return the values of safe.directory in the settings of the user, the system and the environment."""
    environment = {
        **{name: value for name, value in environment_of(program).items() if not name.startswith("GIT_CONFIG_")},
        **{
            name: value
            for name, value in os.environ.items()
            if name.startswith("GIT_CONFIG_") or name in SETTINGS_LOCATIONS
        },
        "GIT_DIR": os.devnull,
    }
    try:
        found = run_git(
            program,
            ("config", "-z", "--get-all", "safe.directory"),
            folder=Path(Path.cwd().anchor),
            environment=environment,
        )
    except GitError:  # safe.directory is not set
        return []
    return os.fsdecode(found.data).split("\0")[:-1]


def _refuse_alternates(repository: Repository) -> None:
    """Refuse a repository that uses objects of another repository.

    git checks neither the owner of these objects nor their hashes.

    Raises:
        GitError: if the file objects/info/alternates names another folder.
    """
    named = read_pointer(repository.common_dir / "objects" / "info" / "alternates").splitlines()
    if any(line.strip() and not line.startswith("#") for line in named):
        raise GitError(
            f"the repository {quote_text(str(repository.root))} borrows objects from another one "
            "(objects/info/alternates), and reconciler does not read those; copy them with git repack -a -d, "
            "then remove that file"
        )
