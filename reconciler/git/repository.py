"""Find the repository of a run once, independently of the files that are read, and run git in it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.quoting import quoted, visible
from reconciler.git.command import MOST_BYTES, GitError, GitOutput, environment_of, find_program, run_git

MOST_POINTER_BYTES = 10_000
"""The limit for a small file in a repository's own folder."""

OF_SETTINGS = ("HOME", "XDG_CONFIG_HOME")
"""Variables that locate the user's settings, in addition to GIT_CONFIG_*."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository that git accepts as the user's own. All paths are real paths.

    `root` is the folder of the checkout. `git_dir` is the repository's own folder. `common_dir` is the folder that all
    worktrees share. `warnings` has every distinct warning of git so far.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    program: str
    warnings: list[str] = field(default_factory=list, compare=False)

    def run(self, *arguments: str, asked: bytes = b"", most_bytes: int = MOST_BYTES) -> GitOutput:
        """Run a git command that only reads. Raises GitError."""
        place = (f"--git-dir={self.git_dir}", f"--work-tree={self.root}")
        answer = run_git(
            self.program,
            (*place, *arguments),
            folder=self.root,
            environment=environment_of(self.program),
            asked=asked,
            most_bytes=most_bytes,
        )
        self.warnings.extend(text for text in answer.warnings if text not in self.warnings)
        return answer

    def path_of(self, path: Path) -> str:
        """Return a path relative to the root of the checkout, with `/`. It is empty for the root itself.

        Links below the root are not followed, because they may have another target at another revision.

        Raises:
            GitError: if the path is outside the checkout.
        """
        whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links
        if os.path.realpath(whole) != os.path.realpath(path):
            raise GitError(f"{quoted(str(path))} contains .. after a link; use a direct path")
        for step in (*reversed(whole.parents), whole):
            real = Path(os.path.realpath(step))
            if real.is_relative_to(self.root):
                inside = (real / whole.relative_to(step)).relative_to(self.root)
                return "" if inside == Path() else inside.as_posix()
        raise GitError(f"{quoted(str(path))} is not in the git repository {quoted(str(self.root))}")


def find_root(start: Path) -> Path | None:
    """Return the real path of the first folder with an entry `.git`: `start` or one of its parents.

    A folder that looks like a bare repository is ignored. git accepts such a folder, and a pull request can contain one
    as plain files. No commit can contain `.git`.
    """
    folder = Path(os.path.realpath(start))
    return next((each for each in (folder, *folder.parents) if os.path.lexists(each / ".git")), None)


def git_dir_of(root: Path) -> Path:
    """Return the repository's own folder: `.git`, or the folder that a file `.git` names, as in a worktree."""
    entry = root / ".git"
    if entry.is_dir():
        return Path(os.path.realpath(entry))
    named = read_pointer(entry).removeprefix("gitdir:").strip()
    return Path(os.path.realpath(root / named))


def read_pointer(file: Path) -> str:
    """Return the start of a small file of a repository, or nothing if it is unreadable or not a plain file."""
    try:
        if not file.is_file():
            return ""
        with file.open("rb") as stream:
            return os.fsdecode(stream.read(MOST_POINTER_BYTES))
    except OSError:
        return ""


def open_repository(start: Path) -> Repository:
    """Open the repository of the folder `start`, after git has accepted its owner.

    Raises:
        GitError: if there is none, git is missing or refuses it, or it borrows objects from elsewhere.
    """
    root = find_root(start)
    if root is None:
        raise GitError(f"{quoted(str(Path(os.path.realpath(start))))} is not in a git repository")
    program = find_program(root)
    repository = _discovered(root, program)
    _refuse_alternates(repository)
    return repository


def _discovered(root: Path, program: str) -> Repository:
    """Let git open the repository at `root` and no other, so that git checks its owner (safe.directory)."""
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
                f"git refuses the repository {quoted(str(root))}, because another user owns it; if you trust it: "
                f"git config --global --add safe.directory {visible(str(root))}"
            ) from error
        raise GitError(f"git cannot use the repository {quoted(str(root))}: {error}") from error
    paths = [Path(os.path.realpath(line)) for line in found.lines]
    if len(paths) != 2 or paths[0] != git_dir_of(root):  # noqa: PLR2004 - as many as were asked for
        raise GitError(f"git cannot use the repository {quoted(str(root))}: .git is not a valid repository")
    return Repository(root, paths[0], paths[1], program, list(found.warnings))


def _safe_directories(program: str) -> list[str]:
    """Return the values of safe.directory in the settings of the user, the system and the environment."""
    environment = {
        **{name: value for name, value in environment_of(program).items() if not name.startswith("GIT_CONFIG_")},
        **{name: value for name, value in os.environ.items() if name.startswith("GIT_CONFIG_") or name in OF_SETTINGS},
        "GIT_DIR": os.devnull,
    }
    try:
        found = run_git(
            program,
            ("config", "-z", "--get-all", "safe.directory"),
            folder=Path(Path.cwd().anchor),
            environment=environment,
        )
    except GitError:  # there are no values
        return []
    return os.fsdecode(found.data).split("\0")[:-1]


def _refuse_alternates(repository: Repository) -> None:
    """Refuse objects of another repository. git neither checks their owner nor compares their content with their name.

    Raises:
        GitError: if the repository names another folder of objects.
    """
    named = read_pointer(repository.common_dir / "objects" / "info" / "alternates").splitlines()
    if any(line.strip() and not line.startswith("#") for line in named):
        raise GitError(
            f"the repository {quoted(str(repository.root))} borrows objects from another one "
            "(objects/info/alternates), and reconciler does not read those; copy them with git repack -a -d, "
            "then remove that file"
        )
