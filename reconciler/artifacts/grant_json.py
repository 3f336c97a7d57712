"""Convert grants and changes of grants to JSON data and back, and render JSON data as indented text."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.fields import BY_NAME, FieldKind, plain_value
from reconciler.core.grant import ClientGrant, Key


def json_text(value: object) -> str:
    """Return a value as indented JSON with a line feed at the end.

    The runner of a CI job interprets text after `##[` as a command, so `json_text` writes `##[` with a Unicode escape.
    Non-ASCII characters and U+007F are also escaped.
    """
    return json.dumps(value, indent=2).replace("##[", "#\\u0023[").replace("\x7f", "\\u007f") + "\n"


def json_by_items(value: Mapping[str, object]) -> str:
    """Return a JSON object as text with one line for each field of the object.

    If a field contains a list, the JSON text has one line for each item of the list.

    The command `diff` can compare the JSON text line by line. Writing JSON text with the indentation of `json.dumps`
    would take ten times as long.
    """
    return "".join(_json_parts(value))


def _json_parts(value: Mapping[str, object]) -> Iterator[str]:
    field_separator = "{\n  "
    for name, field in value.items():
        yield f"{field_separator}{json.dumps(name)}: "
        field_separator = ",\n  "
        if isinstance(field, list) and field:
            item_separator = "[\n    "
            for item in field:
                yield item_separator
                yield json.dumps(item)
                item_separator = ",\n    "
            yield "\n  ]"
        else:
            yield json.dumps(field)
    yield "\n}\n"


def key_json(key: Key) -> dict[str, object]:
    """Return the identifying fields of a grant as JSON data.

    The field `other_holder` is present only if a grant read from Auth0 has both `client_id` and `default_for`, or has
    neither.
    """
    return {
        **({"other_holder": key.other_holder} if key.other_holder else {}),
        "client_id": key.client_id,
        "default_for": key.default_for,
        "audience": key.audience,
        "subject_type": key.subject_type,
    }


def grant_json(grant: ClientGrant) -> dict[str, object]:
    """Return a grant as JSON data with all fields, including fields with default values. Sets become sorted lists.

    `organizations` is present only if reconciler knows the organizations of the grant.
    """
    values = {name: plain_value(getattr(grant, name)) for name in _GRANT_FIELDS}
    return {**key_json(grant.key), **{name: value for name, value in values.items() if value is not None}}


_GRANT_FIELDS = ClientGrant._fields[1:]


def key_from_json(data: Mapping[str, Any]) -> Key:
    """Convert the JSON data of `key_json` back to a `Key`."""
    return Key(
        data["client_id"], data["audience"], data["subject_type"], data["default_for"], data.get("other_holder", "")
    )


def grant_from_json(data: Mapping[str, Any]) -> ClientGrant:
    """Convert the JSON data of `grant_json` back to a grant."""
    values = {name: data[name] for name in _GRANT_FIELDS if data.get(name) is not None}
    sets = {name: frozenset(value) for name, value in values.items() if BY_NAME[name].kind is FieldKind.SET}
    return ClientGrant(key_from_json(data), **{**values, **sets})


def field_json(change: FieldChange) -> dict[str, object]:
    """Return a changed field as JSON data.

    If the field contains a set, the JSON data contains the added and removed items. If the field contains a single
    value, the JSON data contains the old and the new value.
    """
    match change:
        case SetChange():
            return {"field": change.field, "added": list(change.added), "removed": list(change.removed)}
        case ValueChange():
            return {"field": change.field, "before": change.before, "after": change.after}
