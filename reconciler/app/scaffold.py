"""The content of the files that `init` and `demo` write, and the schema of grant files for editors."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from reconciler import DISTRIBUTION, __version__
from reconciler.app.console import Console
from reconciler.app.load import workspace_of
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import tenant_runs
from reconciler.artifacts.atomic_files import OWNER_ONLY, write_output
from reconciler.contract import stored
from reconciler.contract.derive import render
from reconciler.contract.editor import editor_schema
from reconciler.core.characters import join_words
from reconciler.core.identity import CREDENTIALS_PREFIX
from reconciler.errors import ReconcilerError, reason
from reconciler.files.discover import name_of
from reconciler.files.write import scalar
from reconciler.git.repository import GitError, open_repository

CONFIGURATION = """\
# yaml-language-server: $schema=schemas/{schema}
default_tenant: {name}
tenants:
  {name}:
    domain: {domain}
"""
EXAMPLE = """\
# yaml-language-server: $schema={schema}
# A grant allows an application to call an API with some scopes. To add a grant, remove "[]" and uncomment the lines:
grants: []
#  - client: Billing Worker
#    api: Invoices API
#    scope:
#      - read:invoices
"""
IGNORED_FOLDER = ".reconciler/"
EQUIVALENT_ENTRIES = frozenset({IGNORED_FOLDER, ".reconciler", "/.reconciler", "/.reconciler/"})


class Service(StrEnum):
    """The CI services that `reconciler init` supports."""

    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"


EXPRESSIONS: Mapping[Service, str] = {Service.GITHUB: "${{", Service.GITLAB: "$"}
"""For each CI service, the characters that start an expression in a pipeline file.

A tenant name must not contain the characters that start an expression in a pipeline file.
"""
DEFAULT_BRANCHES = ("main", "master", "trunk", "develop")
"""The usual names of default branches.

If the name of the checked-out branch is in DEFAULT_BRANCHES, the generated pipeline uses the branch as the default
branch.
"""
LOCK = "requirements.lock"
ACTION = ".github/actions/reconciler"
GITLAB_LOCK = f".gitlab/reconciler/{LOCK}"
REQUIREMENT = f"{DISTRIBUTION}=={__version__}"
# `init` replaces the following strings of the example pipelines. A test checks that the example pipelines contain each
# of these strings.
TENANTS = "[dev, prod]"
CREDENTIALS = """\
            AUTH0_DOMAIN=${{ vars.AUTH0_DOMAIN }}
            AUTH0_CLIENT_ID=${{ vars.AUTH0_CLIENT_ID }}
            AUTH0_CLIENT_SECRET=${{ secrets.AUTH0_CLIENT_SECRET }}
"""
"""The lines of the example pipelines that pass the credentials of a tenant to a job."""
MAIN_BRANCH = "branches: [main] # your default branch"
USES_COPY = re.compile(r"uses: example/reconciler@[0-9a-f]{40} # use the commit that you reviewed")
ARTIFACT = re.compile(r"name: (\w+)-\$\{\{ (matrix|inputs)\.tenant \}\}")
REFUSED_IN_ARTIFACTS = frozenset('":<>|*?\\/\r\n')
README = "examples/README.md"
COPY_IN_ACTION = """\
        # Copy reconciler to where pip would install it. No package is built, so no build tools are needed.
        packages=("$folder"/venv/lib/python*/site-packages)
        cp -R "$SOURCE/reconciler" "${packages[0]}/reconciler"
        cp -R "$SOURCE/schemas" "${packages[0]}/reconciler/schemas"
"""
INSTALL_IN_ACTION = f"""\
        isolated "$folder/venv/bin/python" -I -m pip --isolated install --quiet --disable-pip-version-check \\
          --no-cache-dir --no-deps --only-binary :all: {REQUIREMENT}
"""
GITLAB_CHANGES = {
    """\
  # your copy of reconciler, and the commit that you reviewed
  RECONCILER_REPOSITORY: https://gitlab.example.com/example/reconciler
  RECONCILER_COMMIT: "0123456789abcdef0123456789abcdef01234567"
""": f"""\
  RECONCILER: {REQUIREMENT}
""",
    """\
# Fetches the reviewed commit of reconciler, and the packages of its requirements.lock. pip checks the hash of each
# package. The job has no GitLab environment and does not check out the repository, so the job has no credentials.
# Later jobs verify the checksum of the archive. Wheels run no code during the installation.
""": f"""\
# Fetches reconciler, and the packages of {GITLAB_LOCK}. pip checks the hash of each package. The job has no
# GitLab environment, so the job has no credentials. Later jobs verify the checksum of the archive. Wheels run no code
# during the installation.
""",
    """\
  variables:
    GIT_STRATEGY: none
  script:
