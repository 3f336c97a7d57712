"""The commands of `doctor --setup`, run with programs that record their arguments."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.commands import enter_clean_folder, reconciler

from reconciler.core.tenant import Tenant
from reconciler.doctor.setup import SERVICES, setup_commands

SECRET = "canary-secret"
PROGRAM = """#!/bin/sh
{{ printf '%s' {name}; printf ' %s' "$@"; }} >>"$LOG"
case " $* " in
  *" secret set "* | *" --masked "* | *" --input - "*) printf ' <%s' "$(cat)" >>"$LOG" ;;
esac
echo >>"$LOG"
[ "$1 $2" != "apps create" ] || echo '{{"client_id": "id of '"$4"'", "client_secret": "{secret}"}}'
"""
JQ = """#!/usr/bin/env python3
import json, sys
*options, program = sys.argv[1:]
value = json.load(sys.stdin)
if program.startswith(".client_id ="):
    value["client_id"] = options[options.index("--arg") + 2]
    print(json.dumps(value))
else:
    print(value[program.removeprefix(".")], end="")
"""
PROD = Tenant(name="prod", domain="prod.eu.auth0.com")
HOSTILE = Tenant(name="a'b;$(touch${IFS}taken)`x`", domain="login.example.com", credentials="AUTH0_B_")


def run(tmp_path: Path, service: str, *tenants: Tenant, has_organizations: bool = False) -> list[str]:
    """Run the script with fake programs. Return the calls with their input."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {
        "jq": JQ,
        **{name: PROGRAM.format(name=name, secret=SECRET) for name in ("auth0", "gh", "glab")},
    }.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    script = "\n".join(setup_commands(service, tenants, "main", has_organizations=has_organizations))
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "LOG": str(tmp_path / "log")}
    subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
    return (tmp_path / "log").read_text(encoding="utf-8").splitlines()


def test_the_commands_for_github(tmp_path: Path) -> None:
    calls = run(tmp_path, "github", PROD)

    grants = [json.loads(call.partition("--data ")[2]) for call in calls if "client-grants" in call and "api" in call]
    assert [(each["client_id"], each["audience"]) for each in grants] == [
        ("id of reconciler plan", "https://prod.eu.auth0.com/api/v2/"),
        ("id of reconciler apply", "https://prod.eu.auth0.com/api/v2/"),
    ]
    plan, apply = (set(each["scope"]) for each in grants)
    assert plan == {"read:client_grants", "read:clients", "read:resource_servers", "read:logs"}
    assert apply == {
        *("read:client_grants", "read:clients", "read:resource_servers"),
        *("create:client_grants", "update:client_grants", "delete:client_grants"),
    }
    assert [call for call in calls if call.startswith("gh ")] == [
        "gh api --method PUT --silent repos/{owner}/{repo}/environments/prod-plan",
        "gh variable set AUTH0_DOMAIN --env prod-plan --body prod.eu.auth0.com",
        "gh variable set AUTH0_CLIENT_ID --env prod-plan --body id of reconciler plan",
        f"gh secret set AUTH0_CLIENT_SECRET --env prod-plan <{SECRET}",
        (
            "gh api --method PUT --silent --input - repos/{owner}/{repo}/environments/prod "
            '<{"deployment_branch_policy": {"protected_branches": false, "custom_branch_policies": true}}'
        ),
        (
            "gh api --method POST --silent repos/{owner}/{repo}/environments/prod/deployment-branch-policies "
            "-f name=main"
        ),
        "gh variable set AUTH0_DOMAIN --env prod --body prod.eu.auth0.com",
        "gh variable set AUTH0_CLIENT_ID --env prod --body id of reconciler apply",
        f"gh secret set AUTH0_CLIENT_SECRET --env prod <{SECRET}",
    ]


def test_the_commands_for_gitlab_protect_the_variables_for_writing(tmp_path: Path) -> None:
    calls = [call for call in run(tmp_path, "gitlab", PROD) if call.startswith("glab ")]

    assert f"glab variable set AUTH0_CLIENT_SECRET --scope prod-plan --masked --raw <{SECRET}" in calls
    assert f"glab variable set AUTH0_CLIENT_SECRET --scope prod --protected --masked --raw <{SECRET}" in calls
    assert f"glab variable set AUTH0_CLIENT_SECRET --scope prod-expire --protected --masked --raw <{SECRET}" in calls
    assert calls[-1] == "glab schedule create --cron 17 4 * * * --ref main --description Drift of grants"


