"""The action and the workflows of examples/github, run by act: comments, exit codes and the resulting tenant."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pipeline.project import (
    DANGEROUS,
    EXAMPLES,
    EXPIRED,
    HARMLESS,
    PORTAL,
    TAKEOVER_SCOPE,
    build_once,
    build_wheel,
    for_act,
    pip_settings,
)
from pipeline.workflow_runner import REPOSITORY, Runner
from support.commands import SECRET, reconciler
from support.forges import TOKEN

from reconciler.app.scaffold import Service, pipeline
from reconciler.artifacts.saved_plan import read_plan
from reconciler.artifacts.serialization import approval_id

BEFORE = [("portal", ("read:invoices",))]
AFTER = [("billing", ("read:invoices",)), *BEFORE]
WORKFLOW = """
on: pull_request
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683
"""
STEP = """
      - uses: example/reconciler@0123456789abcdef0123456789abcdef01234567
        continue-on-error: {go_on}
        with: {inputs}
"""
INSTALLING_PYTHON = r"""#!/bin/bash
env >>{seen}
folder=${{@: -1}}
{python} "$@"
mv "$folder/bin/python" "$folder/bin/real"
cat >"$folder/bin/python" <<END
#!/bin/bash
[[ " \$* " != *" -m pip "* ]] || {{ env >>{seen}; set -- "\$@" {settings}; }}
exec "$folder/bin/real" "\$@"
END
chmod +x "$folder/bin/python"
"""
"""A Python that has this machine's pip settings built in, because the action ignores all other settings."""
PROXIES = [name for both in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY") for name in (both, both.lower())]
DURING_APPROVAL = """
{credentials} "$PREPARED/bin/reconciler" --grants {others} --tenant dev apply --yes >/dev/null
"""


def plan_id(file: Path) -> str:
    return str(reconciler("show", file, "--format", "json").data["plan_id"])


CREDENTIALS = """\
AUTH0_DOMAIN=${{ vars.AUTH0_DOMAIN }}
AUTH0_CLIENT_ID=${{ vars.AUTH0_CLIENT_ID }}
AUTH0_CLIENT_SECRET=${{ secrets.AUTH0_CLIENT_SECRET }}
"""


def with_action(runner: Runner, *inputs: dict[str, str]) -> str:
    """Add a workflow with one step for each item of `inputs`, and return its name."""
    go_on = str(len(inputs) > 1).lower()
    steps = [
        STEP.replace("{go_on}", go_on).replace("{inputs}", json.dumps({"credentials": CREDENTIALS} | each))
        for each in inputs
    ]
    file = runner.project.folder / ".github" / "workflows" / "one.yml"
    file.write_text("".join([WORKFLOW, *steps]), encoding="utf-8")
    return file.name


@pytest.mark.parametrize("file", sorted((EXAMPLES / "github").glob("[!f]*.yml")), ids=lambda file: file.name)
def test_a_job_of_one_tenant_exists_for_every_tenant(file: Path) -> None:
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]

    for job in jobs.values():
        if "matrix.tenant" in str(job):
            assert job["strategy"] == {"fail-fast": False, "matrix": {"tenant": ["dev", "prod"]}}


def test_a_dangerous_grant_is_commented_and_refused_despite_the_policy_of_the_branch(runner: Runner) -> None:
    runner = replace(runner, tenant=None)
    runner.project.write(more=DANGEROUS)
    runner.project.write_configuration(policy="")

    acted = runner.pull_request()

    assert acted.code != 0
    assert len(runner.forge.comments) == 2, acted.log
    assert all(TAKEOVER_SCOPE in body for body in runner.forge.bodies())
    assert "ask the security team" in acted.log
    assert runner.project.grants() == BEFORE
    assert SECRET not in acted.log
    assert TOKEN not in acted.log


