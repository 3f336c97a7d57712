"""Change or remove grants in the text of a grant file.

Lines outside the changed values stay as they are.

Scopes and organizations are added and removed individually. A new field is inserted at the position of the field in the
canonical order. Comments above a removed grant or list item are removed, too, because the comments describe the removed
text.
"""

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from reconciler.core.fields import field_order
from reconciler.core.imports.selection import FileUpdates, GrantSplit, GrantUpdate, SetUpdate
from reconciler.files.layout import BLOCK_HEADER, LayoutPart, Node, read_layout, split_lines
from reconciler.files.write import scalar

TENANTS = "tenants"


class NotEditableError(Exception):
    """The error for a YAML value that cannot be edited without a loss of text."""


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit that replaces the characters from `start` up to, but not including, `end` with `text`."""

    start: int
    end: int
    text: str


def update_text(text: str, updates: FileUpdates) -> str:
    """Apply changes and removals of grants to the text of a grant file, and return the new text.

    The grant file must be valid. `updates` maps the line and column of each changed grant to the update of the grant.
    The value None in `updates` removes the grant.

    Raises:
        NotEditableError: if the YAML format of a value prevents the edit.
    """
    if not text.endswith("\n"):
        text += "\n"
    by_index = _Editor(text).by_index(updates)
    copied = [index for index, each in by_index.items() if isinstance(each, GrantSplit) and each.update is not None]
    text = apply_edits(text, _Editor(text).copies(copied))
    return apply_edits(text, _Editor(text).edits(_without_splits(by_index, copied)))


def _without_splits(
    updates: Mapping[int, GrantUpdate | GrantSplit | None], copied: Sequence[int]
) -> Mapping[int, GrantUpdate | None]:
    """Return a mapping from grant index to update. The indexes are correct after the grants in `copied` are duplicated.

    A duplicate is directly below the original grant, so a duplicate shifts the index of each later grant by one.
    """
    found: dict[int, GrantUpdate | None] = {}
    for index, update in updates.items():
        moved = index + sum(each < index for each in copied)
        if not isinstance(update, GrantSplit):
            found[moved] = update
            continue
        found[moved] = GrantUpdate({TENANTS: update.others})
        if update.update is not None:
            own = SetUpdate(update.others.remove, (update.tenant,))
            found[moved + 1] = GrantUpdate({**update.update.fields, TENANTS: own})
    return found


def apply_edits(text: str, found: Iterable[Edit]) -> str:
    """Apply edits to a text and return the new text. Raises NotEditableError if two edits overlap."""
    edits = sorted(found, key=lambda edit: (edit.start, edit.end))
    for first, second in pairwise(edits):
        if first.end > second.start:
            raise NotEditableError("two changes concern the same text")
    for edit in reversed(edits):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


class _Editor:
    """Finds the edits that update a grant file. The last line of the file must end with a line end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line_end = "\r\n" if "\r\n" in text else "\n"
        self._starts = [0, *accumulate(map(len, split_lines(text)))]
        self._grants = next(part for part in read_layout(text).root.parts if part.name == "grants")

    def by_index(self, updates: FileUpdates) -> dict[int, GrantUpdate | GrantSplit | None]:
        """Convert the keys of `updates` from the line and column of a grant to the index of the grant in the file."""
        found: dict[int, GrantUpdate | GrantSplit | None] = {}
        for index, item in enumerate(self._grants.node.parts):
            line = self._line(item.node.start)
            mark = line + 1, item.node.start - self._starts[line] + 1
            if mark in updates:
                found[index] = updates[mark]
        return found

    def copies(self, indexes: Iterable[int]) -> Iterator[Edit]:
        """Yield the edits that insert a copy of each grant in `indexes` directly after the original grant.

        Comments outside a grant are not copied.
        """
        for index in indexes:
            item = self._grants.node.parts[index]
            if self._grants.node.is_block:
                start, end = self._starts[self._line(item.start)], self._end_of_line(item.node)
                yield Edit(end, end, self._text[start:end])
            else:
                yield Edit(item.node.end, item.node.end, f", {self._text[item.start : item.node.end]}")

    def edits(self, updates: Mapping[int, GrantUpdate | None]) -> Iterator[Edit]:
        """Yield the edits that apply `updates` to the grants.

        `updates` maps the index of each changed grant to the update of the grant. The edits do not overlap.
        """
        items = self._grants.node.parts
        yield from self._remove_parts(self._grants, [items[index] for index in updates if updates[index] is None])
        for index, update in updates.items():
            if update is not None:
                yield from self._update_grant(items[index].node, update)

    def _update_grant(self, grant: Node, update: GrantUpdate) -> Iterator[Edit]:
        present = {part.name: part for part in grant.parts}
        missing: list[str] = []
        for name, value in update.fields.items():
            part = present.get(name)
            match value:
                case SetUpdate() if part is not None:
                    yield from self._update_set(part, value)
                case SetUpdate(add=()):
                    pass
                case str() | bool() if part is not None:
                    yield self._replace_scalar(part.node, _scalar(value))
                case _:
                    missing.append(name)
        for name in sorted(missing, key=field_order):
            yield self._new_field(grant, name, update.fields[name])

    def _replace_scalar(self, node: Node, value: str) -> Edit:
        """Return the edit that replaces a scalar value. A comment in the header of a block scalar is kept."""
        header = BLOCK_HEADER.match(self._text, node.start, node.end)
        comment = header.group("comment") if header else None
        return Edit(node.start, node.end, f"{value}  {comment.rstrip()}" if comment else value)

    def _new_field(self, grant: Node, name: str, value: str | SetUpdate | bool) -> Edit:  # noqa: FBT001 - a value
        items = list(map(scalar, value.add)) if isinstance(value, SetUpdate) else None
        if not grant.is_block:
            shown = _scalar(value) if items is None else f"[{', '.join(items)}]"
            end = grant.parts[-1].node.end
            return Edit(end, end, f", {name}: {shown}")
        first = grant.parts[0]
        indent = " " * (first.start - self._starts[self._line(first.start)])
        lines = [f"{indent}{name}: {_scalar(value)}"]
        if items is not None:
            lines = [f"{indent}{name}:", *(f"{indent}  - {each}" for each in items)]
        later = next((part for part in grant.parts[1:] if field_order(part.name) > field_order(name)), None)
        position = self._end_of_line(grant.parts[-1].node)
        if later is not None:
            previous = grant.parts[grant.parts.index(later) - 1]
            position = self._end_of_line(previous.node)
        return Edit(position, position, "".join(f"{each}{self._line_end}" for each in lines))

    def _update_set(self, part: LayoutPart, update: SetUpdate) -> Iterator[Edit]:
        node = part.node
        removed = [item for item in node.parts if item.node.text in update.remove]
        if not node.is_block:
            kept = [self._text[item.start : item.node.end] for item in node.parts if item not in removed]
            yield self._flow_list(node, [*kept, *map(scalar, update.add)])
            return
        if update.add:
            last = node.parts[-1]
            indent = " " * (last.start - self._starts[self._line(last.start)])
            position = self._end_of_line(last.node)
            lines = (f"{indent}- {scalar(each)}{self._line_end}" for each in update.add)
            yield Edit(position, position, "".join(lines))
            for item in removed:
                yield self._remove_lines(item, part)
        else:
            yield from self._remove_parts(part, removed)

    def _flow_list(self, node: Node, items: Sequence[str]) -> Edit:
        """Return the edit that replaces a list in brackets with a list of `items` on one line."""
        self._refuse_comment(node)
        return Edit(node.start, node.end, f"[{', '.join(items)}]")

    def _refuse_comment(self, node: Node) -> None:
        """Raise NotEditableError if a comment is between the items of a list or mapping in brackets."""
        starts, ends = [part.start for part in node.parts], [part.node.end for part in node.parts]
        gaps = zip([node.start, *ends], [*starts, node.end], strict=True)
        if any("#" in self._text[start:end] for start, end in gaps):
            raise NotEditableError("a list between brackets contains a comment; write each item on its own line")

    def _remove_parts(self, outer: LayoutPart, removed: Sequence[LayoutPart]) -> Iterator[Edit]:
        """Yield the edits that remove items of the list `outer`. If no item remains, the list becomes `[]`."""
        node = outer.node
        if not removed:
            return
        if not node.is_block:
            yield self._flow_list(
                node, [self._text[item.start : item.node.end] for item in node.parts if item not in removed]
            )
            return
        if len(removed) == len(node.parts):
            colon = self._text.index(":", outer.start + len(outer.name))
            yield Edit(colon + 1, colon + 1, " []")
        for item in removed:
            yield self._remove_lines(item, outer)

    def _remove_lines(self, item: LayoutPart, outer: LayoutPart) -> Edit:
        """Return the edit that removes the lines of a list item and the comments of the list item."""
        first = self._line(item.start)
        items = outer.node.parts
        index = items.index(item)
        limit = self._line(items[index - 1].node.end - 1) if index else self._line(outer.start)
        column = item.start - self._starts[first]
        while first - 1 > limit and self._is_comment(first - 1, column):
            first -= 1
        end = self._line(self._end_of_line(item.node) - 1)
        end_limit = self._line(items[index + 1].start) if index + 1 < len(items) else len(self._starts) - 1
        for line in range(end + 1, end_limit):  # blank lines do not end the comments of the item
            if self._is_comment(line, column + 1):
                end = line
            elif not self._is_blank(line):
                break
        if self._is_blank(first - 1) and (end + 1 >= len(self._starts) - 1 or self._is_blank(end + 1)):
            first -= 1
        return Edit(self._starts[first], self._starts[end + 1], "")

    def _is_comment(self, line: int, column: int) -> bool:
        """Return whether a line contains only a comment with an indentation of at least `column`."""
        text = self._text[self._starts[line] : self._starts[line + 1]]
        stripped = text.lstrip(" \t")
        return stripped.startswith("#") and len(text) - len(stripped) >= column

    def _is_blank(self, line: int) -> bool:
        return line >= 0 and not self._text[self._starts[line] : self._starts[line + 1]].strip()

    def _end_of_line(self, node: Node) -> int:
        """Return the index at which the line after a value starts."""
        return self._starts[self._line(node.end - 1) + 1]

    def _line(self, position: int) -> int:
        return bisect(self._starts, position) - 1


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else scalar(str(value))
