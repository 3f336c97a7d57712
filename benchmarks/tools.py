"""The measured tools: their input files, commands and versions. `make bench` installs the tools."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.tenants import OWN_AUDIENCE, OWN_CLIENT_ID, OWN_SECRET, Case, Work, deploy_cli_file, grant_files

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(__file__).parent / "programs"
PEERS = ROOT / ".venv-peers"
PEERS_PYTHON = PEERS / "bin" / "python"
DEPLOY_CLI = PEERS / "node_modules" / "auth0-deploy-cli"
A0DEPLOY = PEERS / "node_modules" / ".bin" / "a0deploy"
EXPORTED = "exported"
RECONCILER = (sys.executable, "-m", "reconciler")
OURS, SDK, DEPLOY, BARE = "reconciler", "auth0-python script", "auth0-deploy-cli", "bare reading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that changes a tenant to match files.

    `prepare` writes the input files of a case into a folder and returns the command. `scheme` is the prefix that the
    tool needs for a domain. `version` is empty if the tool is not installed. `unsupported` contains the tasks that the
    tool does not offer.
    """

    name: str
    version: str
    prepare: Callable[[Case, Path], list[str]]
    scheme: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    unsupported: frozenset[Work] = frozenset()


def all_tools() -> tuple[Tool, ...]:
    """Return the measured tools.

    The first tool is reconciler. The last tool only reads the data that every tool must read.
    """
    imports = _output_of(*RECONCILER, "import", "--help")
    return (
        Tool(
            name=OURS,
            version=_output_of(*RECONCILER, "--version").split(" ")[-1],
            prepare=_reconciler_command,
            scheme="https://",
            unsupported=frozenset() if imports else frozenset({Work.EXPORT}),
        ),
        Tool(name=SDK, version=_sdk_version(), prepare=_sdk_command, unsupported=frozenset({Work.PLANNED})),
        Tool(
            name=DEPLOY,
            version=_deploy_cli_version(),
            prepare=_deploy_cli_command,
            unsupported=frozenset({Work.PLANNED}),
            environment={"AUTH0_INCLUDED_ONLY": '["clientGrants"]'},  # auth0-deploy-cli offers no smaller selection
        ),
        Tool(name=BARE, version="-", prepare=_bare_reading_command, unsupported=frozenset(Work) - {Work.NOTHING}),
    )


def environment(tool: Tool, port: int, authority: Path) -> dict[str, str]:
    """Return the environment variables that a tool needs to connect to the tenant on a local port."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "AUTH0_DOMAIN": f"{tool.scheme}localhost:{port}",
        "AUTH0_CLIENT_ID": OWN_CLIENT_ID,
        "AUTH0_CLIENT_SECRET": OWN_SECRET,
        "AUTH0_AUDIENCE": OWN_AUDIENCE,
        "SSL_CERT_FILE": str(authority),
        "NODE_EXTRA_CA_CERTS": str(authority),
        **tool.environment,
    }


def write_grant_files(case: Case, folder: Path) -> Path:
    """Write the grant files of a case and return their folder."""
    grants = folder / "grants"
    grants.mkdir()
    for name, text in grant_files(case):
        (grants / name).write_text(text)
    return grants


def _reconciler_command(case: Case, folder: Path) -> list[str]:
    if case.work is Work.EXPORT:
        return [*RECONCILER, "import", "--out", str(folder / EXPORTED)]
    command = [*RECONCILER, "--grants", str(write_grant_files(case, folder))]
    if case.work is Work.PLANNED:
        return [*command, "plan", "--out", str(folder / "saved.json")]
    prune = ["--prune", "--max-deletes", str(case.size)] if case.work is Work.REMOVED else []
    return [*command, "apply", "--yes", "--timeout", "10h", *prune]


def _sdk_command(case: Case, folder: Path) -> list[str]:
    command = [str(PEERS_PYTHON), str(PROGRAMS / "with_sdk.py")]
    if case.work is Work.EXPORT:
        return [*command, "export", str(folder / EXPORTED)]
    return [*command, "prune" if case.work is Work.REMOVED else "apply", str(write_grant_files(case, folder))]


def _deploy_cli_command(case: Case, folder: Path) -> list[str]:
    if case.work is Work.EXPORT:
        return [str(A0DEPLOY), "export", "--format", "yaml", "--output_folder", str(folder / EXPORTED)]
    file, settings = folder / "tenant.yaml", folder / "settings.json"
    file.write_text(deploy_cli_file(case))
    settings.write_text(json.dumps({"AUTH0_ALLOW_DELETE": case.work is Work.REMOVED}))
    return [str(A0DEPLOY), "import", "--input_file", str(file), "--config_file", str(settings)]


def _bare_reading_command(case: Case, folder: Path) -> list[str]:
    return [sys.executable, str(PROGRAMS / "bare_reading.py"), str(write_grant_files(case, folder))]


def _sdk_version() -> str:
    code = "from importlib.metadata import version; print(version('auth0-python'))"
    return _output_of(str(PEERS_PYTHON), "-c", code)


def _deploy_cli_version() -> str:
    manifest = DEPLOY_CLI / "package.json"
    return str(json.loads(manifest.read_text())["version"]) if manifest.exists() else ""


def _output_of(*command: str) -> str:
    """Return the output of a command, or an empty text if the command fails or does not exist."""
    if not Path(command[0]).exists():
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
