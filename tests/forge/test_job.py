"""The job that the environment variables of a CI service or the options of the command line describe."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.forges import NUMBER, TOKEN, Azure, Bitbucket, Forge, GitHub, GitLab, job_at

from reconciler.errors import ReconcilerError
from reconciler.forge.job import TOKENS, NamedTarget, job_of
from reconciler.forge.services import open_comments

ADDRESSES = {
    GitHub: "https://github.example.com/graphql",
    GitLab: "https://github.example.com/api/v4",
    Azure: "https://github.example.com/org",
    Bitbucket: "https://api.bitbucket.org/2.0",
}
OPTIONAL = {
    *("BUILD_REPOSITORY_PROVIDER", "SYSTEM_PULLREQUEST_PULLREQUESTID", "BITBUCKET_PR_ID", "CI_MERGE_REQUEST_IID"),
    *("GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "BITBUCKET_BUILD_NUMBER"),
}
every_forge = pytest.mark.parametrize("kind", ADDRESSES)


def environment_of(kind: type[Forge], folder: Path) -> dict[str, str]:
    event = folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": NUMBER}}), encoding="utf-8")
    forge = kind()
    forge.url = "https://github.example.com"
    return {**forge.environment(), **({"GITHUB_EVENT_PATH": str(event)} if kind is GitHub else {})}


@every_forge
def test_a_job_is_read_from_its_variables(kind: type[Forge], tmp_path: Path) -> None:
    assert job_of(environment_of(kind, tmp_path)) == replace(job_at(kind()), address=ADDRESSES[kind])


@every_forge
def test_each_variable_is_required(kind: type[Forge], tmp_path: Path) -> None:
    environment = environment_of(kind, tmp_path)
    for name in environment.keys() - OPTIONAL:
        with pytest.raises(ReconcilerError, match=f"^{name} is not set; "):
            job_of({**environment, name: ""})


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (GitHub, "GITHUB_EVENT_PATH", "does not contain a pull request"),
        (GitLab, "CI_MERGE_REQUEST_IID", "CI_MERGE_REQUEST_IID is not set"),
        (Azure, "SYSTEM_PULLREQUEST_PULLREQUESTID", "SYSTEM_PULLREQUEST_PULLREQUESTID is not set"),
        (Bitbucket, "BITBUCKET_PR_ID", "BITBUCKET_PR_ID is not set"),
    ],
)
def test_only_comments_need_a_pull_request(kind: type[Forge], name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    job = job_of({**environment_of(kind, tmp_path), name: str(tmp_path / "list.json") if kind is GitHub else ""})

    assert job.number is None
    with open_comments(job) as comments, pytest.raises(ReconcilerError, match=message):
        comments.add("text")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("GITHUB_ACTIONS", "false", "this is not a job of GitHub Actions, GitLab CI, Azure Pipelines"),
        ("GITHUB_REPOSITORY", "grants", "does not have the form owner/name"),
        ("GITHUB_TOKEN", f"{TOKEN}\n{TOKEN}", "is not a valid token"),
        ("GITHUB_EVENT_PATH", "nowhere.json", "cannot be read as the event"),
        ("GITHUB_RUN_ID", "x", "is not a number"),
    ],
)
def test_an_invalid_variable_is_refused(name: str, value: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match=message):
        job_of({**environment_of(GitHub, tmp_path), name: value})


def test_a_repository_outside_azure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="is not on Azure Repos"):
        job_of({**environment_of(Azure, tmp_path), "BUILD_REPOSITORY_PROVIDER": "GitHub"})


@pytest.mark.parametrize(
    ("service", "repository", "address"),
    [
        ("github", "example/grants", "https://api.github.com/graphql"),
        ("gitlab", "group/sub/grants", "https://gitlab.com/api/v4"),
        ("azure", "my org/project/grants", "https://dev.azure.com/my%20org"),
        ("bitbucket", "example/grants", "https://api.bitbucket.org/2.0"),
    ],
)
def test_a_named_target_uses_the_public_services_by_default(service: str, repository: str, address: str) -> None:
    environment = dict.fromkeys((name for name, _ in TOKENS.values()), TOKEN)

    assert job_of(environment, NamedTarget(forge=service, repository=repository, number=1)).address == address
