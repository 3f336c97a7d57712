"""Report files, step summaries and step outputs."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from support.commands import GRANTS, reconciler
from support.repository import commit_all


def outputs(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


@pytest.fixture
def in_github(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "company/grants",
        "GITHUB_SHA": "abc123",
        "GITHUB_WORKSPACE": str(here),
        "GITHUB_STEP_SUMMARY": str(here / "summary.md"),
        "GITHUB_OUTPUT": str(here / "outputs"),
    }.items():
        monkeypatch.setenv(name, value)
    return here


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


def test_reports_equal_stdout_in_the_same_format(here: Path) -> None:
    forms = ("text", "json", "markdown", "sarif")

    reconciler("plan", "-q", *(word for form in forms for word in ("--report", f"{form}={form}.out")))

    for form in forms:
        assert (here / f"{form}.out").read_text() == reconciler("plan", "--format", form).stdout


def test_a_saved_plan_is_shown_in_every_format(here: Path) -> None:
    reconciler("plan", "--out", "plan.json")

    for form in ("text", "json", "markdown", "sarif"):
        shown = reconciler("show", "plan.json", "--format", form, "--report", f"{form}=again")
        assert shown.stdout == (here / "again").read_text()
        assert form == "sarif" or "unverified" in shown.stdout  # SARIF has findings only, and there are none


@pytest.mark.parametrize("report", ["markdown", "=x", "html=x", "markdown="])
def test_an_invalid_report_option_is_an_error(report: str) -> None:
    ran = reconciler("plan", "--report", report)

    assert ran.code == 1
    assert "is not a report; write FORMAT=FILE, with FORMAT as one of text, json, markdown, sarif" in ran.stderr


def test_an_unwritable_report_is_an_error() -> None:
    ran = reconciler("plan", "--report", "json=nowhere/x")

    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.endswith('"nowhere/x" cannot be written: No such file or directory; nothing was sent\n')


def test_apply_reports_each_outcome(here: Path) -> None:
    ran = reconciler("apply", "--yes", "--report", "markdown=done.md", "--report", "text=done.txt", "--format", "json")

    assert (ran.code, ran.data["summary"]["applied"]) == (0, 1)
    markdown = (here / "done.md").read_text()
    row = "<tr><td>applied</td><td>create</td><td><code>Billing -&gt; Invoices API</code></td><td></td></tr>"
    assert markdown.startswith(
        "<!-- reconciler-result:local -->\n### Auth0 grants · `local` **SANDBOX**: 1 applied\n\n"
        "Done: the tenant matches the files."
    )
    assert row in markdown
    assert re.search(r"\nPlan <code>[0-9a-f]{64}</code> for <code>local SANDBOX .*</code>, 20.* UTC\.\n$", markdown)
    assert (here / "done.txt").read_text().endswith("Apply: 1 applied; the tenant matches the files.\n")


def test_validate_writes_reports(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text("grants: 1\n")
    forms = ("text", "json", "github", "sarif")

    ran = reconciler("validate", *(word for form in forms for word in ("--report", f"{form}={form}.out")))

    assert ran.code == 1
    assert (here / "text.out").read_text() == ran.stderr
    for form in ("json", "github", "sarif"):
        assert (here / f"{form}.out").read_text() == reconciler("validate", "--format", form).stdout
    (result,) = json.loads((here / "sarif.out").read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "grants/billing.yaml"


def test_valid_files_are_reported_as_text(here: Path) -> None:
    ran = reconciler("validate", "--report", "text=out")

    assert ran.stdout == (here / "out").read_text() == "1 grant in 1 file: valid.\n"


def test_the_rules_are_printed_as_sarif() -> None:
    assert reconciler("risks", "--format", "sarif").data["version"] == "2.1.0"


def test_markdown_is_truncated_to_max_bytes(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(GRANTS.replace("Nightly run", "a" + "&" * 250))

    small = reconciler("plan", "--format", "markdown", "--max-bytes", "1200").stdout

    assert len(small.encode()) <= 1200
    assert "_1 change not shown here._" in small


def test_a_github_step_gets_a_summary_and_outputs(in_github: Path) -> None:
    ran = reconciler("plan", "--detailed-exitcode")

    assert ran.code == 2
    assert outputs(in_github / "outputs") == {
        "has_changes": "true",
        "creates": "1",
        "updates": "0",
        "deletes": "0",
        "no_longer_declared": "0",
        "blocked": "0",
        "critical": "0",
        "plan_id": reconciler("plan", "--format", "json").data["plan_id"],
        "exit_code": "2",
    }
    summary = (in_github / "summary.md").read_text()
    assert summary.startswith("<!-- reconciler:local -->")
    assert '<a href="https://github.example/company/grants/blob/abc123/grants/billing.yaml#L2">' in summary


def test_apply_writes_the_step_summary(in_github: Path) -> None:
    reconciler("apply", "--yes")

    assert outputs(in_github / "outputs")["exit_code"] == "0"
    assert "### Auth0 grants · `local` **SANDBOX**: 1 applied" in (in_github / "summary.md").read_text()


def test_a_failure_sets_the_exit_code_output(in_github: Path) -> None:
    assert reconciler("plan", "--tenant", "nobody").code == 1
    assert outputs(in_github / "outputs") == {"exit_code": "1"}


def test_outputs_that_cannot_be_written_are_an_error(in_github: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(in_github / "nowhere" / "x"))

    ran = reconciler("plan")

    assert ran.code == 1
    assert "GITHUB_OUTPUT" in ran.stderr


def test_links_point_to_the_folder_in_the_repository(in_github: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(in_github.parent))

    assert f"/blob/abc123/{in_github.name}/grants/billing.yaml#L2" in reconciler("plan", "--format", "markdown").stdout


@pytest.mark.parametrize("grants", ["{here}/grants", "../{name}/grants"], ids=["absolute", "from above"])
def test_links_do_not_depend_on_the_spelling_of_the_folder(in_github: Path, grants: str) -> None:
    folder = grants.format(here=in_github, name=in_github.name)

    assert (
        "/blob/abc123/grants/billing.yaml#L2" in reconciler("plan", "--grants", folder, "--format", "markdown").stdout
    )
    (in_github / "grants" / "billing.yaml").write_text("grants: 1\n")
    assert "::error file=grants/billing.yaml," in reconciler("validate", folder, "--format", "github").stdout
    assert '"uri": "grants/billing.yaml"' in reconciler("validate", folder, "--format", "sarif").stdout


def test_a_file_outside_of_the_repository_has_no_link(in_github: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(in_github / "schemas"))

    assert "href" not in reconciler("plan", "--format", "markdown").stdout


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such name")
def test_a_file_name_that_is_not_utf8_has_no_link(in_github: Path) -> None:
    (in_github / "grants" / "billing.yaml").rename(os.fsdecode(bytes(in_github / "grants") + b"/caf\xe9.yaml"))

    markdown = reconciler("plan", "--format", "markdown").stdout

    assert "href" not in markdown
    assert r"grants/caf\udce9.yaml:2" in markdown


def test_each_configuration_of_a_repository_has_its_own_reports(
    in_github: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (in_github / "team-b.yaml").write_text((in_github / "reconciler.yaml").read_text())
    monkeypatch.setenv("GITHUB_WORKSPACE", str(in_github.parent))
    elsewhere = f"{in_github.name}%2F".replace("-", "%2D")

    markers = [
        reconciler(*command, "--format", "markdown", "--config", config).stdout.partition("\n")[0]
        for command in (["plan"], ["apply", "--yes"])
        for config in ("reconciler.yaml", in_github / "team-b.yaml")
    ]

    assert markers == [
        f"<!-- {kind}:local:{elsewhere}{file} -->"
        for kind in ("reconciler", "reconciler-result")
        for file in ("reconciler.yaml", "team%2Db.yaml")
    ]


RUNS = {
    "github": (
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_RUN_ID": "77",
            "GITHUB_RUN_ATTEMPT": "2",
        },
        "https://github.example/o/r/actions/runs/77/attempts/2",
    ),
    "gitlab": (
        {"GITLAB_CI": "true", "CI_PIPELINE_ID": "77", "CI_PIPELINE_URL": "https://gitlab.example/o/r/-/pipelines/77"},
        "https://gitlab.example/o/r/-/pipelines/77",
    ),
    "azure": (
        {
            "TF_BUILD": "True",
            "BUILD_BUILDID": "77",
            "SYSTEM_COLLECTIONURI": "https://dev.azure.com/o/",
            "SYSTEM_TEAMPROJECTID": "p-1",
        },
        "https://dev.azure.com/o/p-1/_build/results?buildId=77",
    ),
    "bitbucket": (
        {"BITBUCKET_BUILD_NUMBER": "77", "BITBUCKET_GIT_HTTP_ORIGIN": "https://bitbucket.org/o/r"},
        "https://bitbucket.org/o/r/pipelines/results/77",
    ),
    "jenkins": (
        {"JENKINS_URL": "https://ci.example", "BUILD_NUMBER": "77", "BUILD_URL": "https://ci.example/job/x/77/"},
        "https://ci.example/job/x/77/",
    ),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("variables", "url"), RUNS.values(), ids=list(RUNS))
def test_the_footer_links_the_run(variables: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    footer = reconciler("plan", "--format", "markdown").stdout.splitlines()[-2]

    assert f", [run 77](<{url}>), 20" in footer
    assert footer.endswith(" UTC.  ")


def test_links_in_gitlab(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("CI_PROJECT_URL", "https://gitlab.example/company/grants")
    monkeypatch.setenv("CI_COMMIT_SHA", "abc123")
    monkeypatch.setenv("CI_PROJECT_DIR", str(here))

    markdown = reconciler("plan", "--format", "markdown").stdout

    assert 'href="https://gitlab.example/company/grants/-/blob/abc123/grants/billing.yaml#L2"' in markdown


def test_text_from_a_file_is_never_a_workflow_command(here: Path) -> None:
    name = "::add-mask::x ##[group]y " + "z" * 80
    (here / "grants" / "billing.yaml").write_text(GRANTS.replace("Nightly run", f'"{name}"'))
    commit_all(here)

    for form in ("text", "json", "markdown", "sarif"):
        for line in reconciler("plan", "--base", "HEAD", "--format", form).output.splitlines():
            assert not line.lstrip().startswith("::")
            assert "##[" not in line


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"grants/billing.yaml": GRANTS.replace("Invoices", "Invoice")},
            "billing.yaml:3:10: the tenant has no API",
        ),
        ({"grants/billing.yaml": "grants: 1\n"}, 'grants/billing.yaml:1:9: "grants" is the number 1, not a list'),
        ({"tenant.yaml": "applications: 1\n"}, "tenant.yaml"),
    ],
    ids=["a name", "a file", "a tenant"],
)
def test_a_failed_plan_replaces_the_old_report(here: Path, files: dict[str, str], message: str) -> None:
    reconciler("plan", "--report", "markdown=plan.md")
    for name, text in files.items():
        (here / name).write_text(text)
    (here / ".reconciler" / "sandbox.db").unlink()

    ran = reconciler("plan", "--report", "markdown=plan.md", "--format", "json")

    assert (ran.code, ran.stdout) == (1, "")
    report = (here / "plan.md").read_text()
    assert report.startswith("<!-- reconciler:local -->\n### Auth0 grants · `local` **SANDBOX**: no plan\n\n- `")
    assert message in report
    assert "to create" not in report


def test_every_format_contains_the_id_of_the_plan() -> None:
    identity = reconciler("plan", "--format", "json").data["plan_id"]

    assert len(identity) == 64
    assert all(identity in reconciler("plan", "--format", form).stdout for form in ("markdown", "sarif"))
    assert f"plan {identity[:10]}\n" in reconciler("plan").stdout


def test_a_refused_apply_replaces_the_old_report(in_github: Path) -> None:
    reconciler("plan", "--out", "plan.json")
    (in_github / "done.md").write_text("an older one")
    (in_github / "grants" / "billing.yaml").write_text(GRANTS.replace("write:invoices", "void:invoices"))

    ran = reconciler("apply", "plan.json", "--report", "markdown=done.md", "--format", "json")

    assert (ran.code, ran.stdout) == (5, "")
    assert "Changes that were not approved (1)" in ran.stderr
    report = (in_github / "done.md").read_text()
    assert report.startswith(
        "<!-- reconciler-result:local -->\n### Auth0 grants · `local` **SANDBOX**: failed at commit `abc123`\n\n"
        "- `nothing was written"
    )
    assert "nothing was written" in (in_github / "summary.md").read_text()


def test_a_blocked_apply_reports_the_blocked_changes(here: Path) -> None:
    config = here / "reconciler.yaml"
    config.write_text(config.read_text() + "protect: [{client: Billing, reason: ask first}]\n")

    ran = reconciler("apply", "--yes", "--report", "markdown=done.md", "--format", "json")

    assert (ran.code, [each["reason"] for each in ran.data["blocked"]]) == (
        4,
        ['protected: ask first (protect: client "Billing")'],
    )
    report = (here / "done.md").read_text()
    assert "Refused: 1 change is blocked, nothing was written: protected: ask first" in report
    assert '- `Billing -> Invoices API`: `protected: ask first (protect: client "Billing")`\n' in report


def test_validate_has_one_report_for_all_tenants() -> None:
    ran = reconciler("validate", "--report", "json={tenant}.json")

    assert (ran.code, ran.stdout) == (1, "")
    assert "remove {tenant} from the file name" in ran.stderr


def test_the_report_of_apply_names_a_plan_that_is_too_old(here: Path) -> None:
    reconciler("plan", "--out", "plan.json")

    ran = reconciler("apply", "plan.json", "--max-plan-age", "0.001s", "--report", "text=done.txt")

    assert ran.code == 5
    assert (here / "done.txt").read_text().startswith("Tenant local SANDBOX: failed\n  the plan was created ")
