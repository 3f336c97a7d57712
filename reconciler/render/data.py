"""Pure: JSON as text."""

import json


def json_text(value: object) -> str:
    """Return a value as indented JSON with a line feed.

    The runner of a workflow takes what follows `##[` for a command, wherever it stands; to a reader of JSON an escape
    is the same.
    """
    return json.dumps(value, indent=2).replace("##[", "#\\u0023[") + "\n"
