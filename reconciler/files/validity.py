"""Pure: check quickly whether data is valid against a JSON Schema (2020-12), with jsonschema-rs."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

Check = Callable[[object], bool]


def validity_check(schema: Mapping[str, Any]) -> Check:
    """Return a function that returns whether data is valid against `schema`.

    The function also returns False if jsonschema-rs cannot read the data or the schema. Then jsonschema decides.
    """
    return _compiled(json.dumps(schema))


@lru_cache(maxsize=16)
def _compiled(schema: str) -> Check:
    """Return the check for a schema in JSON. Cached, because compiling takes longer than checking a small file."""
    from jsonschema_rs import Draft202012Validator, ReferencingError, ValidationError

    try:
        is_valid = Draft202012Validator(json.loads(schema), validate_formats=False).is_valid
    except (OverflowError, ReferencingError, ValidationError, ValueError):
        return lambda _: False

    def check(data: object) -> bool:
        try:
            return is_valid(data)
        except (OverflowError, ValidationError, ValueError):
            return False

    return check
