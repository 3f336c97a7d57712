import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from support.commands import SEED, enter_clean_folder, grants_of, reconciler, served
from support.repository import git

from reconciler import __version__
from reconciler.app import scaffold
from reconciler.contract import stored

FIRST = {
    "reconciler.yaml",
    ".gitignore",
    ".github/actions/reconciler/action.yml",
    ".github/actions/reconciler/requirements.lock",
    ".github/workflows/grants-apply.yml",
    ".github/workflows/grants-drift.yml",
    ".github/workflows/grants-pull-request.yml",
    "grants/example.yaml",
    "schemas/grants.schema.json",
    "schemas/reconciler.schema.json",
}
EDITOR_SCHEMA = ".reconciler/grants.schema.json"
CONFIGURATION = """\
# yaml-language-server: $schema=schemas/reconciler.schema.json
default_tenant: example
tenants:
  example:
    domain: example.eu.auth0.com
"""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    enter_clean_folder(folder, monkeypatch)
    return folder


@pytest.fixture
def tenant(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """A served tenant, with its credentials in the environment."""
    (empty.parent / "tenant.yaml").write_text(SEED, encoding="utf-8")
    with served(empty.parent) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield environment


def files_in(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


def test_the_first_files_are_written_and_are_valid(empty: Path) -> None:
    ran = reconciler("init", "--domain", "example.eu.auth0.com")

    files = files_in(empty)
    assert ran.code == 0
    assert files.keys() == FIRST
    assert files["reconciler.yaml"] == CONFIGURATION
    assert files[".gitignore"] == ".reconciler/\n"
    assert files["schemas/grants.schema.json"] == (stored.folder() / stored.GRANTS).read_text(encoding="utf-8")
    assert files["grants/example.yaml"].startswith("# yaml-language-server: $schema=../schemas/grants.schema.json\n")
    assert reconciler("validate").code == 0
    assert reconciler("fmt", "--check").code == 0


def test_the_uncommented_example_is_a_valid_grant(empty: Path) -> None:
    reconciler("init", "--domain", "example.eu.auth0.com")
    example = empty / "grants" / "example.yaml"
    text = example.read_text(encoding="utf-8").replace("grants: []", "grants:")
    example.write_text(re.sub("^#  ", "  ", text, flags=re.MULTILINE), encoding="utf-8")

    assert reconciler("validate").stdout == "1 grant in 1 file: valid.\n"


PLACEHOLDER = re.compile(r"example/reconciler|gitlab\.example\.com|0123456789|\[dev, prod\]|your default branch")
WORKFLOW = ".github/workflows/grants-pull-request.yml"


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_the_pipeline_has_no_placeholder_and_names_the_tenant(empty: Path, service: str) -> None:
    reconciler("init", "--domain", "example.eu.auth0.com", "--tenant", "@prod", "--ci", service)

    files = {name: text for name, text in files_in(empty).items() if name.startswith(f".{service}")}
    texts = {name: text for name, text in files.items() if name.endswith(".yml")}
    assert [name for name, text in texts.items() if PLACEHOLDER.search(text)] == []
    assert all('["@prod"]' in text for name, text in texts.items() if "action" not in name)
    assert [name for name in files if name.endswith("requirements.lock")]
    commands = "\n".join(texts.values())
    assert f"auth0-grants=={__version__}" in commands
    assert {"validate", "plan", "apply"} <= set(re.findall(r"(?:command: |reconciler )(\w+)", commands))


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_no_change_of_an_example_is_lost(service: str) -> None:
    """A text of the examples that a pipeline replaces must exist in the examples."""
    names = {"github": ("action.yml",), "gitlab": ("examples/gitlab/.gitlab-ci.yml",)}[service]
    examples = "".join(map(stored.text, names))
    changes = [scaffold.COPY_IN_ACTION] if service == "github" else list(scaffold.GITLAB_CHANGES)

    assert [each for each in changes if examples.count(each) != 1] == []


def test_without_a_service_no_pipeline_is_written(empty: Path) -> None:
    reconciler("init", "--domain", "example.eu.auth0.com", "--ci", "none")

    assert files_in(empty).keys() == {name for name in FIRST if not name.startswith(".github/")}


@pytest.mark.parametrize(("branch", "expected"), [("trunk", "trunk"), ("master", "master"), ("my-change", "main")])
def test_the_pipeline_applies_the_default_branch(empty: Path, branch: str, expected: str) -> None:
    git(empty, "init", "--quiet", f"--initial-branch={branch}")

    reconciler("init", "--domain", "example.eu.auth0.com")

    assert f"branches: [{expected}]" in files_in(empty)[".github/workflows/grants-apply.yml"]


@pytest.mark.parametrize(
    ("name", "artifact"),
    [
        ("prod(eu)", "plan-${{ matrix.tenant }}"),
        *((f"a{sign}b", "plan-${{ strategy.job-index }}") for sign in '":<>|\\/'),
    ],
)
def test_the_artifact_name_is_valid(empty: Path, name: str, artifact: str) -> None:
    reconciler("init", "--domain", "example.eu.auth0.com", "--tenant", name)

    steps = yaml.safe_load(files_in(empty)[WORKFLOW])["jobs"]["plan"]["steps"]
    assert steps[-1]["with"]["name"] == artifact
    jobs = yaml.safe_load(files_in(empty)[".github/workflows/grants-apply.yml"])["jobs"]
    assert (jobs["plan"]["steps"][-1]["with"]["name"], jobs["apply"]["steps"][1]["with"]["name"]) == (artifact,) * 2


def test_all_tenants_of_an_existing_configuration_are_in_the_pipeline(empty: Path) -> None:
    text = "tenants: {dev: {domain: dev.auth0.com}, local: {kind: sandbox}, prod: {domain: prod.auth0.com}}\n"
    (empty / "reconciler.yaml").write_text(f"default_tenant: dev\n{text}", encoding="utf-8")

    assert reconciler("init").code == 0

    assert "tenant: [dev, prod]\n" in files_in(empty)[WORKFLOW]


def test_tenants_with_their_own_credentials_get_them_in_the_pipeline(empty: Path) -> None:
    prod = "{domain: prod.auth0.com, credentials: AUTH0_PROD_}"
    text = f"default_tenant: dev\ntenants: {{dev: {{domain: dev.auth0.com}}, prod: {prod}}}\n"
    (empty / "reconciler.yaml").write_text(text, encoding="utf-8")

    assert reconciler("init").code == 0

    steps = yaml.safe_load(files_in(empty)[WORKFLOW])["jobs"]["plan"]["steps"]
    assert steps[1]["with"]["credentials"].splitlines() == [
        f"{prefix}{name}=${{{{ {kind}.AUTH0_{name} }}}}"
        for prefix in ("AUTH0_", "AUTH0_PROD_")
        for name, kind in (("DOMAIN", "vars"), ("CLIENT_ID", "vars"), ("CLIENT_SECRET", "secrets"))
    ]


def test_a_tenant_is_added_and_comments_are_kept(empty: Path) -> None:
    reconciler("init", "--domain", "dev.eu.auth0.com", "--tenant", "dev")
    file, drift = empty / "reconciler.yaml", empty / ".github/workflows/grants-drift.yml"
    file.write_text(f"# ours\n{file.read_text(encoding='utf-8')}# the end\n", encoding="utf-8")
    drift.write_text(drift.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    before = files_in(empty)

    ran = reconciler("init", "--add", "prod", "--domain", "prod.eu.auth0.com")

    after = files_in(empty)
    assert ran.code == 0, ran.output
    assert after["reconciler.yaml"] == before["reconciler.yaml"].replace(
        "# the end", "  prod:\n    domain: prod.eu.auth0.com\n# the end"
    )
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"reconciler.yaml", WORKFLOW, ".github/workflows/grants-apply.yml"}
    assert after[WORKFLOW] == before[WORKFLOW].replace("[dev]", "[dev, prod]")
    message = 'was edited, so init did not change it: add "prod" to the lists of tenants'
    assert f".github/workflows/grants-drift.yml {message}" in ran.stderr
    assert reconciler("validate").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--add", "dev", "--domain", "x.eu.auth0.com"], 'already declares the tenant "dev"'),
        (["--add", "prod"], "the domain of the tenant is missing"),
        (["--add", "a b", "--domain", "x.eu.auth0.com"], "contains a space"),
        (["--add", "a,b", "--domain", "x.eu.auth0.com"], "contains a comma"),
        (["--add", "prod", "--domain", "example"], '"example" is not a complete domain'),
        (["--add", "prod", "--domain", "dev.eu.auth0.com"], "both names mean the same tenant"),
        (["--add", "${{x}}", "--domain", "x.eu.auth0.com"], "which github evaluates"),
    ],
    ids=["exists", "no domain", "blank", "comma", "wrong domain", "same domain", "expression"],
)
def test_a_tenant_that_cannot_be_added_changes_nothing(empty: Path, arguments: list[str], message: str) -> None:
    reconciler("init", "--domain", "dev.eu.auth0.com", "--tenant", "dev")
    before = files_in(empty)

    ran = reconciler("init", *arguments)

    assert (ran.code, files_in(empty)) == (1, before)
    assert message in ran.stderr


