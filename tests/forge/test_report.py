"""Parse reports and find their entries, for any name of a tenant and any entries of other authors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ReconcilerError
from reconciler.forge.report import PostedEntry, entry_of, has_same_content, parse_report
from reconciler.output.escape import marker

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ENTRIES = st.lists(st.builds(PostedEntry, id=st.uuids().map(str), body=st.text(), is_ours=st.booleans()))


@given(NAMES)
def test_a_marker_with_any_tenant_name_starts_a_report(name: str) -> None:
    report = parse_report("plan.md", f"{marker(name)}\n## Plan\n")

    assert report.marker == marker(name)


@given(NAMES, NAMES, st.sampled_from(["\n", "\r\n"]))
def test_two_reports_in_one_file_are_refused(name: str, another: str, end: str) -> None:
    text = end.join([marker(name), "## Plan", marker(another), "## Plan", ""])

    with pytest.raises(ReconcilerError, match=r"^plan\.md:3:1: a second report .* use \{tenant\} in its name"):
        parse_report("plan.md", text)


@given(ENTRIES, NAMES, NAMES, st.text())
def test_the_entry_of_a_report_is_found_among_other_entries(
    others: list[PostedEntry], name: str, another: str, text: str
) -> None:
    report = parse_report("plan.md", f"{marker(name)}\n{text}")
    strangers = [
        PostedEntry("stranger", report.body, is_ours=False),
        PostedEntry("quoted", f"> {report.body}", is_ours=True),
    ]
    if another != name:
        strangers.append(PostedEntry("another", f"{marker(another)}\n{text}", is_ours=True))
    own = PostedEntry("own", f"{marker(name)}\r\nas it was", is_ours=True)

    assert entry_of(report, [*strangers, *others]) is None
    assert entry_of(report, [*strangers, *others, own, own]) == own


@given(NAMES, st.text(st.characters(exclude_characters="\r")))
def test_changed_line_ends_and_whitespace_do_not_change_the_content(name: str, text: str) -> None:
    report = parse_report("plan.md", f"{marker(name)}\n{text}")

    assert has_same_content(PostedEntry("own", report.body.strip().replace("\n", "\r\n"), is_ours=True), report)
    assert not has_same_content(PostedEntry("own", f"{report.body}and more", is_ours=True), report)
