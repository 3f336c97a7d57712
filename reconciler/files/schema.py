"""Pure: a document against its schema, every breach a problem at its place."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from reconciler.core.problems import Problem
from reconciler.files.document import Node
from reconciler.files.fit import fitting
from reconciler.files.verdicts import Check


def violations(data: Node | Mapping[str, Any], schema: Mapping[str, Any], *, file: str) -> tuple[Problem, ...]:
    """Return every breach of `schema` (JSON Schema 2020-12) in `data`, in the order of the lines.

    Data that does not come from our loader has no places: its problems stand at the beginning of the file.

    Unknown keywords are ignored, but for `errorMessage`: the sentence for whoever breaks the keywords beside it.
    """
    if _fitting(json.dumps(schema))(data):
        return ()
    from reconciler.files.breaches import breaches

    return breaches(data, schema, file)


@lru_cache(maxsize=16)
def _fitting(schema: str) -> Check:
    """Return the check for a schema's text; making one costs more than checking a small file."""
    return fitting(json.loads(schema))
