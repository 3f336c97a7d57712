"""Reports in the Markdown of Azure DevOps and Bitbucket."""

from dataclasses import replace
from html import escape

import pytest
from cmarkgfm import cmark
from support.builders import a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed

from reconciler.core.plan import Blocked
from reconciler.output.markdown.document import without_alerts, without_html
from reconciler.output.markdown.plan import plan_markdown
from reconciler.output.source_links import SourceLinks

NAMES = ["@octocat", "a|b", "</table>", "```", "a`</code>`b", "--><script>", "<td>x</td>", "[!CAUTION]", "<br>"]
HOSTILE = a_directory({f"app{n}": name for n, name in enumerate(NAMES)}, [an_api()])


def hostile_plan() -> str:
    specs = [a_spec(line=n + 1, client_id=f"app{n}", description=f"why {name}") for n, name in enumerate(NAMES)]
    plan = a_plan(specs, [an_observed(a_grant(a_key("other")))], HOSTILE)
    plan = replace(plan, blocked=tuple(Blocked(each, "denied: <b>`x`") for each in plan.changes[:2]))
    return plan_markdown(plan, links=SourceLinks("/work", "/work", "https://example.com/blob/abc", commit="abc"))


def test_alerts_become_bold_words_for_azure() -> None:
    markdown = hostile_plan()

    converted = without_alerts(markdown)

    assert "\n> [!" not in converted
    assert "\n> **Caution:**\n> **2 changes are blocked" in converted
    assert converted.replace("**Caution:**", "[!CAUTION]") == markdown


def test_a_table_becomes_a_list_for_bitbucket() -> None:
    scopes = tuple(f"read:{number}" for number in range(8))
    api = an_api(scopes=frozenset(scopes))
    spec = a_spec(scope=scopes, organization_usage="allow", allow_any_organization=True, description="OPS-1")
    plan = a_plan([spec], [], a_directory({"billing": "Billing"}, [api]))

    (row,) = (line for line in without_html(plan_markdown(plan)).splitlines() if line.startswith("- **+ create**"))

    assert row.startswith("- **+ create** `Billing -> Invoices API`, `+read:0` `+read:1`")
    assert " `+read:5` +2 more: `+read:6` `+read:7`; " in row
    risk = plan.risks[plan.changes[0].key][0]
    assert f", **high** `{risk.message}` (`{risk.rule}`)" in row
    assert row.endswith(", `grants/a.yaml:2`; `OPS-1`")


def test_a_report_for_bitbucket_has_html_only_inside_of_code() -> None:
    converted = without_html(hostile_plan())
    hidden, _, visible = converted.partition("\n")

    assert hidden.startswith("<!-- reconciler:")
    rendered = cmark.markdown_to_html(visible)
    assert "raw HTML omitted" not in rendered
    for name in NAMES:
        assert f"<code>{escape(name)}" in rendered


def test_code_blocks_are_not_converted() -> None:
    text = "```diff\n> [!CAUTION]\n<table>\n```\n> [!NOTE]\n<table>\n"

    assert without_html(text) == "```diff\n> [!CAUTION]\n<table>\n```\n> **Note:**\n"


@pytest.mark.parametrize("convert", [without_alerts, without_html])
def test_lines_without_markup_stay_as_they_are(convert: type[str]) -> None:
    text = "### `prod`\n\n- `<td>x</td>`: **a**\n\n"

    assert convert(text) == text
