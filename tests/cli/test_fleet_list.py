"""fleet list: the tenants of a run, from the files and git only."""

import json
import os
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from support.commands import CommandResult, reconciler, run_process
from support.repository import commit_all, git

from reconciler.contract import stored

CONFIG = """
waves: [{name: canary, tenants: [eu-1]}, {name: rest, tenants: ["*"]}]
stop_after: 2
tenants:
  us-1: {domain: us-1.us.auth0.com}
  eu-1: {domain: eu-1.eu.auth0.com}
  eu-2: {domain: eu-2.eu.auth0.com, variables: {stage: test}}
"""
EU = "tenants: ['eu-*']\ngrants: [{client: Billing, api: Invoices API, scope: ['read:invoices']}]\n"
ALL = "grants: [{client: Portal, api: Invoices API}]\n"
NAMES = ["eu-1", "eu-2", "us-1"]


@pytest.fixture(autouse=True)
def repository(here: Path) -> Path:
    """A repository whose files are as at the commit main."""
    (here / "reconciler.yaml").write_text(CONFIG, encoding="utf-8")
    (here / "grants" / "billing.yaml").unlink()
    (here / "grants" / "eu.yaml").write_text(EU, encoding="utf-8")
    (here / "grants" / "all.yaml").write_text(ALL, encoding="utf-8")
    commit_all(here)
    return here


def listed(*arguments: str) -> list[str]:
    ran = reconciler("fleet", "list", "--format", "json", "--run", "7", *arguments)
    assert ran.code == 0, ran.stderr
    assert Draft202012Validator(stored.load(stored.FLEET)).is_valid(ran.data)
    return [each["name"] for each in ran.data["tenants"]]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def declare_only(here: Path, *names: str) -> None:
    """Declare tenants with these names instead of the others."""
    tenants = "".join(
        f"  {json.dumps(name)}: {{domain: t{number}.eu.auth0.com}}\n" for number, name in enumerate(names)
    )
    (here / "reconciler.yaml").write_text(f"tenants:\n{tenants}", encoding="utf-8")
    (here / "grants" / "eu.yaml").unlink()


def test_every_declared_tenant_is_listed() -> None:
    ran = reconciler("fleet", "list")

    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == (
        "eu-1  eu-1.eu.auth0.com  wave canary\neu-2  eu-2.eu.auth0.com  wave rest\n"
        "us-1  us-1.us.auth0.com  wave rest\n3 tenants.\n"
    )


def test_no_credentials_and_no_network_are_needed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "another.eu.auth0.com")

    assert listed() == NAMES
    assert {each.name for each in here.iterdir()} == {".git", "grants", "reconciler.yaml", "tenant.yaml"}


def test_the_inputs_identify_the_run(here: Path) -> None:
    def inputs() -> tuple[str, ...]:
        data = reconciler("fleet", "list", "--format", "json", "--run", "7").data
        return data["run"], data["commit"], data["digests"]["configuration"], data["digests"]["grants"]

    first = inputs()
    assert first[:2] == ("7", git(here, "rev-parse", "HEAD"))
    edit(here / "grants" / "all.yaml", "Portal", "Other")
    second = inputs()
    edit(here / "reconciler.yaml", "test", "prod")
    third = inputs()
    (here / "grants" / "all.yaml").rename(here / "grants" / "renamed.yaml")

    assert [a == b for a, b in zip(first, second, strict=True)] == [True, True, True, False]
    assert [a == b for a, b in zip(second, third, strict=True)] == [True, True, False, True]
    assert inputs() == third


def test_a_change_affects_the_tenants_that_it_applies_to(here: Path) -> None:
    assert listed("--base", "main") == []
    edit(here / "grants" / "eu.yaml", "read:", "write:")
    assert listed("--base", "main") == ["eu-1", "eu-2"]
    edit(here / "reconciler.yaml", "us-1.us.auth0.com}", "us-1.us.auth0.com, variables: {stage: prod}}")
    assert listed("--base", "main") == NAMES


