"""The files of other tools must not use unlimited time, or cause a traceback, in `import --from`."""

import json
import resource
import subprocess
from pathlib import Path

import pytest
from support.commands import TIMEOUT_SECONDS, CommandResult, command_line

MAX_SECONDS = 20
"""The limit allows for a busy machine. On an idle machine, each command takes a few seconds."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def import_from(tool: str, *arguments: str) -> CommandResult:
    """Import files with a limit on CPU time."""
    done = subprocess.run(
        command_line("import", "--from", tool, *arguments),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS)),
        timeout=5 * TIMEOUT_SECONDS,
    )
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    return CommandResult(done.returncode, done.stdout, done.stderr)


def item(number: int) -> str:
    return f"{{client_id: App, audience: 'https://api{number}/', scope: [a]}}"


def flow(count: int, template: str) -> str:
    return "[" + ", ".join(template.format(number, item=item(number)) for number in range(count)) + "]"


def lines(count: int, template: str) -> str:
    return "".join(template.format(number, item=item(number)) for number in range(count))


KEYS = ", ".join(f"k{number}: 1" for number in range(40_000))
HOLDERS = flow(8_000, "{{client_id: App {0}, audience: 'https://api/', scope: [a]}}")
CLIENTS = flow(30_000, "{{name: App {0}, is_first_party: false}}")
SCOPES = "clientGrants:\n  - client_id: App\n    audience: https://api/\n    scope:\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"x: {{{KEYS}}}\nclientGrants: []\n", 0),
        (f"x: &a {{{KEYS}}}\nclientGrants: [{{<<: {flow(40_000, '*a')}}}]\n", 1),
        ("clientGrants:\n" + lines(15_000, "  # comment {0}\n  - {item}\n"), 0),
        ("clientGrants:\n" + lines(30_000, "  - {{client_id: '##K{0}##', audience: x, scope: []}}\n"), 1),
        (SCOPES + lines(20_000, "      - s{0}  # comment\n"), 0),
        ("\n" * 40_000 + f"clientGrants: {flow(10_000, '{item}')}\n", 0),
        (f"clientGrants: {HOLDERS}\norganizations: [{{name: o, client_grants: {HOLDERS}}}]\n", 1),
        (f"clientGrants: {flow(8_000, '{item}')}\nclients: {CLIENTS}\n", 0),
    ],
    ids=[
        "keys",
        "merge keys",
        "comments",
        "keywords",
        "comments in a list",
        "blank lines",
        "organizations",
        "applications",
    ],
)
def test_a_file_of_auth0_deploy_cli_is_read_in_linear_time(folder: Path, text: str, code: int) -> None:
    (folder / "tenant.yaml").write_text(text)

    assert import_from("deploy-cli", "tenant.yaml").code == code


@pytest.mark.parametrize("levels", [101, 490, 600])
def test_a_grant_with_deep_nesting_is_a_problem(folder: Path, levels: int) -> None:
    (folder / "d" / "grants").mkdir(parents=True)
    (folder / "d" / "grants" / "a.json").write_text(f'{{"scope": {"[" * levels}{"]" * levels}}}')

    result = import_from("deploy-cli", "d")

    assert result.code == 1
    assert "nested too deeply" in result.stderr


@pytest.mark.parametrize("is_text", [False, True], ids=["JSON", "JSON in a string"])
def test_a_keyword_with_deep_nesting_is_refused(folder: Path, is_text: bool) -> None:  # noqa: FBT001
    mappings: object = {"K": json.loads("[" * 500 + "]" * 500)}
    data = {"AUTH0_KEYWORD_REPLACE_MAPPINGS": json.dumps(mappings)} if is_text else mappings
    (folder / "c.json").write_text(json.dumps(data))
    (folder / "tenant.yaml").write_text("clientGrants: [{client_id: '##K##', audience: x, scope: []}]\n")

    result = import_from("deploy-cli", "tenant.yaml", "--mappings", "c.json=dev")

    assert result.code == 1
    assert (
        'the keyword "K" has no value' if is_text else "c.json is nested more than 200 levels deep"
    ) in result.stderr


@pytest.mark.parametrize("name", ["resources", "child_modules"])
@pytest.mark.parametrize("value", [5, "x", {"a": 1}, True], ids=str)
def test_a_terraform_module_without_lists_is_a_problem(folder: Path, name: str, value: object) -> None:
    state = {"format_version": "1", "values": {"root_module": {name: value}}}
    (folder / "state.json").write_text(json.dumps(state))

    result = import_from("terraform", "state.json")

    assert result.code == 1
    assert "a module is nested too deeply or is not valid; create the file again with" in result.stderr