""": """\
  script:
""",
    """\
    - isolated git init --quiet "$new/source"
    - isolated git -C "$new/source" fetch --quiet --depth 1 "$RECONCILER_REPOSITORY" "$RECONCILER_COMMIT"
    - isolated git -C "$new/source" checkout --quiet --detach "$RECONCILER_COMMIT"
    - >-
      isolated python3 -I -m pip --isolated download --quiet --disable-pip-version-check --no-cache-dir --no-deps
      --require-hashes --only-binary :all: --dest "$new/wheels" --requirement "$new/source/requirements.lock"
    - rm -rf reconciler.tar reconciler.env
    - tar --create --file reconciler.tar --directory "$new" --exclude .git wheels source
""": f"""\
    - download="python3 -I -m pip --isolated download --quiet --disable-pip-version-check --no-cache-dir --no-deps"
    - cp {GITLAB_LOCK} "$new/requirements.lock"
    - >-
      isolated $download --require-hashes --only-binary :all: --dest "$new/wheels"
      --requirement "$new/requirements.lock"
    - >-
      isolated $download --only-binary :all: --dest "$new/wheels" "$RECONCILER"
    - rm -rf reconciler.tar reconciler.env
    - tar --create --file reconciler.tar --directory "$new" wheels requirements.lock
""",
    """\
      --require-hashes --only-binary :all: --find-links "$new/wheels" --requirement "$new/source/requirements.lock"
    # Copy reconciler to where pip would install it. No package is built, so no build tools are needed.
    - packages=$(echo "$new"/venv/lib/python*/site-packages)
    - cp -R "$new/source/reconciler" "$packages/reconciler"
    - cp -R "$new/source/schemas" "$packages/reconciler/schemas"
""": """\
      --require-hashes --only-binary :all: --find-links "$new/wheels" --requirement "$new/requirements.lock"
    - >-
      isolated "$new/venv/bin/python" -I -m pip --isolated install --quiet --disable-pip-version-check --no-index
      --no-deps --only-binary :all: --find-links "$new/wheels" "$RECONCILER"
