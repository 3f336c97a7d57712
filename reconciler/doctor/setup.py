"""Check the local setup (configuration, tenant, grant files), and print the commands that set up a pipeline.

The printed commands create applications, environments and secrets. The printed commands need a POSIX shell, `jq`, the
Auth0 CLI (`auth0`), and the GitHub or GitLab CLI (`gh` or `glab`). Secrets are passed through pipes and are never
arguments.

Sources: https://auth0.github.io/auth0-cli/, https://cli.github.com/manual/,
https://docs.github.com/en/rest/deployments/environments and https://docs.gitlab.com/cli/variable/set/
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Literal
from urllib.parse import quote as quote_url

from reconciler.config.tenants import Config
from reconciler.core.characters import pluralize
from reconciler.core.identity import management_api_identifier
from reconciler.core.permissions import needed_permissions
from reconciler.core.problems import Finding, Problem, Status, errors
from reconciler.core.tenant import Tenant, TenantKind
from reconciler.core.tenant_filter import NO_TENANTS
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.read import LoadedGrants, read_grants
from reconciler.files.workspace import Workspace
from reconciler.observe import RequiredListings, required_listings

EVERYTHING = RequiredListings(
    application_names=True, api_names=True, apis=True, organizations=True, organization_names=True
)
"""All lists of a tenant that a run can need (applications, APIs, organizations).

If the grant files cannot be read, the checks assume that a run reads the applications, APIs and organizations.
"""


def configuration(read: Callable[[], Config]) -> tuple[Finding, Config | None]:
    """Check reconciler.yaml. The function `read` returns the configuration or raises ReconcilerError."""
    try:
        config = read()
    except ReconcilerError as error:
        message = _first_of(error.problems) if isinstance(error, ProblemsError) else str(error)
        advice = "correct the file; docs/configuration.md has an example"
        return Finding("configuration", Status.FAILED, message, advice), None
    if not config.tenants:
        return Finding("configuration", Status.OK, "contains no tenants"), config
    return Finding(
        "configuration", Status.OK, f"{config.file} declares {pluralize(len(config.tenants), 'tenant')}"
    ), config


def tenant(config: Config | None, choose: Callable[[Config], Tenant]) -> tuple[Finding, Tenant | None]:
    """Check whether a tenant can be selected. The function `choose` returns the tenant or raises ReconcilerError."""
    if config is None:
        return Finding("tenant", Status.SKIPPED, "the configuration cannot be read"), None
    try:
        chosen = choose(config)
    except ReconcilerError as error:
        return Finding("tenant", Status.FAILED, str(error), "`reconciler --help` explains how to select a tenant"), None
    location = "a sandbox in this process" if chosen.kind is TenantKind.SANDBOX else chosen.base_url
    return Finding("tenant", Status.OK, f"{chosen.title.label}: {location}"), chosen


def grants(
    folder: Path, config: Config | None, chosen: Tenant | None, workspace: Workspace
) -> tuple[Finding, RequiredListings]:
    """Check the grant files for the tenant `chosen`.

    Return the finding, and the lists that a run must read from the tenant, such as the list of applications.
    """
    tenants = [chosen] if chosen else []
    try:
        declared = read_grants([folder], config.targets(*tenants) if config else NO_TENANTS, workspace)
    except ReconcilerError as error:
        return Finding("grants", Status.FAILED, str(error), "set the folder of grant files with --grants"), EVERYTHING
    patterns = chosen.patterns if chosen else ()
    tenant_grants = declared.at(chosen.target) if chosen else declared
    return _grants(tenant_grants), required_listings(tenant_grants.specs, patterns)


def _grants(declared: LoadedGrants) -> Finding:
    file_errors = errors(declared.problems)
    if file_errors:
        return Finding("grants", Status.FAILED, _first_of(file_errors), "`reconciler validate` shows all problems")
    found = f"{pluralize(len(declared.specs), 'grant')} in {pluralize(len(declared.texts), 'file')}"
    if declared.problems:
        advice = "`reconciler validate` shows all problems"
        return Finding("grants", Status.WARNING, f"{found}; {_first_of(declared.problems)}", advice)
    return Finding("grants", Status.OK, found)


def _first_of(problems: tuple[Problem, ...]) -> str:
    first, *others = problems
    more = f" (and {len(others)} more)" if others else ""
    return f"{first.source}: {first.message}{more}"


GITHUB, GITLAB = SERVICES = ("github", "gitlab")
DELETE_PERMISSION = "delete:client_grants"
READ_LOGS = "read:logs"
"""The permission to read the tenant's logs.

The pipeline job that reports drift needs the permission `read:logs` for the option --attribute.
"""
BRANCH_POLICY = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}


@dataclass(frozen=True, slots=True)
class Environment:
    """A deployment environment of a pipeline. `job` is the pipeline job that uses the environment."""

    tenant: Tenant
    job: Literal["plan", "apply", "expire"]
    permissions: tuple[str, ...]

    @property
    def writes(self) -> bool:
        """True if the pipeline job changes the tenant."""
        return self.job != "plan"

    @property
    def name(self) -> str:
        """The name of the environment in the pipelines that `init` writes."""
        return self.tenant.name if self.job == "apply" else f"{self.tenant.name}-{self.job}"

    def variable(self, name: str) -> str:
        """Return the name of the environment variable that starts with the tenant's prefix and ends with `name`."""
        return f"{self.tenant.credentials}{name}"