def test_a_harmless_grant_is_planned_approved_and_applied(runner: Runner) -> None:
    runner = replace(runner, tenant=None)
    runner.project.write(more=HARMLESS)

    planned = runner.pull_request()

    assert (planned.code, runner.project.grants()) == (0, BEFORE)
    dev, prod = sorted(runner.forge.bodies())
    assert dev.startswith("<!-- reconciler:dev -->\n")
    assert prod.startswith("<!-- reconciler:prod -->\n")
    reviewed = plan_id(runner.artifacts / "plan-prod" / "plan.json")
    assert reviewed in prod

    applied = runner.merged()

    assert (applied.code, runner.project.grants()) == (0, AFTER)
    assert plan_id(runner.artifacts / "plan-prod" / "plan.json") == reviewed
    # dev and prod are the same tenant, so one of the two runs may find nothing to do
    assert list(runner.artifacts.glob("journal-*/**/journal/*"))
    results = [body for body in runner.forge.bodies() if body.startswith("<!-- reconciler-result:")]
    assert len(runner.forge.comments) == 4
    assert any("1 applied" in body for body in results)


def test_without_required_reviewers_only_the_approved_plan_is_applied_by_hand(runner: Runner) -> None:
    runner = replace(runner, required_reviewers=False, approvers="bob alice")
    runner.project.write(more=HARMLESS)
    runner.pull_request()

    merged = runner.merged()

    assert (merged.code, merged.ran("Plan for prod"), merged.ran("Apply to prod")) == (0, True, False), merged.log
    approved = approval_id(read_plan(runner.artifacts / "plan-prod" / "plan.json").plan)
    by_other_plan = runner.dispatch("prod", f"{'0' * 64}")
    assert (by_other_plan.code, runner.project.grants()) == (1, BEFORE), by_other_plan.log
    assert "plan and review again" in by_other_plan.log
    by_nobody = replace(runner, approvers="bob alicia").dispatch("prod", approved)
    assert (by_nobody.ran("Apply the approved plan"), runner.project.grants()) == (False, BEFORE), by_nobody.log

    applied = runner.dispatch("prod", approved)

    assert (applied.code, runner.project.grants()) == (0, AFTER), applied.log
    assert "1 applied" in runner.forge.bodies()[-1]
    assert runner.forge.bodies()[-1].startswith("<!-- reconciler-result:prod -->")


def test_the_result_of_an_apply_before_the_merge_is_on_the_same_pull_request(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)
    workflow = with_action(runner, {"command": "apply", "tenant": "prod", "args": "--yes", "comment": "true"})

    acted = runner.pull_request(workflow)

    assert (acted.code, runner.project.grants()) == (0, AFTER), acted.log
    (result,) = runner.forge.bodies()
    assert result.startswith("<!-- reconciler-result:prod -->")


def test_an_approval_of_a_superseded_commit_is_refused(runner: Runner) -> None:
    runner = replace(runner, required_reviewers=False)
    runner.project.write(more=HARMLESS)
    runner.pull_request()
    runner.merged(tip="main^")

    acted = runner.dispatch("prod", approval_id(read_plan(runner.artifacts / "plan-prod" / "plan.json").plan))

    assert acted.code != 0
    assert "superseded by" in acted.log
    assert runner.project.grants() == BEFORE


def test_a_removed_grant_loses_its_access_after_the_approval(runner: Runner) -> None:
    (runner.project.folder / "grants" / "portal.yaml").unlink()
    runner.project.write(more=HARMLESS)

    planned = runner.pull_request()

    assert (planned.code, runner.project.grants()) == (0, BEFORE)
    (body,) = runner.forge.bodies()
    assert "<td>- delete</td>" in body
    assert "removed by" in body

    applied = runner.merged()

    assert applied.code == 0, applied.log
    assert runner.project.grants() == AFTER[:1]


def test_a_second_push_updates_the_comments(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)
    runner.pull_request()
    before = runner.forge.bodies()
    runner.project.git("checkout", "--quiet", "main")
    runner.project.write(more=HARMLESS.replace("read:", "write:"))

    runner.pull_request()

    assert len(runner.forge.comments) == 1
    assert set(before).isdisjoint(runner.forge.bodies())


