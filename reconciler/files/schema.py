"""Pure: validate data against a JSON Schema, and report every violation with its position.

jsonschema-rs answers quickly whether data is valid. If it is not, jsonschema finds the violations to explain.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.core.problems import Problem
from reconciler.files.document import Node
from reconciler.files.validity import validity_check


def violations(data: Node | Mapping[str, Any], schema: Mapping[str, Any], *, file: str) -> tuple[Problem, ...]:
    """Return every violation of `schema` (JSON Schema 2020-12) in `data`, ordered by line.

    Data without positions gets problems at the start of the file. The keyword `errorMessage` replaces the messages of
    the keywords in the same schema.
    """
    if validity_check(schema)(data):
        return ()
    from reconciler.files.messages import breaches

    return breaches(data, schema, file)
