"""The fast reader and the parser give equal results, for any layout and for simple files with random changes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.grant_file_layouts import grant_files

from reconciler.files.document import NO_POSITIONS, YamlList, YamlMapping, mark_of
from reconciler.files.fast_yaml import read_fast
from reconciler.files.loader import parse, parse_by_events
from reconciler.files.write import scalar

PLAIN = """\
# Who?

grants:
  - client: App é 1
    api: "Orders: all"
  # 2
  - client_id: ${id}
    audience: https://x/
    scope:
      - read:a
      - 12
    allow_all_scopes: true  # "c
  - client_id: a # b
    scope: [read:a, "b, ]", c d]
    organizations:  # d
      - "o # "  # e
      - p

"""
LONGEST_CUT = 16
PUT_IN = "\n\r\t \x85\u2028\ufeff\x00\x7f-:?,[]{}#&*!|>'\"%@`\\~=<.0tn_aAé${\U0001f600"


def values_with_positions(data: Any, path: tuple[str | int, ...] = ()) -> list[object]:
    """Return all values with their positions."""
    here: list[object] = [path, mark_of(data, ()), type(data)]
    if isinstance(data, YamlMapping):
        inner = [
            (mark_of(data, (key,), key=True), values_with_positions(value, (*path, key))) for key, value in data.items()
        ]
        return [*here, dict(data.value_marks), *inner]
    if isinstance(data, YamlList):
        return [
            *here,
            list(data.item_marks),
            *(values_with_positions(item, (*path, at)) for at, item in enumerate(data)),
        ]
    return [*here, data]


def both_agree(text: str) -> bool:
    """Return whether the fast reader accepts a text. Assert that the parser gives the same result without problems."""
    if read_fast(text, NO_POSITIONS) is None:
        return False
    quick, by_events = parse(text.encode(), "f.yaml"), parse_by_events(text, "f.yaml")
    assert by_events.problems == quick.problems == ()
    assert values_with_positions(quick.data) == values_with_positions(by_events.data)
    return True


def test_a_file_in_the_subset_is_read_by_the_fast_reader() -> None:
    assert both_agree(PLAIN)


@given(grant_files())
def test_any_layout_gives_equal_results(text: str) -> None:
    both_agree(text)


@pytest.mark.parametrize("character", PUT_IN)
def test_insertions_give_equal_results(character: str) -> None:
    for at in range(len(PLAIN)):
        both_agree(PLAIN[:at] + character + PLAIN[at:])
        both_agree(PLAIN[:at] + character + PLAIN[at + 1 :])


def test_deletions_give_equal_results() -> None:
    for at in range(len(PLAIN)):
        for to in range(at + 1, at + LONGEST_CUT):
            both_agree(PLAIN[:at] + PLAIN[to:])


LINES = (
    *PLAIN.splitlines(),
    *(
        "    scope:",
        "    - read:a",
        "      - - a",
        "      more",
        "   api: x",
        "    api: y #z",
        "    true: x",
        "    - a:",
    ),
    *("    api: a  b", "    api:", "grants:", "tenants: [a]", "  - tenants:", "---", "...", "   # c", "    api: 'x'"),
    *(
        "    api: -x",
        "    api: @x",
        "    api: {x}",
        "    api: }x",
        "    api: ,x",
        "    api: &x y",
        "    api: null",
        "    scope: [{a}]",
        "    scope: [-a]",
        "    api: x#y",
        "    scope:#",
        "    api: [a]x",
        "    scope: []",
        '      - "  - a # b"',
        '    api: "  api: a # b" # c',
        "    scope: [a,b]",
        "    scope: [a, ]",
        "    scope: [a: b]",
        "    scope: [a:]",
    ),
)


@pytest.mark.parametrize("line", LINES)
def test_an_added_line_gives_equal_results(line: str) -> None:
    both_agree(f"grants:\n  - client: x\n{line}\n")
    both_agree(f"grants:\n  - client: x\n    scope:\n      - read:a\n{line}\n")
    both_agree(f"grants:\n  - client: x\n{line}\n      - read:a\n")


@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_shuffled_lines_give_equal_results(some: list[str]) -> None:
    both_agree("\n".join(["grants:", "  - client: x", *some, ""]))


@given(st.text(max_size=12), st.sampled_from(["client: {}", "client: a\n    scope:\n      - {}", "{}: b"]))
def test_quoted_and_plain_scalars_give_equal_results(text: str, place: str) -> None:
    for written in (text, scalar(text), f'"{text}"'):
        try:
            written.encode()
        except UnicodeEncodeError:
            return
        both_agree(f"grants:\n  - {place.replace('{}', written)}\n    api: b\n")


@pytest.mark.parametrize("value", ["1" * 65, "a" * 1024, "a" * 1000])
def test_long_lines_are_left_to_the_parser(value: str) -> None:
    assert both_agree(f"grants:\n  - client: {value}\n") == (len(value) == 1000)
