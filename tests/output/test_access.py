"""The access report in every format: complete, and without effect of hostile texts."""

import csv
import hashlib
import io
import json
import re
from base64 import b64encode
from collections.abc import Callable
from html.parser import HTMLParser

import cmarkgfm
import jsonschema
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st
from support.access import (
    HOSTILE,
    a_hostile_report,
    a_large_report,
    a_tenant_access,
    an_access_grant,
    an_access_report,
    unread_part,
)

from reconciler.artifacts.grant_json import json_text
from reconciler.contract import stored
from reconciler.core.access.report import AccessReport, AccessState, GrantLevel
from reconciler.core.characters import visible
from reconciler.output.access.html import MAX_STATIC_ROWS, access_html, asset, link, tag, verbatim
from reconciler.output.access.json import access_json
from reconciler.output.access.tables import access_csv, access_lines, access_markdown
from reconciler.output.styled import plain

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2066-\u2069]")
MAX_PAGE_BYTES = 1_000_000


def text_of(report: AccessReport) -> str:
    return plain(access_lines(report, verbose=True))


EVERY_FORMAT: dict[str, Callable[[AccessReport], str]] = {
    "text": text_of,
    "json": lambda report: json_text(access_json(report)),
    "csv": access_csv,
    "markdown": access_markdown,
    "html": access_html,
}
every_format = pytest.mark.parametrize("render", EVERY_FORMAT.values(), ids=EVERY_FORMAT)


