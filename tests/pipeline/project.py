"""A repository with grants, as a user of the examples has it, and the tenant that its pipelines reach."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.commands import SECRET, grants_of, served
from support.forges import NAME, OWNER

from auth0_sandbox.store.documents import Document

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
BIN = Path(sys.prefix) / "bin"
TIMEOUT_SECONDS = 300
TAKEOVER = "create:client_grants"

OF_PROD = "            AUTH0_DOMAIN=${{ vars.AUTH0_DOMAIN }}\n"
OF_DEV = (
    OF_PROD.replace("AUTH0", "AUTH0_DEV")
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
HARMLESS = "grants:\n  - {client: Billing, api: Invoices API, scope: ['read:invoices']}\n"
DANGEROUS = f"grants:\n  - {{client: Billing, api: Auth0 Management API, scope: ['{TAKEOVER}']}}\n"
"""With this an application can give itself whatever it likes."""


@dataclass(frozen=True, slots=True)
class Project:
    """`folder` is a clone, `tenant` the folder of the tenant, `reaches` the environment that leads to it."""

    folder: Path
    tenant: Path
    reaches: Mapping[str, str]

    def git(self, *words: str) -> str:
        return git(self.folder, *words)

    def write(self, **files: str) -> None:
        """Write files of the folder of grants, by name without suffix."""
        for name, text in files.items():
            (self.folder / "grants" / f"{name}.yaml").write_text(text, encoding="utf-8")

    def branch(self, message: str) -> None:
        """Commit what has changed on a branch of its own."""
        self.git("checkout", "--quiet", "-B", "change", "main")
        self.commit(message)

    def merge(self) -> None:
        """Put the branch on the main branch."""
        self.git("checkout", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", "Merge", "change")

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def by_hand(self, text: str) -> None:
        """Give the tenant the grants of `text`, which no file of the project declares."""
        others = self.tenant.parent / "others"
        others.mkdir()
        (others / "all.yaml").write_text(text, encoding="utf-8")
        words = [str(BIN / "reconciler"), "--tenant", "dev", "--grants", str(others), "apply", "--yes"]
        environment = {**os.environ, **self.reaches}
        subprocess.run(
            words, cwd=self.folder, env=environment, check=True, capture_output=True, timeout=TIMEOUT_SECONDS
        )

    def configuration(self, policy: str = POLICY, name: str = "reconciler.yaml") -> None:
        """Declare dev and prod, which are two addresses of one tenant."""
        dev = f"  dev: {{domain: '{self.reaches['AUTH0_DEV_DOMAIN']}', credentials: AUTH0_DEV_}}\n"
        prod = f"  prod: {{domain: '{self.reaches['AUTH0_DOMAIN']}'}}\n"
        (self.folder / name).write_text(f"tenants:\n{dev}{prod}{policy}", encoding="utf-8")

    def grants(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return who holds what in the tenant, but for the grant of reconciler itself."""
        return [(_holder(grant), tuple(_scope(grant))) for grant in grants_of(self.tenant) if _holder(grant) != "own"]


def _holder(grant: Document) -> str:
    return str(grant["client_id"])


def _scope(grant: Document) -> list[str]:
    scope = grant["scope"]
    assert isinstance(scope, list)
    return [str(each) for each in scope]


@contextmanager
def a_project(folder: Path) -> Iterator[Project]:
    """Give a clone whose main branch declares what its tenant has."""
    tenant, clone, origin = folder / "tenant", folder / NAME, folder / OWNER / f"{NAME}.git"
    tenant.mkdir()
    (tenant / "tenant.yaml").write_text(SEED, encoding="utf-8")
    (clone / "grants").mkdir(parents=True)
    with served(tenant) as prod, served(tenant) as dev:
        reaches = {**prod} | {name.replace("AUTH0_", "AUTH0_DEV_"): value for name, value in dev.items()}
        project = Project(clone, tenant, reaches)
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
        project.git("init", "--quiet", "--initial-branch=main")
        project.git("remote", "add", "origin", str(origin))
        project.git("remote", "add", "github", f"https://github.com/{OWNER}/{NAME}.git")  # never reached
        shutil.copytree(EXAMPLES / "github", clone / ".github" / "workflows")
        for workflow in (
            clone / ".github" / "workflows"
        ).iterdir():  # act has no environments, so no variables of theirs
            workflow.write_text(
                workflow.read_text(encoding="utf-8").replace(OF_PROD, f"{OF_PROD}{OF_DEV}"), encoding="utf-8"
            )
        shutil.copy(EXAMPLES / "gitlab" / ".gitlab-ci.yml", clone)
        project.configuration()
        project.write(portal=PORTAL)
        (clone / ".gitignore").write_text(".gitlab-ci-local/\n", encoding="utf-8")
        project.commit("Start")
        project.git("push", "--quiet", "origin", "main")
        yield project


PYTHON = """#!/bin/bash -p
# Stands in for the python3 of a runner. An environment is there already; another test shows the installation.
folder=${{@: -1}}
case " $* " in
  *" -m venv "*)
    mkdir -p "$folder/bin"
    printf '#!/bin/bash -p\\n[[ " $* " == *" -m pip "* ]] || exec {python} "$@"\\n' >"$folder/bin/python"
    chmod +x "$folder/bin/python"
    ;;
  *" -m pip "*) mkdir wheels ;;
  *) exec {python} "$@" ;;
esac
"""


def stand_in_python(folder: Path) -> Path:
    """Return a program that makes an environment which has reconciler, without the network."""
    file = folder / "python" / "python3"
    file.parent.mkdir(exist_ok=True)
    file.write_text(PYTHON.format(python=sys.executable), encoding="utf-8")
    file.chmod(0o755)
    return file


def copied(source: Path, target: Path, *more: str) -> None:
    """Copy what an installation from a checkout needs, and `more` files."""
    for name in ("reconciler", "schemas", "examples"):
        shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", *more):
        shutil.copy(source / name, target / name)


def git(folder: Path, *words: str) -> str:
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com"}
    identity |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in identity.items()}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", *words], cwd=folder, env={**os.environ, **identity, **alone}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
