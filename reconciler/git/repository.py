"""Find the git repository that contains a folder, and run git in the repository."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.characters import quote_text, visible
from reconciler.errors import ReconcilerError

TIMEOUT_SECONDS = 60.0
MAX_OUTPUT_BYTES = 64_000_000
MAX_STDERR_BYTES = 10_000
MAX_STDERR_LINES, MAX_STDERR_CHARACTERS = 20, 500
"""The maximum number of stderr lines of git in an error message, and the maximum length of a line in characters."""

OPTIONS = ("--no-pager", "--no-replace-objects", "--no-optional-locks", "--literal-pathspecs")
SETTINGS: Mapping[str, str] = {
    "safe.bareRepository": "explicit",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.attributesFile": os.devnull,
    "core.sshCommand": "false",
    "core.gitProxy": "false",
    "core.askPass": "false",
    "core.alternateRefsCommand": "false",
    "credential.helper": "",
    "protocol.allow": "never",
    "maintenance.auto": "false",
    "gc.auto": "0",
    "core.warnAmbiguousRefs": "true",
}
"""The git settings that override the settings of the repository."""

INHERITED = ("SUDO_UID", "SYSTEMROOT")
"""The names of the environment variables that reconciler passes on to git.

With SUDO_UID, git accepts a repository that belongs to the user who ran sudo. Programs on Windows need SYSTEMROOT.
"""

ENVIRONMENT: Mapping[str, str] = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_GRAFT_FILE": f"{os.devnull}/none",
    "LC_ALL": "C",
}
"""The environment variables that reconciler sets for git.

reconciler does not pass HOME to git, because git would read the settings in the user's home folder.
"""


class GitError(ReconcilerError):
    """git is not installed, refuses the repository, or cannot read data of the repository."""


class GitMissingError(GitError):
    """The folders in PATH contain no usable git program."""


@dataclass(frozen=True, slots=True)
class GitOutput:
    """The stdout of a successful git command as `data`, and the lines of stderr as `warnings`."""

    data: bytes
    warnings: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The lines of git's stdout, without empty lines."""
        return [line for line in os.fsdecode(self.data).split("\n") if line]


def find_program(checkout: Path) -> str:
    """Return the absolute path of the first git program on the PATH that is outside the folder `checkout`.

    `checkout` must be a path without symbolic links.

    Raises:
        GitMissingError: if the PATH contains no git program outside `checkout`.
    """
    import shutil

    for folder in os.get_exec_path():
        program = shutil.which("git", path=folder) if Path(folder).is_absolute() else None
        if program and not any(Path(os.path.realpath(path)).is_relative_to(checkout) for path in (folder, program)):
            return program
    raise GitMissingError(f"git was not found on the PATH (a git inside {visible(str(checkout))} is not run)")


def program_version(folder: Path) -> str:
    """Return the version of the git program that reconciler runs in `folder`, for example "2.39.5". Raises GitError."""
    program = find_program(find_root(folder) or Path(os.path.realpath(folder)))
    output = run_git(program, ("version",), folder=Path(folder.anchor), environment=environment_of(program))
    return " ".join(output.lines).removeprefix("git version ")


def environment_of(program: str) -> dict[str, str]:
    """Return all environment variables for the git program."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**inherited, **ENVIRONMENT, "PATH": f"{Path(program).parent}{os.pathsep}{os.defpath}"}


def run_git(  # noqa: PLR0913 - each parameter is a property of the process
    program: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    settings: Sequence[str] = (),
    stdin: bytes = b"",
    max_bytes: int = MAX_OUTPUT_BYTES,
) -> GitOutput:
    """Run git in `folder` with the input `stdin`, and return the output of git.

    `settings` contains git settings in the form name=value, in addition to the git settings in SETTINGS.

    Raises:
        GitError: if git fails, takes too long, or writes more than `max_bytes`.
    """
    import signal
    import subprocess
    import tempfile
    import threading

    own_settings = (f"{name}={value}" for name, value in SETTINGS.items())
    options = [word for setting in (*own_settings, *settings) for word in ("-c", setting)]
    stderr_chunks: list[bytes] = []
    is_late = threading.Event()
    with tempfile.TemporaryFile() as stdin_file:
        stdin_file.write(stdin)
        stdin_file.seek(0)
        with subprocess.Popen(  # noqa: S603 - no shell is used, and the program has an absolute path outside of the checkout
            [program, *OPTIONS, *options, *arguments],
            cwd=folder,
            env=dict(environment),
            stdin=stdin_file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            assert process.stdout and process.stderr  # noqa: S101, PT018 - mypy needs it
            stdout, stderr = process.stdout, process.stderr

            def kill() -> None:
                """Kill git and the processes that git started."""
                getattr(os, "killpg", os.kill)(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

            def stop() -> None:
                is_late.set()
                kill()

            def read_stderr() -> None:
                stderr_chunks.append(stderr.read(MAX_STDERR_BYTES))
                stderr.close()

            timer, reader = threading.Timer(TIMEOUT_SECONDS, stop), threading.Thread(target=read_stderr)
            timer.start()
            reader.start()
            try:
                data = stdout.read(max_bytes + 1)
                if len(data) > max_bytes:
                    raise GitError(f"git {arguments[0]} wrote more than {max_bytes:,} bytes")
                code = process.wait()
            finally:
                timer.cancel()
                if process.returncode is None:
                    kill()
                reader.join()
    if is_late.is_set():
        raise GitError(f"git {arguments[0]} took longer than {TIMEOUT_SECONDS:.0f} seconds")
    lines = b"".join(stderr_chunks).decode(errors="replace").splitlines()
    stderr_lines = [line[:MAX_STDERR_CHARACTERS] for line in lines if line.strip()][:MAX_STDERR_LINES]
    if code:
        raise GitError(
            "; ".join(visible(line.removeprefix("fatal: ")) for line in stderr_lines) or f"git ended with {code}"
        )
    return GitOutput(data, tuple(line for line in stderr_lines if not line.startswith("hint:")))


MAX_POINTER_BYTES = 10_000
"""The maximum size of a file that contains only the path of a git folder, in bytes.