def test_a_plan_that_is_stale_after_its_approval_is_refused(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)
    runner.pull_request()
    others = runner.folder / "others"
    others.mkdir()
    (others / "all.yaml").write_text(PORTAL.replace("read:", "write:"), encoding="utf-8")
    credentials = " ".join("=".join(each) for each in runner.project.credentials.items() if "_DEV_" in each[0])
    (runner.artifacts / "meanwhile.sh").write_text(
        DURING_APPROVAL.format(others=others, credentials=credentials), encoding="utf-8"
    )

    acted = runner.merged()

    assert acted.code != 0
    assert "files or tenant changed after the plan was created" in acted.log
    assert runner.project.grants() == [("portal", ("write:invoices",))]


def test_a_merge_without_changes_needs_no_approval(runner: Runner) -> None:
    runner.project.write(more="grants: []\n")
    runner.pull_request()

    acted = runner.merged()

    assert (acted.code, acted.ran("Plan for prod"), acted.ran("Apply to prod")) == (0, True, False)


def test_problems_are_shown_on_their_lines(runner: Runner) -> None:
    runner.project.write(more="grants:\n  - {client: Billing, api: Invoices API, scop: []}\n")

    acted = runner.pull_request()

    assert acted.code != 0
    assert "file=grants/more.yaml" in acted.log


def test_invalid_files_replace_the_comment_of_an_old_plan(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)
    runner.pull_request()
    runner.project.git("checkout", "--quiet", "main")
    runner.project.write(more=HARMLESS.replace("scope", "scop"))

    acted = runner.pull_request()

    assert acted.code != 0
    assert len(runner.forge.comments) == 1, acted.log
    assert all(": no plan" in body and "grants/more.yaml:2:" in body for body in runner.forge.bodies())


def test_a_pull_request_from_a_fork_is_validated_without_secrets(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)

    acted = runner.pull_request(of="stranger/grants")

    assert (acted.code, acted.ran("Validate"), acted.ran("Plan for prod")) == (0, True, False)
    assert runner.forge.requests == []


def test_on_a_pull_request_from_a_fork_every_command_only_validates(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)
    workflow = with_action(runner, {"command": "apply", "tenant": "prod", "args": "--yes"})

    acted = runner.pull_request(workflow, of="stranger/grants")

    assert (acted.code, runner.project.grants()) == (0, BEFORE)
    assert "The action only validates the files of the pull request." in acted.log


def test_the_action_refuses_pull_request_target(runner: Runner) -> None:
    workflow = with_action(runner, {"command": "validate"})
    file = runner.project.folder / ".github" / "workflows" / workflow
    file.write_text(file.read_text(encoding="utf-8").replace("pull_request", "pull_request_target"), encoding="utf-8")

    acted = runner.run("pull_request_target", workflow, {})

    assert acted.code != 0
    assert "Use the event pull_request." in acted.log


@pytest.mark.parametrize(
    ("name", "inputs", "variables"),
    [
        ("reconciler.yaml", {"config": "${{ github.workspace }}/reconciler.yaml"}, {}),
        ("reconciler.yaml", {"config": "grants/../reconciler.yaml"}, {}),
        ("conf.yaml", {}, {"RECONCILER_CONFIG": "conf.yaml"}),
        ("conf.yaml", {"args": "--config\nconf.yaml"}, {}),
        ("conf.yaml", {"args": "-v\n--config=conf.yaml"}, {}),
    ],
    ids=["absolute", "around", "variable", "args", "args in one"],
)
def test_the_policy_of_the_base_applies_for_any_path_of_the_configuration(
    runner: Runner, name: str, inputs: dict[str, str], variables: dict[str, str]
) -> None:
    if name != "reconciler.yaml":
        runner.project.git("mv", "reconciler.yaml", name)
        runner.project.commit("Name it otherwise")
    runner.project.write(more=DANGEROUS)
    runner.project.write_configuration(policy="", name=name)
    workflow = with_action(runner, {"command": "plan", "tenant": "prod", **inputs})

    acted = runner.pull_request(workflow, **variables)

    assert acted.code != 0
    assert "ask the security team" in acted.log


