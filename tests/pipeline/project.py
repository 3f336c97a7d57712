"""A repository with grants that uses the examples, and the tenant of its pipelines."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.commands import SECRET, grants_of, served
from support.forges import NAME, OWNER

from auth0_sandbox.store.documents import Document

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
BIN = Path(sys.prefix) / "bin"
TIMEOUT_SECONDS = 300
TAKEOVER_SCOPE = "create:client_grants"

PROD_CREDENTIALS = "            AUTH0_DOMAIN=${{ vars.AUTH0_DOMAIN }}\n"
DEV_CREDENTIALS = (
    PROD_CREDENTIALS.replace("AUTH0", "AUTH0_DEV")
    + """\
            AUTH0_DEV_CLIENT_ID=${{ vars.AUTH0_CLIENT_ID }}
            AUTH0_DEV_CLIENT_SECRET=${{ secrets.AUTH0_CLIENT_SECRET }}
"""
)
SEED = f"""
tool: {{name: Reconciler, client_id: own, client_secret: {SECRET}}}
applications:
  - {{name: Billing, client_id: billing}}
  - {{name: Portal, client_id: portal}}
apis:
  - {{name: Invoices API, identifier: "https://api.example.com/invoices", scopes: ["read:invoices", "write:invoices"]}}
grants:
  - {{client: Portal, api: Invoices API, scope: ["read:invoices"]}}
"""
POLICY = """
policy:
  rules:
    - {rule: management-api-takeover, verdict: deny, reason: ask the security team}
"""
PORTAL = "grants:\n  - {client: Portal, api: Invoices API, scope: ['read:invoices']}\n"
EXPIRED = PORTAL.replace("scope", "expires: 2026-01-31, scope")
HARMLESS = "grants:\n  - {client: Billing, api: Invoices API, scope: ['read:invoices']}\n"
DANGEROUS = f"grants:\n  - {{client: Billing, api: Auth0 Management API, scope: ['{TAKEOVER_SCOPE}']}}\n"
"""With this scope, an application can give itself any access."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    `folder` is a clone. `tenant` is the folder of the tenant. `credentials` has the variables for a connection to the
    tenant.
    """

    folder: Path
    tenant: Path
    credentials: Mapping[str, str]

    def git(self, *arguments: str) -> str:
        return git(self.folder, *arguments)

    def write(self, **files: str) -> None:
        """Write files into the grant folder, by name without suffix."""
        for name, text in files.items():
            (self.folder / "grants" / f"{name}.yaml").write_text(text, encoding="utf-8")

    def branch(self, message: str) -> None:
        """Commit the changes on a branch."""
        self.git("checkout", "--quiet", "-B", "change", "main")
        self.commit(message)

    def merge(self) -> None:
        """Merge the branch into the main branch."""
        self.git("checkout", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", "Merge", "change")

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def add_grants(self, text: str) -> None:
        """Add the grants of `text` to the tenant. No file of the project declares them."""
        others = self.tenant.parent / "others"
        others.mkdir()
        (others / "all.yaml").write_text(text, encoding="utf-8")
        arguments = [str(BIN / "reconciler"), "--tenant", "dev", "--grants", str(others), "apply", "--yes"]
        environment = {**os.environ, **self.credentials}
        subprocess.run(
            arguments, cwd=self.folder, env=environment, check=True, capture_output=True, timeout=TIMEOUT_SECONDS
        )

    def write_configuration(self, policy: str = POLICY, name: str = "reconciler.yaml") -> None:
        """Declare dev and prod, two addresses of the same tenant."""
        dev = f"  dev: {{domain: '{self.credentials['AUTH0_DEV_DOMAIN']}', credentials: AUTH0_DEV_}}\n"
        prod = f"  prod: {{domain: '{self.credentials['AUTH0_DOMAIN']}'}}\n"
        (self.folder / name).write_text(f"tenants:\n{dev}{prod}{policy}", encoding="utf-8")

    def grants(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the holders and scopes of the tenant's grants, without reconciler's own grant."""
        return [(_holder(grant), tuple(_scope(grant))) for grant in grants_of(self.tenant) if _holder(grant) != "own"]


def _holder(grant: Document) -> str:
    return str(grant["client_id"])


def _scope(grant: Document) -> list[str]:
    scope = grant["scope"]
    assert isinstance(scope, list)
    return [str(each) for each in scope]


def for_act(workflow: str) -> str:
    """Change a workflow for act, which supports neither variables of environments nor ones without a deployment."""
    text = workflow.replace(PROD_CREDENTIALS, f"{PROD_CREDENTIALS}{DEV_CREDENTIALS}")
    return text.replace("      deployment: false\n", "")