@pytest.mark.parametrize(
    ("name", "domain", "fix"),
    [
        ("prod", "example", "use a domain like"),
        ("prod", "dev.eu.auth0.com", "correct the domain"),
        ("prod", "prod.eu.auth0.com", "add a last wave"),
        ("SANDBOX", "prod.eu.auth0.com", "rename the tenant"),
    ],
)
def test_the_message_about_a_tenant_that_cannot_be_added_names_no_line(
    empty: Path, name: str, domain: str, fix: str
) -> None:
    reconciler("init", "--domain", "dev.eu.auth0.com", "--tenant", "dev")
    with (empty / "reconciler.yaml").open("a", encoding="utf-8") as file:
        file.write("waves: [{name: first, tenants: [dev]}]\n")

    ran = reconciler("init", "--add", name, "--domain", domain)

    assert f'the tenant "{name}" with the domain "{domain}" (set with --domain or AUTH0_DOMAIN)' in ran.stderr
    assert fix in ran.stderr
    assert "reconciler.yaml:" not in ran.stderr


def test_a_configuration_that_cannot_be_edited_is_an_error(empty: Path) -> None:
    text = "{tenants: {dev: {domain: dev.auth0.com}}}\n"
    (empty / "reconciler.yaml").write_text(text, encoding="utf-8")

    ran = reconciler("init", "--add", "prod", "--domain", "x.eu.auth0.com")

    assert (ran.code, files_in(empty)) == (1, {"reconciler.yaml": text})
    assert "cannot be changed automatically" in ran.stderr


