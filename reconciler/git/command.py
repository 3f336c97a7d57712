"""Run git with limits for time and output. A repository cannot make it run a program or read a secret.

git trusts the configuration of a repository: it starts pagers, hooks, monitors, filters and transports that are named
there. Every such way is closed here, and git gets an environment without credentials.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.quoting import visible
from reconciler.errors import ReconcilerError

SECONDS = 60.0
MOST_BYTES = 64_000_000
MOST_STDERR_BYTES = 10_000
MOST_LINES, MOST_CHARACTERS = 20, 500
"""The part of git's stderr that errors show."""

FLAGS = ("--no-pager", "--no-replace-objects", "--no-optional-locks", "--literal-pathspecs")
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
"""Settings that override those of the repository."""

INHERITED = ("SUDO_UID", "SYSTEMROOT")
"""git accepts files of the user who called sudo. Windows starts no program without SYSTEMROOT."""

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
"""HOME is absent, so that git reads no file of the user."""


class GitError(ReconcilerError):
    """git is missing, refuses the repository, or cannot read an object."""


class GitMissingError(GitError):
    """There is no git that may be run."""


@dataclass(frozen=True, slots=True)
class GitOutput:
    """The stdout of git, and the lines of stderr of a successful command."""

    data: bytes
    warnings: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The lines of the output, without empty lines."""
        return [line for line in os.fsdecode(self.data).split("\n") if line]


def find_program(checkout: Path) -> str:
    """Return the absolute path of the first git on the PATH that is not inside `checkout`, a real path.

    Raises:
        GitMissingError: if there is none.
    """
    import shutil

    for folder in os.get_exec_path():
        program = shutil.which("git", path=folder) if Path(folder).is_absolute() else None
        if program and not any(_is_inside(path, checkout) for path in (folder, program)):
            return program
    raise GitMissingError(f"git was not found on the PATH (a git inside {visible(str(checkout))} is not run)")


def _is_inside(path: str, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder)


def environment_of(program: str) -> dict[str, str]:
    """Return the complete environment of git."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**inherited, **ENVIRONMENT, "PATH": f"{Path(program).parent}{os.pathsep}{os.defpath}"}


def run_git(  # noqa: PLR0913 - what a process has
    program: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    settings: Sequence[str] = (),
    asked: bytes = b"",
    most_bytes: int = MOST_BYTES,
) -> GitOutput:
    """Run git in `folder` and return its output. `settings` (name=value) follow our own.

    Raises:
        GitError: if git fails, takes too long, or writes more than `most_bytes`.
    """
    import signal
    import subprocess
    import tempfile
    import threading

    ours = (f"{name}={value}" for name, value in SETTINGS.items())
    given = [word for setting in (*ours, *settings) for word in ("-c", setting)]
    complaints: list[bytes] = []
    is_late = threading.Event()
    with tempfile.TemporaryFile() as question:
        question.write(asked)
        question.seek(0)
        with subprocess.Popen(  # noqa: S603 - no shell; the program is absolute and not in the checkout
            [program, *FLAGS, *given, *arguments],
            cwd=folder,
            env=dict(environment),
            stdin=question,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            assert process.stdout and process.stderr  # noqa: S101, PT018 - for mypy
            stdout, stderr = process.stdout, process.stderr

            def kill() -> None:
                """Kill git and the processes that it started."""
                getattr(os, "killpg", os.kill)(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

            def stop() -> None:
                is_late.set()
                kill()

            def listen() -> None:
                complaints.append(stderr.read(MOST_STDERR_BYTES))
                stderr.close()

            timer, listener = threading.Timer(SECONDS, stop), threading.Thread(target=listen)
            timer.start()
            listener.start()
            try:
                data = stdout.read(most_bytes + 1)
                if len(data) > most_bytes:
                    raise GitError(f"git {arguments[0]} wrote more than {most_bytes:,} bytes")
                code = process.wait()
            finally:
                timer.cancel()
                if process.returncode is None:
                    kill()
                listener.join()
    if is_late.is_set():
        raise GitError(f"git {arguments[0]} took longer than {SECONDS:.0f} seconds")
    lines = b"".join(complaints).decode(errors="replace").splitlines()
    said = [line[:MOST_CHARACTERS] for line in lines if line.strip()][:MOST_LINES]
    if code:
        raise GitError("; ".join(visible(line.removeprefix("fatal: ")) for line in said) or f"git ended with {code}")
    return GitOutput(data, tuple(line for line in said if not line.startswith("hint:")))
