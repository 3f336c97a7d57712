"""Pure: grants, keys and changed fields as JSON data and back."""

from collections.abc import Mapping
from typing import Any

from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.fields import BY_NAME, FieldKind, plain_value
from reconciler.core.grant import ClientGrant, Key


def key_json(key: Key) -> dict[str, object]:
    """Return a key as JSON data. `other_holder` is present only if the holder is of an unknown kind."""
    return {
        **({"other_holder": key.other_holder} if key.other_holder else {}),
        "client_id": key.client_id,
        "default_for": key.default_for,
        "audience": key.audience,
        "subject_type": key.subject_type,
    }


def grant_json(grant: ClientGrant) -> dict[str, object]:
    """Return a grant as JSON data with all fields, including defaults. Sets are sorted.

    `organizations` is present only if the organizations of the grant are known.
    """
    values = {name: plain_value(getattr(grant, name)) for name in _GRANT_FIELDS}
    return {**key_json(grant.key), **{name: value for name, value in values.items() if value is not None}}


_GRANT_FIELDS = ClientGrant._fields[1:]


def key_from_json(data: Mapping[str, Any]) -> Key:
    """Return the key that `key_json` wrote."""
    return Key(
        data["client_id"], data["audience"], data["subject_type"], data["default_for"], data.get("other_holder", "")
    )


def grant_from_json(data: Mapping[str, Any]) -> ClientGrant:
    """Return the grant that `grant_json` wrote."""
    values = {name: data[name] for name in _GRANT_FIELDS if data.get(name) is not None}
    sets = {name: frozenset(value) for name, value in values.items() if BY_NAME[name].kind is FieldKind.SET}
    return ClientGrant(key_from_json(data), **{**values, **sets})


def field_json(change: FieldChange) -> dict[str, object]:
    """Return a changed field: the added and removed items of a set, or both values of a setting."""
    match change:
        case SetChange():
            return {"field": change.field, "added": list(change.added), "removed": list(change.removed)}
        case ValueChange():
            return {"field": change.field, "before": change.before, "after": change.after}
