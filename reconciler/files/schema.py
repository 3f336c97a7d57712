"""The only module that knows jsonschema: a document against its schema, every breach a problem at its place."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from reconciler.core.problems import Problem, Source
from reconciler.files.document import MOST_PROBLEMS, Node, mark_of, too_many
from reconciler.files.wording import Finding, Violation, explain

REFERENCES = frozenset({"$ref", "$dynamicRef"})


def violations(data: Node | Mapping[str, Any], schema: Mapping[str, Any], *, file: str) -> tuple[Problem, ...]:
    """Return every breach of `schema` (JSON Schema 2020-12) in `data`, in the order of the lines.

    Data that does not come from our loader has no places: its problems stand at the beginning of the file.

    Unknown keywords are ignored, but for `errorMessage`: the sentence for whoever breaks the keywords beside it.
    """
    findings = list(islice(_findings(data, schema), MOST_PROBLEMS))
    problems = {_problem(finding, data, file) for finding in findings}
    if len(findings) == MOST_PROBLEMS:
        problems.add(too_many(file))
    return tuple(sorted(problems))


def judge(schema: Mapping[str, Any]) -> Callable[[Mapping[str, object]], bool]:
    """Return what tells whether data meets a schema that somebody else has written.

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


def _findings(data: Node | Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Finding]:
    for error in _validator(json.dumps(schema)).iter_errors(data):
        yield from explain(_violation(error))


def _problem(finding: Finding, data: object, file: str) -> Problem:
    mark = mark_of(data, finding.path, key=finding.on_key)
    return Problem(Source(file, *mark), finding.what, finding.fix)


def _violation(error: ValidationError) -> Violation:
    schema = error.schema if isinstance(error.schema, dict) else {}
    return Violation(
        keyword=str(error.validator),
        expected=error.validator_value,
        found=error.instance,
        schema=schema,
        path=tuple(error.absolute_path),
    )


def _unique_texts(_: Validator, unique: bool, items: object, __: object) -> Iterator[ValidationError]:  # noqa: FBT001 - jsonschema's protocol
    """Do what `uniqueItems` does, for texts: on mixed lists jsonschema's own takes quadratic time."""
    if unique and isinstance(items, list):
        texts = [item for item in items if isinstance(item, str)]
        if len(set(texts)) < len(texts):
            yield ValidationError("repeated")


_Checker: type[Validator] = extend(  # type: ignore[no-untyped-call] # jsonschema's stubs leave it untyped
    Draft202012Validator, {"uniqueItems": _unique_texts}
)


@lru_cache(maxsize=16)
def _validator(schema: str) -> Validator:
    """Return the validator for a schema's text; building one costs more than checking a file."""
    return _Checker(json.loads(schema))