""",
}


def configuration(name: str, domain: str) -> str:
    """Return a reconciler.yaml with one tenant."""
    return CONFIGURATION.format(schema=stored.CONFIG, name=scalar(name), domain=scalar(domain))


def example(schema: str) -> str:
    """Return a grant file without grants.

    `schema` is the path of the JSON Schema of grant files, relative to the grant file.
    """
    return EXAMPLE.format(schema=schema)


def schemas() -> dict[str, str]:
    """Return the JSON Schemas for editors, by file name."""
    return {name: (stored.folder() / name).read_text(encoding="utf-8") for name in (stored.CONFIG, stored.GRANTS)}


def demo() -> dict[str, str]:
    """Return a mapping from relative path to content for the files of the demo.

    The demo consists of the settings of a local tenant and the tenant's grant files.
    """
    grants = stored.folder("grants")
    files = {path.relative_to(grants).as_posix(): path for path in sorted(grants.rglob("*.yaml"))}
    # Omit the first line of sandbox.yaml, which refers to a file that exists only in the checkout of reconciler.
    without_schema = stored.text("sandbox.yaml").partition("\n")[2]
    return {
        ".gitignore": gitignore_text(""),
        "reconciler.yaml": stored.text("reconciler.yaml"),
        "sandbox.yaml": without_schema,
        **{f"schemas/{name}": text for name, text in schemas().items()},
        **{f"grants/{name}": path.read_text(encoding="utf-8") for name, path in files.items()},
    }


def pipeline(service: Service, tenants: Mapping[str, str], branch: str = "main") -> dict[str, str]:
    """Return a mapping from relative path to content for the files of a pipeline.

    The pipeline validates pull requests, plans their changes, applies approved plans, and reports drift. The pipeline
    installs the running version of reconciler from the package index.

    `tenants` maps the name of each tenant to the prefix of the tenant's credential variables. `branch` is the default
    branch.
    """
    match service:
        case Service.GITHUB:
            return _github(tenants, branch)
        case Service.GITLAB:
            return _gitlab(tenants)
        case Service.NONE:
            return {}


def _github(tenants: Mapping[str, str], branch: str) -> dict[str, str]:
    workflows = {
        f".github/workflows/grants-{name}": _workflow(stored.text(f"examples/github/{name}"), tenants, branch)
        for name in ("pull-request.yml", "apply.yml", "drift.yml")
    }
    action = _replaced(stored.text("action.yml"), {COPY_IN_ACTION: INSTALL_IN_ACTION})
    return {**workflows, f"{ACTION}/action.yml": action, f"{ACTION}/{LOCK}": stored.text(LOCK)}


def _workflow(text: str, tenants: Mapping[str, str], branch: str) -> str:
    if any(REFUSED_IN_ARTIFACTS & set(name) for name in tenants):
        text = ARTIFACT.sub(_numbered_artifact, text)
    text = USES_COPY.sub(f"uses: ./{ACTION}", text)
    lines = CREDENTIALS.splitlines(keepends=True)
    every = "".join(
        each.replace(CREDENTIALS_PREFIX, prefix, 1) for prefix in sorted({*tenants.values()}) for each in lines
    )
    text = text.replace(CREDENTIALS, every)
    text = text.replace(MAIN_BRANCH, f"branches: [{scalar(branch)}] # the default branch")
    return _with_tenants(text, tenants)


def _numbered_artifact(match: re.Match[str]) -> str:
    """Return an artifact name that contains a number instead of the tenant's name.

    Some of the characters in tenant names are not allowed in artifact names.
    """
    number = "${{ strategy.job-index }}" if match[2] == "matrix" else "${{ github.run_id }}"
    return f"name: {match[1]}-{number}"


def _gitlab(tenants: Mapping[str, str]) -> dict[str, str]:
    text = _replaced(stored.text("examples/gitlab/.gitlab-ci.yml"), GITLAB_CHANGES)
    return {".gitlab-ci.yml": _with_tenants(text, tenants), GITLAB_LOCK: stored.text(LOCK)}


def _with_tenants(text: str, tenants: Iterable[str]) -> str:
    names = ", ".join(map(scalar, tenants))
    return text.replace(TENANTS, f"[{names}]").replace(README, f"reconciler's {README}")


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def gitignore_text(text: str) -> str:
    """Return the content of a .gitignore file, with an entry for .reconciler/ added if necessary."""
    if EQUIVALENT_ENTRIES & {line.strip() for line in text.splitlines()}:
        return text
    line_end = "\r\n" if "\r\n" in text else "\n"
    return f"{text}{'' if text.endswith(chr(10)) or not text else line_end}{IGNORED_FOLDER}{line_end}"


def default_branch(folder: Path) -> str:
    """Return the checked-out branch, or `main` if the name of the branch is not in DEFAULT_BRANCHES."""
    try:
        branch = open_repository(folder).run("symbolic-ref", "--short", "HEAD").lines[0]
    except (GitError, IndexError):
        return DEFAULT_BRANCHES[0]
    return branch if branch in DEFAULT_BRANCHES else DEFAULT_BRANCHES[0]


EDITOR_SCHEMA = Path(".reconciler", "grants.schema.json")
"""The path of the JSON Schema for editors, relative to the configuration. The path is in a folder that git ignores."""


def tenant_schema(options: GlobalOptions, console: Console, request_options: RequestOptions) -> str:
    """Return the JSON Schema of grant files as text.

    The schema contains the names of the applications, APIs and organizations of the selected tenant.

    Raises:
        ReconcilerError: if several tenants are selected, or the tenant cannot be read.
    """
    options.require_one_tenant()
    with tenant_runs(options, PlanOptions(), request_options, console, folders=[]) as runs:
        ((name, directory),) = runs.run(TenantSession.read_directory).items()
        tenant = next(each for each in runs.tenants if each.name == name)
    if directory.refused:
        refused = join_words(sorted(directory.refused), "and")
        console.note(
            f"Note: the schema lacks the names of {refused}, because {directory.reason_unread(directory.refused)}"
        )
    return render(editor_schema(stored.load(stored.GRANTS), directory, tenant.target))


def write_schema(options: GlobalOptions, path: Path, text: str, mode: int | None = OWNER_ONLY) -> None:
    """Write a JSON Schema to a file. If the folder of the file does not exist, create the folder.

    `mode` is the file mode. Only the owner may read a schema with names of a tenant. If `mode` is None, the file has
    the usual mode of new files.

    Raises:
        ReconcilerError: if the file cannot be written, or if the path contains a symbolic link that may be committed to
            the repository.
    """
    workspace_of(options.config).refuse_checkout_links(path, "the schema")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, text.encode(), mode)
    except OSError as error:
        raise ReconcilerError(f"{name_of(path)} cannot be written: {reason(error)}") from error
