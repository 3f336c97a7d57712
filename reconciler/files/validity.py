"""Check quickly whether data is valid against a JSON Schema (2020-12), with jsonschema-rs."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

Check = Callable[[object], bool]

MAX_CACHED = 16
_checks: dict[int, tuple[Mapping[str, Any], Check]] = {}
"""Maps the `id()` of a schema to the schema and the compiled check of the schema.

Most files of a run have the same schema. Without the cache, reconciler would convert the schema to JSON text for each
file. Converting a schema takes longer than checking a file.
"""


def validity_check(schema: Mapping[str, Any]) -> Check:
    """Return a fast function that checks whether data is valid against `schema`.

    The fast function also rejects data if jsonschema-rs cannot read the data or the schema. The caller checks rejected
    data again with the library jsonschema.
    """
    known = _checks.get(id(schema))
    if known is not None and known[0] is schema:
        return known[1]
    if len(_checks) >= MAX_CACHED:
        _checks.clear()
    check = _compiled(json.dumps(schema))
    _checks[id(schema)] = schema, check
    return check


@lru_cache(maxsize=MAX_CACHED)
def _compiled(schema: str) -> Check:
    """Return the compiled check for a JSON Schema that is given as JSON text.

    The check is cached, because compiling a schema takes longer than checking a small file.
    """
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