def test_the_reasons_are_shown(here: Path) -> None:
    edit(here / "grants" / "eu.yaml", "read:", "write:")
    edit(here / "reconciler.yaml", "stage: test", "stage: prod")

    assert reconciler("fleet", "list", "--base", "main").stdout == (
        "eu-1  eu-1.eu.auth0.com  wave canary\n"
        "    grants/eu.yaml:2:10: grant added or changed\n"
        "    grants/eu.yaml in main:2:10: grant removed or changed\n"
        "eu-2  eu-2.eu.auth0.com  wave rest\n"
        '    the variable stage changes from "test" to "prod"\n'
        "    grants/eu.yaml:2:10: grant added or changed\n"
        "    grants/eu.yaml in main:2:10: grant removed or changed\n"
        "2 tenants affected by the changes since main.\n"
    )


def test_moving_and_reordering_grants_affects_no_tenant(here: Path) -> None:
    (here / "grants" / "eu.yaml").unlink()
    (here / "grants" / "europe.yml").write_text(f"# moved\n{EU}", encoding="utf-8")

    assert listed("--base", "main") == []


def test_a_removed_file_affects_its_tenants(here: Path) -> None:
    (here / "grants" / "eu.yaml").unlink()

    assert listed("--base", "main") == ["eu-1", "eu-2"]


def test_a_removed_tenant_is_a_note(here: Path) -> None:
    edit(here / "reconciler.yaml", "  us-1: {domain: us-1.us.auth0.com}\n", "")

    what = "high: us-1: the tenant at us-1.us.auth0.com and its settings are removed (tenant-removed)"
    assert f"Note: reconciler.yaml changed: {what}\n" in reconciler("fleet", "list", "--base", "main").stdout


def test_a_change_that_affects_no_tenant_is_a_note_of_the_run_and_of_its_comment(here: Path) -> None:
    edit(here / "reconciler.yaml", "tenants: [eu-1]", "tenants: [eu-1, eu-2]")

    listing = reconciler("fleet", "list", "--base", "main", "--run", "1", "--report", "json=fleet.json").stdout
    (here / "results").mkdir()
    collected = [
        reconciler("fleet", "collect", "fleet.json", "results", "--format", name).stdout
        for name in ("text", "markdown", "json")
    ]

    what = "reconciler.yaml changed: high: `waves` moves eu-2 from"
    assert "0 tenants affected" in listing
    assert all(what in text for text in (listing, *collected))


def test_waves_do_not_affect_a_tenant(here: Path) -> None:
    edit(here / "reconciler.yaml", "tenants: [eu-1]", "tenants: [us-1]")

    assert listed("--base", "main") == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("reconciler.yaml", None),
        ("reconciler.yaml", "tenants: ["),
        ("reconciler.yaml", "unknown: 1\n"),
        ("grants/eu.yaml", "grants: ["),
        ("grants/eu.yaml", "grants: [{client: Billing}]"),
        ("grants/eu.yaml", "tenants: [gone]\ngrants: [{client: A, api: B}]"),
    ],
)
def test_if_the_base_cannot_be_compared_every_tenant_is_affected(here: Path, file: str, text: str | None) -> None:
    now = (here / file).read_text(encoding="utf-8")
    (here / file).unlink()
    if text is not None:
        (here / file).write_text(text, encoding="utf-8")
    commit_all(here)
    (here / file).write_text(now, encoding="utf-8")

    assert listed("--base", "main") == NAMES
    assert "so every tenant may be affected" in reconciler("fleet", "list", "--base", "main").stdout


