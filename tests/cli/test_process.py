"""Behaviour of a separate process: imported packages, and closed or failing streams."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.commands import CONFIG, SEED, CommandResult, reconciler, run_process

pytestmark = pytest.mark.slow

FULL = Path("/dev/full")
# httpx imports rich for its own command line, if rich is installed
HEAVY = {
    *("httpx", "jsonschema", "jsonschema_rs", "deepdiff", "rich", "yaml", "starlette", "uvicorn", "jwt", "sqlite3"),
    "asyncio",
}
PARTS = {f"reconciler.{name}" for name in ("artifacts.journal", "auth0", "core.plan", "forge", "git.history")}
LOADED = """
import sys
before = set(sys.modules)
from reconciler.cli.main import run
code = run({arguments})
loaded = {heavy} & (set(sys.modules) - before)
print("loaded:", *sorted(loaded), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


def loaded_by(*arguments: str, parts: set[str] = HEAVY) -> set[str]:
    """Return the modules in `parts` that a command imports."""
    script = LOADED.format(arguments=list(arguments), heavy=parts)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    last = done.stderr.splitlines()[-1]
    return set(last.removeprefix("loaded:").split())


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["validate"], {"yaml", "jsonschema_rs"}),
        (["validate", "--help"], {"yaml"}),
        (["schema"], {"yaml"}),
        (["journal"], {"yaml", "asyncio"}),
        (["doctor", "--help"], HEAVY - {"starlette", "uvicorn", "sqlite3", "jwt", "jsonschema", "deepdiff"}),
        (["sandbox", "--help"], {"yaml", "asyncio"}),
        (["plan"], HEAVY - {"uvicorn", "jsonschema", "deepdiff"}),
        (["apply", "--yes"], HEAVY - {"uvicorn", "jsonschema"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_imports_only_the_packages_it_needs(arguments: list[str], allowed: set[str]) -> None:
    assert loaded_by(*arguments) <= allowed


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["validate"], set()),
        (["plan"], {"auth0", "core.plan"}),
        (["apply", "--yes"], {"artifacts.journal", "auth0", "core.plan"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_imports_only_its_own_parts(arguments: list[str], allowed: set[str]) -> None:
    assert loaded_by(*arguments, parts=PARTS) <= {f"reconciler.{part}" for part in allowed}


@pytest.mark.parametrize("command", [["plan"], ["sandbox", "reset"], ["sandbox", "serve"]], ids=" ".join)
def test_without_the_extra_the_sandbox_names_the_extra(command: list[str]) -> None:
    script = f"import sys; sys.modules['starlette'] = None; sys.argv[1:] = {command}; import reconciler.__main__ as it"
    done = subprocess.run([sys.executable, "-c", f"{script}; it.start()"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith('package for the sandbox is not installed; run: pip install "auth0-grants[sandbox]"\n')


def test_python_m_reconciler_runs_the_command() -> None:
    ran = run_process("plan")

    assert ran == CommandResult(0, reconciler("plan").stdout, "")


def test_a_closed_pipe_gives_no_message() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = run_process("plan", stdout=writing)
    finally:
        os.close(writing)

    assert (ran.code, ran.stderr) == (1, "")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "arguments", [["plan"], ["plan", "--format", "json"], ["validate"], ["schema"], ["--help"], ["apply", "--yes"]]
)
def test_a_full_disk_is_an_error_of_one_line(arguments: list[str]) -> None:
    with FULL.open("w") as full:
        ran = run_process(*arguments, stdout=full)

    assert (ran.code, ran.stderr) == (1, "error: the output cannot be used: No space left on device\n")
    assert "Create (1)" in reconciler("plan").stdout  # nothing was applied


@contextmanager
def lost_stdout(kind: str) -> Iterator[int]:
    """Yield a descriptor that cannot be written: a full disk, or a pipe that nobody reads."""
    reading, writing = os.pipe() if kind == "closed pipe" else (-1, os.open(FULL, os.O_WRONLY))
    if reading >= 0:
        os.close(reading)
    try:
        yield writing
    finally:
        os.close(writing)


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("kind", ["closed pipe", "full disk"])
@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["--format", "json"], "To roll back: reconciler --tenant local --grants .reconciler/snapshots/"),
        (["--format", "markdown"], "To roll back: reconciler --tenant local --grants .reconciler/snapshots/"),
        (["--all-tenants"], "To roll back a tenant, use the command that `reconciler journal` shows"),
        (["--all-tenants", "--format", "json"], "To roll back a tenant, use the command that"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_outcomes_that_stdout_cannot_take_are_on_stderr(
    here: Path, kind: str, arguments: list[str], advice: str
) -> None:
    if "--all-tenants" in arguments:
        (here / "reconciler.yaml").write_text(
            f"{CONFIG}  other: {{kind: sandbox, seed: tenant.yaml, database: o.db}}\n"
        )
    with lost_stdout(kind) as stdout:
        ran = run_process("apply", "--yes", *arguments, "--report", "json=result.json", stdout=stdout)

    why = "Broken pipe" if kind == "closed pipe" else "No space left on device"
    assert ran.code == 3
    assert "Apply: 1 applied; the tenant matches the files." in ran.stderr
    assert advice in ran.stderr
    assert ran.stderr.endswith(f"\nerror: cannot write to stdout ({why}); the outcomes were printed to stderr\n")
    assert json.loads((here / "result.json").read_text())
    assert reconciler("plan", "--detailed-exitcode").code == 0


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_an_apply_without_changes_reports_a_lost_stdout_as_a_failure_before_any_write() -> None:
    assert reconciler("apply", "--yes").code == 0
    with lost_stdout("full disk") as stdout:
        ran = run_process("apply", "--yes", "--format", "json", "-q", stdout=stdout)

    assert (ran.code, ran.stderr) == (1, "error: the output cannot be used: No space left on device\n")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_output_to_a_closed_stream_is_discarded(redirection: str) -> None:
    done = subprocess.run(
        f"{sys.executable} -m reconciler plan --detailed-exitcode {redirection}",
        shell=True,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert done.stderr == ""


def test_a_character_that_stdout_cannot_encode_is_escaped(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "tenant.yaml").write_text(SEED.replace("Portal", "Portál"), encoding="utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")

    ran = run_process("plan")

    assert (ran.code, ran.stderr) == (0, "")
    assert "Port\\xe1l (portal) -> Invoices API" in ran.stdout


def test_an_argument_that_is_not_unicode_gives_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "validate", b"caf\xe9"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: caf\\udce9 does not exist; check the path\n"


CLOSED = """
import os
for number in {closed}:
    os.close(number)
os.execv({python!r}, [{python!r}, "-m", "reconciler", *{arguments}])
"""


def with_closed(closed: list[int], *arguments: str) -> CommandResult:
    """Run a command with closed streams, as after `<&-` in a shell."""
    script = CLOSED.format(closed=closed, python=sys.executable, arguments=list(arguments))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("command", [["apply"], ["init"]], ids=" ".join)
def test_a_closed_stdin_means_no_terminal(here: Path, command: list[str]) -> None:
    if command == ["init"]:
        (here / "reconciler.yaml").unlink()
    closed = with_closed([0], *command)

    assert closed == run_process(*command)
    assert closed.stderr or closed.code == 0


def test_no_file_gets_the_descriptor_of_a_closed_stream(here: Path) -> None:
    assert with_closed([0, 1, 2], "apply", "--yes", "--report", "json=result.json").code == 0
    assert (here / "result.json").read_text().startswith("{")
    assert reconciler("plan", "--detailed-exitcode").code == 0