For example, the file `.git` in a worktree contains the path of a git folder.
"""

SETTINGS_LOCATIONS = ("HOME", "XDG_CONFIG_HOME")
"""The environment variables that determine where git finds the settings of the user.

SETTINGS_LOCATIONS does not contain the variables GIT_CONFIG_*, which also change the settings of git.
"""


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository that passes git's check of the owner.

    The paths `root`, `git_dir` and `common_dir` contain no symbolic links.

    `root` is the root folder of the checkout. `git_dir` is the folder `.git`. In a worktree, `git_dir` is a folder
    inside the folder `.git` of the main checkout. `common_dir` is the git folder that all worktrees of the repository
    share. `warnings` contains the warnings that git wrote, without duplicates.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    program: str
    warnings: list[str] = field(default_factory=list, compare=False)

    def run(self, *arguments: str, stdin: bytes = b"", max_bytes: int = MAX_OUTPUT_BYTES) -> GitOutput:
        """Run a git command that does not change the repository. Raises GitError."""
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
        """Return a path relative to the root of the checkout, with `/` between folders.

        If `path` is the root of the checkout, return an empty string.

        Symbolic links below the root of the checkout are not followed, because a link may have a different target in
        each revision.

        Raises:
            GitError: if the path is outside the checkout.
        """
        whole = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve() follows symbolic links
        if os.path.realpath(whole) != os.path.realpath(path):
            raise GitError(f"{quote_text(str(path))} contains .. after a link; use a direct path")
        for step in (*reversed(whole.parents), whole):
            real = Path(os.path.realpath(step))
            if real.is_relative_to(self.root):
                inside = (real / whole.relative_to(step)).relative_to(self.root)
                return "" if inside == Path() else inside.as_posix()
        raise GitError(f"{quote_text(str(path))} is not in the git repository {quote_text(str(self.root))}")


def find_root(start: Path) -> Path | None:
    """Return the real path of the nearest folder that contains `.git`.

    The search starts at `start` and continues with the parent folders.

    Unlike git, `find_root` ignores bare repositories. A pull request can contain the files of a bare repository, but no
    commit can contain `.git`.
    """
    folder = Path(os.path.realpath(start))
    return next((each for each in (folder, *folder.parents) if os.path.lexists(each / ".git")), None)


def git_dir_of(root: Path) -> Path:
    """Return the path of the git folder of a checkout.

    In a worktree, `.git` is a file that contains the path of the git folder.
    """
    entry = root / ".git"
    if entry.is_dir():
        return Path(os.path.realpath(entry))
    named = read_pointer(entry).removeprefix("gitdir:").strip()
    return Path(os.path.realpath(root / named))


def read_pointer(file: Path) -> str:
    """Return the first MAX_POINTER_BYTES bytes of a file as text.

    Return an empty string if the file is unreadable or not a regular file.
    """
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
        GitError: if `start` is not in a repository, if git is missing or does not trust the owner of the repository, or
            if the repository uses the objects of another repository (alternates).
    """
    root = find_root(start)
    if root is None:
        raise GitError(f"{quote_text(str(Path(os.path.realpath(start))))} is not in a git repository")
    program = find_program(root)
    repository = _discover(root, program)
    _refuse_alternates(repository)
    return repository


def _discover(root: Path, program: str) -> Repository:
    """Open the repository at `root`. git checks the owner of the repository against the setting safe.directory.

    Raises GitError.
    """
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
                f"git refuses the repository {quote_text(str(root))}, because another user owns it; if you trust "
                f"the repository: git config --global --add safe.directory {visible(str(root))}"
            ) from error
        raise GitError(f"git cannot use the repository {quote_text(str(root))}: {error}") from error
    paths = [Path(os.path.realpath(line)) for line in found.lines]
    if len(paths) != 2 or paths[0] != git_dir_of(root):  # noqa: PLR2004 - the command prints two paths
        raise GitError(f"git cannot use the repository {quote_text(str(root))}: .git is not a valid repository")
    return Repository(root, paths[0], paths[1], program, list(found.warnings))


def _safe_directories(program: str) -> list[str]:
    """Return the folders in the git setting safe.directory of the user, the system and the environment."""
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

    git does not check the owner and the hashes of objects in another repository.

    Raises:
        GitError: if the file objects/info/alternates contains the path of a folder.
    """
    named = read_pointer(repository.common_dir / "objects" / "info" / "alternates").splitlines()
    if any(line.strip() and not line.startswith("#") for line in named):
        raise GitError(
            f"the repository {quote_text(str(repository.root))} uses objects of another repository "
            "(objects/info/alternates), and reconciler does not read such objects; copy the objects with "
            "git repack -a -d, then remove the file objects/info/alternates"
        )
