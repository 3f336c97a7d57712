"""Hypothesis strategies for grant files in many layouts: any order, any YAML style, comments and blank lines."""

from collections.abc import Iterator

from hypothesis import strategies as st

from reconciler.files.write import double_quoted

COMMENTS = ("# why", "#", "# a: b", "#- x", "# 'quoted", "# é \U0001f0a1", "# [", "# - client: old")
TEXTS = ("a", "B", "read:x", "a # b", "#a", "x'y", 'x"y', "[a]", "a, b", "- a", "é", "a: b", "${x}")
FIELDS: dict[str, st.SearchStrategy[str | list[str]]] = {
    "description": st.sampled_from(["Nightly run", "one\ntwo # not a comment\n", "one\n\n  two\n", " # x"]),
    "organization_usage": st.just("allow"),
    "scope": st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4, unique=True),
}


@st.composite
def grant_files(draw: st.DrawFn) -> str:
    """A grant file without problems."""
    keys = st.tuples(
        st.sampled_from(["client", "client_id"]), st.sampled_from(TEXTS), st.sampled_from(["api", "audience"])
    )
    grants = draw(st.lists(keys, max_size=4, unique=True))
    lines = [*draw(_comment_lines("")), f"grants:{draw(_comment)}" if grants else "grants: []"]
    dash = draw(st.sampled_from(["", "  ", "    "]))
    for holder, text, api in grants:
        optional: dict[str, str | list[str]] = draw(st.fixed_dictionaries({}, optional=FIELDS))
        fields = {holder: text, api: text} | optional
        lines += [*draw(_comment_lines(dash)), *_indented(draw(_item(fields)), dash)]
    lines += draw(_comment_lines(draw(st.sampled_from(["", "  ", "      "]))))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    ends = [end, end * 2, *([""] if "|" not in "".join(lines[-4:]) else [])]
    return end.join(lines) + draw(st.sampled_from(ends))


_comment = st.just("") | st.sampled_from(COMMENTS).map(lambda comment: f"  {comment}")


def _comment_lines(indent: str) -> st.SearchStrategy[list[str]]:
    """Comments and blank lines."""
    return st.lists(st.just("") | st.sampled_from(COMMENTS).map(lambda comment: indent + comment), max_size=3)


def _indented(lines: list[str], indent: str) -> Iterator[str]:
    return (indent + line if line else line for line in lines)


@st.composite
def _item(draw: st.DrawFn, fields: dict[str, str | list[str]]) -> list[str]:
    names = draw(st.permutations(list(fields)))
    if draw(st.integers(0, 4)) == 0:
        inner = ", ".join(f"{name}: {_flow(fields[name])}" for name in names)
        return [f"- {{{inner}}}{draw(_comment)}"]
    lines: list[str] = []
    for name in names:
        lines += (
            [*draw(_comment_lines("")), *draw(_field(name, fields[name]))]
            if lines
            else draw(_field(name, fields[name]))
        )
    if draw(st.integers(0, 4)) == 0:
        return [f"-{draw(_comment)}", *draw(_comment_lines("    ")), *_indented(lines, "    ")]
    first, *rest = lines
    gap = draw(st.sampled_from(["", " "]))
    return [f"- {gap}{first}", *_indented(rest, f"  {gap}")]


@st.composite
def _field(draw: st.DrawFn, name: str, value: str | list[str]) -> list[str]:
    if isinstance(value, str):
        if "\n" in value and value[0] != " " and draw(st.booleans()):
            return [f"{name}: |{draw(_comment)}", *_indented(value.removesuffix("\n").split("\n"), "   ")]
        return [f"{name}: {double_quoted(value)}{draw(_comment)}"]
    if draw(st.booleans()):
        return [f"{name}: {_flow(value)}{draw(_comment)}"]
    if draw(st.integers(0, 4)) == 0:
        items = [f"     {double_quoted(item)},{draw(_comment)}" for item in value]
        return [f"{name}: [{draw(_comment)}", *items, f"  ]{draw(_comment)}"]
    indent = draw(st.sampled_from(["", "  "]))
    lines = [f"{name}:{draw(_comment)}"]
    for item in value:
        lines += [*draw(_comment_lines(indent)), f"{indent}- {double_quoted(item)}{draw(_comment)}"]
    return [*lines, *draw(_comment_lines(f"{indent}    "))]


def _flow(value: str | list[str]) -> str:
    return double_quoted(value) if isinstance(value, str) else f"[{', '.join(map(double_quoted, value))}]"
