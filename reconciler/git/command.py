"""Run git with limits for time and output. A repository cannot make it run a program or read a secret.

git trusts the configuration of a repository: it starts pagers, hooks, monitors, filters and transports that this
configuration names. The options, settings and environment variables below prevent this. The environment of git contains
no credentials.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.quoting import visible
from reconciler.errors import ReconcilerError

TIMEOUT_SECONDS = 60.0
MAX_OUTPUT_BYTES = 64_000_000
MAX_STDERR_BYTES = 10_000
MAX_STDERR_LINES, MAX_STDERR_CHARACTERS = 20, 500
"""The maximum number of lines of git's stderr in an error message, and of characters per line."""

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
"""Settings that override those of the repository."""

INHERITED = ("SUDO_UID", "SYSTEMROOT")
"""git needs SUDO_UID to accept repositories of the user who ran sudo. Programs on Windows need SYSTEMROOT."""

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
"""HOME is not set, so that git does not read the user's files."""


class GitError(ReconcilerError):
    """git is missing, refuses the repository, or cannot read an object."""


class GitMissingError(GitError):
    """No usable git was found on the PATH."""


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
        GitMissingError: if no such git exists.
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


def run_git(  # noqa: PLR0913 - the parameters of a process
    program: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    settings: Sequence[str] = (),
    stdin: bytes = b"",
    max_bytes: int = MAX_OUTPUT_BYTES,
) -> GitOutput:
    """Run git in `folder` with the input `stdin`, and return its output.

    `settings` have the form name=value and are added after SETTINGS.

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
        with subprocess.Popen(  # noqa: S603 - no shell; the program is absolute and not in the checkout
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
                """Kill git and the processes that it started."""
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