def test_a_base_that_cannot_be_read_is_an_error(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)
    plan = {"command": "plan", "tenant": "prod"}
    workflow = with_action(runner, plan | {"base": "HEAD^1"}, plan | {"config": "/outside/reconciler.yaml"})

    acted = runner.pull_request(workflow)

    assert acted.log.count("Failure - Main Run reconciler") == 2
    assert "Remove the input base" in acted.log


def test_the_base_is_the_commit_of_the_event(runner: Runner) -> None:
    project = runner.project
    project.write_configuration(policy="")
    project.branch("Loosen the policy")
    project.write(more=DANGEROUS)
    workflow = with_action(runner, {"command": "plan", "tenant": "prod"})
    project.commit("Use it")
    event = {"pull_request": {"number": 7, "head": {"repo": {"full_name": REPOSITORY}}, "base": {}}}
    for base in ("main", project.git("commit-tree", "main^{tree}", "-p", "main", "-m", "Beside")):
        event["pull_request"]["base"] = {"sha": project.git("rev-parse", base)}
        acted = runner.run("pull_request", workflow, event)
        assert acted.code != 0
        assert ("ask the security team" in acted.log) == (base == "main")
        assert ("is not an ancestor of HEAD" in acted.log) == (base != "main")


def test_a_link_does_not_change_the_policy(runner: Runner) -> None:
    runner.project.write(more=DANGEROUS)
    runner.project.write_configuration(policy="", name="other.yaml")
    (runner.project.folder / "reconciler.yaml").unlink()
    (runner.project.folder / "reconciler.yaml").symlink_to("other.yaml")
    workflow = with_action(runner, {"command": "plan", "tenant": "prod"})

    acted = runner.pull_request(workflow)

    assert "ask the security team" in acted.log


def test_a_tenant_name_that_begins_with_a_dot_has_a_comment(runner: Runner) -> None:
    file = runner.project.folder / "reconciler.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("prod:", ".prod:"), encoding="utf-8")
    runner.project.write(more=HARMLESS)
    workflow = with_action(runner, {"command": "plan", "tenant": ".prod", "comment": "true"})

    acted = runner.pull_request(workflow)

    assert acted.code == 0, acted.log
    assert [body.partition("\n")[0] for body in runner.forge.bodies()] == ["<!-- reconciler:.prod -->"]


def test_a_new_configuration_uses_its_own_policy(runner: Runner) -> None:
    folder = runner.project.folder
    (folder / "new.yaml").write_bytes((folder / "reconciler.yaml").read_bytes())
    runner.project.write(more=HARMLESS)
    workflow = with_action(runner, {"command": "plan", "tenant": "prod", "config": "new.yaml"})

    acted = runner.pull_request(workflow)

    assert acted.code == 0, acted.log


def test_inputs_are_never_executed(runner: Runner) -> None:
    run = f"touch {runner.folder}/taken"
    evil = f'$({run})"; {run}; "'
    names = ("tenant", "grants", "config", "base", "policy", "plan-file", "issue", "args")
    all_evil = {"command": "plan", **dict.fromkeys(names, evil)}
    workflow = with_action(
        runner,
        all_evil,
        all_evil | {"command": "apply"},
        all_evil | {"command": "validate"},
        all_evil | {"command": evil},
        {"command": "plan", "tenant": "prod", "issue": evil, "plan-file": evil.replace("/", "")},
    )
    runner.project.write(more=HARMLESS)

    acted = runner.pull_request(workflow)

    assert acted.log.count("Failure - Main Run reconciler") == 4
    assert [each.title for each in runner.forge.issues] == [evil]
    assert not (runner.folder / "taken").exists()


