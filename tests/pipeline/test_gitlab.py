"""The pipeline of examples/gitlab, run by gitlab-ci-local: notes, exit codes and the resulting tenant."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline.gitlab_runner import NEEDS_NODE, GitLabRunner
from pipeline.project import (
    DANGEROUS,
    EXPIRED,
    HARMLESS,
    PORTAL,
    TAKEOVER_SCOPE,
    Project,
    a_source_repository,
)
from support.commands import SECRET
from support.forges import NUMBER, TOKEN, GitLab, serve_forge

from reconciler.app.scaffold import Service, pipeline

BEFORE = [("portal", ("read:invoices",))]
AFTER = [("billing", ("read:invoices",)), *BEFORE]
pytestmark = NEEDS_NODE


@pytest.fixture
def runner_of_both(project: Project, tmp_path: Path) -> Iterator[GitLabRunner]:
    """Return a runner for the jobs of dev and prod."""
    forge = GitLab()
    with serve_forge(forge):
        yield GitLabRunner(project, forge, tmp_path / "home", a_source_repository(tmp_path))


@pytest.fixture
def runner(runner_of_both: GitLabRunner) -> GitLabRunner:
    """Return a runner for the jobs of prod only, because each job takes seconds."""
    project = runner_of_both.project
    file = project.folder / ".gitlab-ci.yml"
    text = file.read_text(encoding="utf-8")
    assert text.count("TENANT:") == text.count("TENANT: [dev, prod]") == 1
    file.write_text(text.replace("TENANT: [dev, prod]", "TENANT: [prod]"), encoding="utf-8")
    project.commit("Run the jobs of prod only")
    project.git("push", "--quiet", "origin", "main")
    return runner_of_both


def test_a_dangerous_grant_is_noted_and_refused_despite_the_policy_of_the_branch(runner_of_both: GitLabRunner) -> None:
    runner = runner_of_both
    runner.project.write(more=DANGEROUS)
    runner.project.write_configuration(policy="")

    code, log = runner.merge_request()

    assert code != 0
    assert len(runner.forge.comments) == 2, log
    assert all(TAKEOVER_SCOPE in body for body in runner.forge.bodies())
    assert "ask the security team" in log
    assert runner.project.grants() == BEFORE
    assert SECRET not in log
    assert TOKEN not in log


def test_a_harmless_grant_is_planned_approved_and_applied(runner_of_both: GitLabRunner) -> None:
    runner = runner_of_both
    runner.project.write(more=HARMLESS)

    code, log = runner.merge_request()

    assert code == 0, log
    assert runner.project.grants() == BEFORE
    assert {body.partition("\n")[0] for body in runner.forge.bodies()} == {
        "<!-- reconciler:dev -->",
        "<!-- reconciler:prod -->",
    }
    (reviewed,) = runner.plan_ids()
    assert reviewed in max(runner.forge.bodies())  # the plan for prod

    runner.project.merge()
    runner.forge.branches = {"main": runner.project.git("rev-parse", "main")}
    assert runner.run()[0] == 0
    assert (runner.project.grants(), runner.plan_ids()) == (BEFORE, {reviewed})

    runner.forge.merged = {runner.project.git("rev-parse", "main"): NUMBER}
    code, log = runner.run("apply: [prod]")
    assert code == 0, log
    assert runner.project.grants() == AFTER
    *_, result = runner.forge.bodies()
    assert result.startswith("<!-- reconciler-result:prod -->\n")
    assert "`prod`: 1 applied" in result


def test_the_pipeline_of_init_runs_as_it_is(runner_of_both: GitLabRunner) -> None:
    runner = runner_of_both
    for name, text in pipeline(Service.GITLAB, {"dev": "AUTH0_DEV_", "prod": "AUTH0_"}).items():
        (runner.project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (runner.project.folder / name).write_text(text, encoding="utf-8")
    runner.project.commit("Use the pipeline of init")
    runner.project.write(more=HARMLESS)

    code, log = runner.merge_request()
    assert code == 0, log
    assert len(runner.forge.comments) == 2

    runner.project.merge()
    runner.forge.branches = {"main": runner.project.git("rev-parse", "main")}
    assert runner.run()[0] == 0
    code, log = runner.run("apply: [prod]")
    assert (code, runner.project.grants()) == (0, AFTER), log


def test_a_removed_grant_loses_its_access_after_the_approval(runner: GitLabRunner) -> None:
    (runner.project.folder / "grants" / "portal.yaml").unlink()
    runner.project.write(more=HARMLESS)

    code, log = runner.merge_request()

    assert (code, runner.project.grants()) == (0, BEFORE), log
    (body,) = runner.forge.bodies()
    assert "<td>- delete</td>" in body
    assert "removed by" in body

    runner.project.merge()
    runner.forge.branches = {"main": runner.project.git("rev-parse", "main")}
    assert runner.run()[0] == 0
    code, log = runner.run("apply: [prod]")
    assert code == 0, log
    assert runner.project.grants() == AFTER[:1]


def test_a_plan_that_is_stale_after_its_approval_is_refused(runner: GitLabRunner) -> None:
    runner.project.write(more=HARMLESS)
    runner.project.branch("Change")
    runner.project.merge()
    runner.run()
    runner.project.write(portal=PORTAL.replace("read:", "write:"), more=PORTAL.replace("Portal", "Billing"))
    runner.project.commit("Change once more")

    code, log = runner.run("apply: [prod]")

    assert code != 0
    assert "files or tenant changed after the plan was created" in log
    assert runner.project.grants() == BEFORE


def test_a_commit_that_was_superseded_during_the_approval_is_not_applied(runner: GitLabRunner) -> None:
    runner.project.write(more=HARMLESS)
    runner.project.branch("Change")
    runner.project.merge()
    assert runner.run()[0] == 0
    runner.forge.branches = {"main": runner.project.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Revert")}

    code, log = runner.run("apply: [prod]")

    assert code != 0
    assert f"superseded by {runner.forge.branches['main']}" in log
    assert runner.project.grants() == BEFORE


@pytest.mark.parametrize("kind", ["links", "files"])
def test_committed_files_and_links_are_not_posted(runner: GitLabRunner, kind: str) -> None:
    folder = runner.project.folder
    runner.project.write(more=HARMLESS)
    runner.merge_request()
    runner.project.git("checkout", "--quiet", "main")
    runner.project.write(more=DANGEROUS)
    runner.project.write_configuration(policy="" if kind == "links" else "unknown: 1\n")
    forged = "<!-- reconciler:prod -->\nNo changes, merge it\n"
    for name in ("plan-prod.md", "plan.md", "drift.md", "base.yaml", "plan.json"):
        if kind == "links":
            (folder / name).symlink_to("/dev/null" if name.endswith(".md") else folder.parent / "written")
        else:
            (folder / name).write_text(forged, encoding="utf-8")

    code, log = runner.merge_request()

    assert code != 0
    assert len(runner.forge.comments) == 1, log
    shown = TAKEOVER_SCOPE if kind == "links" else "reconciler.yaml:"
    assert all(shown in body and "merge it" not in body for body in runner.forge.bodies()), log
    assert not (folder.parent / "written").exists()


def test_a_merge_request_from_a_fork_is_validated_without_secrets(runner: GitLabRunner) -> None:
    runner.project.write(more=HARMLESS)

    code, log = runner.merge_request(of="4711")

    assert (code, runner.forge.requests, runner.plan_ids()) == (0, [], set())
    assert "2 grants in 2 files: valid." in log


def test_drift_opens_an_issue_and_its_end_closes_it(runner_of_both: GitLabRunner) -> None:
    runner = runner_of_both
    runner.project.write(portal=PORTAL.replace("read:", "write:"))
    runner.project.commit("Expect something else")

    code, log = runner.run(CI_PIPELINE_SOURCE="schedule")

    assert code == 0, log
    assert {each.title for each in runner.forge.issues} == {"Drift in dev", "Drift in prod"}
    pages = (runner.project.folder / ".gitlab-ci-local" / "artifacts").glob("drift*/reconciler-access/*.html")
    assert {page.stem: "Expect something else" in page.read_text() for page in pages} == {"dev": True, "prod": True}

    runner.project.write(portal=PORTAL)
    runner.project.commit("Expect what there is")
    runner.run(CI_PIPELINE_SOURCE="schedule")

    assert [each.is_open for each in runner.forge.issues] == [False, False]


def test_drift_can_be_kept_by_a_merge_request(runner: GitLabRunner) -> None:
    origin = runner.project.git("remote", "get-url", "origin")
    runner.project.git("-C", origin, "config", "receive.advertisePushOptions", "true")
    hook = Path(origin) / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION_ >>push-options\n", encoding="utf-8")
    hook.chmod(0o755)
    runner.project.write(portal=PORTAL.replace("read:", "write:"))
    runner.project.commit("Expect something else")

    code, log = runner.run(CI_PIPELINE_SOURCE="schedule", PROPOSE_DRIFT="true", PUSH_URL=origin)

    assert code == 0, log
    assert "read:invoices" in runner.project.git("-C", origin, "show", "drift-in-prod:grants/portal.yaml")
    options = (Path(origin) / "push-options").read_text(encoding="utf-8")
    assert options.count("merge_request.create") == 1
    assert "merge_request.target=main" in options


def test_the_nightly_job_deletes_only_expired_grants(runner: GitLabRunner) -> None:
    runner.project.write(portal=EXPIRED, more=HARMLESS)
    runner.project.commit("End the access of the portal")
    runner.forge.branches = {"main": runner.project.git("rev-parse", "main")}

    _, log = runner.run(CI_PIPELINE_SOURCE="schedule")

    assert runner.project.grants() == [], log


def test_a_grant_that_was_added_by_hand_is_drift(runner: GitLabRunner) -> None:
    runner.project.add_grants(HARMLESS)

    _, log = runner.run(CI_PIPELINE_SOURCE="schedule")

    assert [each.title for each in runner.forge.issues] == ["Drift in prod"], log
    assert "Billing" in runner.forge.issues[0].body


def test_invalid_files_replace_the_note_of_an_old_plan(runner: GitLabRunner) -> None:
    runner.project.write(more=HARMLESS)
    runner.merge_request()
    runner.project.git("checkout", "--quiet", "main")
    runner.project.write(more=HARMLESS.replace("scope", "scop"))

    code, log = runner.merge_request()

    assert code != 0
    assert len(runner.forge.comments) == 1, log
    assert all(": no plan" in body and "grants/more.yaml:2:" in body for body in runner.forge.bodies())


OTHERS = "grants:\n  - {client: Billing, api: Invoices API, scope: ['write:invoices'], description: Merged meanwhile}\n"


def merge_meanwhile(project: Project, text: str) -> None:
    """Commit a file on the main branch of the hosting service, after the branch of the change started."""
    project.git("checkout", "--quiet", "main")
    project.write(others=text)
    project.commit("Merged meanwhile")
    project.git("push", "--quiet", "origin", "main")
    project.git("checkout", "--quiet", "change")


def test_a_branch_that_is_behind_does_not_undo_what_was_merged(runner: GitLabRunner) -> None:
    runner.project.add_grants(OTHERS)
    runner.project.write(portal=PORTAL.replace("read:", "write:"))
    runner.project.branch("Change")
    merge_meanwhile(runner.project, OTHERS)

    code, log = runner.merge_request_of_branch()

    assert code == 0, log
    (body,) = runner.forge.bodies()
    assert "0 to create, 1 to update, 0 to delete" in body, log
    assert "Billing" not in body


def test_a_branch_that_conflicts_with_the_target_gets_no_plan(runner: GitLabRunner) -> None:
    runner.project.write(others=HARMLESS)
    runner.project.branch("Change")
    merge_meanwhile(runner.project, OTHERS)

    code, log = runner.merge_request_of_branch()

    assert code != 0, log
    assert "CONFLICT" in log
    assert len(runner.forge.comments) == 1
    assert all(": no report" in body for body in runner.forge.bodies())
