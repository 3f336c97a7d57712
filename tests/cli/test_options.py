import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import pytest
from support.commands import GRANTS, reconciler

from reconciler import DISTRIBUTION, __version__
from reconciler.cli.main import COMMANDS
from reconciler.cli.version import PACKAGES

OTHER_CONFIG = "default_tenant: other\ntenants:\n  other: {kind: sandbox, seed: tenant.yaml, database: other.db}\n"
EVERY_COMMAND = [*COMMANDS, "fleet list", "fleet collect", "sandbox serve", "sandbox reset"]


@pytest.fixture(autouse=True)
def more_folders(here: Path) -> None:
    """A second configuration and a second grant folder."""
    (here / "other.yaml").write_text(OTHER_CONFIG, encoding="utf-8")
    (here / "more").mkdir()
    (here / "more" / "two.yaml").write_text(GRANTS + GRANTS.removeprefix("grants:\n").replace("Billing", "Portal"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--grants", "more", "validate"],
        ["validate", "--grants", "more"],
        ["--grants", "nowhere", "validate", "--grants", "more"],
        ["validate", "more/two.yaml"],
    ],
    ids=["before", "after", "both", "argument"],
)
def test_an_option_may_come_before_or_after_the_command(arguments: list[str]) -> None:
    assert reconciler(*arguments).stdout == "2 grants in 1 file: valid.\n"


def test_the_default_grant_folder_is_next_to_the_configuration(here: Path) -> None:
    folder = here / "infra" / "auth0"
    folder.mkdir(parents=True)
    for name in ("grants", "reconciler.yaml", "tenant.yaml"):
        (here / name).rename(folder / name)
    config = "infra/auth0/reconciler.yaml"

    assert reconciler("--config", config, "validate").stdout == "1 grant in 1 file: valid.\n"
    assert "  + Billing -> " in reconciler("--config", config, "plan").stdout
    assert reconciler("--config", config, "--grants", "more", "validate").stdout == "2 grants in 1 file: valid.\n"


