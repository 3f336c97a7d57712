"""Pure: validate data against a JSON Schema, and report every violation with its position.

The library jsonschema-rs checks quickly whether data is valid. The library jsonschema checks only invalid data again
and reports each violation.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.core.problems import Problem
from reconciler.files.document import Node
from reconciler.files.validity import validity_check


def violations(data: Node | Mapping[str, Any], schema: Mapping[str, Any], *, file: str) -> tuple[Problem, ...]:
    """Return a problem for each violation of `schema` (JSON Schema 2020-12) in `data`, ordered by line.

    If the data has no positions, all problems are at the start of the file. The keyword `errorMessage` in a schema
    replaces the messages for the other keywords of that schema.
    """
    if validity_check(schema)(data):
        return ()
    from reconciler.files.messages import explain_violations

    return explain_violations(data, schema, file)
