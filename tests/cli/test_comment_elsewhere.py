"""`reconciler comment` on Azure DevOps and Bitbucket, and in jobs that do not name their hosting service."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import CommandResult, reconciler
from support.forges import (
    NAME,
    NUMBER,
    OTHER_USER,
    OWNER,
    RUN,
    TOKEN,
    Azure,
    Bitbucket,
    Forge,
    ForgeResponse,
    GitHub,
    GitLab,
    Request,
    serve_forge,
)

MARKER = "<!-- reconciler:prod -->"
HIDDEN = "[//]: # (reconciler:prod)"
STAMP = f"<!-- run {RUN} -->"
REPORT = f"{MARKER}\n{STAMP}\n### Plan\n\n> [!CAUTION]\n> **Critical (1)**\n>\n> - `a`: takes over\n"
TOKENS = ("GITHUB_TOKEN", "GITLAB_TOKEN", "AZURE_DEVOPS_TOKEN", "BITBUCKET_TOKEN")
TARGETS = {
    GitHub: ("github", f"{OWNER}/{NAME}", "/graphql"),
    GitLab: ("gitlab", "42", "/api/v4"),
    Azure: ("azure", "org/my project/grants", "/org"),
    Bitbucket: ("bitbucket", f"{OWNER}/{NAME}", "/2.0"),
}


@pytest.fixture(params=TARGETS)
def forge(request: pytest.FixtureRequest, here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    """A fake hosting service and a report, in a job of Jenkins."""
    (here / "plan.md").write_text(REPORT, encoding="utf-8")
    monkeypatch.setenv("JENKINS_URL", "https://jenkins.example.com")
    monkeypatch.setenv("BUILD_NUMBER", RUN)
    for name in TOKENS:
        monkeypatch.setenv(name, TOKEN)
    stand_in: Forge = request.param()
    with serve_forge(stand_in):
        yield stand_in


def comment(forge: Forge, *options: str) -> CommandResult:
    name, repository, path = TARGETS[type(forge)]
    target = ("--forge", name, "--repository", repository, "--number", str(NUMBER), "--api", f"{forge.url}{path}")
    ran = reconciler("comment", "plan.md", *target, *options)
    assert TOKEN not in ran.output
    return ran


def test_a_report_is_added_kept_and_updated(forge: Forge, here: Path) -> None:
    forge.comments = [forge.new_entry("Looks good to me")]

    assert comment(forge).stdout == "plan.md: added\n"
    assert comment(forge).stdout == "plan.md: unchanged\n"
    (here / "plan.md").write_text(REPORT.replace("takes", "took"), encoding="utf-8")
    assert comment(forge).stdout == "plan.md: updated\n"

    assert len(forge.comments) == 2
    assert "took over" in forge.bodies()[1]


def test_a_comment_of_somebody_else_is_not_changed(forge: Forge) -> None:
    marker = HIDDEN if isinstance(forge, Bitbucket) else MARKER
    forge.comments = [forge.new_entry(f"{marker}\ncopied", OTHER_USER)]

    assert comment(forge).stdout == "plan.md: added\n"
    assert forge.bodies()[0] == f"{marker}\ncopied"


def test_our_comment_is_found_after_many_others(forge: Forge, here: Path) -> None:
    comment(forge)
    forge.comments = [*[forge.new_entry("talk", OTHER_USER) for _ in range(120)], *forge.comments]

    (here / "plan.md").write_text(REPORT.replace("takes", "took"), encoding="utf-8")

    assert comment(forge).stdout == "plan.md: updated\n"


def test_a_token_that_is_not_valid_is_not_called_a_missing_permission(forge: Forge) -> None:
    forge.faults = [lambda _, __: ForgeResponse(401, {"message": "Bad credentials"})]

    ran = comment(forge)

    assert re.search(r"; the token in \w+_TOKEN is not valid or has expired; replace the token\n$", ran.stderr)
    assert "permission" not in ran.stderr


def test_a_report_of_another_run_is_refused(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_NUMBER", "1")

    assert "a run other than 1 wrote this report" in comment(forge).stderr


def test_a_long_report_is_truncated(forge: Forge, here: Path) -> None:
    (here / "plan.md").write_text(REPORT + "- `line`\n" * 200_000, encoding="utf-8")

    assert comment(forge).code == 0
    (body,) = forge.bodies()
    assert len(body) <= {GitHub: 65_536, GitLab: 1_000_000, Azure: 150_000, Bitbucket: 32_768}[type(forge)]
    assert "This report is truncated" in body
    assert "takes over" in body
    assert comment(forge).stdout == "plan.md: unchanged\n"


@pytest.mark.parametrize("forge", [Azure], indirect=True)
def test_azure_gets_no_alerts(forge: Forge) -> None:
    comment(forge)

    assert forge.bodies() == [REPORT.replace("[!CAUTION]", "**Caution:**")]


@pytest.mark.parametrize("forge", [Bitbucket], indirect=True)
def test_bitbucket_gets_no_html(forge: Forge) -> None:
    comment(forge)

    (body,) = forge.bodies()
    assert body.startswith(f"{HIDDEN}\n[//]: # (run {RUN})\n### Plan\n")
    assert "<" not in body


@pytest.mark.parametrize("forge", [Bitbucket], indirect=True)
def test_a_token_that_may_not_read_its_user_needs_its_uuid(forge: Bitbucket, monkeypatch: pytest.MonkeyPatch) -> None:
    forge.may_read_user = False

    assert "set BITBUCKET_USER_UUID" in comment(forge).stderr
    monkeypatch.setenv("BITBUCKET_USER_UUID", "{1}")
    assert comment(forge).stdout == "plan.md: added\n"
    assert comment(forge).stdout == "plan.md: unchanged\n"


@pytest.mark.parametrize("forge", [Bitbucket], indirect=True)
def test_the_token_of_a_user_comes_with_an_email(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITBUCKET_EMAIL", "bot@example.com")

    assert comment(forge).stdout == "plan.md: added\n"


@pytest.mark.parametrize("forge", [Azure, Bitbucket], indirect=True)
def test_a_wrong_token_is_named_and_never_shown(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TOKENS:
        monkeypatch.setenv(name, "wrong-token-that-nobody-should-see")

    ran = comment(forge)

    assert ran.code == 1
    assert ("AZURE_DEVOPS_TOKEN" if isinstance(forge, Azure) else "BITBUCKET_TOKEN") in ran.stderr
    assert "wrong-token" not in ran.output


@pytest.mark.parametrize("forge", [Azure, Bitbucket], indirect=True)
def test_an_error_that_repeats_the_credentials_is_redacted(forge: Forge) -> None:
    forge.faults = [lambda request, _: ForgeResponse(400, {"message": f"bad {request.headers['authorization']}"})]

    ran = comment(forge)

    assert ran.code == 1
    assert "400 bad" in ran.stderr
    assert TOKEN not in ran.stderr
    assert "Og==" not in ran.stderr
    assert len(ran.stderr) < 400


@pytest.mark.parametrize("forge", [Azure, Bitbucket], indirect=True)
def test_issues_are_refused(forge: Forge) -> None:
    assert "--issue and --close work on GitHub and GitLab only" in comment(forge, "--issue", "Drift").stderr
    assert forge.requests == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--number", "7"), "have no effect without --forge"),
        (("--forge", "github", "--number", "7"), "--forge needs --repository, and either --number or --merged"),
        (("--forge", "github", "--repository", "a/b"), "--forge needs --repository, and either --number or --merged"),
        (("--forge", "github", "--repository", "a", "--number", "7"), "does not have the form OWNER/NAME"),
        (("--forge", "azure", "--repository", "a/../b", "--number", "7"), "ORGANIZATION/PROJECT/REPOSITORY"),
        (("--forge", "bitbucket", "--repository", "a/", "--number", "7"), "WORKSPACE/REPOSITORY"),
    ],
)
@pytest.mark.usefixtures("here")
def test_incomplete_targets_are_refused(options: tuple[str, ...], message: str) -> None:
    ran = reconciler("comment", "plan.md", *options)

    assert ran.code == 1
    assert message in ran.stderr


class GitLabUnderAPath(GitLab):
    """A self-managed GitLab at https://HOST/gitlab."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "CI_API_V4_URL": f"{self.url}/gitlab/api/v4"}

    def respond(self, request: Request) -> ForgeResponse:
        method, path = request.name.split(" ")
        if not path.startswith("/gitlab/"):
            return ForgeResponse(404, {"message": "404 Not Found"})
        return super().respond(replace(request, name=f"{method} {path.removeprefix('/gitlab')}"))


def test_a_self_managed_gitlab_may_be_under_a_path(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "plan.md").write_text(REPORT, encoding="utf-8")
    forge = GitLabUnderAPath()
    with serve_forge(forge):
        for name, value in forge.environment().items():
            monkeypatch.setenv(name, value)

        assert reconciler("comment", "plan.md").stdout == "plan.md: added\n"
        assert reconciler("comment", "plan.md").stdout == "plan.md: unchanged\n"

    assert forge.bodies() == [REPORT]
