"""`reconciler import --from deploy-cli` reads files as auth0-deploy-cli does, and its exports."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from peers.test_deploy_cli import FORMATS, deploy, prepare_organizations
from support.commands import CommandResult, run_process

from auth0_sandbox.served import ServedSandbox
from reconciler.foreign.deploy_files import DeployFile, FileKind, ParsedFile
from reconciler.foreign.deploy_settings import MAPPINGS, DeployTenant
from reconciler.foreign.document import plain

MODULES = Path(sys.prefix) / "node_modules"
pytestmark = [
    pytest.mark.auth0_sandbox(tls=True),
    pytest.mark.skipif(
        not ((MODULES / "auth0-deploy-cli").exists() and shutil.which("node")),
        reason="auth0-deploy-cli is not installed, because npm is missing",
    ),
]
ROUNDS = 600


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_declares_exactly_the_grants_of_the_tenant(
    name: str, auth0_sandbox: ServedSandbox, tmp_path: Path
) -> None:
    prepare_organizations(auth0_sandbox)
    deploy(auth0_sandbox, "export", "--format", name, "--output_folder", str(tmp_path / "files"))
    domain = f"https://{auth0_sandbox.environment['AUTH0_DOMAIN']}"  # a loopback domain uses plain HTTP otherwise
    environment = os.environ | auth0_sandbox.environment | {"AUTH0_DOMAIN": domain}

    def run(*arguments: str) -> CommandResult:
        return run_process(*arguments, cwd=tmp_path, env=environment)

    imported = run("import", "--from", "deploy-cli", f"files/{FORMATS[name]}")

    assert imported.code == 0, imported.output
    planned = run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned.output
    assert "No changes: the tenant matches the files." in planned.stdout
    assert "6 unchanged" in planned.stdout


def a_text(random_source: random.Random) -> str:
    """Return the text of a tenant file with keywords in many places."""
    pieces = [
        "##A##",
        "@@A@@",
        "##B##",
        "'@@L@@'",
        '"@@L@@"',
        "@@L@@",
        "##L##",
        "##N##",
        "@@N@@",
        "x",
        "##C##",
        "z",
    ]

    def scalar() -> str:
        text = "".join(random_source.choices([*pieces, "a/", " b"], k=random_source.randint(1, 3)))
        return random_source.choice([text, f'"{text}"', f"'{text}'"])

    def grant() -> str:
        scope = random_source.choice([f"[{scalar()}, {scalar()}]", scalar(), f"\n      - {scalar()}\n      - y # c"])
        return f"  - client_id: {scalar()}\n    audience: {scalar()} # comment ##A##\n    scope: {scope}\n"

    return f"other: {scalar()}\nclientGrants:\n{''.join(grant() for _ in range(random_source.randint(0, 3)))}"


def test_keywords_are_replaced_as_auth0_deploy_cli_does() -> None:
    random_source = random.Random(22)
    mappings: dict[str, Any] = {
        "A": "dev",
        "B": "https://##A##.x/",
        "L": ["r", "w:##A##"],
        "N": 7,
        "C": "##B##",
    }
    cases: list[dict[str, Any]] = [
        {"text": a_text(random_source), "mappings": mappings, "isJson": False} for _ in range(ROUNDS)
    ]
    cases += [
        {"text": text, "mappings": mappings, "isJson": True}
        for text in ('{"scope": @@L@@, "a": "##A##\\ud83d\\ude00"}', '{"a":\t"@@N@@"}', '{"a": ##A##}', "{\n\t}")
    ]
    run = subprocess.run(
        ["node", Path(__file__).parent / "keyword_oracle.cjs"],
        env=os.environ | {"MODULES": str(MODULES)},
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )

    tenant = DeployTenant(name="dev", settings={MAPPINGS: mappings})
    compared = 0
    for case, expected in zip(cases, json.loads(run.stdout), strict=True):
        kind = FileKind.GRANT if case["isJson"] else FileKind.TENANT
        parsed = ParsedFile(DeployFile("file", case["text"], kind), [tenant])
        if expected is None or "{}" in json.dumps(expected):
            continue
        assert not parsed.problems, case["text"]
        found = json.dumps([plain(node) for node in parsed.items(FileKind.GRANT, "dev")])
        assert json.loads(parsed.keywords.restore(found)) == [each for each in expected if each]
        compared += 1
    assert compared > 50
