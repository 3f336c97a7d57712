import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import GRANTS, reconciler, served

COMMANDS = [["plan"], ["apply", "--yes"], ["plan", "--format", "json"]]
WRONG = "check AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET: they do not belong to an application of this tenant"


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


@pytest.fixture
def tenant(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A served tenant, with its credentials in the environment. Tests may change them."""
    (here / "reconciler.yaml").unlink()
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield monkeypatch


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("spoilt", "shown"),
    [
        ({"AUTH0_CLIENT_SECRET": " "}, ": AUTH0_CLIENT_SECRET is empty; set AUTH0_CLIENT_ID and "),
        ({"AUTH0_CLIENT_ID": "nobody"}, f"/oauth/token: 401 Unauthorized; {WRONG}\n"),
        ({"AUTH0_CLIENT_SECRET": "wrong"}, f"/oauth/token: 401 Unauthorized; {WRONG}\n"),
        ({"AUTH0_ACCESS_TOKEN": "a.b.c"}, ": 401 Invalid token; the access token of the environment has expired"),
        ({"AUTH0_API_TOKEN": "a.b.c"}, ": 401 Invalid token; the access token of the environment has expired"),
        ({"AUTH0_AUDIENCE": "https://elsewhere/api/v2/"}, " API https://elsewhere/api/v2/; if this is the wrong "),
        (
            {"AUTH0_DOMAIN": "not a domain"},
            'error: "not a domain" is not a valid domain; use a domain like example.eu.auth0.com\n',
        ),
        ({"AUTH0_DOMAIN": "http://example.com"}, "plain http would show the credentials to the network"),
        ({"AUTH0_DOMAIN": "unknown.invalid"}, "error: POST unknown.invalid /oauth/token: "),
        (
            {"AUTH0_DOMAIN": "unknown.invalid", "HTTPS_PROXY": "http://127.0.0.1:1"},
            " (through the proxy 127.0.0.1:1 from HTTPS_PROXY",
        ),
    ],
    ids=[
        "no-credentials",
        "wrong-id",
        "wrong-secret",
        "wrong-token",
        "wrong-api-token",
        "wrong-audience",
        "no-domain",
        "plain-http",
        "unknown-host",
        "no-proxy-there",
    ],
)
def test_credentials_and_network_are_errors_of_one_line(
    tenant: pytest.MonkeyPatch, command: list[str], spoilt: dict[str, str], shown: str
) -> None:
    for name, value in spoilt.items():
        tenant.setenv(name, value)
    ran = reconciler(*command)

    assert (ran.code, ran.stdout) == (1, "")
    assert shown in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.usefixtures("tenant")
def test_a_wrong_canonical_domain_is_named(here: Path) -> None:
    address = os.environ["AUTH0_DOMAIN"]
    settings = f"tenants: {{one: {{domain: '{address}', canonical_domain: wrong.eu.auth0.com}}}}\n"
    (here / "reconciler.yaml").write_text(settings, encoding="utf-8")

    ran = reconciler("plan")

    assert ran.code == 1
    assert "the Management API https://wrong.eu.auth0.com/api/v2/; if this is the wrong Management API" in ran.stderr
    assert "correct canonical_domain in the configuration, or set " in ran.stderr


@pytest.mark.parametrize("has_token", [False, True])
def test_an_unreachable_host_is_an_error_of_one_line(tenant: pytest.MonkeyPatch, *, has_token: bool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        tenant.setenv("AUTH0_DOMAIN", f"127.0.0.1:{unused.getsockname()[1]}")
        if has_token:
            tenant.setenv("AUTH0_API_TOKEN", "a.b.c")
        ran = reconciler("plan", "--attempts", "2")

    assert (ran.code, ran.stdout) == (1, "")
    assert "All connection attempts failed; tried 2 times; check the network with `reconciler doctor`" in ran.stderr


@pytest.mark.parametrize(
    ("file", "text", "command", "shown"),
    [
        ("reconciler.yaml", "tenants: [\n", "plan", "reconciler.yaml:2:1: this is not valid YAML"),
        ("reconciler.yaml", "tenant: {}\n", "plan", 'reconciler.yaml:1:1: the key "tenant" is unknown; did you mean'),
        (
            "reconciler.yaml",
            "default_tenant: x\n",
            "plan",
            'reconciler.yaml:1:17: this file does not declare the tenant "x"; declared tenants: none',
        ),
        ("reconciler.yaml", "tenants: {a: {domain: a b}}\n", "plan", '"a b" is not a valid domain'),
        ("tenant.yaml", "grants: [{client: X, audience: y}]\n", "plan", "tenant.yaml:1:19: "),
        ("grants/billing.yaml", "grants: 1\n", "validate", "grants/billing.yaml:1:9: "),
        (
            "grants/billing.yaml",
            GRANTS + GRANTS.removeprefix("grants:\n"),
            "plan",
            "is already declared at grants/billing.yaml:2",
        ),
    ],
    ids=["syntax", "unknown-key", "unknown-default", "no-domain", "seed", "kind", "twice"],
)
def test_an_invalid_file_is_reported_with_its_position(
    here: Path, file: str, text: str, command: str, shown: str
) -> None:
    (here / file).write_text(text, encoding="utf-8")
    ran = reconciler(command)

    assert (ran.code, ran.stdout) == (1, "")
    assert shown in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["plan", "--config", "no.yaml"], "error: no.yaml does not exist; check the path\n"),
        (["plan", "--grants", "no"], "error: no does not exist; check the path\n"),
        (["validate", "no\x1b[2J"], "error: no\\x1b[2J does not exist; check the path\n"),
        (["schema", "--spec", "no.json"], "error: no.json: this file cannot be read (No such file or directory);"),
        (["schema", "--spec", "grants"], "error: grants: this file cannot be read (Is a directory);"),
        (["schema", "--spec", "tenant.yaml"], "error: tenant.yaml is not valid JSON: "),
        (["sandbox", "reset", "--seed", "no.yaml"], "error: no.yaml does not exist; check the path\n"),
        (["sandbox", "reset", "--database", "tenant.yaml"], "error: tenant.yaml is not a sandbox database"),
    ],
    ids=["config", "grants", "escapes", "spec", "spec-folder", "spec-yaml", "seed", "database"],
)
def test_an_unusable_path_is_named(arguments: list[str], shown: str) -> None:
    ran = reconciler(*arguments)

    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith(shown)


def test_all_problems_in_files_are_reported_before_any_request(tenant: pytest.MonkeyPatch, here: Path) -> None:
    (here / "grants" / "second.yaml").write_text("grants: no\n", encoding="utf-8")
    (here / "grants" / "third.yaml").write_text("grant: []\n", encoding="utf-8")
    tenant.setenv("AUTH0_CLIENT_SECRET", "wrong")

    ran = reconciler("plan")

    assert [line.split(":")[0] for line in ran.stderr.splitlines()] == [
        "grants/second.yaml",
        "grants/third.yaml",
        "grants/third.yaml",
    ]


@pytest.mark.parametrize(
    ("environment", "options", "shown"),
    [
        ({"AUTH0_DOMAIN": "127.0.0.1:99999"}, [], "has an invalid port"),
        ({"AUTH0_DOMAIN": "127.0.0.1:0"}, [], "has an invalid port"),
        ({"AUTH0_AUDIENCE": "\udcff"}, [], "AUTH0_AUDIENCE contains bytes that are not text"),
        (
            {"AUTH0_CLIENT_ID": "\udcff", "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY": "x"},
            [],
            "AUTH0_CLIENT_ID contains bytes",
        ),
        ({}, ["--rate-share", "nan"], "is not a number"),
        ({}, ["--max-rps", "nan"], "is not a number"),
        ({}, ["--max-rps", "1e-320"], "is not a number"),
        ({}, ["--max-rps", "0.001"], "is not in the range"),
        ({}, ["--max-rps", "1_0"], "is not a number"),
        ({}, ["--max-deletes", "1_0"], "is not a whole number"),
        ({}, ["--max-deletes", "+5"], "is not a whole number"),
        ({}, ["--max-deletes", " \u0663 "], "is not a whole number"),
        ({}, ["--max-deletes", "-1"], "is not in the range"),
        ({"RECONCILER_PLAN_MAX_DELETES": "\u0663"}, [], "is not a whole number"),
        ({}, ["--timeout", "\u0663m"], "is not a duration"),
        ({}, ["--timeout", "1_0m"], "is not a duration"),
        ({}, ["--timeout", "nan"], "is not a duration"),
    ],
    ids=lambda each: None if isinstance(each, dict) else str(each),
)
def test_invalid_numbers_and_bytes_are_errors(
    tenant: pytest.MonkeyPatch,
    environment: dict[str, str],
    options: list[str],
    shown: str,
) -> None:
    for name, value in environment.items():
        tenant.setenv(name, value)
    ran = reconciler("plan", *options)

    assert (ran.code, ran.stdout) == (1, "")
    assert shown in ran.stderr
