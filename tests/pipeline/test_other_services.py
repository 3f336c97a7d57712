"""The pipelines of examples for Azure Pipelines, Bitbucket Pipelines and Jenkins.

A test runs the shell steps of an example in the order and with the variables of the service.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipeline.project import DANGEROUS, EXAMPLES, HARMLESS, PORTAL, Project, a_source_repository, fake_python
from support.commands import SECRET
from support.forges import NAME, NUMBER, OWNER, RUN, TOKEN, Azure, Bitbucket, Forge, GitHub, serve_forge

BEFORE = [("portal", ("read:invoices",))]
AFTER = [("billing", ("read:invoices",)), *BEFORE]
VARIABLE = re.compile(r"##vso\[task\.setvariable variable=(\w+)\](.*)")


@dataclass(slots=True)
class Job:
    """A job of a pipeline: the clone, the variables, and the log of its steps."""

    project: Project
    folder: Path
    variables: dict[str, str]
    log: str = ""
    failed: bool = False

    def run(self, script: str, more: Mapping[str, str]) -> None:
        """Run a script, and store the variables that it sets for later steps."""
        done = subprocess.run(
            ["/bin/bash", "-e", "-c", script],
            cwd=self.project.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **self.variables, **more},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log += done.stdout
        self.failed = self.failed or done.returncode != 0
        self.variables |= dict(VARIABLE.findall(done.stdout))


@dataclass(slots=True)
class Service:
    """A CI service: how it runs the jobs of a pull request, the plan after the merge, and the apply job."""

    project: Project
    forge: Forge
    folder: Path
    source: tuple[Path, str]
    artifacts: Path = field(init=False)

    def __post_init__(self) -> None:
        self.artifacts = self.folder / "artifacts"
        self.artifacts.mkdir()

    def job(self, **more: str) -> Job:
        """Return a new job."""
        programs = f"{fake_python(self.folder).parent}:/usr/local/bin:/usr/bin:/bin"
        variables = {
            "PROGRAMS": programs,
            "RECONCILER_REPOSITORY": str(self.source[0]),
            "RECONCILER_COMMIT": self.source[1],
            **self.forge.environment(),
            **more,
        }
        return Job(self.project, self.folder, variables)

    @property
    def credentials(self) -> dict[str, str]:
        return {**self.project.credentials, "AUTH0_CLIENT_ID": "own"}

    def review(self) -> Job:
        """Run the job of the pull request for prod. The branch `change` is checked out."""
        raise NotImplementedError

    def plan(self) -> Job:
        """Run the job that plans the main branch for prod."""
        raise NotImplementedError

    def apply(self) -> Job:
        """Run the job that applies the plan to prod."""
        raise NotImplementedError


class AzurePipelines(Service):
    """Azure Pipelines. It merges a pull request before its jobs start."""

    def review(self) -> Job:
        self.project.git("checkout", "--quiet", "--detach", "main")
        self.project.git("merge", "--quiet", "--no-ff", "--message", "Merge", "change")
        return self._run("Review")

    def plan(self) -> Job:
        return self._run("Plan")

    def apply(self) -> Job:
        self.forge.branches = {"main": self.project.git("rev-parse", "main")}
        return self._run("Apply")

    def _run(self, stage: str) -> Job:
        text = (EXAMPLES / "azure" / "azure-pipelines.yml").read_text(encoding="utf-8")
        assert "&" not in re.sub(r"&&", "", text), "Azure Pipelines does not support anchors"
        pipeline = yaml.safe_load(text)
        (found,) = (each for each in pipeline["stages"] if each["stage"] == stage)
        ((_, (template,)),) = found["jobs"][0].items()
        steps = template.get("steps") or template["strategy"]["runOnce"]["deploy"]["steps"]
        job = self.job(
            AGENT_TEMPDIRECTORY=str(self.folder),
            PIPELINE_WORKSPACE=str(self.artifacts),
            BUILD_SOURCEBRANCH="refs/heads/main",
        )
        secrets = {**self.credentials, "System.AccessToken": TOKEN}
        for step in steps:
            self._step(step, job, secrets)
        return job

    def _step(self, step: Mapping[str, Any], job: Job, secrets: Mapping[str, str]) -> None:
        if "template" in step:
            for each in yaml.safe_load((EXAMPLES / "azure" / step["template"]).read_text(encoding="utf-8"))["steps"]:
                self._step(each, job, secrets)
        elif "publish" in step and not job.failed:
            target = self.artifacts / "plan-prod"
            target.mkdir(exist_ok=True)
            shutil.copy(step["publish"].replace("$(NEW)", job.variables["NEW"]), target)
        elif "bash" in step and (not job.failed or step.get("condition") == "succeededOrFailed()"):
            script = step["bash"].replace("${{ tenant }}", "prod")
            job.run(script, {name: secrets[value[2:-1]] for name, value in step.get("env", {}).items()})


class BitbucketPipelines(Service):
    """Bitbucket Pipelines. Each step has all its variables."""

    def review(self) -> Job:
        (parallel,) = self._pipelines()["pull-requests"]["**"]
        return self._run(parallel["parallel"][1]["step"], BITBUCKET_PR_DESTINATION_BRANCH="main")

    def plan(self) -> Job:
        return self._run(self._pipelines()["branches"]["main"][0]["parallel"][1]["step"])

    def apply(self) -> Job:
        step = self._pipelines()["branches"]["main"][2]["step"]
        assert (step["deployment"], step["trigger"]) == ("prod", "manual")
        return self._run(step)

    @staticmethod
    def _pipelines() -> dict[str, Any]:
        text = (EXAMPLES / "bitbucket" / "bitbucket-pipelines.yml").read_text(encoding="utf-8")
        pipelines: dict[str, Any] = yaml.safe_load(text)["pipelines"]
        return pipelines

    def _run(self, step: Mapping[str, Any], **more: str) -> Job:
        commit = self.project.git("rev-parse", "HEAD")
        job = self.job(**self.credentials, BITBUCKET_COMMIT=commit, BITBUCKET_BRANCH="main", **more)
        script = "\n".join(step["script"])
        replaced = {
            "PATH=/usr/local/bin:/usr/bin:/bin": "PATH=$PROGRAMS",
            "repository=https://bitbucket.org/example/reconciler": "repository=$RECONCILER_REPOSITORY",
            "commit=0123456789abcdef0123456789abcdef01234567": "commit=$RECONCILER_COMMIT",
            ' --require-tip "$BITBUCKET_BRANCH"': "",  # the address of Bitbucket's API is fixed
        }
        for old, new in replaced.items():
            script = script.replace(old, new)
        job.run(script, {"RECONCILER_COMMENT_API": f"{self.forge.url}/2.0"})
        return job


class Jenkins(Service):
    """Jenkins with a repository on GitHub. All stages of a build share the variable NEW."""

    def review(self) -> Job:
        return self._run("Review", CHANGE_ID=str(NUMBER), CHANGE_TARGET="main")

    def plan(self) -> Job:
        return self._run("Plan")

    def apply(self) -> Job:
        return self._run("Apply")

    def _run(self, stage: str, **more: str) -> Job:
        text = (EXAMPLES / "jenkins" / "Jenkinsfile").read_text(encoding="utf-8")
        steps = dict(re.findall(r"stage\('(\w+)'\).*?sh '''#!/bin/bash -e\n(.*?)'''", text, re.DOTALL))
        job = self.job(
            TENANT="prod",
            NEW=str(self.folder / "new"),
            GIT_COMMIT=self.project.git("rev-parse", "HEAD"),
            JENKINS_URL="https://jenkins.example.com",
            BUILD_NUMBER=RUN,
            **more,
        )
        for name in ("GITHUB_ACTIONS", "GITHUB_RUN_ID", "GITHUB_REPOSITORY"):
            job.variables.pop(name)
        if stage != "Apply":  # the build that waits for an approval continues
            job.run(steps["Install"], {})
        assert SECRET not in job.log
        job.run(steps[stage].replace("example/grants", f"{OWNER}/{NAME}"), self.credentials)
        return job


Start = Callable[[Project, Forge, Path, tuple[Path, str]], Service]
SERVICES: dict[str, tuple[Start, type[Forge]]] = {
    "azure": (AzurePipelines, Azure),
    "bitbucket": (BitbucketPipelines, Bitbucket),
    "jenkins": (Jenkins, GitHub),
}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Iterator[Service]:
    start, kind = SERVICES[request.param]
    forge = kind()
    with serve_forge(forge):
        yield start(project, forge, tmp_path, a_source_repository(tmp_path))


def test_a_harmless_grant_is_commented_planned_and_applied(service: Service) -> None:
    service.project.write(more=HARMLESS)
    service.project.branch("Change")

    reviewed = service.review()

    assert not reviewed.failed, reviewed.log
    (body,) = service.forge.bodies()
    assert "prod`: 1 to create, 0 to update, 0 to delete" in body
    assert SECRET not in reviewed.log
    assert TOKEN not in reviewed.log

    service.project.git("checkout", "--quiet", "--force", "main")
    service.project.merge()
    service.project.git("push", "--quiet", "origin", "main")
    planned = service.plan()
    assert (planned.failed, service.project.grants()) == (False, BEFORE), planned.log
    service.forge.merged = {service.project.git("rev-parse", "main"): NUMBER}
    applied = service.apply()
    assert (applied.failed, service.project.grants()) == (False, AFTER), applied.log
    _, result = service.forge.bodies()
    assert "reconciler-result:prod" in result.partition("\n")[0]
    assert "`prod`: 1 applied" in result


def test_a_dangerous_grant_is_commented_and_refused_despite_the_policy_of_the_branch(service: Service) -> None:
    service.project.write(more=DANGEROUS)
    service.project.write_configuration(policy="")
    service.project.branch("Change")

    reviewed = service.review()

    assert reviewed.failed
    assert "ask the security team" in reviewed.log
    assert len(service.forge.comments) == 1
    assert service.project.grants() == BEFORE


def test_a_branch_that_is_behind_does_not_undo_what_was_merged(service: Service) -> None:
    project = service.project
    others = HARMLESS.replace("read:", "write:")
    project.add_grants(others)
    project.write(portal=PORTAL.replace("read:", "write:"))
    project.branch("Change")
    project.git("checkout", "--quiet", "main")
    project.write(others=others)
    project.commit("Merged meanwhile")
    project.git("push", "--quiet", "origin", "main")
    project.git("checkout", "--quiet", "change")

    reviewed = service.review()

    assert not reviewed.failed, reviewed.log
    (body,) = service.forge.bodies()
    assert "0 to create, 1 to update, 0 to delete" in body
    assert "Billing" not in body


def test_invalid_files_replace_the_comment_of_an_old_plan(service: Service) -> None:
    service.project.write(more=HARMLESS)
    service.project.branch("Change")
    service.review()
    service.project.git("checkout", "--quiet", "--force", "change")
    service.project.write(more=HARMLESS.replace("scope", "scop"))
    service.project.commit("Break it")

    reviewed = service.review()

    assert reviewed.failed
    (body,) = service.forge.bodies()
    assert ": no plan" in body
    assert "grants/more.yaml:2:" in body


@pytest.mark.parametrize("file", [*(EXAMPLES / "azure").iterdir(), EXAMPLES / "jenkins" / "Jenkinsfile"], ids=str)
def test_the_examples_install_with_hashes(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    for command in re.findall(r"-m pip(?:.*\\\n)*.*", text):
        assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(command.split())
    assert os.access(file, os.R_OK)