def test_the_action_installs_its_packages_without_secrets(runner: Runner) -> None:
    seen, python = runner.folder / "seen", runner.folder / "python-that-installs"
    python.write_text(
        INSTALLING_PYTHON.format(seen=seen, python=sys.executable, settings=pip_settings()), encoding="utf-8"
    )
    python.chmod(0o755)
    workflow = with_action(runner, {"command": "validate", "args": "-v\n\ngrants/portal.yaml"})

    acted = runner.pull_request(workflow, PYTHON=str(python), PIP_INDEX_URL="http://127.0.0.1:9", PYTHONPATH="evil")

    assert acted.code == 0, acted.log
    names = {line.partition("=")[0] for line in seen.read_text(encoding="utf-8").splitlines()}
    assert names - set(PROXIES) <= {"PATH", "HOME", "PIP_CONFIG_FILE", "PWD", "SHLVL", "_", "OLDPWD"}


def use_pipeline_of_init(runner: Runner) -> None:
    """Replace the workflows by those that init writes."""
    project = runner.project
    project.git("rm", "-r", "--quiet", ".github")
    for name, text in pipeline(Service.GITHUB, {"dev": "AUTH0_", "prod": "AUTH0_"}).items():
        (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / name).write_text(for_act(text) if "/workflows/" in name else text, encoding="utf-8")
    project.commit("Use the pipeline of init")


