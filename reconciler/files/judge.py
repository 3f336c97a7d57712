"""Schemas that somebody else has written, for rules of their own."""

from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

REFERENCES = frozenset({"$ref", "$dynamicRef"})


def judge(schema: Mapping[str, Any]) -> Callable[[Mapping[str, object]], bool]:
    """Return what tells whether data meets a schema.

    References are refused: nothing is fetched, and nothing turns in circles.

    Raises:
        ValueError: if it is no schema (JSON Schema 2020-12), or holds a reference.
    """
    try:
        Draft202012Validator.check_schema(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as error:
        path = "/".join(map(str, error.absolute_path))
        raise ValueError(f"{path}: {error.message}" if path else error.message) from error
    if _refers(schema):
        raise ValueError("references ($ref) are not followed; write out what it refers to")
    return Draft202012Validator(schema).is_valid


def _refers(node: object) -> bool:
    match node:
        case dict():
            return not REFERENCES.isdisjoint(node) or any(map(_refers, node.values()))
        case list():
            return any(map(_refers, node))
        case _:
            return False
