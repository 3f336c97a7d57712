"""Validate data against a JSON Schema, and report every violation with its position.

The fast library jsonschema-rs finds out whether data is valid. If the data is invalid, the slower library jsonschema
checks the data again and reports each violation.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.core.problems import Problem
from reconciler.files.document import Node
from reconciler.files.validity import validity_check


def violations(data: Node | Mapping[str, Any], schema: Mapping[str, Any], *, file: str) -> tuple[Problem, ...]:
    """Return a problem for each violation of `schema` (JSON Schema 2020-12) in `data`, ordered by line.

    If the data contains no positions, every problem is located at the start of the file. The text of `errorMessage` in
    a schema replaces the standard messages about violations of the schema.
    """
    if validity_check(schema)(data):
        return ()
    from reconciler.files.messages import explain_violations

    return explain_violations(data, schema, file)
