"""Pure: the commands that create applications, environments and secrets for a pipeline.

The commands are for a POSIX shell with the command lines of Auth0 (`auth0`), GitHub (`gh`) or GitLab (`glab`), and
`jq`. Secrets go from one program to the next and are never arguments of a program.

Sources: https://auth0.github.io/auth0-cli/, https://cli.github.com/manual/,
https://docs.github.com/en/rest/deployments/environments and https://docs.gitlab.com/cli/variable/set/
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from shlex import quote
from urllib.parse import quote as quote_url

from reconciler.config.tenants import Tenant
from reconciler.core.identity import management_api_identifier
from reconciler.core.permissions import (
    READ_ORGANIZATION_PERMISSIONS,
    READ_PERMISSIONS,
    WRITE_ORGANIZATION_PERMISSIONS,
    WRITE_PERMISSIONS,
)

GITHUB, GITLAB = SERVICES = ("github", "gitlab")
READ_LOGS = "read:logs"
"""The permission for --attribute, which the job for drift uses."""
BRANCH_POLICY = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment of a pipeline: its tenant, whether its jobs write, and the permissions of its application."""

    tenant: Tenant
    writes: bool
    permissions: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the environment, as in the pipelines of `init`."""
        return self.tenant.name if self.writes else f"{self.tenant.name}-plan"

    def variable(self, name: str) -> str:
        """Return the environment variable that reconciler reads."""
        return f"{self.tenant.credentials}{name}"


def setup_commands(service: str, tenants: Sequence[Tenant], branch: str, *, has_organizations: bool) -> Iterator[str]:
    """Yield the lines of a shell script for `tenants`. Only `branch` may write to them."""
    yield "# Read each command before you run it. Needed: auth0, jq and " + ("gh." if service == GITHUB else "glab.")
    yield "set -eu"
    for tenant in tenants:
        read = (*READ_PERMISSIONS, READ_LOGS, *(READ_ORGANIZATION_PERMISSIONS if has_organizations else ()))
        write = (*WRITE_PERMISSIONS, *(WRITE_ORGANIZATION_PERMISSIONS if has_organizations else ()))
        yield from ("", f"# Tenant {tenant.name}: sign in as an administrator of {tenant.host}.")
        yield "auth0 login --scopes create:clients,create:client_grants"
        yield f"auth0 tenants use {quote(tenant.canonical_host or tenant.host)}"
        for environment in (Environment(tenant, False, read), Environment(tenant, True, (*read, *write))):
            yield from _application(environment)
            yield from (_github if service == GITHUB else _gitlab)(environment, branch)
    yield from _github_end(tenants) if service == GITHUB else _gitlab_end(branch)


def _application(environment: Environment) -> Iterator[str]:
    """Yield the commands that create the application of an environment and its grant on the Management API."""
    kind = "apply" if environment.writes else "plan"
    tenant = environment.tenant
    grant = json.dumps(
        {
            "audience": management_api_identifier(tenant.canonical_host or tenant.host),
            "scope": sorted(environment.permissions),
        }
    )
    yield from ("", f"# The application for {kind} and its permissions.")
    yield f"app=$(auth0 apps create --name {quote(f'reconciler {kind}')} --type m2m --reveal-secrets --json --no-input)"
    yield "client_id=$(printf '%s' \"$app\" | jq -j .client_id)"
    yield f"grant=$(printf '%s' {quote(grant)} | jq -c --arg id \"$client_id\" '.client_id = $id')"
    yield 'auth0 api post client-grants --data "$grant"'


SECRET = "printf '%s' \"$app\" | jq -j .client_secret"  # noqa: S105 - a command that prints the secret


def _github(environment: Environment, branch: str) -> Iterator[str]:
    """Yield the commands for GitHub. The variables have the default prefix, as in the pipelines of `init`."""
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
        yield f"# Protected variables: only jobs of protected branches, such as {branch}, see them."
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
    yield "# Without it, approve by hand: run the workflow Grants with the approval id of the plan."
    yield "#   gh variable set APPROVERS --body 'LOGIN LOGIN' # only these users can approve by hand"


def _gitlab_end(branch: str) -> Iterator[str]:
    yield from ("", "# Reports every night.")
    yield f"glab schedule create --cron '17 4 * * *' --ref {quote(branch)} --description 'Drift of grants'"
    yield "# Create a project access token with the scope api and the role Reporter (Settings, Access tokens). It"
    yield "# writes notes and issues. Paste it, then press Ctrl-D:"
    yield "#   glab variable set GITLAB_TOKEN --masked --raw"