def test_if_the_base_has_a_configuration_in_a_nearer_folder_every_tenant_is_affected(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "job").mkdir()
    (here / "job" / "reconciler.yaml").write_text("tenants: {dev: {domain: dev.eu.auth0.com}}\n", encoding="utf-8")
    commit_all(here)
    (here / "job" / "reconciler.yaml").unlink()
    monkeypatch.chdir(here / "job")

    assert listed("--base", "main") == NAMES
    assert "the configuration in main is reconciler.yaml" in reconciler("fleet", "list", "--base", "main").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--base", "nowhere"], "nowhere"),
        (["--wave", "canry"], 'did you mean "canary"?'),
        (["--tenant", "eu-3"], "eu-3"),
        (["--tenant", "eu-1", "--all-tenants"], "use either --all-tenants or --tenant"),
        (["--format", "json"], "the run has no name"),
        (["--format", "gitlab"], "the run has no name"),
        (["--report", "json={tenant}.json"], "one report for all tenants"),
    ],
)
def test_mistakes_are_errors(arguments: list[str], message: str) -> None:
    ran = reconciler("fleet", "list", *arguments)

    assert (ran.code, ran.stdout) == (1, "")
    assert message in ran.stderr


def test_an_invalid_changed_file_is_an_error_at_its_line(here: Path) -> None:
    edit(here / "grants" / "eu.yaml", "scope", "scop")

    ran = reconciler("fleet", "list", "--base", "main")

    assert ran.code == 1
    assert "grants/eu.yaml:2:" in ran.stderr


def test_a_configuration_without_tenants_is_an_error(here: Path) -> None:
    (here / "reconciler.yaml").write_text("limits: {deletes: 1}\n", encoding="utf-8")

    assert "declares no tenants" in reconciler("fleet", "list").stderr