def setup_commands(service: str, tenants: Sequence[Tenant], branch: str, *, has_organizations: bool) -> Iterator[str]:
    """Yield the lines of a shell script that sets up `tenants` for pipelines.

    Only pipeline jobs of the branch `branch` may change the tenants.
    """
    yield "# Read each command before you run it. Needed: auth0, jq and " + ("gh." if service == GITHUB else "glab.")
    yield "set -eu"
    read, write = needed_permissions(has_organizations=has_organizations)
    for tenant in tenants:
        environments = [
            Environment(tenant, "plan", (*read, READ_LOGS)),
            Environment(tenant, "apply", (*read, *write)),
        ]
        if service == GITLAB:  # the pipeline that `init` writes for GitLab has a job that deletes expired grants
            environments.append(Environment(tenant, "expire", (*read, DELETE_PERMISSION)))
        yield from ("", f"# Tenant {tenant.name}: sign in as an administrator of {tenant.host}.")
        yield "auth0 login --scopes create:clients,create:client_grants"
        yield f"auth0 tenants use {quote(tenant.canonical_host or tenant.host)}"
        for environment in environments:
            yield from _application(environment)
            yield from (_github if service == GITHUB else _gitlab)(environment, branch)
    yield from _github_end(tenants) if service == GITHUB else _gitlab_end(branch)


def _application(environment: Environment) -> Iterator[str]:
    """Yield the commands that create an application for `environment` and a grant for the Management API."""
    tenant, job = environment.tenant, environment.job
    grant = json.dumps(
        {
            "audience": management_api_identifier(tenant.canonical_host or tenant.host),
            "scope": sorted(environment.permissions),
        }
    )
    yield from ("", f"# The application for {job} and its permissions.")
    yield f"app=$(auth0 apps create --name {quote(f'reconciler {job}')} --type m2m --reveal-secrets --json --no-input)"
    yield "client_id=$(printf '%s' \"$app\" | jq -j .client_id)"
    yield f"grant=$(printf '%s' {quote(grant)} | jq -c --arg id \"$client_id\" '.client_id = $id')"
    yield 'auth0 api post client-grants --data "$grant"'


SECRET = "printf '%s' \"$app\" | jq -j .client_secret"  # noqa: S105 - the string is a shell command, not a secret


def _github(environment: Environment, branch: str) -> Iterator[str]:
    """Yield the commands that create the environments on GitHub.

    The environment variables have the default prefix AUTH0_, as in the pipelines that `init` writes.
    """
    name = quote(environment.name)
    path = f"repos/{{owner}}/{{repo}}/environments/{quote_url(environment.name, safe='')}"
    if environment.writes:
        yield f"# Only {branch} may use this environment."
        policy = quote(json.dumps(BRANCH_POLICY))
        yield f"printf '%s' {policy} | gh api --method PUT --silent --input - {quote(path)}"
        yield f"gh api --method POST --silent {quote(f'{path}/deployment-branch-policies')} -f name={quote(branch)}"
    else:
        yield f"gh api --method PUT --silent {quote(path)}"
    yield f"gh variable set AUTH0_DOMAIN --env {name} --body {quote(environment.tenant.host)}"
    yield f'gh variable set AUTH0_CLIENT_ID --env {name} --body "$client_id"'
    yield f"{SECRET} | gh secret set AUTH0_CLIENT_SECRET --env {name}"


def _gitlab(environment: Environment, branch: str) -> Iterator[str]:
    options = f"--scope {quote(environment.name)}{' --protected' if environment.writes else ''}"
    if environment.writes:
        yield f"# Protected variables: only jobs of protected branches, such as {branch}, can read the variables."
    domain = quote(environment.tenant.host)
    yield f"glab variable set {environment.variable('DOMAIN')} {domain} {options}"
    yield f'glab variable set {environment.variable("CLIENT_ID")} "$client_id" {options}'
    yield f"{SECRET} | glab variable set {environment.variable('CLIENT_SECRET')} {options} --masked --raw"


def _github_end(tenants: Iterable[Tenant]) -> Iterator[str]:
    yield from ("", "# An approval by required reviewers (public repositories, or GitHub Enterprise). Replace LOGIN:")
    reviewers = '{reviewers: [{type: "User", id: .id}], prevent_self_review: true} + $policy'
    rules = f"jq --argjson policy {quote(json.dumps(BRANCH_POLICY))} {quote(reviewers)}"
    for tenant in tenants:
        path = quote(f"repos/{{owner}}/{{repo}}/environments/{quote_url(tenant.name, safe='')}")
        yield f"#   gh api users/LOGIN | {rules} | gh api --method PUT --input - {path}"
    yield "#   gh variable set REQUIRED_REVIEWERS --body true"
    yield "# Without required reviewers, approve by hand: run the workflow Grants with the approval id of the plan."
    yield "#   gh variable set APPROVERS --body 'LOGIN LOGIN' # only these users can approve by hand"


def _gitlab_end(branch: str) -> Iterator[str]:
    yield from ("", "# Every night, a schedule reports drift and deletes expired grants.")
    yield f"glab schedule create --cron '17 4 * * *' --ref {quote(branch)} --description 'Drift of grants'"
    yield "# To write notes and issues, create a project access token (Settings, Access tokens) with the scope api and"
    yield "# the role Reporter. Paste the token, then press Ctrl-D:"
    yield "#   glab variable set GITLAB_TOKEN --masked --raw"