@contextmanager
def a_project(folder: Path) -> Iterator[Project]:
    """Yield a clone whose main branch declares the grants of its tenant."""
    tenant, clone, origin = folder / "tenant", folder / NAME, folder / OWNER / f"{NAME}.git"
    tenant.mkdir()
    (tenant / "tenant.yaml").write_text(SEED, encoding="utf-8")
    (clone / "grants").mkdir(parents=True)
    with served(tenant) as prod, served(tenant) as dev:
        credentials = {**prod} | {name.replace("AUTH0_", "AUTH0_DEV_"): value for name, value in dev.items()}
        project = Project(clone, tenant, credentials)
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
        project.git("init", "--quiet", "--initial-branch=main")
        project.git("remote", "add", "origin", str(origin))
        project.git("remote", "add", "github", f"https://github.com/{OWNER}/{NAME}.git")  # no test connects to it
        shutil.copytree(EXAMPLES / "github", clone / ".github" / "workflows")
        for workflow in (clone / ".github" / "workflows").iterdir():
            workflow.write_text(for_act(workflow.read_text(encoding="utf-8")), encoding="utf-8")
        shutil.copy(EXAMPLES / "gitlab" / ".gitlab-ci.yml", clone)
        project.write_configuration()
        project.write(portal=PORTAL)
        ignored = (
            ".gitlab-ci-local*",
            ".gitlab-ci-reports/",
            ".reconciler/",
            "reconciler.*",
            "!*.yaml",
            "reconciler-plans/",
        )
        (clone / ".gitignore").write_text("\n".join(ignored), encoding="utf-8")
        project.commit("Start")
        project.git("push", "--quiet", "origin", "main")
        yield project


def build_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """Return the folder that `build` has filled. Only the first test process of a run builds, and the others wait."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        content = folder / "content"
        if not content.exists():
            built = folder / "built"
            shutil.rmtree(built, ignore_errors=True)
            built.mkdir()
            build(built)
            built.rename(content)
    return content


def build_wheel(folder: Path) -> None:
    """Write the wheel of the project into `folder`."""
    python = ROOT / ".venv" / "bin" / "python"
    command = [python, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run([str(each) for each in command], check=True, capture_output=True)


PYTHON = """#!/bin/bash -p
# Replaces the python3 of a runner. It uses the existing environment. Another test covers the installation.
folder=${{@: -1}}
case " $* " in
  *" -m venv "*)
    mkdir -p "$folder/bin" "$folder/lib/python3/site-packages"
    printf '#!/bin/bash -p\\n[[ " $* " == *" -m pip "* ]] || exec {python} "$@"\\n' >"$folder/bin/python"
    chmod +x "$folder/bin/python"
    ;;
  *" -m pip "*) mkdir -p "$HOME/wheels" ;;
  *) exec {python} "$@" ;;
esac
"""


SETTING = re.compile(
    r"^[\w:]+\.(?P<name>cert|find-links|index-url|extra-index-url|constraint)='(?P<values>.*)'$", re.MULTILINE
)


def pip_settings() -> str:
    """Return the pip options for the packages of this machine."""
    pip = ROOT / ".venv" / "bin" / "pip"
    command = [str(pip), "config", "list"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = SETTING.findall(output)
    return " ".join(f"--{name} {value}" for name, values in found for value in values.split())


def fake_python(folder: Path) -> Path:
    """Return a program that creates an environment with reconciler, without network access."""
    file = folder / "python" / "python3"
    file.parent.mkdir(exist_ok=True)
    file.write_text(PYTHON.format(python=sys.executable), encoding="utf-8")
    file.chmod(0o755)
    return file


def copy_source(source: Path, target: Path, *more: str) -> None:
    """Copy the files for an installation from a checkout, and the files `more`."""
    for name in ("reconciler", "auth0_sandbox", "schemas", "examples", "grants"):
        shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    files = ("pyproject.toml", "README.md", "requirements.lock", "reconciler.yaml", "sandbox.yaml", "action.yml")
    for name in dict.fromkeys((*files, *more)):
        shutil.copy(source / name, target / name)


def a_source_repository(folder: Path) -> tuple[Path, str]:
    """Create a git repository with the source of reconciler. Return the folder and the commit."""
    repository = folder / "source-of-reconciler"
    repository.mkdir()
    copy_source(ROOT, repository)
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "All")
    return repository, git(repository, "rev-parse", "HEAD")


def git(folder: Path, *arguments: str) -> str:
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com"}
    identity |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in identity.items()}
    no_settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    completed = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **identity, **no_settings},
        check=True,
        capture_output=True,
        text=True,
    )
    return completed.stdout.strip()