class Elements(HTMLParser):
    """Collects the elements of a page, and the content of its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.contents: list[tuple[str, dict[str, str], str]] = []
        self._open: tuple[str, dict[str, str]] | None = None
        self.feed(page)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        pairs = {key: value or "" for key, value in attributes}
        self.names.append(name)
        self.attributes += pairs.items()
        self._open = (name, pairs) if name in {"script", "style"} else None

    def handle_data(self, text: str) -> None:
        if self._open:
            self.contents.append((*self._open, text))

    def handle_endtag(self, name: str) -> None:
        if name in {"script", "style"}:
            self._open = None


@every_format
def test_every_format_is_a_function_of_the_report(render: Callable[[AccessReport], str]) -> None:
    assert render(a_large_report(40)) == render(a_large_report(40))


@every_format
def test_every_format_names_what_was_not_read(render: Callable[[AccessReport], str]) -> None:
    shown = render(an_access_report(unread_part(), history="the clone is shallow"))

    assert "the token lacks read:client_grants" in shown
    assert "the clone is shallow" in shown


@every_format
def test_no_format_contains_a_control_or_invisible_character(render: Callable[[AccessReport], str]) -> None:
    assert not CONTROL.search(render(a_hostile_report()).replace("\r\n", "\n"))


@every_format
def test_no_format_starts_a_line_like_a_command_of_a_runner(render: Callable[[AccessReport], str]) -> None:
    shown = render(a_hostile_report())

    assert not re.search(r"^\s*::", shown, re.MULTILINE)
    assert "##[" not in shown


def test_a_long_word_stays_on_one_line_of_text() -> None:
    address = "https://wiki.example.com/" + "x" * 200

    assert f" {address}\n" in text_of(an_access_report(a_tenant_access(an_access_grant(description=address))))


def test_json_of_a_hostile_report_follows_the_schema_and_loses_nothing() -> None:
    data = json.loads(json_text(access_json(a_hostile_report())))

    jsonschema.validate(data, stored.load(stored.ACCESS))
    assert sorted(each["application"] for each in data["tenants"][0]["grants"]) == sorted(HOSTILE)


def test_unknown_values_are_unknown_in_json_and_never_false() -> None:
    grant = an_access_grant(third_party=None, audience=None, organizations=None, token_lifetime=None)
    (found,) = json.loads(json_text(access_json(an_access_report(a_tenant_access(grant)))))["tenants"][0]["grants"]

    unknown = [name for name, value in found.items() if value == "unknown"]
    assert unknown == ["third_party", "audience", "organizations", "token_lifetime"]


# CSV


def test_no_cell_of_a_hostile_csv_starts_a_formula() -> None:
    text = access_csv(a_hostile_report())

    for separator in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(text), delimiter=separator):
            assert not [cell for cell in row if cell.lstrip().startswith(("=", "+", "-", "@"))], separator


@given(st.text(max_size=30))
def test_csv_has_one_line_per_grant_and_equal_columns(text: str) -> None:
    grant = an_access_grant(application=text, description=text)
    rows = list(csv.reader(io.StringIO(access_csv(an_access_report(a_tenant_access(grant)))), strict=True))

    assert [len(row) for row in rows] == [18, 18]


# Markdown


def test_hostile_markdown_has_no_link_image_or_element() -> None:
    markdown = access_markdown(a_hostile_report())
    shown = cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE)

    elements = Elements(shown)
    assert {"script", "img", "svg", "a", "em"}.isdisjoint(elements.names)
    assert [name for name, _ in elements.attributes if name.startswith("on")] == []
    rows = [row for row in shown.split("<tr>") if "undeclared" in row]
    assert {row.count("<td") for row in rows if "<td>!!</td>" in row} == {8}
    assert len([row for row in rows if "<td>!!</td>" in row]) == len(HOSTILE)


# HTML


def test_a_hostile_page_has_only_the_own_elements_of_the_page() -> None:
    elements = Elements(access_html(a_hostile_report()))

    assert elements.names.count("script") == 2
    assert {"img", "svg", "iframe", "object", "form", "base"}.isdisjoint(elements.names)
    assert [pair for pair in elements.attributes if pair[0].startswith("on") or pair[0] == "style"] == []
    assert [value for name, value in elements.attributes if name in {"href", "src"}] == ["data:,", "#content"]


def test_the_policy_of_the_page_has_the_hashes_of_its_style_and_script() -> None:
    page = access_html(a_hostile_report())
    elements = Elements(page)
    policy = next(value for name, value in elements.attributes if name == "content" and "default-src" in value)

    for name, attributes, content in elements.contents:
        digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert (f"{name}-src 'sha256-{digest}'" in policy) is (attributes.get("type") != "application/json")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_the_data_of_a_page_cannot_end_its_element() -> None:
    contents = Elements(access_html(a_hostile_report())).contents
    (data,) = [content for _, attributes, content in contents if attributes.get("type") == "application/json"]

    assert "<" not in data
    values = json.loads(data)["values"]
    assert visible(HOSTILE[0]) in json.dumps(values, ensure_ascii=False)


def test_the_page_without_script_has_every_grant() -> None:
    static = access_html(a_large_report(200)).partition('id="static"')[2].partition("<script")[0]

    assert static.count("<tr") == 201


def test_a_large_page_is_small_and_says_that_its_plain_table_is_shorter() -> None:
    page = access_html(a_large_report(10_000))

    assert len(page.encode()) < MAX_PAGE_BYTES
    assert f"The table has {MAX_STATIC_ROWS:,} of 10,000 grants" in page


def test_a_complete_report_says_so() -> None:
    assert "Complete: every list of every tenant was read" in access_html(an_access_report())
    assert "Complete:" not in access_html(an_access_report(unread_part()))


def test_the_script_never_parses_text_as_html() -> None:
    script = asset("page.js")

    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch("):
        assert name not in script


def test_elements_escape_texts_and_attributes() -> None:
    assert tag("p", "<b>", class_='"x"') == '<p class="&quot;x&quot;">&lt;b&gt;</p>'
    assert link("label<", "javascript:alert()") == "label&lt;"


def test_verbatim_content_must_not_end_its_element() -> None:
    with pytest.raises(ValueError, match="closes the script element"):
        verbatim("script", "</SCRIPT>")


# text


def test_text_shows_state_risk_and_last_change() -> None:
    grant = an_access_grant(state=AccessState.UNDECLARED, level=GrantLevel.HIGH, source=None)
    shown = text_of(an_access_report(a_tenant_access(grant)))

    assert "  !  Billing -> Invoices API  [undeclared]\n      read:invoices\n" in shown
    assert "declared since" not in shown