def test_in_a_pull_request_the_base_must_be_an_ancestor(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = git(here, "commit-tree", "HEAD^{tree}", "-m", "Beside")
    monkeypatch.setenv("CI_MERGE_REQUEST_IID", "1")

    assert listed("--base", "main") == []
    assert "is not an ancestor of HEAD" in reconciler("fleet", "list", "--base", beside).stderr


def test_the_selection_can_be_narrowed() -> None:
    assert listed("--wave", "rest") == ["eu-2", "us-1"]
    assert listed("--tenant", "us-1", "--tenant", "eu-1") == ["eu-1", "us-1"]


def outputs(ran: CommandResult) -> dict[str, str]:
    return dict(line.split("=", 1) for line in ran.stdout.splitlines())


def test_the_matrix_of_github_has_a_job_per_tenant_or_shard() -> None:
    found = outputs(reconciler("fleet", "list", "--format", "github", "--wave", "canary"))
    assert found["any"] == "true"
    assert json.loads(found["matrix"]) == {"include": [{"tenant": "eu-1", "tenants": "eu-1", "wave": "canary"}]}

    found = outputs(reconciler("fleet", "list", "--format", "github", "--shards", "2"))
    assert json.loads(found["matrix"]) == {
        "include": [{"shard": "0/2", "tenants": "eu-1,us-1"}, {"shard": "1/2", "tenants": "eu-2"}]
    }
    assert (
        len(
            json.loads(outputs(reconciler("fleet", "list", "--format", "github", "--shards", "9"))["matrix"])["include"]
        )
        == 3
    )


def test_an_empty_matrix_is_any_false() -> None:
    assert reconciler("fleet", "list", "--base", "main", "--format", "github").stdout == "any=false\n"


def test_more_jobs_than_github_allows_are_an_error(here: Path) -> None:
    declare_only(here, *(f"t{number}" for number in range(257)))

    assert "at most 256 jobs" in reconciler("fleet", "list", "--format", "github").stderr
    assert reconciler("fleet", "list", "--format", "github", "--shards", "256").code == 0
    assert reconciler("fleet", "list", "--format", "github", "--shards", "257").code == 1


@pytest.mark.parametrize("name", ["a,b", "a,"])
@pytest.mark.parametrize("format_name", ["github", "gitlab"])
def test_a_name_that_a_variable_cannot_pass_is_refused(here: Path, name: str, format_name: str) -> None:
    (here / "reconciler.yaml").write_text(
        f"tenants:\n  {json.dumps(name)}: {{domain: a.eu.auth0.com}}\n", encoding="utf-8"
    )
    (here / "grants" / "eu.yaml").unlink()

    ran = reconciler("fleet", "list", "--run", "7", "--format", format_name)

    assert (ran.code, ran.stdout) == (1, "")
    assert "rename the tenant" in ran.stderr


def test_the_child_pipeline_of_gitlab_has_stages_for_waves() -> None:
    pipeline = yaml.safe_load(reconciler("fleet", "list", "--format", "gitlab", "--run", "7").stdout)

    assert pipeline.pop("stages") == ["canary", "after canary", "rest", "collect results"]
    assert {name: (job["extends"], job["stage"]) for name, job in pipeline.items()} == {
        "canary: eu-1": (".fleet", "canary"),
        "after canary": (".fleet-gate", "after canary"),
        "rest: eu-2": (".fleet", "rest"),
        "rest: us-1": (".fleet", "rest"),
        "collect results": (".fleet-collect", "collect results"),
    }
    common = {"RECONCILER_RUN": "7", "WAVE": "rest"}
    assert pipeline["rest: us-1"]["variables"] == {**common, "TENANT": "us-1", "RECONCILER_TENANT": "us-1"}
    assert pipeline["collect results"]["variables"] == {"RECONCILER_RUN": "7"}


def test_a_shard_of_a_wave_is_one_job() -> None:
    ran = reconciler("fleet", "list", "--format", "gitlab", "--run", "7", "--shards", "1")

    job = yaml.safe_load(ran.stdout)["rest: 0/1"]
    assert job["variables"] == {"RECONCILER_RUN": "7", "WAVE": "rest", "RECONCILER_TENANT": "eu-2,us-1"}


def test_an_empty_child_pipeline_still_collects() -> None:
    ran = reconciler("fleet", "list", "--base", "main", "--format", "gitlab", "--run", "7")

    assert set(yaml.safe_load(ran.stdout)) == {"stages", "collect results"}


def test_names_cannot_read_variables_or_add_keys(here: Path) -> None:
    name = "$SECRET${SECRET}:{script:[x]}"
    (here / "reconciler.yaml").write_text(
        f"tenants:\n  {json.dumps(name)}: {{domain: a.eu.auth0.com}}\n", encoding="utf-8"
    )
    (here / "grants" / "eu.yaml").unlink()

    pipeline = yaml.safe_load(reconciler("fleet", "list", "--format", "gitlab", "--run", "7").stdout)

    assert set(pipeline) == {"stages", f"tenants: {name}", "collect results"}
    assert pipeline[f"tenants: {name}"]["variables"]["TENANT"] == name.replace("$", "$$")


def test_several_formats_can_be_written_at_once(here: Path) -> None:
    ran = reconciler("fleet", "list", "--format", "github", "--report", "json=fleet.json", "--run", "7")

    assert ran.stdout.startswith("any=true\n")
    assert json.loads((here / "fleet.json").read_text())["run"] == "7"


@pytest.mark.slow
def test_five_hundred_tenants_are_listed_in_half_a_second(here: Path) -> None:
    tenants = "".join(f"  t{number}: {{domain: t{number}.eu.auth0.com}}\n" for number in range(500))
    (here / "reconciler.yaml").write_text(f"tenants:\n{tenants}", encoding="utf-8")
    (here / "grants" / "eu.yaml").unlink()
    item = "  - {{client: App {0}, api: Invoices API, scope: ['read:invoices']}}\n"
    for number in range(500):
        items = "".join(item.format(each) for each in range(20))
        (here / "grants" / f"t{number}.yaml").write_text(f"tenants: [t{number}]\ngrants:\n{items}", encoding="utf-8")
    commit_all(here)
    edit(here / "grants" / "t7.yaml", "App 3", "App 33")
    edit(here / "reconciler.yaml", "t9: {", "t9: {variables: {stage: test}, ")

    before = os.times()
    ran = run_process("fleet", "list", "--base", "main", "--format", "github")
    after = os.times()

    assert [each["tenant"] for each in json.loads(outputs(ran)["matrix"])["include"]] == ["t7", "t9"]
    # The time of the processor, because other tests run at the same time. It is about 0.5 seconds.
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1.5
