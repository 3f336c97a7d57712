"""Find every violation of a schema with jsonschema, and explain it at its position."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from reconciler.core.problems import Problem, Source
from reconciler.files.document import MOST_PROBLEMS, Node, mark_of, too_many
from reconciler.files.validity import validity_check
from reconciler.files.wording import Explanation, SchemaViolation, explain


def breaches(data: Node | Mapping[str, Any], schema: Mapping[str, Any], file: str) -> tuple[Problem, ...]:
    """Return the problems that `violations` returns."""
    findings = list(islice(_findings(data, schema), MOST_PROBLEMS))
    problems = {_problem(finding, data, file) for finding in findings}
    if len(findings) == MOST_PROBLEMS:
        problems.add(too_many(file))
    return tuple(sorted(problems))


def _findings(data: Node | Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Explanation]:
    for error in validator(json.dumps(schema)).iter_errors(data):
        yield from explain(_violation(error))


def _problem(finding: Explanation, data: object, file: str) -> Problem:
    mark = mark_of(data, finding.path, key=finding.on_key)
    return Problem(Source(file, *mark), finding.what, finding.fix)


def _violation(error: ValidationError) -> SchemaViolation:
    schema = error.schema if isinstance(error.schema, dict) else {}
    of_key = (error.instance,) if "propertyNames" in error.absolute_schema_path else ()
    return SchemaViolation(
        keyword=str(error.validator),
        expected=error.validator_value,
        found=error.instance,
        schema=schema,
        path=(*error.absolute_path, *of_key),
    )


def _unique_texts(_: Validator, unique: bool, items: object, __: object) -> Iterator[ValidationError]:  # noqa: FBT001 - jsonschema's protocol
    """Implement `uniqueItems` for strings. The implementation of jsonschema takes quadratic time for mixed lists."""
    if unique and isinstance(items, list):
        texts = [item for item in items if isinstance(item, str)]
        if len(set(texts)) < len(texts):
            yield ValidationError("repeated")


def _unfit_items(checker: Any, items: Any, found: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:  # noqa: ANN401 - jsonschema's protocol
    """Implement `items` with a quick check per item, so that jsonschema only descends into invalid items."""
    if not isinstance(items, dict) or "prefixItems" in schema:
        yield from Draft202012Validator.VALIDATORS["items"](checker, items, found, schema)
    elif isinstance(found, list):
        is_valid = validity_check(items)
        for index, item in enumerate(found):
            if not is_valid(item):
                yield from checker.descend(item, items, path=index)


_Checker: type[Validator] = extend(  # type: ignore[no-untyped-call] # jsonschema's stubs leave it untyped
    Draft202012Validator, {"items": _unfit_items, "uniqueItems": _unique_texts}
)


@lru_cache(maxsize=16)
def validator(schema: str) -> Validator:
    """Return the validator for the text of a schema. Building one costs more than checking a file."""
    return _Checker(json.loads(schema))
