"""Environment variables for options."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.core import ParameterSource
from support.commands import SEED, a_workspace, reconciler, served

from reconciler.cli.main import COMMANDS, MODULES, commands
from reconciler.cli.options import DecimalNumber, WholeNumber
from reconciler.cli.variables import bind_environment_variables

VALUES = ("1", "1000", "0.5", "json", "text=report.txt", "name", "github", "0/1", "deploy-cli", "2026-11-01/2026-11-30")
"""Every option accepts one of these values."""
KUBERNETES = "10.0.0.0/8,fd02::/112,.svc"


def every_option() -> Iterator[tuple[str, str]]:
    """Yield the names of each command with each long spelling of an option in its help."""
    for name in COMMANDS:
        command = import_module(f"reconciler.cli.{MODULES.get(name, name)}").command
        inner = {f"{name} {each}": sub for each, sub in getattr(command, "commands", {}).items()}
        for words, each in {name: command, **inner}.items():
            for option in each.params:
                if isinstance(option, click.Option) and option.expose_value:
                    spellings = (*option.opts, *option.secondary_opts)
                    yield from ((words, spelling) for spelling in spellings if spelling.startswith("--"))


def test_every_number_has_plain_digits() -> None:
    for name in COMMANDS:
        command = import_module(f"reconciler.cli.{MODULES.get(name, name)}").command
        for each in (command, *getattr(command, "commands", {}).values()):
            for parameter in each.params:
                if isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType):
                    assert isinstance(parameter.type, WholeNumber | DecimalNumber), (name, parameter.name)


def parsed(words: str, option: str) -> tuple[object, ParameterSource | None]:
    """Return the value of an option in the command, and its source."""
    context = commands.make_context("reconciler", words.split(), resilient_parsing=True)
    command: click.Command = commands
    for word in words.split():
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found is not None
        command = found
        context = command.make_context(word, ["file"], parent=context, resilient_parsing=True)
    (parameter,) = [
        each
        for each in command.params
        if option in (*each.opts, *each.secondary_opts) and not getattr(each, "hidden", False)
    ]
    return context.params.get(parameter.name or ""), context.get_parameter_source(parameter.name or "")


@pytest.mark.parametrize(("words", "option"), list(every_option()))
def test_every_option_has_an_environment_variable(monkeypatch: pytest.MonkeyPatch, words: str, option: str) -> None:
    variable = f"RECONCILER {words} {option}".replace(" --", "_").replace(" ", "_").replace("-", "_").upper()
    assert parsed(words, option)[1] is ParameterSource.DEFAULT

    taken = []
    for value in VALUES:
        monkeypatch.setenv(variable, value)
        result, source = parsed(words, option)
        taken += [result] if source is ParameterSource.ENVIRONMENT and result not in (None, ()) else []

    assert taken


def test_commas_separate_several_reports(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_PLAN_REPORT", "markdown=a plan.md, json=plan.json")

    assert reconciler("plan").code == 0
    assert (here / "a plan.md").read_text().startswith("<!--")
    assert (here / "plan.json").read_text().startswith("{")


def test_an_import_takes_its_filters_from_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = "\n  - {client: Billing, api: Invoices API, scope: []}\n"
    here = a_workspace(tmp_path, monkeypatch, tenant=SEED.rstrip() + more, **{"grants/billing": "grants: []\n"})
    monkeypatch.setenv("RECONCILER_IMPORT_CLIENT", "Nobody,Por tal, Portal")

    ran = reconciler("import")

    assert ran.code == 0, ran.output
    assert [path.name for path in (here / "grants").glob("*.yaml") if "Portal" in path.read_text()] == ["portal.yaml"]
    assert not any("Billing" in path.read_text() for path in (here / "grants").glob("*.yaml"))


@pytest.mark.parametrize("variable", ["RECONCILER_IMPORT_API", "RECONCILER_IMPORT_AUDIENCE"])
def test_each_spelling_of_an_option_has_a_variable(here: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "Nothing*")

    ran = reconciler("import")

    assert (ran.code, [each.name for each in (here / "grants").iterdir()]) == (0, ["billing.yaml"]), ran.output


@pytest.mark.usefixtures("here")
def test_two_variables_of_one_option_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_IMPORT_API", "Invoices*")
    monkeypatch.setenv("RECONCILER_IMPORT_AUDIENCE", "https://*")

    ran = reconciler("import")

    assert ran.code == 1
    assert "RECONCILER_IMPORT_AUDIENCE and RECONCILER_IMPORT_API set the same option" in ran.stderr


@pytest.mark.parametrize(("value", "with_admin"), [("1", False), ("false", True)])
def test_the_variable_of_a_negative_spelling_sets_the_opposite(
    monkeypatch: pytest.MonkeyPatch, *, value: str, with_admin: bool
) -> None:
    monkeypatch.setenv("RECONCILER_SANDBOX_SERVE_NO_ADMIN", value)

    assert parsed("sandbox serve", "--no-admin") == (with_admin, ParameterSource.ENVIRONMENT)


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize(
    ("command", "variable"),
    [
        ("apply --yes", "RECONCILER_APPLY_APPROVAL_ID"),
        ("apply --yes", "RECONCILER_APPLY_REQUIRE_TIP"),
        ("plan", "RECONCILER_PLAN_POLICY"),
        ("plan", "RECONCILER_PLAN_CLIENT"),
        ("plan", "RECONCILER_TENANT"),
        ("plan", "RECONCILER_CONFIG"),
    ],
)
def test_an_empty_variable_is_an_error_like_an_empty_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, variable: str, value: str
) -> None:
    folder = a_workspace(tmp_path, monkeypatch)
    monkeypatch.setenv(variable, value)

    ran = reconciler(*command.split())

    assert (ran.code, ran.stdout) == (1, "")
    assert f"The environment variable {variable} is empty." in ran.stderr
    assert not (folder / ".reconciler").exists()


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        ("RECONCILER_TENNANT", "Did you mean RECONCILER_TENANT?"),
        ("reconciler_tenant", "Did you mean RECONCILER_TENANT?"),
        ("RECONCILER_APPLY_TENANT", "Did you mean RECONCILER_TENANT"),
        ("RECONCILER_APPLY_CREATE_ONY", "Did you mean RECONCILER_APPLY_CREATE_ONLY?"),
        ("RECONCILER_APPLY_ONLY_SELECTED", ""),
        ("RECONCILER_APPLY_PRUNED", "Correct its name, or unset the variable."),
        ("RECONCILER_APPLY_PRUN", "Correct its name, or unset the variable."),
    ],
)
def test_a_misspelt_variable_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, advice: str
) -> None:
    folder = a_workspace(tmp_path, monkeypatch)
    monkeypatch.setenv(variable, "1")

    ran = reconciler("apply", "--yes")

    assert (ran.code, ran.stdout) == (1, "")
    assert f"The environment variable {variable} sets no option of `reconciler apply`." in ran.stderr
    assert advice in ran.stderr
    assert "RECONCILER_APPLY_PRUNE?" not in ran.stderr
    assert not (folder / ".reconciler").exists()


@pytest.mark.parametrize("command", ["plan -q", "--version", "apply --help"])
@pytest.mark.usefixtures("here")
def test_variables_of_other_programs_and_commands_are_ignored(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    others = ("COMMIT", "REPOSITORY", "SHA", "RUN", "VERSION", "IMAGE", "HOME", "APPLY_YES", "SANDBOX_SERVE_NO_ADMIN")
    for name in others:
        monkeypatch.setenv(f"RECONCILER_{name}", "1")

    assert reconciler(*command.split()).code == 0


def test_repeatable_options_accept_comma_separated_variables() -> None:
    for name in COMMANDS:
        command = commands.get_command(click.Context(commands), name)
        assert command is not None
        inner = command.commands.values() if isinstance(command, click.Group) else ()
        for each in [command, *inner]:
            several = [option for option in each.params if isinstance(option, click.Option) and option.multiple]
            assert all(len(option.type.split_envvar_value("a, b")) == 2 for option in several)


def test_an_option_keeps_its_existing_variable() -> None:
    option = click.Option(["--color"], envvar="RECONCILER_COLOR")
    bind_environment_variables(click.Command("plan", params=[option]), "plan")

    assert option.envvar == "RECONCILER_COLOR"


@pytest.mark.parametrize("command", ["plan", "apply --yes", "import", "list", "doctor"])
def test_networks_in_no_proxy_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    here = a_workspace(tmp_path, monkeypatch)
    (here / "reconciler.yaml").unlink()
    monkeypatch.setenv("NO_PROXY", KUBERNETES)
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        ran = reconciler(*command.split())

    assert ran.code == 0, ran.output
    assert "NO_PROXY" not in ran.output


@pytest.mark.parametrize("command", ["plan", "apply --yes", "import", "list", "doctor"])
@pytest.mark.usefixtures("here")
def test_an_invalid_no_proxy_entry_is_ignored_with_a_note(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    for name, value in {
        "AUTH0_DOMAIN": "unknown.invalid",
        "AUTH0_ACCESS_TOKEN": "a.b.c",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "NO_PROXY": "10.0.0.0/99,a/b",
        "RECONCILER_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)

    ran = reconciler(*command.split(), "--allow-unnamed-tenant")

    assert ran.code == 1
    assert 'NO_PROXY: ignored "10.0.0.0/99", "a/b": not a host name, an address or a network' in " ".join(
        ran.output.split()
    )
    assert "Traceback" not in ran.output