def test_the_job_that_deletes_expired_grants_may_only_read_and_delete(tmp_path: Path) -> None:
    calls = run(tmp_path, "gitlab", PROD)

    grants = [json.loads(call.partition("--data ")[2]) for call in calls if "client-grants" in call and "api" in call]
    (expire,) = (set(each["scope"]) for each in grants if each["client_id"] == "id of reconciler expire")
    assert expire == {"read:client_grants", "read:clients", "read:resource_servers", "delete:client_grants"}


@pytest.mark.parametrize("service", SERVICES)
def test_names_are_never_commands_and_secrets_are_never_arguments(tmp_path: Path, service: str) -> None:
    calls = run(tmp_path, service, HOSTILE)

    assert not (tmp_path / "taken").exists()
    option = "--env" if service == "github" else "--scope"
    assert any(f"{option} {HOSTILE.name}-plan" in call for call in calls)
    prefix = "AUTH0_CLIENT" if service == "github" else "AUTH0_B_CLIENT"
    assert sum(f"{prefix}_SECRET " in call for call in calls) == (2 if service == "github" else 3)
    assert [call for call in calls if SECRET in call.partition(" <")[0]] == []


def test_organizations_need_more_permissions(tmp_path: Path) -> None:
    calls = run(tmp_path, "github", PROD, has_organizations=True)

    plan, apply = (call for call in calls if "post client-grants" in call)
    assert "read:organizations" in plan
    assert "create:organization_client_grants" not in plan
    assert "create:organization_client_grants" in apply


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    enter_clean_folder(folder, monkeypatch)
    text = "tenants: {dev: {domain: dev.auth0.com}, local: {kind: sandbox}, prod: {domain: prod.auth0.com}}\n"
    (folder / "reconciler.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.usefixtures("configured")
def test_doctor_prints_the_commands_for_the_auth0_tenants() -> None:
    every, one = (
        reconciler("doctor", "--setup", "github"),
        reconciler("doctor", "--setup", "gitlab", "--tenant", "prod"),
    )

    assert (every.code, every.stderr, one.code) == (0, "", 0)
    assert "--env dev-plan" in every.stdout
    assert "--env prod " in every.stdout
    assert "local" not in every.stdout
    assert "dev" not in one.stdout
    assert "read:organizations" in every.stdout  # without files, all permissions


def test_organizations_follow_from_the_files(configured: Path) -> None:
    (configured / "grants").mkdir()
    file = configured / "grants" / "one.yaml"
    file.write_text("grants: [{client: A, api: B}]\n", encoding="utf-8")
    assert "read:organizations" not in reconciler("doctor", "--setup", "github").stdout

    file.write_text(
        "grants: [{client: A, api: B, organization_usage: allow, organizations: [acme]}]\n", encoding="utf-8"
    )
    assert "read:organizations" in reconciler("doctor", "--setup", "github").stdout


def test_without_tenants_nothing_is_printed(configured: Path) -> None:
    (configured / "reconciler.yaml").write_text("{}\n", encoding="utf-8")

    ran = reconciler("doctor", "--setup", "github")

    assert (ran.code, ran.stdout) == (1, "")
    assert "declares no Auth0 tenant; run reconciler init" in ran.stderr


def test_a_custom_domain_needs_the_canonical_domain(configured: Path) -> None:
    text = "tenants: {{prod: {{domain: login.example.com{}}}}}\n"
    (configured / "reconciler.yaml").write_text(text.format(""), encoding="utf-8")
    assert "set canonical_domain" in reconciler("doctor", "--setup", "github").stderr

    (configured / "reconciler.yaml").write_text(text.format(", canonical_domain: x.eu.auth0.com"), encoding="utf-8")
    script = reconciler("doctor", "--setup", "github").stdout
    assert '"audience": "https://x.eu.auth0.com/api/v2/"' in script
    assert "AUTH0_DOMAIN --env prod --body login.example.com" in script
    assert "auth0 tenants use x.eu.auth0.com" in script
