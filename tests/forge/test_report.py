"""Parse reports, find their comments and issues, and publish them despite failed requests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.forges import (
    Azure,
    Bitbucket,
    Fault,
    Forge,
    ForgeResponse,
    GitHub,
    GitLab,
    Request,
    job_at,
    serve_forge,
)

from reconciler.errors import ReconcilerError
from reconciler.forge.http import ForgeError, TransientForgeError
from reconciler.forge.report import (
    CommentTarget,
    ForgeReport,
    PostedEntry,
    PublishResult,
    close,
    entry_of,
    has_same_content,
    parse_report,
    publish,
)
from reconciler.forge.services import open_comments, open_issues, tip_of
from reconciler.http.retry import RetryPolicy, retry_blocking
from reconciler.output.escape import marker

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ENTRIES = st.lists(st.builds(PostedEntry, id=st.uuids().map(str), body=st.text(), is_ours=st.booleans()))


@given(NAMES)
def test_a_marker_with_any_tenant_name_starts_a_report(name: str) -> None:
    report = parse_report("plan.md", f"{marker(name)}\n## Plan\n")

    assert report.marker == marker(name)


@given(NAMES, NAMES, st.sampled_from(["\n", "\r\n"]))
def test_two_reports_in_one_file_are_refused(name: str, other_name: str, end: str) -> None:
    text = end.join([marker(name), "## Plan", marker(other_name), "## Plan", ""])

    with pytest.raises(ReconcilerError, match=r"^plan\.md:3:1: a second report .* use \{tenant\} in the file name"):
        parse_report("plan.md", text)


@given(ENTRIES, NAMES, NAMES, st.text())
def test_the_entry_of_a_report_is_found_among_other_entries(
    others: list[PostedEntry], name: str, other_name: str, text: str
) -> None:
    report = parse_report("plan.md", f"{marker(name)}\n{text}")
    other_entries = [
        PostedEntry("stranger", report.body, is_ours=False),
        PostedEntry("quoted", f"> {report.body}", is_ours=True),
    ]
    if other_name != name:
        other_entries.append(PostedEntry("another", f"{marker(other_name)}\n{text}", is_ours=True))
    own_entry = PostedEntry("own", f"{marker(name)}\r\nas it was", is_ours=True)

    assert entry_of(report, [*other_entries, *others]) is None
    assert entry_of(report, [*other_entries, *others, own_entry, own_entry]) == own_entry


@given(NAMES, st.text(st.characters(exclude_characters="\r")))
def test_changed_line_ends_and_whitespace_do_not_change_the_content(name: str, text: str) -> None:
    report = parse_report("plan.md", f"{marker(name)}\n{text}")

    assert has_same_content(PostedEntry("own", report.body.strip().replace("\n", "\r\n"), is_ours=True), report)
    assert not has_same_content(PostedEntry("own", f"{report.body}and more", is_ours=True), report)


MARKER = "<!-- reconciler:prod -->"
REPORT = ForgeReport("plan.md", MARKER, f"{MARKER}\n## Plan: 1 to create\n")


@contextmanager
def comments_of(forge: Forge) -> Iterator[CommentTarget]:
    with serve_forge(forge), open_comments(job_at(forge)) as comments:
        yield comments


every_forge = pytest.mark.parametrize("kind", [GitHub, GitLab, Azure, Bitbucket])


def respond_with(status: int, body: object = None, **headers: str) -> Fault:
    return lambda _, __: ForgeResponse(status, body, headers)


def break_connection(_: Request, __: Callable[[], ForgeResponse]) -> None:
    """Close the connection without an effect."""


def lose_response(_: Request, respond: Callable[[], ForgeResponse]) -> None:
    respond()


def respond_normally(_: Request, respond: Callable[[], ForgeResponse]) -> ForgeResponse:
    return respond()


FAULTS: dict[str, Fault] = {
    "408": respond_with(408),
    "429": respond_with(429),
    "502": respond_with(502),
    "secondary-rate-limit": respond_with(403, **{"Retry-After": "3"}),
    "before": break_connection,
    "after": lose_response,
}
GRAPHQL_FAULTS: dict[str, Fault] = {
    "rate limit in GraphQL": respond_with(200, {"errors": [{"type": "RATE_LIMITED"}]}),
    "error in GraphQL": respond_with(200, {"errors": [{"message": "Something went wrong"}]}),
}


HIDDEN: dict[type[Forge], str] = {Bitbucket: "[//]: # (reconciler:prod)"}
"""The marker as the service stores it, where that is not an HTML comment."""
FAULT_CASES = [
    pytest.param(kind, fault, calls_before, id=f"{kind.__name__}-{name}-{calls_before}")
    for kind, faults in (
        (GitHub, FAULTS | GRAPHQL_FAULTS),
        (GitLab, FAULTS),
        (Azure, FAULTS),
        (Bitbucket, FAULTS),
    )
    for name, fault in faults.items()
    for calls_before in range(3)
]


@pytest.mark.parametrize(("kind", "fault", "calls_before"), FAULT_CASES)
@pytest.mark.parametrize("result", [PublishResult.ADDED, PublishResult.UPDATED])
def test_one_fault_of_any_request_duplicates_no_comment_and_loses_none(
    kind: type[Forge], result: PublishResult, fault: Fault, calls_before: int
) -> None:
    forge = kind()
    forge.faults = [*[respond_normally] * calls_before, fault]
    if result is PublishResult.UPDATED:
        forge.comments = [forge.new_entry(f"{HIDDEN.get(kind, MARKER)}\nold")]
    delays: list[float] = []

    with comments_of(forge) as target:
        retry_blocking(partial(publish, target, REPORT), RetryPolicy(2), (TransientForgeError,), delays.append)

    assert [body.partition("\n")[2] for body in forge.bodies()] == [REPORT.body.partition("\n")[2]]
    assert len(delays) <= 1


@pytest.mark.parametrize(
    ("kind", "fault", "calls_before"), [each for each in FAULT_CASES if each.values[0] in {GitHub, GitLab}]
)
def test_one_fault_of_any_request_does_not_keep_an_issue_open(
    kind: type[Forge], fault: Fault, calls_before: int
) -> None:
    forge = kind()
    forge.faults = [*[respond_normally] * calls_before, fault]
    forge.issues = [forge.new_entry(f"{MARKER}\nold")]
    delays: list[float] = []

    with serve_forge(forge), open_issues(job_at(forge), "Drift") as issues:
        retry_blocking(partial(close, issues, REPORT), RetryPolicy(2), (TransientForgeError,), delays.append)

    assert [each.is_open for each in forge.issues] == [False]
    assert len(delays) <= 1


@pytest.mark.parametrize("branch", ["main", "feature/a b"])
def test_the_tip_of_a_branch_on_bitbucket(branch: str) -> None:
    forge = Bitbucket()
    forge.branches = {branch: "a" * 40, "main2": "b" * 40}
    with serve_forge(forge):
        job = job_at(forge)

        assert tip_of(job, branch) == "a" * 40
        with pytest.raises(ForgeError, match="404"):
            tip_of(job, "gone")


@every_forge
def test_delays_grow_and_follow_retry_after(kind: type[Forge]) -> None:
    forge = kind()
    forge.faults = [
        respond_with(502),
        respond_with(429, **{"Retry-After": "30"}),
        respond_with(429, **{"Retry-After": "9999"}),
        respond_with(502),
    ]
    delays: list[float] = []

    with comments_of(forge) as comments, pytest.raises(TransientForgeError):
        retry_blocking(partial(publish, comments, REPORT), RetryPolicy(4), (TransientForgeError,), delays.append)

    assert 0.5 <= delays[0] <= 2.0
    assert delays[1:] == [30.0, 60.0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [GitHub, GitLab, Bitbucket])
def test_an_endless_listing_is_an_error(kind: type[Forge]) -> None:
    forge = kind()
    page = {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "same"}}
    if kind is GitHub:
        endless = ForgeResponse(200, {"data": {"repository": {"owner": {"id": "PR", "listing": page}}}})
        forge.faults = [lambda _, __: endless] * 2000
    elif kind is Bitbucket:
        forge.faults = [respond_normally, *[lambda _, __: ForgeResponse(200, {"values": [], "next": "more"})] * 2000]
    else:
        endless = ForgeResponse(200, [], {"Link": f'<{forge.url}/x>; rel="next"'})
        forge.faults = [respond_normally, *[lambda _, __: endless] * 2000]

    with comments_of(forge) as comments, pytest.raises(ForgeError, match="has too many pages"):
        publish(comments, REPORT)