def test_a_tenant_is_added_only_to_an_existing_configuration(empty: Path) -> None:
    ran = reconciler("init", "--add", "prod", "--domain", "x.eu.auth0.com")

    assert (ran.code, files_in(empty)) == (1, {})
    assert "run reconciler init without --add first" in ran.stderr


def test_existing_files_are_kept(empty: Path) -> None:
    mine = {
        "reconciler.yaml": "tenants: {mine: {domain: mine.auth0.com}}\n",
        ".gitignore": "/.reconciler\n",
        WORKFLOW: "mine",
        "grants/a.yaml": "grants: []\n",
    }
    for name, text in mine.items():
        (empty / name).parent.mkdir(parents=True, exist_ok=True)
        (empty / name).write_text(text, encoding="utf-8")

    ran = reconciler("init")

    files = files_in(empty)
    assert ran.code == 0
    assert {name: files[name] for name in mine} == mine
    assert files.keys() == (FIRST | mine.keys()) - {"grants/example.yaml"}
    assert re.findall("^kept +(.*)$", ran.stdout, re.MULTILINE) == [
        "reconciler.yaml",
        WORKFLOW,
        ".gitignore",
    ]


def test_gitignore_gets_an_entry(empty: Path) -> None:
    (empty / ".gitignore").write_text("*.log", encoding="utf-8")

    ran = reconciler("init", "--domain", "example.eu.auth0.com")

    assert files_in(empty)[".gitignore"] == "*.log\n.reconciler/\n"
    assert "changed  .gitignore\n" in ran.stdout


