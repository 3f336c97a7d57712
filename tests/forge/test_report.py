"""What is a report, and which entry is its own: whatever names tenants have, and whatever others write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ReconcilerError
from reconciler.forge.report import PostedEntry, entry_of, has_same_content, parse_report
from reconciler.output.escape import marker

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ENTRIES = st.lists(st.builds(PostedEntry, id=st.uuids().map(str), body=st.text(), is_ours=st.booleans()))


@given(NAMES)
def test_what_is_rendered_for_a_tenant_is_a_report_whatever_its_name(name: str) -> None:
    report = parse_report("plan.md", f"{marker(name)}\n## Plan\n")

    assert report.marker == marker(name)


@given(NAMES, NAMES, st.sampled_from(["\n", "\r\n"]))
def test_two_reports_in_one_file_are_refused_because_the_second_would_never_be_found(
    name: str, another: str, end: str
) -> None:
    text = end.join([marker(name), "## Plan", marker(another), "## Plan", ""])

    with pytest.raises(ReconcilerError, match=r"^plan\.md:3:1: a second report .* use \{tenant\} in its name"):
        parse_report("plan.md", text)


@given(ENTRIES, NAMES, NAMES, st.text())
def test_a_report_finds_its_own_entry_among_all_others(
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
def test_what_was_put_says_the_same_whatever_a_service_does_to_line_ends(name: str, text: str) -> None:
    report = parse_report("plan.md", f"{marker(name)}\n{text}")

    assert has_same_content(PostedEntry("own", report.body.strip().replace("\n", "\r\n"), is_ours=True), report)
    assert not has_same_content(PostedEntry("own", f"{report.body}and more", is_ours=True), report)
