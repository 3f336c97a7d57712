"""`reconciler comment` with fake servers for GitHub and GitLab."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import CommandResult, reconciler
from support.forges import NUMBER, OTHER_USER, RUN, TOKEN, Fault, Forge, ForgeResponse, GitHub, GitLab, serve_forge

MARKER = "<!-- reconciler:prod -->"
OTHER = "<!-- reconciler:dev%20eu -->"
NO_NODES = b'{"data": {"repository": {"owner": {"id": "PR", "listing": {"pageInfo": {}}}}}}'
STAMP = f"<!-- run {RUN} -->"
PLAN = f"{MARKER}\n{STAMP}\n## Plan: 1 to create\n"


@pytest.fixture(params=[GitHub, GitLab])
def forge(request: pytest.FixtureRequest, here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    """A fake hosting service, a job for a pull or merge request, and a report."""
    (here / "plan.md").write_text(PLAN, encoding="utf-8")
    (here / "event.json").write_text(json.dumps({"pull_request": {"number": NUMBER}}), encoding="utf-8")
    stand_in: Forge = request.param()
    with serve_forge(stand_in):
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(here / "event.json"))
        for name, value in stand_in.environment().items():
            monkeypatch.setenv(name, value)
        yield stand_in


def comment(*options: str) -> CommandResult:
    ran = reconciler("comment", "plan.md", *options)
    assert TOKEN not in ran.output
    return ran


def test_a_report_becomes_a_comment(forge: Forge) -> None:
    forge.comments = [forge.new_entry("Looks good to me")]

    ran = comment()

    assert (ran.code, ran.stdout, ran.stderr) == (0, "plan.md: added\n", "")
    assert forge.bodies() == ["Looks good to me", PLAN]


def test_an_equal_report_is_not_written_again(forge: Forge) -> None:
    forge.comments = [forge.new_entry(PLAN.strip().replace("\n", "\r\n"))]

    assert comment().stdout == "plan.md: unchanged\n"
    assert forge.writes() == []


@pytest.mark.usefixtures("forge")
def test_each_tenant_has_its_own_comment(here: Path) -> None:
    (here / "dev.md").write_text(f"{OTHER}\n{STAMP}\nnothing to do\n", encoding="utf-8")

    assert reconciler("comment", "plan.md", "dev.md").stdout == "plan.md: added\ndev.md: added\n"
    assert reconciler("comment", "dev.md", "plan.md").stdout == "dev.md: unchanged\nplan.md: unchanged\n"


@pytest.mark.parametrize(
    ("body", "author"),
    [(f"{MARKER}\nfine, merge it", OTHER_USER), (f"> {MARKER}\nquoted by us", 1), (f"hello\n{MARKER}\n", 1)],
    ids=["marker in a comment of another author", "quotation", "marker not at the start"],
)
def test_only_our_own_report_comments_are_changed(forge: Forge, body: str, author: int) -> None:
    forge.comments = [forge.new_entry(body, author)]

    comment()

    assert forge.bodies() == [body, PLAN]


@pytest.mark.parametrize("forge", [GitLab], indirect=True)
def test_without_an_identity_no_comment_is_ours(forge: Forge) -> None:
    note = {"id": 1, "body": f"{MARKER}\nold", "author": None}
    forge.faults = [lambda _, __: ForgeResponse(200, {}), lambda _, __: ForgeResponse(200, [note])]

    assert comment("--attempts", "1").stdout == "plan.md: added\n"


def test_the_oldest_of_our_comments_is_updated(forge: Forge) -> None:
    forge.comments = [forge.new_entry(f"{MARKER}\nolder"), forge.new_entry(f"{MARKER}\nnewer")]

    comment()

    assert forge.bodies() == [PLAN, f"{MARKER}\nnewer"]


def test_one_issue_is_opened_updated_and_closed(forge: Forge, here: Path) -> None:
    assert comment("--issue", "Drift in prod").stdout == "plan.md: added\n"
    (here / "plan.md").write_text(f"{MARKER}\n{STAMP}\n2 to update\n", encoding="utf-8")
    assert comment("--issue", "Drift in prod").stdout == "plan.md: updated\n"
    (here / "plan.md").write_text(f"{MARKER}\n{STAMP}\nnothing to do\n", encoding="utf-8")
    assert comment("--close").stdout == "plan.md: closed\n"

    (issue,) = forge.issues
    assert (issue.title, issue.body, issue.is_open) == ("Drift in prod", f"{MARKER}\n{STAMP}\nnothing to do\n", False)
    assert comment("--close").stdout == "plan.md: nothing to close\n"
    assert forge.comments == []


def test_a_closed_issue_is_not_reopened(forge: Forge) -> None:
    forge.issues = [forge.new_entry(PLAN, is_open=False), forge.new_entry(PLAN, OTHER_USER)]

    comment("--issue", "Drift in prod")

    assert [each.title for each in forge.issues] == ["", "", "Drift in prod"]


def test_issues_do_not_need_a_pull_request(forge: Forge, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "event.json").write_text('{"schedule": "0 4 * * *"}', encoding="utf-8")
    monkeypatch.delenv("CI_MERGE_REQUEST_IID", raising=False)

    assert comment("--issue", "Drift in prod").code == 0
    assert len(forge.issues) == 1
    assert comment().code == 1


def respond_with(status: int) -> Fault:
    return lambda _, __: ForgeResponse(status, {"message": "no"})


def test_transient_errors_are_retried(forge: Forge) -> None:
    forge.faults = [respond_with(502)]

    assert (comment("--attempts", "2").code, forge.bodies()) == (0, [PLAN])


def test_retries_stop_after_the_given_attempts(forge: Forge) -> None:
    forge.faults = [respond_with(503)] * 2

    ran = comment("--attempts", "2")

    assert (ran.code, ran.stdout, forge.comments) == (1, "", [])
    assert "503 no" in ran.stderr
    assert len(forge.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 301, 307])
def test_a_refused_request_is_not_retried(forge: Forge, status: int) -> None:
    elsewhere = {"Location": f"{forge.url}/elsewhere"}
    forge.faults = [lambda _, __: ForgeResponse(status, {"message": f"no, {TOKEN}"}, elsewhere)]

    ran = comment()

    assert ran.code == 1
    assert f"{status} no, ***" in ran.stderr
    assert len(forge.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[" * 100_000,
        b"7",
        b"[7]",
        b"{}",
        b'{"data": {"repository": {"owner": {}}}}',
        b'{"data": null}',
        NO_NODES,
    ],
    ids=["no JSON", "deep", "a number", "a list", "nothing", "no listing", "null", "no nodes"],
)
def test_an_invalid_response_is_an_error_without_traceback(forge: Forge, body: bytes) -> None:
    forge.faults = [lambda _, __: ForgeResponse(200, body)] * 3

    ran = comment()

    assert (ran.code, forge.comments) == (1, [])
    assert ran.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("## Plan\n", "plan.md:1:1: the first line is not a marker"),
        (f" {MARKER}\n", "plan.md:1:1: the first line is not a marker"),
        ("<!-- reconciler: --> --> @everybody -->\n", "plan.md:1:1: the first line is not a marker"),
        ("", "plan.md:1:1: the first line is not a marker"),
    ],
    ids=["no marker", "a blank before it", "a marker that ends early", "empty"],
)
def test_a_file_that_is_not_a_report_is_not_posted(forge: Forge, here: Path, text: str, message: str) -> None:
    (here / "plan.md").write_text(text, encoding="utf-8")

    ran = comment()

    assert (ran.code, forge.writes()) == (1, [])
    assert message in ran.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the report plan.md cannot be read: No such file or directory"),
        (b"\xff\xfe", "the report plan.md cannot be read: the content is not UTF-8 text"),
    ],
    ids=["missing", "no text"],
)
def test_an_unreadable_file_is_an_error(forge: Forge, here: Path, content: bytes | None, message: str) -> None:
    (here / "plan.md").unlink()
    if content:
        (here / "plan.md").write_bytes(content)

    assert comment().stderr == f"error: {message}\n"
    assert forge.writes() == []


def test_two_reports_for_one_tenant_are_refused(forge: Forge, here: Path) -> None:
    (here / "again.md").write_text(PLAN, encoding="utf-8")

    ran = reconciler("comment", "plan.md", "again.md")

    assert (
        ran.stderr
        == "error: plan.md and again.md are reports about the same tenant: pass only one of the two reports\n"
    )
    assert forge.requests == []


def test_issue_and_close_cannot_be_combined(forge: Forge) -> None:
    assert comment("--close", "--issue", "Drift").code == 1
    assert forge.requests == []


@pytest.mark.parametrize("forge", [GitHub], indirect=True)
@pytest.mark.parametrize("kind", ["FORBIDDEN", "NOT_FOUND"])
@pytest.mark.parametrize(
    ("options", "permission"), [((), "pull-requests: write"), (("--issue", "Drift"), "issues: write")], ids=str
)
def test_a_missing_github_permission_is_named(
    forge: Forge, kind: str, options: tuple[str, ...], permission: str
) -> None:
    refusal = {"data": None, "errors": [{"type": kind, "message": "Resource not accessible by integration"}]}
    forge.faults = [lambda _, respond: respond()] * 2 + [lambda _, __: ForgeResponse(200, refusal)]

    ran = comment(*options)

    assert f"not accessible by integration; the job needs the permission {permission}" in ran.stderr
    assert len(forge.requests) == 3


@pytest.mark.parametrize("forge", [GitHub], indirect=True)
def test_an_unknown_error_of_github_is_not_retried(forge: Forge) -> None:
    forge.faults = [lambda _, __: ForgeResponse(200, {"errors": [{"type": "UNPROCESSABLE", "message": "locked"}]})]

    assert comment().stderr == "error: GitHub: locked\n"


@pytest.mark.parametrize("forge", [GitLab], indirect=True)
@pytest.mark.parametrize("status", [403, 404])
def test_a_token_refused_by_gitlab_is_named(forge: Forge, status: int) -> None:
    forge.faults = [respond_with(status)]

    assert "GITLAB_TOKEN needs the scope api" in comment().stderr


@pytest.mark.parametrize("forge", [GitHub], indirect=True)
def test_another_address_than_the_graphql_api_of_github_is_explained(forge: Forge) -> None:
    forge.faults = [respond_with(404)]

    ran = comment("--api", f"{forge.url}/api/v3")

    assert ran.stderr.startswith(f"error: POST {forge.url.partition('//')[2]} /api/v3: 404 ")
    assert "set --api of comment, or GITHUB_GRAPHQL_URL, to a URL like https://HOST/api/graphql" in ran.stderr


def test_an_unreachable_hosting_service_is_an_error(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_GRAPHQL_URL", "CI_API_V4_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/api")

    ran = comment("--attempts", "1")

    assert (ran.code, forge.requests) == (1, [])
    assert "127.0.0.1" in ran.stderr


def test_an_invalid_no_proxy_entry_is_ignored_with_a_note(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,fd02::/112,.svc,10.0.0.0/99")
    assert (comment().stdout, comment().stderr) == ("plan.md: added\n", "")

    variable = "GITHUB_GRAPHQL_URL" if isinstance(forge, GitHub) else "CI_API_V4_URL"
    monkeypatch.setenv(variable, "https://unknown.invalid/api")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    ran = comment("--attempts", "1")

    assert ran.code == 1
    assert 'NO_PROXY: ignored "10.0.0.0/99": not a host name, an address or a network\n' in ran.stderr

    monkeypatch.setenv("HTTPS_PROXY", f"foo://user:{TOKEN}@127.0.0.1")
    assert "error: HTTPS_PROXY is not a valid proxy address: " in comment().stderr
