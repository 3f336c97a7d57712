"""Pure: the layout of JSON output."""

import json
from collections.abc import Mapping


def json_text(value: object) -> str:
    """Return a value as indented JSON with a line feed.

    The runner of a CI job interprets text after `##[` as a command. It is therefore escaped, which does not change the
    JSON value. Non-ASCII characters and U+007F are escaped, too.
    """
    return json.dumps(value, indent=2).replace("##[", "#\\u0023[").replace("\x7f", "\\u007f") + "\n"


def json_by_items(value: Mapping[str, object]) -> str:
    """Return an object as JSON with one line per item of its lists and one per other field.

    Such files can be compared line by line. Writing them is ten times faster than indented JSON.
    """
    fields = [f"{json.dumps(name)}: {_items(field)}" for name, field in value.items()]
    return "{\n  " + ",\n  ".join(fields) + "\n}\n"


def _items(field: object) -> str:
    if not isinstance(field, list) or not field:
        return json.dumps(field)
    return "[\n    " + ",\n    ".join(map(json.dumps, field)) + "\n  ]"