def test_init_asks_for_domain_and_name_on_a_terminal(empty: Path) -> None:
    ran = reconciler("init", terminal=True, typed="example.eu.auth0.com\n\n")

    assert ran.code == 0
    assert "Domain of the tenant: " in ran.stderr
    assert "Name of the tenant [example]: " in ran.stderr
    assert files_in(empty)["reconciler.yaml"] == CONFIGURATION


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: the domain of the tenant is missing: use --domain or set AUTH0_DOMAIN\n"),
        (
            ["--domain", "no domain"],
            'error: "no domain" is not a valid domain; use a domain like example.eu.auth0.com\n',
        ),
    ],
    ids=["none", "wrong"],
)
def test_without_a_domain_nothing_is_written(empty: Path, arguments: list[str], message: str) -> None:
    ran = reconciler("init", *arguments)

    assert (ran.code, ran.output) == (1, message)
    assert files_in(empty) == {}


@pytest.mark.usefixtures("tenant")
def test_with_yes_existing_grants_are_imported(empty: Path, tmp_path: Path) -> None:
    before = grants_of(tmp_path)

    ran = reconciler("init", "--yes")

    files = files_in(empty)
    assert ran.code == 0
    assert files.keys() == (FIRST | {"grants/portal.yaml", EDITOR_SCHEMA}) - {"grants/example.yaml"}
    assert '"Portal"' in files[EDITOR_SCHEMA]
    assert (empty / EDITOR_SCHEMA).stat().st_mode & 0o777 == 0o600
    assert files["grants/portal.yaml"].startswith("# yaml-language-server: $schema=../schemas/grants.schema.json\n")
    assert "\nNo changes: the tenant matches the files.\n" in ran.stdout
    assert reconciler("plan", "--detailed-exitcode").code == 0
    assert grants_of(tmp_path) == before


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize(("answer", "files"), [("", {"portal.yaml"}), ("y", {"portal.yaml"}), ("n", {"example.yaml"})])
def test_init_offers_the_import_on_a_terminal(empty: Path, answer: str, files: set[str]) -> None:
    ran = reconciler("init", terminal=True, typed=f"prod\n{answer}\n")

    assert ran.code == 0
    assert "The tenant has 1 undeclared grant. Write grant files for these grants? [Y/n]: " in ran.stderr
    assert {path.name for path in (empty / "grants").iterdir()} == files
    assert ("- run `reconciler import`" in ran.stdout) == (answer == "n")


@pytest.mark.usefixtures("tenant")
def test_without_terminal_and_yes_nothing_is_imported(empty: Path) -> None:
    ran = reconciler("init")

    assert ran.code == 0
    assert files_in(empty).keys() == FIRST | {EDITOR_SCHEMA}
    assert "Note: init did not import 1 undeclared grant of the tenant" in ran.stderr
    assert ran.stdout.endswith("- run `reconciler import`\n")


