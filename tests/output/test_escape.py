"""Text from files and tenants appears unchanged and without effect in the output of GitHub's own Markdown renderer."""

import re
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.characters import visible
from reconciler.output.escape import block, element, marker, span
from reconciler.output.source_links import SourceLinks

ALLOWED = {"p", "ul", "li", "code", "pre", "table", "tbody", "thead", "tr", "th", "td", "blockquote"}
ODD_TEXTS = [
    "@octocat",
    "#1",
    "https://evil.example",
    "www.evil.example a@b.example",
    "[x](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "a | b",
    "a \\| b",
    "<img src=x onerror=alert(1)>",
    "</code></td></table><b>out",
    "-->",
    "`",
    "``` `` `",
    "`a",
    "a`",
    " a ",
    "  ",
    "a\n\n# b",
    "a\r\n- b",
    "::error::x",
    "\u202eevil\u2066",
    "&amp; &#64;",
    "\\",
    "a\\",
    "$`x`$",
    "***",
]
texts = (
    st.sampled_from(ODD_TEXTS) | st.text(alphabet=" `|\\<>&@#[]()!*_~-:\n\r\tab\u202e\u00a0é", max_size=20) | st.text()
)


class Page(HTMLParser):
    """The elements of a rendered page, and the text within code elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.comments: list[str] = []
        self.code: list[str] = []
        self._inside = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not attrs or attrs == [("lang", "diff")]
        if tag == "code":
            self._inside = True
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "code"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.code[-1] += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def page(markdown: str) -> Page:
    options = Options.CMARK_OPT_UNSAFE
    return Page(cmarkgfm.github_flavored_markdown_to_html(markdown, options=options))


@given(texts)
def test_a_code_span_shows_only_its_text(text: str) -> None:
    found = page(f"> - {span(text)}: {span(text)} (rule)\n")

    assert found.tags <= ALLOWED
    assert found.code == [visible(text)] * (2 if text else 0)


@given(texts)
def test_an_element_shows_only_its_text(text: str) -> None:
    found = page(f"<table>\n<tr><td>{element(text)}</td><td>x</td></tr>\n</table>\n\nafter\n")

    assert found.tags <= ALLOWED
    assert found.code == [visible(text)]


@given(st.lists(texts.map(lambda text: f"+ {visible(text)}"), min_size=1, max_size=4))
def test_a_block_shows_only_its_lines(lines: list[str]) -> None:
    found = page("\n".join(block(lines, "diff")) + "\n\nafter\n")

    assert found.tags <= ALLOWED
    assert found.code == ["\n".join(lines) + "\n"]


@given(texts)
def test_a_marker_is_one_comment_and_unique_for_each_name(text: str) -> None:
    found = page(f"{marker(text)}\n")

    assert (found.tags, len(found.comments)) == (set(), 1)
    assert re.fullmatch(r"<!-- reconciler:[A-Za-z0-9_.~%]* -->", marker(text))


def test_a_marker_contains_the_path_of_a_configuration_other_than_the_default() -> None:
    assert marker("prod", SourceLinks(config="team-a/reconciler.yaml")) == (
        "<!-- reconciler:prod:team%2Da%2Freconciler.yaml -->"
    )
    assert marker("prod", SourceLinks(config="reconciler.yaml")) == marker("prod")


def test_markers_of_different_names_differ() -> None:
    assert len({marker(name) for name in ("a-b", "a b", "a%2Db", "a", "")}) == 5


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_no_line_is_a_workflow_command(text: str) -> None:
    for shown in (visible(text), span(text), element(text)):
        assert not shown.lstrip().startswith("::")
        assert "##[" not in shown
