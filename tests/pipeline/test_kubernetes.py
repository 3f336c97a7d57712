"""The manifests of examples/kubernetes: strict validation, and the command of each container with each index."""

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipeline.fleet import NAMES, FleetServer, fleet_project
from pipeline.project import BIN, EXAMPLES, TIMEOUT_SECONDS, Project

MANIFESTS = EXAMPLES / "kubernetes"
SHARDS = 4
VARIABLE = re.compile(r"\$\((\w+)\)")


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((MANIFESTS / name).read_text(encoding="utf-8")))


def job_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specification of a Job, or of the Jobs of a CronJob."""
    found: dict[str, Any] = (
        document["spec"]["jobTemplate"]["spec"] if document["kind"] == "CronJob" else document["spec"]
    )
    return found


def validate(file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "kubernetes-validate"), "--strict", str(file)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)


@pytest.mark.parametrize("file", sorted(MANIFESTS.glob("*.yaml")), ids=lambda file: file.name)
def test_the_manifests_are_valid(file: Path) -> None:
    done = validate(file)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mistake_in_a_manifest_is_found(tmp_path: Path) -> None:
    text = (MANIFESTS / "apply-job.yaml").read_text(encoding="utf-8")
    (tmp_path / "job.yaml").write_text(text.replace("completions:", "completion:"), encoding="utf-8")

    assert validate(tmp_path / "job.yaml").returncode != 0


@pytest.mark.parametrize("name", ["apply-job.yaml", "drift-cronjob.yaml"])
def test_the_pods_are_restricted(name: str) -> None:
    for document in documents(name):
        pod = job_of(document)["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.fixture
def project_and_server(tmp_path: Path) -> Iterator[tuple[Project, FleetServer]]:
    with fleet_project(tmp_path, "kubernetes") as (project, server):
        yield project, server


def run_container(job: Mapping[str, Any], project: Project, run: str, index: int = 0) -> tuple[int, str]:
    """Run the command of the only container as Kubernetes does. Folders of volumes are below the project's parent."""
    (container,) = job["template"]["spec"]["containers"]
    volumes = project.folder.parent / "volumes"
    (volumes / "results").mkdir(parents=True, exist_ok=True)
    (volumes / "tmp").mkdir(exist_ok=True)
    environment = {
        **project.credentials,
        "PATH": f"{BIN}:/usr/bin:/bin",
        "JOB_COMPLETION_INDEX": str(index),
        **({"RECONCILER_RUN": run} if container.get("env") else {}),
    }
    words = [
        VARIABLE.sub(lambda match: environment.get(match[1], match[0]), word)
        .replace("/results", f"{volumes}/results")
        .replace("/tmp/", f"{volumes}/tmp/")
        for word in container["args"]
    ]
    command = [*container.get("command", [str(BIN / "reconciler")]), *words]
    done = subprocess.run(
        command,
        cwd=project.folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_shards_of_the_night_plan_every_tenant_and_are_collected(
    project_and_server: tuple[Project, FleetServer],
) -> None:
    project, server = project_and_server
    drift, collect = map(job_of, documents("drift-cronjob.yaml"))
    run = f"grants-drift-{int(time.time()) // 86400 * 1440 + 4 * 60 + 17}"  # as the controller of CronJobs names it
    assert drift["completions"] == SHARDS

    for index in range(SHARDS - 1):
        code, output = run_container(drift, project, run, index)
        assert code == 0, output
    code, output = run_container(collect, project, run)
    assert code == 3, output
    assert "40 tenants: 30 planned, 10 unknown." in output

    run_container(drift, project, run, SHARDS - 1)
    code, output = run_container(collect, project, run)
    assert (code, "40 tenants: 40 planned." in output) == (0, True), output
    assert set(server.requests.values()) == {4}


def test_the_shards_of_the_jobs_apply_every_tenant_once(project_and_server: tuple[Project, FleetServer]) -> None:
    project, server = project_and_server
    text = (MANIFESTS / "apply-job.yaml").read_text(encoding="utf-8")

    for wave, applied in (("canary", NAMES[:2]), ("rest", NAMES)):
        job = job_of(yaml.safe_load(text.replace("canary", wave)))
        (run,) = [each["value"] for each in job["template"]["spec"]["containers"][0]["env"]]
        for index in range(SHARDS):
            code, output = run_container(job, project, run, index)
            assert code == 0, output
        assert dict(server.writes) == dict.fromkeys(applied, 1)
