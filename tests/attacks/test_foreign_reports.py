"""`comment` must not post a committed file, a link or an earlier run's report, and must replace an outdated comment."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import CommandResult, a_workspace, reconciler
from support.forges import NUMBER, OTHER_USER, RUN, Forge, GitHub, GitLab, serve_forge
from support.repository import commit_all, git

MARKER, DEV, OTHER = "<!-- reconciler:prod -->", "<!-- reconciler:dev -->", "<!-- reconciler:prod:other%2Fx.yaml -->"
OLD_COMMENT = f"{MARKER}\nNo changes\n"
FAKE_REPORT = f"{MARKER}\n<!-- run {RUN} -->\nNo changes, merge it\n"


@pytest.fixture(params=[GitHub, GitLab])
def forge(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    """A hosting service with a comment of an earlier run, and a job with the checkout of a pull request."""
    here = tmp_path / "checkout"
    here.mkdir()
    a_workspace(here, monkeypatch)
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": {"number": NUMBER}}), encoding="utf-8")
    server: Forge = request.param()
    server.comments = [server.new_entry(OLD_COMMENT), server.new_entry(OLD_COMMENT, OTHER_USER)]
    with serve_forge(server):
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def comment(*files: str, tenant: str = "prod") -> CommandResult:
    return reconciler("--tenant", tenant, "comment", *files) if tenant else reconciler("comment", *files)


def is_replaced(forge: Forge, reason: str) -> bool:
    own_comment, other_comment = forge.bodies()[:2]
    return (
        own_comment.startswith(f"{MARKER}\n### Auth0 grants · `prod`: no report\n")
        and reason in own_comment
        and "No changes" not in own_comment
        and other_comment == OLD_COMMENT
    )


@pytest.mark.parametrize("kind", ["committed", "staged", "in a folder", "by a link to the folder"])
def test_a_tracked_file_is_not_posted(forge: Forge, kind: str) -> None:
    folder = Path("reports" if "folder" in kind else ".")
    folder.mkdir(exist_ok=True)
    (folder / "plan.md").write_text(FAKE_REPORT, encoding="utf-8")
    commit_all(Path.cwd())
    if kind == "staged":
        git(Path.cwd(), "rm", "--quiet", "--cached", "plan.md")
        commit_all(Path.cwd())
    if "link" in kind:
        Path("link").symlink_to("reports")
        folder = Path("link")

    result = comment(f"{folder}/plan.md")

    assert result.code == 1
    assert "git tracks the report" in result.stderr
    assert is_replaced(forge, "git tracks the report")


@pytest.mark.parametrize("target", [os.devnull, "elsewhere.md"])
def test_a_link_is_not_posted(forge: Forge, target: str) -> None:
    Path("elsewhere.md").write_text(FAKE_REPORT, encoding="utf-8")
    Path("plan.md").symlink_to(target)

    assert comment("plan.md").code == 1
    assert is_replaced(forge, "cannot be read")


@pytest.mark.parametrize(
    "text", [OLD_COMMENT, FAKE_REPORT.replace(RUN, "4710"), f"{FAKE_REPORT}<!-- run {RUN} -->", ""]
)
def test_the_report_of_another_run_is_not_posted(forge: Forge, text: str) -> None:
    Path("plan.md").write_text(text.replace(f"run {RUN}", "run 1", 1), encoding="utf-8")

    assert comment("plan.md").code == 1
    assert is_replaced(forge, "plan.md:")


def test_without_a_report_the_comment_gives_the_reason(forge: Forge) -> None:
    assert comment("plan.md").code == 1

    assert is_replaced(forge, "No such file")
    assert len(forge.comments) == 2


def test_a_tenant_without_a_comment_gets_one_with_the_reason(forge: Forge) -> None:
    assert comment("plan.md", tenant="dev").code == 1

    assert forge.bodies()[0] == OLD_COMMENT
    assert forge.bodies()[2].startswith(f"{DEV}\n### Auth0 grants · `dev`: no report\n")


def test_without_a_tenant_all_comments_of_the_configuration_give_the_reason(forge: Forge) -> None:
    forge.comments += [
        forge.new_entry(f"{DEV}\nNo changes"),
        forge.new_entry(f"{OTHER}\nNo changes"),
        forge.new_entry("hello"),
    ]

    assert comment("plan.md", tenant="").code == 1

    assert is_replaced(forge, "No such file")
    dev, other, hello = forge.bodies()[2:]
    assert dev.startswith(f"{DEV}\n### Auth0 grants · `dev`: no report\n")
    assert (other, hello) == (f"{OTHER}\nNo changes", "hello")


def test_an_issue_is_not_closed_without_a_report(forge: Forge) -> None:
    assert comment("drift.md", "--close").code == 1
    assert forge.issues == []
    assert comment("drift.md", "--issue", "Drift").code == 1
    assert comment("drift.md", "--close").code == 1

    (issue,) = forge.issues
    assert (issue.title, issue.is_open) == ("Drift", True)
    assert ": no report" in issue.body


@pytest.mark.usefixtures("forge")
@pytest.mark.parametrize("config", ["tenants: [", "unknown: 1\n"])
def test_a_plan_that_fails_early_empties_earlier_reports(config: str) -> None:
    reports = ["--report", "markdown={tenant}.md", "--report", "json=plan.json"]
    assert reconciler("--tenant", "local", "plan", *reports).code == 0
    assert f"\n<!-- run {RUN} -->\n" in Path("local.md").read_text(encoding="utf-8")
    Path("reconciler.yaml").write_text(config, encoding="utf-8")

    assert reconciler("--tenant", "local", "plan", *reports).code == 1

    for file in ("local.md", "plan.json"):
        assert "reconciler.yaml" in Path(file).read_text(encoding="utf-8")


@pytest.mark.usefixtures("forge")
def test_a_plan_that_crashes_empties_earlier_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = ["--report", "markdown={tenant}.md", "--report", "json=plan.json"]
    assert reconciler("plan", *reports).code == 0
    monkeypatch.setattr("reconciler.cli.plan.tenant_runs", None)

    with pytest.raises(TypeError):
        reconciler("plan", *reports)

    assert [Path(name).read_text(encoding="utf-8") for name in ("local.md", "plan.json")] == ["", ""]