def test_an_unreachable_tenant_is_an_error_and_the_first_files_are_kept(
    empty: Path, tenant: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", f"not-{tenant['AUTH0_CLIENT_SECRET']}")

    ran = reconciler("init", "--yes")

    assert ran.code == 1
    assert "/oauth/token: 401 Unauthorized; check AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET: " in ran.stderr
    assert files_in(empty).keys() == FIRST - {"grants/example.yaml"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("schemas", "error: nothing was written: schemas/reconciler.schema.json: Not a directory\n"),
        (".gitignore", "error: .gitignore cannot be changed: Is a directory\n"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(empty: Path, name: str, message: str) -> None:
    if name == "schemas":
        (empty / name).write_text("in the way", encoding="utf-8")
    else:
        (empty / name).mkdir()

    ran = reconciler("init", "--domain", "example.eu.auth0.com")

    assert ran.code == 1
    assert message in ran.stderr


@pytest.mark.parametrize("name", ["${{secrets.AUTH0_CLIENT_SECRET}}", "prod${{"])
def test_a_name_that_a_workflow_would_evaluate_is_refused(empty: Path, name: str) -> None:
    ran = reconciler("init", "--domain", "example.eu.auth0.com", "--tenant", name)

    assert ran.code == 1
    assert "contains ${{, which github evaluates in a pipeline" in ran.stderr
    assert files_in(empty) == {}


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_no_pipeline_is_written_where_the_service_ignores_it(
    empty: Path, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(empty, "init", "--quiet")
    (empty / "grants-of-us").mkdir()
    monkeypatch.chdir(empty / "grants-of-us")
    arguments = ["init", "--domain", "example.eu.auth0.com", "--ci"]

    ran = reconciler(*arguments, service)

    assert (ran.code, files_in(empty / "grants-of-us")) == (1, {})
    assert (
        f"{service} reads pipelines only in the root folder of a repository: run reconciler init in .., " in ran.stderr
    )
    assert reconciler(*arguments, "none").code == 0
    assert reconciler("validate").code == 0


def test_a_domain_that_contradicts_the_configuration_is_refused(empty: Path) -> None:
    reconciler("init", "--domain", "dev.eu.auth0.com", "--tenant", "dev")
    before = files_in(empty)

    ran = reconciler("init", "--domain", "prod.eu.auth0.com")

    assert (ran.code, files_in(empty)) == (1, before)
    assert "use reconciler init --add NAME --domain prod.eu.auth0.com; otherwise omit --domain" in ran.stderr
    assert reconciler("init", "--domain", "DEV.eu.auth0.com").code == 0


@pytest.mark.parametrize("option", [["--tenant", "other"], ["--ci", "gitlab"], ["--ci", "none"]])
def test_an_option_that_add_would_ignore_is_refused(
    empty: Path, option: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler("init", "--domain", "dev.eu.auth0.com", "--tenant", "dev")
    before = files_in(empty)
    arguments = ["init", "--add", "prod", "--domain", "prod.eu.auth0.com"]

    ran = reconciler(*arguments, *option)

    assert (ran.code, files_in(empty)) == (1, before)
    assert f"--add and {option[0]} cannot be combined" in ran.stderr
    monkeypatch.setenv("RECONCILER_TENANT", "dev")
    assert reconciler(*arguments).code == 0


def test_the_advice_names_the_variables_of_the_tenant(empty: Path) -> None:
    text = "tenants: {dev: {domain: dev.eu.auth0.com, credentials: AUTH0_DEV_}}\n"
    (empty / "reconciler.yaml").write_text(text, encoding="utf-8")

    ran = reconciler("--tenant", "dev", "init")

    assert "- set AUTH0_DEV_CLIENT_ID and AUTH0_DEV_CLIENT_SECRET in the environment" in ran.stdout


def test_a_configuration_that_is_a_link_to_a_missing_file_is_an_error(empty: Path) -> None:
    (empty / "reconciler.yaml").symlink_to("missing.yaml")

    ran = reconciler("init", "--domain", "example.eu.auth0.com")

    assert (ran.code, files_in(empty)) == (1, {})
    assert "reconciler.yaml is a link to a file that does not exist" in ran.stderr
