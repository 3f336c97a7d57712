"""Add settings to the content of reconciler.yaml without changing existing settings or comments."""

from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from reconciler.files.layout import Node, read_layout, split_lines
from reconciler.files.loader import parse
from reconciler.files.update import Edit, NotEditableError, apply_edits
from reconciler.files.write import scalar

INDENT = "  "
TENANTS = "tenants"


def add_settings(text: str, additions: Mapping[str, Any]) -> str:
    """Return the text of a YAML file with the settings in `additions` added.

    A mapping in `additions` is merged key by key into the mapping in the file. The items of a list in `additions` are
    appended to the list in the file.

    Raises:
        NotEditableError: if an edit would damage the file, or if the value of a setting in the file conflicts with the
            value in `additions`.
    """
    if not additions:
        return text
    if not text.endswith("\n"):
        text += "\n"
    before = parse(text.encode(), "")
    if before.problems or not isinstance(before.data, dict) or not before.data:
        raise NotEditableError("the file is not valid")
    layout = read_layout(text)
    changed = apply_edits(text, _SettingsEditor(text).add(layout.root, additions))
    after = parse(changed.encode(), "")
    kept = not Counter(layout.comments) - Counter(read_layout(changed).comments) if not after.problems else False
    if not kept or after.data != merged(before.data, additions):
        raise NotEditableError("the formatting of the file does not allow automatic changes")
    return changed


def add_tenant(text: str, name: str, domain: str) -> str:
    """Add a tenant to the text of a configuration file, after the other tenants.

    The caller must validate the resulting configuration file.

    Raises:
        NotEditableError: if the YAML format of the file prevents the edit.
    """
    if text and not text.endswith("\n"):
        text += "\n"
    line_end = "\r\n" if "\r\n" in text else "\n"
    name, domain = scalar(name), scalar(domain)
    root = read_layout(text).root if text.strip() else Node(0, 0, is_block=True)
    if not root.is_block:
        raise NotEditableError("all settings are on one line, or the file has no settings")
    tenants = next((part.node for part in root.parts if part.name == TENANTS), None)
    starts = [0, *accumulate(map(len, split_lines(text)))]
    if tenants is None:
        return f"{text}{TENANTS}:{line_end}  {name}:{line_end}    domain: {domain}{line_end}"
    if tenants.parts and tenants.is_block:
        first = tenants.parts[0].start
        indent = first - starts[bisect(starts, first) - 1]
        end = starts[bisect(starts, tenants.end - 1)]
        inner = " " * (2 * indent or 2)
        return f"{text[:end]}{' ' * indent}{name}:{line_end}{inner}domain: {domain}{line_end}{text[end:]}"
    if text[tenants.start : tenants.start + 1] == "{":
        at = tenants.parts[-1].node.end if tenants.parts else tenants.start + 1
        return f"{text[:at]}{', ' if tenants.parts else ''}{name}: {{domain: {domain}}}{text[at:]}"
    end = starts[bisect(starts, tenants.start)]
    if text[tenants.start : tenants.end]:
        raise NotEditableError(f"{TENANTS} has a value that is not a mapping")
    return f"{text[:end]}  {name}:{line_end}    domain: {domain}{line_end}{text[end:]}"


def merged(data: Any, additions: Any) -> Any:  # noqa: ANN401 - parsed YAML data can have any type
    """Return `data` merged with the settings in `additions`.

    Raises:
        NotEditableError: if the value of a setting in `data` conflicts with the value in `additions`.
    """
    match data, additions:
        case dict(), dict():
            return {**data, **{name: merged(data.get(name), value) for name, value in additions.items()}}
        case list(), list():
            return [*data, *additions]
        case None, _:
            return additions
        case _ if data == additions:
            return data
    raise NotEditableError(f"a setting already has a different value than {scalar(str(additions))}")


def write_settings(additions: Mapping[str, Any]) -> str:
    """Return the text of a new YAML file with the settings in `additions`."""
    return "".join(f"{line}\n" for line in _block(additions, ""))


class _SettingsEditor:
    """Finds the edits that add settings to the text of a YAML file."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line_end = "\r\n" if "\r\n" in text else "\n"
        self._starts = [0, *accumulate(map(len, split_lines(text)))]

    def add(self, node: Node, additions: Mapping[str, Any]) -> Iterator[Edit]:
        """Yield the edits that add the settings in `additions` to the mapping `node`."""
        parts = {part.name: part for part in node.parts}
        missing: dict[str, Any] = {}
        for name, value in additions.items():
            part = parts.get(name)
            if part is None:
                missing[name] = value
            elif isinstance(value, Mapping):
                self._require(part.node, "{")
                yield from self.add(part.node, value)
            elif isinstance(value, list):
                self._require(part.node, "[")
                yield from self._insert(part.node, value)
            elif part.node.text != value:
                raise NotEditableError(f"{scalar(name)} already has a different value than {scalar(str(value))}")
        if missing:
            yield from self._insert(node, missing)

    def _require(self, node: Node, bracket: str) -> None:
        """Raise NotEditableError if the value `node` is empty or has the wrong type.

        `bracket` selects the required type: `{` for a mapping, `[` for a list.
        """
        is_block = node.is_block and bool(node.parts) and bool(node.parts[0].name) == (bracket == "{")
        if not is_block and not self._text.startswith(bracket, node.start):
            raise NotEditableError("a setting is empty or has the wrong type; correct it")

    def _insert(self, node: Node, values: Mapping[str, Any] | list[Any]) -> Iterator[Edit]:
        if not node.is_block:
            inside = _flow(values)[1:-1]
            end = node.parts[-1].node.end if node.parts else node.start + 1
            yield Edit(end, end, f", {inside}" if node.parts else inside)
            return
        indent = " " * (node.parts[0].start - self._starts[self._line(node.parts[0].start)])
        position = self._starts[self._line(node.end - 1) + 1]
        yield Edit(position, position, "".join(f"{line}{self._line_end}" for line in _block(values, indent)))

    def _line(self, position: int) -> int:
        return bisect(self._starts, position) - 1


def _block(value: Mapping[str, Any] | list[Any], indent: str) -> Iterator[str]:
    """Yield the lines of a mapping or list in YAML block style (without brackets).

    Each list item is written on one line.
    """
    if isinstance(value, list):
        yield from (f"{indent}- {_flow(each)}" for each in value)
        return
    for name, each in value.items():
        if isinstance(each, Mapping | list) and each:
            yield f"{indent}{scalar(name)}:"
            yield from _block(each, f"{indent}{INDENT}")
        else:
            yield f"{indent}{scalar(name)}: {_flow(each)}"


def _flow(value: object) -> str:
    match value:
        case Mapping():
            return f"{{{', '.join(f'{scalar(name)}: {_flow(each)}' for name, each in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_flow, value))}]"
        case bool():
            return str(value).lower()
        case _:
            return scalar(str(value))