def test_the_pipeline_of_init_installs_reconciler_and_plans(
    runner: Runner, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wheels, python = build_once(tmp_path_factory, "wheel", build_wheel), runner.folder / "python-that-installs"
    settings = f"{pip_settings()} --find-links {wheels}"
    seen = runner.folder / "seen"
    python.write_text(INSTALLING_PYTHON.format(seen=seen, python=sys.executable, settings=settings), encoding="utf-8")
    python.chmod(0o755)
    use_pipeline_of_init(runner)
    runner.project.write(more=HARMLESS)

    acted = runner.pull_request("grants-pull-request.yml", PYTHON=str(python))

    assert acted.code == 0, acted.log
    (body,) = runner.forge.bodies()
    assert "1 to create, 0 to update, 0 to delete" in body


def test_the_pipeline_of_init_applies_and_reports_drift(runner: Runner) -> None:
    runner = replace(runner, tenant=None)
    use_pipeline_of_init(runner)
    runner.project.write(more=HARMLESS)
    runner.project.commit("Add a grant")
    runner.forge.branches = {"main": runner.project.git("rev-parse", "HEAD")}

    applied = runner.run("push", "grants-apply.yml", {"ref": "refs/heads/main"})
    drift = runner.run("schedule", "grants-drift.yml", {})

    assert (applied.code, runner.project.grants()) == (0, AFTER), applied.log
    assert (drift.code, runner.forge.issues) == (0, []), drift.log


def test_credentials_in_the_environment_of_the_job_are_refused_before_the_installation(runner: Runner) -> None:
    workflow = with_action(runner, {"command": "validate"})

    acted = runner.pull_request(workflow, AUTH0_CLIENT_SECRET="a secret of the job")

    assert acted.code != 0
    assert "Pass the credentials in the input credentials" in acted.log
    assert "Run reconciler" not in acted.log


def test_files_of_the_checkout_and_variables_of_the_job_run_no_code(runner: Runner) -> None:
    marker, evil = runner.folder / "marker", runner.folder / "evil"
    evil.mkdir()
    python = f"open({str(marker)!r}, 'a').write(__file__ + chr(10))\n"
    for name in ("logging", "click", "venv", "pip", "reconciler"):
        (runner.project.folder / f"{name}.py").write_text(python, encoding="utf-8")
    (evil / "sitecustomize.py").write_text(python, encoding="utf-8")
    (evil / "startup").write_text(f'[[ -z $FOLDER$SOURCE ]] || echo "$0" >>{marker}\n', encoding="utf-8")
    for name in ("git", "mktemp", "python3"):
        (evil / name).write_text(f'#!/bin/bash\necho {name} >>{marker}\nexec /usr/bin/{name} "$@"\n', encoding="utf-8")
        (evil / name).chmod(0o755)
    runner.project.write(more=HARMLESS)
    workflow = with_action(runner, {"command": "plan", "tenant": "prod", "comment": "true"})

    acted = runner.pull_request(
        workflow, BASH_ENV=str(evil / "startup"), PYTHONPATH=f"{evil}:.", PATH=f"{evil}:/usr/local/bin:/usr/bin:/bin"
    )

    assert acted.code == 0, acted.log
    assert not marker.exists(), marker.read_text(encoding="utf-8")


def test_a_commit_that_was_superseded_during_the_approval_is_not_applied(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)
    runner.pull_request()

    acted = runner.merged(tip="main^")

    assert acted.code != 0
    assert "superseded by" in acted.log
    assert runner.project.grants() == BEFORE


def test_an_invalid_configuration_replaces_the_comment_of_an_old_plan(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)
    runner.pull_request()
    runner.project.git("checkout", "--quiet", "main")
    runner.project.write_configuration(policy="unknown: 1\n")

    acted = runner.pull_request()

    assert acted.code != 0
    assert len(runner.forge.comments) == 1
    assert all("reconciler.yaml:" in body and "Billing" not in body for body in runner.forge.bodies())


def test_drift_opens_an_issue_and_its_end_closes_it(runner: Runner) -> None:
    runner = replace(runner, tenant=None)
    runner.project.write(portal=PORTAL.replace("read:", "write:"))
    runner.project.commit("Expect something else")

    drifted = runner.run("schedule", "drift.yml", {})

    assert drifted.code == 0
    assert {each.title for each in runner.forge.issues} == {"Drift in dev", "Drift in prod"}
    assert all("write:invoices" in each.body for each in runner.forge.issues)
    for tenant in ("dev", "prod"):
        page = (runner.artifacts / f"access-{tenant}" / "access.html").read_text()
        assert "Expect something else" in page  # the subject of the last change
        assert "Complete: every list" in page

    runner.project.write(portal=PORTAL)
    runner.project.commit("Expect what there is")
    runner.run("schedule", "drift.yml", {})

    assert [each.is_open for each in runner.forge.issues] == [False, False]


def test_drift_can_be_kept_by_a_pull_request(runner: Runner) -> None:
    runner = replace(runner, proposes_drift=True)
    origin = runner.project.git("remote", "get-url", "origin")
    runner.project.write(portal=PORTAL.replace("read:", "write:"))
    runner.project.commit("Expect something else")

    for _ in range(2):  # the second run updates the branch and opens no other pull request
        proposed = runner.run("schedule", "drift.yml", {})

        assert proposed.code == 0, proposed.log
        assert runner.pull_requests() == ["drift-in-prod"]
        assert "read:invoices" in runner.project.git("-C", origin, "show", "drift-in-prod:grants/portal.yaml")

    runner.project.write(portal=PORTAL)
    runner.project.commit("Expect what there is")
    assert runner.run("schedule", "drift.yml", {}).code == 0
    assert runner.pull_requests() == []


def test_without_the_variable_no_pull_request_is_proposed(runner: Runner) -> None:
    runner.project.write(portal=PORTAL.replace("read:", "write:"))
    runner.project.commit("Expect something else")

    assert not runner.run("schedule", "drift.yml", {}).ran("Propose to keep the drift of prod")
    assert runner.pull_requests() == []


def test_the_nightly_job_deletes_only_expired_grants(runner: Runner) -> None:
    runner.project.write(portal=EXPIRED, more=HARMLESS)
    runner.project.commit("End the access of the portal")
    runner.forge.branches = {"main": runner.project.git("rev-parse", "main")}

    acted = runner.run("schedule", "expire.yml", {})

    assert acted.code == 0, acted.log
    assert runner.project.grants() == []


def test_a_grant_that_was_added_by_hand_is_drift(runner: Runner) -> None:
    runner.project.add_grants(HARMLESS)

    runner.run("schedule", "drift.yml", {})

    assert [each.title for each in runner.forge.issues] == ["Drift in prod"]
    assert "Billing" in runner.forge.issues[0].body


OTHERS = "grants:\n  - {client: Billing, api: Invoices API, scope: ['write:invoices'], description: Merged meanwhile}\n"


@pytest.mark.parametrize("base", ["main", "main^"], ids=["base is new", "base is old"])
def test_a_branch_that_is_behind_does_not_undo_what_was_merged(runner: Runner, base: str) -> None:
    runner.project.add_grants(OTHERS)
    runner.project.write(portal=PORTAL.replace("read:", "write:"))
    runner.project.branch("Change")
    runner.project.git("checkout", "--quiet", "main")
    runner.project.write(others=OTHERS)
    runner.project.commit("Merged meanwhile")

    acted = runner.pull_request_of_branch(base=base)

    assert acted.code == 0, acted.log
    (body,) = runner.forge.bodies()
    assert "0 to create, 1 to update, 0 to delete" in body
    assert "Billing" not in body


def test_a_merge_queue_validates_and_plans_without_a_comment(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)

    acted = runner.merge_group()

    assert (acted.code, acted.ran("Validate"), acted.ran("Plan for prod")) == (0, True, True), acted.log
    assert runner.forge.requests == []
    assert (runner.artifacts / "plan-prod" / "plan.json").exists()


def test_a_merge_queue_refuses_what_the_policy_of_its_base_denies(runner: Runner) -> None:
    runner.project.write(more=DANGEROUS)
    runner.project.write_configuration(policy="")

    acted = runner.merge_group()

    assert acted.code != 0
    assert "ask the security team" in acted.log


def test_a_pull_request_of_dependabot_without_secrets_is_validated_and_passes(runner: Runner) -> None:
    workflow = with_action(
        runner,
        {
            "command": "plan",
            "tenant": "prod",
            "comment": "true",
            "credentials": "AUTH0_DOMAIN=t.example\nAUTH0_CLIENT_ID=own\nAUTH0_CLIENT_SECRET=\n",
        },
    )

    acted = runner.pull_request(workflow, author="dependabot[bot]")

    assert acted.code == 0, acted.log
    assert "Runs of Dependabot have no secrets." in acted.log
    assert runner.forge.requests == []


@pytest.mark.parametrize("author", ["somebody", "dependabot"])
def test_missing_secrets_fail_the_check_of_anybody_else(runner: Runner, author: str) -> None:
    credentials = "AUTH0_DOMAIN=t.example\nAUTH0_CLIENT_ID=own\nAUTH0_CLIENT_SECRET=\n"
    workflow = with_action(runner, {"command": "plan", "tenant": "prod", "credentials": credentials})

    assert runner.pull_request(workflow, author=author).code != 0


def test_a_pull_request_of_dependabot_with_secrets_is_planned(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)

    acted = runner.pull_request(author="dependabot[bot]")

    assert acted.code == 0, acted.log
    assert len(runner.forge.comments) == 1


def test_a_second_run_of_the_same_commit_changes_nothing(runner: Runner) -> None:
    runner.project.write(more=HARMLESS)
    runner.pull_request()
    assert runner.pull_request_of_branch().code == 0
    assert len(runner.forge.comments) == 1
    assert runner.merged().code == 0

    again = runner.run("push", "apply.yml", {"ref": "refs/heads/main"})

    assert again.code == 0, again.log
    assert runner.project.grants() == AFTER


def test_the_default_branch_may_have_another_name(runner: Runner) -> None:
    project = runner.project
    workflow = project.folder / ".github" / "workflows" / "apply.yml"
    workflow.write_text(workflow.read_text(encoding="utf-8").replace("branches: [main]", "branches: [trunk]"))
    project.git("checkout", "--quiet", "-B", "trunk", "main")
    project.write(more=HARMLESS)
    project.commit("Use trunk")
    runner.forge.branches = {"trunk": project.git("rev-parse", "trunk")}

    acted = runner.run("push", "apply.yml", {"ref": "refs/heads/trunk"})

    assert acted.code == 0, acted.log
    assert project.grants() == AFTER
