"""Pure: compare two create requests field by field. Titles, examples and other texts are ignored."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

WORDS = frozenset({"$comment", "deprecated", "description", "example", "examples", "externalDocs", "title"})
UNORDERED = frozenset({"enum", "required", "type"})
BODY = "(body)"


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one line for each difference between two results of `openapi.create_request`.

    A line is `field: only theirs`, `field: only ours`, or `field, keyword: theirs …, ours …`. Equal requests give no
    lines.
    """
    their_fields, our_fields = _fields(theirs), _fields(ours)
    lines = [f"{name}: only theirs" for name in their_fields.keys() - our_fields.keys()]
    lines += [f"{name}: only ours" for name in our_fields.keys() - their_fields.keys()]
    for name in their_fields.keys() & our_fields.keys():
        lines += _differing(name, their_fields[name], our_fields[name])
    return tuple(sorted(lines))


def _fields(request: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the keywords of each field as text, including `required`. The body itself counts as a field."""
    required = request.get("required", ())
    fields = {
        name: {**dict(_keywords(schema)), "required": _text("required", name in required)}
        for name, schema in request["properties"].items()
    }
    whole = {name: value for name, value in request.items() if name not in {"properties", "required"}}
    return {BODY: dict(_keywords(whole)), **fields}


def _keywords(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every keyword that restricts values. Nested schemas give names such as `items.maxLength`."""
    for name, value in schema.items():
        if isinstance(value, Mapping):
            yield from _keywords(value, f"{prefix}{name}.")
        elif name not in WORDS:
            yield prefix + name, _text(name, value)


def _text(name: str, value: object) -> str:
    """Return a value as JSON. Sort lists whose order has no meaning."""
    if name in UNORDERED and isinstance(value, list):
        value = sorted(value, key=str)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _differing(field: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> Iterator[str]:
    for name in theirs.keys() | ours.keys():
        if theirs.get(name) != ours.get(name):
            yield f"{field}, {name}: theirs {theirs.get(name, 'none')}, ours {ours.get(name, 'none')}"
