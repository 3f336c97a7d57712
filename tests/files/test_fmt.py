import re
from typing import Any

import pytest
from hypothesis import given, settings
from support.grant_file_layouts import grant_files

from reconciler.core.fields import field_order, grant_order
from reconciler.core.spec import GrantSpec, PartialLocations
from reconciler.files.fmt import sort_file
from reconciler.files.loader import parse
from reconciler.files.specs import grant_specs

calm = settings(deadline=None)
COMMENT = re.compile(r"#[^\n\r]*")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def comments(text: str) -> list[str]:
    return sorted(COMMENT.findall(QUOTED.sub("", text)))


def grants_in(text: str) -> Any:
    data: Any = parse(text.encode(), "file").data
    return data["grants"]


def declared(text: str) -> list[GrantSpec]:
    """Return the declared content of a file, independent of order."""
    data: Any = parse(text.encode(), "file").data
    specs = grant_specs(data, "file")
    placeless = [spec._replace(locations=PartialLocations((1, 1)), scope=tuple(sorted(spec.scope))) for spec in specs]
    return sorted(placeless, key=repr)


@calm
@given(grant_files())
def test_sorting_keeps_the_declared_grants_and_all_comments(text: str) -> None:
    ordered = sort_file(text, "file")

    assert isinstance(ordered, str)
    assert declared(ordered) == declared(text)
    assert comments(ordered) == comments(text)
    assert sorted("".join(ordered.split())) == sorted("".join(text.split()))


@pytest.mark.parametrize("header", ["|", ">", "|-", "|+", "|2", "|+2", ">2-", "|  # about it"])
def test_a_block_without_a_last_line_end_keeps_its_value(header: str) -> None:
    text = f"grants:\n  - description: first\n    client: a\n    api: {header}\n      x\n      y"
    ordered = sort_file(text, "file")

    assert isinstance(ordered, str)
    assert ordered != text
    assert declared(ordered) == declared(text)
    assert comments(ordered) == comments(text)
    assert sort_file(ordered, "file") == ordered


@calm
@given(grant_files())
def test_sorting_is_idempotent(text: str) -> None:
    ordered = sort_file(text, "file")

    assert isinstance(ordered, str)
    assert sort_file(ordered, "file") == ordered


@calm
@given(grant_files())
def test_grants_keys_and_scopes_are_sorted(text: str) -> None:
    ordered = sort_file(text, "file")

    assert isinstance(ordered, str)
    items = list(map(dict, grants_in(ordered)))
    assert list(map(grant_order, items)) == sorted(map(grant_order, items))
    for item in items:
        assert list(map(field_order, item)) == sorted(map(field_order, item))
        assert item.get("scope", []) == sorted(item.get("scope", [])) or "#" in ordered


RULES = {
    "a comment moves with the value below it": """
grants:
  # about b
  - {client: b, api: x}
  # about a
  - {client: a, api: x}
=>
grants:
  # about a
  - {client: a, api: x}
  # about b
  - {client: b, api: x}
""",
    "a comment moves with the value before it": """
grants:
  - client: b  # about b
    scope:
      - z  # about z
      - y
    api: x  # about x
=>
grants:
  - client: b  # about b
    api: x  # about x
    scope:
      - y
      - z  # about z
""",
    "a comment that is indented deeper moves with the value above it": """
grants:
  - client: b
    api: x
    scope:
      - y
      # - z
    # at the end of b
  - client: a
    api: x
  # at the end
=>
grants:
  - client: a
    api: x
  - client: b
    api: x
    scope:
      - y
      # - z
    # at the end of b
  # at the end
""",
    "a comment that a blank line separates stays at the top": """
grants:
  # all of ours

  # about b
  - {client: b, api: x}
  - {client: a, api: x}
=>
grants:
  # all of ours

  - {client: a, api: x}
  # about b
  - {client: b, api: x}
""",
    "blank lines stay between the grants": """
grants:
  - client: c
    api: x

  - client: b
    api: x
  - client: a
    api: x
=>
grants:
  - client: a
    api: x

  - client: b
    api: x
  - client: c
    api: x
""",
    "the first key of a grant follows the hyphen": """
grants:
  -   scope: [a]
      # the API
      api: x
      # who
      client: a
=>
grants:
  # who
  -   client: a
      # the API
      api: x
      scope: [a]
""",
    "brackets over several lines keep their layout": """
grants:
  - {api: x, scope: [c,
      a, b], client: a}
=>
grants:
  - {client: a, api: x, scope: [a,
      b, c]}
""",
    "brackets with comments are not sorted": """
grants:
  - scope: [b,  # why
      a]
    client: a
    api: x
=>
grants:
  - client: a
    api: x
    scope: [b,  # why
      a]
""",
    "a block scalar is moved as a whole": """
grants:
  - description: |
      first  # no comment

      second
    api: x
    client: a
=>
grants:
  - client: a
    api: x
    description: |
      first  # no comment

      second
""",
    "a hyphen on its own line stays on its own line": """
grants:
  -  # alone
    api: x
    client: a
=>
grants:
  -  # alone
    client: a
    api: x
""",
    "the last line may have no line end": """
grants:
- api: x
  client: b
- api: x
  client: a
=>
grants:
- client: a
  api: x
- client: b
  api: x
""",
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_comments_and_blank_lines_follow_the_rules(rule: str) -> None:
    before, after = rule.lstrip("\n").split("=>\n")

    assert sort_file(before.removesuffix("\n"), "file") == after
    assert sort_file(before.replace("\n", "\r\n"), "file") == after.replace("\n", "\r\n")