@pytest.mark.parametrize(
    ("name", "value", "arguments", "shown"),
    [
        ("RECONCILER_GRANTS", "more", ["validate"], "2 grants in 1 file"),
        ("RECONCILER_CONFIG", "other.yaml", ["plan"], "Tenant other "),
        ("RECONCILER_TENANT", "nobody", ["plan"], 'does not declare the tenant "nobody"'),
        ("RECONCILER_COLOR", "always", ["plan"], "\x1b["),
        ("RECONCILER_PLAN_PRUNE", "1", ["plan"], "Delete (1)"),
        ("RECONCILER_PLAN_DETAILED_EXITCODE", "1", ["plan", "--create-only"], "Create (1)"),
        ("RECONCILER_PLAN_FORMAT", "json", ["plan"], '"format_version": "1"'),
        ("RECONCILER_APPLY_YES", "1", ["apply"], "Apply: 1 applied"),
        ("RECONCILER_APPLY_FORMAT", "json", ["apply", "--yes"], '"converged": true'),
        ("RECONCILER_VALIDATE_FORMAT", "json", ["validate"], '"valid": true'),
        ("RECONCILER_VERBOSE", "1", ["plan"], "Create (1)"),
    ],
)
def test_an_option_can_be_set_in_the_environment(
    name: str, value: str, arguments: list[str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    assert shown in reconciler(*arguments).output


@pytest.mark.parametrize("arguments", [["--grants", "more", "validate"], ["validate", "--grants", "more"]])
def test_the_command_line_overrides_the_environment(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_GRANTS", "nowhere")

    assert reconciler(*arguments).code == 0


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["pla"], "No such command 'pla'"),
        (["plan", "--create-onl"], "--create-only"),
        (["plan", "--format", "xml"], "'xml' is not one of"),
        (["plan", "--max-deletes", "-1"], "-1 is not in the range"),
        (["risks", "extra"], "unexpected extra argument"),
        (["plan", "--prune", "--create-only"], "use one of them"),
        (["plan", "--prune", "--skip-missing"], "--prune cannot be combined"),
        (["--color", "pink", "plan"], "'pink' is not one of"),
        (["validate", "--grants"], "requires an argument"),
        (["sandbox", "serve", "--port", "70000"], "70000 is not in the range"),
        (["schema", "--check"], "--check needs --spec"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_usage_error_exits_with_1_because_2_means_changes(arguments: list[str], shown: str) -> None:
    ran = reconciler(*arguments)

    assert (ran.code, ran.stdout) == (1, "")
    assert shown in ran.stderr


@pytest.mark.parametrize("arguments", [[], ["sandbox"]], ids=["nothing", "sandbox"])
def test_without_a_command_the_help_is_shown(arguments: list[str]) -> None:
    ran = reconciler(*arguments)

    is_old_click = version("click").startswith("8.1.")
    assert (ran.code, ran.stdout == "") == ((0, False) if is_old_click else (1, True))
    assert "Usage:" in ran.output
    assert "--help" in ran.output


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_command_has_help_that_fits_80_columns_and_lists_global_options(command: str) -> None:
    ran = reconciler(*command.split(), "--help")

    assert (ran.code, ran.stderr) == (0, "")
    assert all(len(line) <= 80 for line in ran.stdout.splitlines())
    for option in ("--color", "-q", "-v", "--help", "Global options, before or after the command:"):
        assert option in ran.stdout


@pytest.mark.parametrize("words", ["fleet list", "fleet collect", "usage collect", "usage prune", "sandbox serve"])
def test_the_options_of_a_subcommand_may_come_before_each_word(words: str) -> None:
    group, command = words.split()
    section = reconciler(group, command, "--help").stdout.partition("Global options, before or after the command:")[2]
    for name, kind in re.findall(r"(--[a-z-]+) (FILE|DIR|NAME| )", section):
        option = [name, "x"] if kind.strip() else [name]
        for arguments in ([*option, group, command], [group, *option, command]):
            ran = reconciler(*arguments, "--help")
            assert (ran.code, ran.stderr) == (0, "")


def test_an_option_before_a_group_selects_the_configuration() -> None:
    for arguments in (["--config", "other.yaml", "fleet", "list"], ["fleet", "--config", "other.yaml", "list"]):
        assert reconciler(*arguments).stdout.startswith("other SANDBOX  ")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("fleet collect a.json a", ["--tenant", "x"]),
        ("schema", ["--grants", "x"]),
        ("risks", ["--all-tenants"]),
        ("risks", ["--config", "x.yaml"]),
        ("fmt", ["--tenant", "x"]),
        ("validate", ["--allow-unnamed-tenant"]),
        ("sandbox reset", ["--all-tenants"]),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_global_option_without_effect_is_refused(command: str, option: list[str], *, is_first: bool) -> None:
    arguments = [*option, *command.split()] if is_first else [*command.split(), *option]

    ran = reconciler(*arguments)

    assert (ran.code, f"{option[0]} has no effect on this command" in ran.stderr) == (1, True)
    assert option[0] not in reconciler(*command.split(), "--help").stdout


def test_an_environment_variable_without_effect_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_TENANT", "local")
    monkeypatch.setenv("RECONCILER_ALL_TENANTS", "1")

    assert reconciler("risks").code == 0


def test_help_has_examples() -> None:
    assert "\nExamples:\n  reconciler plan\n" in reconciler("plan", "--help").stdout


def test_help_lists_the_commands_in_order_of_use() -> None:
    listed = reconciler("-h").stdout.split("Commands:\n")[1].splitlines()

    assert [line.split()[0] for line in listed if line[2] != " "] == list(COMMANDS)


def test_the_version_is_printed() -> None:
    assert reconciler("--version").stdout == f"reconciler {__version__}\n"


@pytest.mark.parametrize("arguments", [["--version", "--verbose"], ["-v", "--version"]])
def test_the_verbose_version_names_everything_that_reconciler_runs_on(arguments: list[str]) -> None:
    first, *lines = reconciler(*arguments).stdout.splitlines()

    assert first == f"reconciler {__version__}"
    versions = dict(line.split(" ", 1) for line in lines)
    assert versions["distribution"] == DISTRIBUTION
    assert versions["httpx"] == version("httpx")
    assert versions["CPython"].startswith(python_version())
    assert re.match(r"\d+\.\d+", versions["git"])


def test_the_verbose_version_names_every_package_of_pyproject() -> None:
    project = tomllib.loads((Path(__file__).parent.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    extras = project["optional-dependencies"]
    needs = [*project["dependencies"], *extras["jwt"], *extras["sandbox"]]

    assert {re.split(r"[\[>]", each)[0] for each in needs} == set(PACKAGES)


@pytest.mark.parametrize(
    "typo", ["--prun", "--prunes", "--yess", "--ye", "--max-delete", "--max-update", "--skip-missin"]
)
def test_typos_never_suggest_options_that_weaken_guards(typo: str) -> None:
    ran = reconciler("apply", typo)

    assert ran.code == 1
    assert "No such option" in ran.stderr
    advice = ran.stderr.partition(typo)[2]
    assert not any(each in advice for each in ("--prune", "--yes", "--max", "--skip"))


def test_other_typos_get_suggestions() -> None:
    assert re.search("'?--create-only'?", reconciler("apply", "--create-onl").stderr)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["apply", "--dry-run"], "Use `reconciler plan`."),
        (["--dry-run", "apply"], "Use `reconciler plan`."),
        (["plan", "--dry-run"], "Omit it, because plan changes nothing."),
        (["import", "--dry-run"], "Use --update --diff."),
        (["usage", "prune", "--dry-run"], "Use --diff."),
        (["fmt", "--dry-run"], "Use --check."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_dry_run_refers_to_what_the_command_offers(arguments: list[str], answer: str) -> None:
    ran = reconciler(*arguments)

    assert ran.code == 1
    assert re.search(rf"No such option:? '?--dry-run'?[.]? {re.escape(answer)}", ran.stderr)


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(["usage", "prune", "--auto-approve"], "--yes"), (["fmt", "--json"], "--format"), (["list", "-o", "x"], "--out")],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_that_the_command_lacks_is_not_advised(arguments: list[str], missing: str) -> None:
    ran = reconciler(*arguments)

    assert ran.code == 1
    assert f"Use {missing}" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["paln"], 'Did you mean "plan"?'),
        (["preview"], "`reconciler plan` shows what would change."),
        (["export"], "`reconciler import` writes files"),
        (["login"], "Credentials come from the environment"),
        (["plan", "--json"], "Use --format json."),
        (["apply", "--auto-approve"], "Use --yes."),
        (["apply", "-y"], "Use --yes."),
        (["plan", "-o", "x"], "Use --out, or --report FORMAT=FILE."),
        (["import", "-o", "x"], "Use --out."),
        (["--json", "plan"], "Use --format json."),
        (["plan", "--no-color"], "Use --color never."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_commands_and_options_of_other_tools_get_advice(arguments: list[str], answer: str) -> None:
    ran = reconciler(*arguments)

    assert ran.code == 1
    assert answer in ran.stderr


def test_force_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in reconciler("plan").stdout

    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in reconciler("plan").stdout
