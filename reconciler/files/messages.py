"""Explain schema violations to the author of a file."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from reconciler.core.characters import join_words, quote_text, visible
from reconciler.core.problems import Problem, Source
from reconciler.core.suggest import did_you_mean
from reconciler.files.document import MAX_PROBLEMS, Node, mark_of, too_many_problems
from reconciler.files.validity import validity_check

Path = tuple[str | int, ...]
KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "nothing",
}
PAIR = 2


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """A violation of a JSON Schema.

    The value `found` at `path` violates the JSON Schema keyword `keyword` of `schema`, for example `maxLength`.

    `expected` is the value of the keyword in the schema, for example 64 for `maxLength: 64`.
    """

    keyword: str
    expected: Any
    found: Any
    schema: dict[str, Any]
    path: Path

    @property
    def sentence(self) -> str:
        """The error message that the schema defines in the form `PROBLEM; FIX`, or an empty string."""
        return str(self.schema.get("errorMessage", ""))

    @property
    def name(self) -> str:
        """The name of the invalid value, as shown in messages."""
        names = [quote_text(step) for step in self.path if isinstance(step, str)]
        name = names[-1] if names else "the file"
        return name if not self.path or isinstance(self.path[-1], str) else f"an item of {name}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """An explanation of a problem with the value at `path`, and the fix.

    If `on_key` is true, the problem is reported at the position of the key instead of the value.
    """

    what: str
    fix: str
    path: Path
    on_key: bool = False


def explain(violation: SchemaViolation) -> Iterator[Explanation]:
    """Yield the explanations of a schema violation. Two different violations may have equal explanations."""
    special = SPECIAL.get(violation.keyword)
    if special:
        yield from special(violation)
    elif violation.sentence:
        what, _, fix = violation.sentence.partition("; ")
        yield Explanation(what, fix, violation.path, on_key=True)
    else:
        what, fix = PLAIN.get(violation.keyword, _generic)(violation)
        yield Explanation(what, fix, violation.path)


def _alternatives(violation: SchemaViolation) -> Iterator[Explanation]:
    """Explain a violation of the JSON Schema keyword `oneOf`, which usually requires exactly one of several keys."""
    if not all(branch.keys() == {"required"} for branch in violation.expected):
        what, fix = _generic(violation)
        yield Explanation(what, fix, violation.path)
        return
    if not isinstance(violation.found, dict):
        what, fix = _wrong_type(replace(violation, expected="object"))
        yield Explanation(what, fix, violation.path)
        return
    names = [name for branch in violation.expected for name in branch["required"]]
    present = [name for name in violation.found if name in names]
    fix = violation.sentence or f"give exactly one of {join_words(names, 'and')}"
    if present:
        both = "both" if len(present) == PAIR else "all"
        what = f"{join_words([quote_text(name) for name in present], 'and')} are {both} given"
        yield Explanation(what, fix, (*violation.path, present[-1]), on_key=True)
    elif not any(_is_under_other_name(name, violation.found) for name in names):
        what = f"{join_words([quote_text(name) for name in names], 'and')} are missing"
        yield Explanation(what, fix, violation.path)


OTHER_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("app", "apps", "application", "applications", "app_name", "client_name"), "client"),
    **dict.fromkeys(("app_id", "application_id"), "client_id"),
    **dict.fromkeys(("api_name", "apis"), "api"),
    **dict.fromkeys(("identifier", "resource_server", "resource_server_identifier", "api_identifier"), "audience"),
    **dict.fromkeys(("scopes", "permission", "permissions"), "scope"),
    **dict.fromkeys(("organization", "orgs"), "organizations"),
    **dict.fromkeys(("comment", "name", "reason"), "description"),
}
"""Maps common keys of the Auth0 dashboard and of other tools to the keys of grant files."""
SECRET_KEYS = frozenset({"client_secret", "api_token", "access_token", "private_key", "token", "secret", "password"})


def _unknown_keys(violation: SchemaViolation) -> Iterator[Explanation]:
    known = violation.schema.get("properties", {})
    for name in violation.found:
        if name not in known:
            fix = _other_key(name, known) or did_you_mean(name, known)
            fix = fix or f"the allowed keys are {join_words(list(known), 'and')}"
            yield Explanation(f"the key {quote_text(name)} is unknown", fix, (*violation.path, name), on_key=True)


def _other_key(name: str, known: Collection[str]) -> str:
    """Return advice on how to correct an unknown key, or an empty string.

    If another tool uses the unknown key, the advice contains reconciler's key with the same meaning. If the unknown key
    is a key for credentials, the advice names an environment variable.
    """
    if name.lower() in SECRET_KEYS:
        return "remove the key: credentials come from environment variables such as AUTH0_CLIENT_SECRET"
    ours = OTHER_KEYS.get(name.lower(), "")
    return f"write {quote_text(ours)} instead" if ours in known else ""


def _is_under_other_name(name: str, found: Iterable[str]) -> bool:
    """Return whether `found` contains the name that another tool uses for the missing key `name`.

    A key that only another tool uses is reported as a separate problem.
    """
    return any(OTHER_KEYS.get(each.lower()) == name for each in found)


def _missing_keys(violation: SchemaViolation) -> Iterator[Explanation]:
    for name in violation.expected:
        if name not in violation.found and not _is_under_other_name(name, violation.found):
            what, _, fix = violation.sentence.partition("; ")
            yield Explanation(what or f"{quote_text(name)} is missing", fix or "add it", violation.path)


def _repeated_items(violation: SchemaViolation) -> Iterator[Explanation]:
    """Yield an explanation for each repeated string in a list."""
    seen: set[str] = set()
    for index, item in enumerate(violation.found):
        if isinstance(item, str):
            if item in seen:
                yield Explanation(f"{quote_text(item)} is listed twice", "list it once", (*violation.path, index))
            seen.add(item)


def _wrong_type(violation: SchemaViolation) -> tuple[str, str]:
    expected = violation.expected if isinstance(violation.expected, list) else [violation.expected]
    kinds = join_words([KINDS[kind] for kind in expected], "or")
    if violation.found is None:
        alternative = "[]" if expected[0] == "array" and not violation.schema.get("minItems") else "remove it"
        return f"{violation.name} is empty", _how_to_start(violation) or f"write {kinds}, or {alternative}"
    what = f"{violation.name} is {_describe(violation.found)}, not {kinds}"
    return what, _how_to_start(violation) or _without_space(violation) or _how_to_write(expected[0], violation)


def _without_space(violation: SchemaViolation) -> str:
    """Return the fix for a list item like `read: invoices`, or an empty string for any other value.

    YAML reads the item `read: invoices` as a mapping.
    """
    is_item = bool(violation.path) and isinstance(violation.path[-1], int)
    if not is_item or not isinstance(violation.found, dict) or len(violation.found) != 1:
        return ""
    ((key, value),) = violation.found.items()
    if not isinstance(key, str) or not isinstance(value, str):
        return ""
    return f"YAML reads a colon and a space as a mapping: write {visible(key)}:{visible(value)} without the space"


def _describe(found: object) -> str:
    match found:
        case bool():
            return str(found).lower()
        case str():
            return "text"
        case int() | float():
            return f"the number {found}"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _how_to_start(violation: SchemaViolation) -> str:
    """If a whole file has the wrong type, return advice on how the file must start.

    If only a part of the file has the wrong type, return an empty string.
    """
    required = violation.schema.get("required", [])
    return f'start it with "{required[0]}:"' if required and not violation.path else ""


def _how_to_write(kind: str, violation: SchemaViolation) -> str:
    if kind == "array":
        return 'write each item on its own line, after "- "'
    if kind == "string" and not isinstance(violation.found, list | dict):
        return _fix_for_quoted(violation) or "put it in quotes"
    if kind == "boolean":
        return "write true or false, without quotes"
    return f"write {KINDS[kind]}"


def _fix_for_quoted(violation: SchemaViolation) -> str:
    """Return the fix for a value that is not valid in quotes either, such as `warn_before: 14`.

    Return an empty string if quotes make the value valid.
    """
    for rule in violation.schema.get("allOf", ()):
        has_fix = "pattern" in rule and "errorMessage" in rule
        if has_fix and not Draft202012Validator(rule).is_valid(_as_text(violation.found)):
            return str(rule["errorMessage"]).partition("; ")[2]
    return ""


def _as_text(found: object) -> str:
    """Return the text that a boolean or a number has in quotes."""
    return str(found).lower() if isinstance(found, bool) else str(found)


def _not_a_choice(violation: SchemaViolation) -> tuple[str, str]:
    choices = [str(choice) for choice in violation.expected]
    found = violation.found if isinstance(violation.found, str) else _describe(violation.found)
    return (
        f"{violation.name} cannot be {quote_text(found)}",
        did_you_mean(found, choices) or f"write {join_words(choices, 'or')}",
    )


def _too_short(violation: SchemaViolation) -> tuple[str, str]:
    if not violation.found:
        return f"{violation.name} is empty", "write its value"
    return f"{violation.name} has {len(violation.found)} characters", f"write at least {violation.expected} characters"


def _generic(violation: SchemaViolation) -> tuple[str, str]:
    """Explain a violation of a JSON Schema keyword that has no special message."""
    return (
        f'{violation.name} violates the rule "{violation.keyword}" of its schema',
        "compare the value with the schema",
    )


SPECIAL: dict[str, Callable[[SchemaViolation], Iterator[Explanation]]] = {
    "additionalProperties": _unknown_keys,
    "oneOf": _alternatives,
    "required": _missing_keys,
    "uniqueItems": _repeated_items,
}
"""Maps a JSON Schema keyword to the function that explains violations of the keyword.

A function in SPECIAL determines the position of each problem, for example the position of an unknown key.
"""

PLAIN: dict[str, Callable[[SchemaViolation], tuple[str, str]]] = {
    "enum": _not_a_choice,
    "maxItems": lambda each: (f"{each.name} has too many items", f"write at most {each.expected}"),
    "maxLength": lambda each: (
        f"{each.name} has {len(each.found)} characters",
        f"write at most {each.expected} characters",
    ),
    "maximum": lambda each: (f"{each.name} is {each.found}", f"write at most {each.expected}"),
    "minItems": lambda each: (f"{each.name} is an empty list", "write an item, or remove the key"),
    "minLength": _too_short,
    "minimum": lambda each: (f"{each.name} is {each.found}", f"write at least {each.expected}"),
    "type": _wrong_type,
}


def explain_violations(data: Node | Mapping[str, Any], schema: Mapping[str, Any], file: str) -> tuple[Problem, ...]:
    """Return a problem for each violation of `schema` in `data`, ordered by line."""
    errors = validator(json.dumps(schema)).iter_errors(data)
    findings = list(islice((each for error in errors for each in explain(_violation(error))), MAX_PROBLEMS))
    problems = {
        Problem(Source(file, *mark_of(data, each.path, key=each.on_key)), each.what, each.fix) for each in findings
    }
    if len(findings) == MAX_PROBLEMS:
        problems.add(too_many_problems(file))
    return tuple(sorted(problems))


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


def _unique_texts(_: Validator, unique: bool, items: object, __: object) -> Iterator[ValidationError]:  # noqa: FBT001 - jsonschema passes a positional bool
    """Implement the JSON Schema keyword `uniqueItems` for strings.

    The implementation of `uniqueItems` in the library jsonschema takes quadratic time for lists of mixed types.
    """
    if unique and isinstance(items, list):
        texts = [item for item in items if isinstance(item, str)]
        if len(set(texts)) < len(texts):
            yield ValidationError("repeated")


def _items(checker: Any, items: Any, found: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:  # noqa: ANN401 - jsonschema passes untyped values
    """Implement the JSON Schema keyword `items`.

    A fast check of each item comes first, so that jsonschema visits only invalid items.
    """
    if not isinstance(items, dict) or "prefixItems" in schema:
        yield from Draft202012Validator.VALIDATORS["items"](checker, items, found, schema)
    elif isinstance(found, list):
        is_valid = validity_check(items)
        for index, item in enumerate(found):
            if not is_valid(item):
                yield from checker.descend(item, items, path=index)


_Checker: type[Validator] = extend(  # type: ignore[no-untyped-call] # the stubs of jsonschema have no type for `extend`
    Draft202012Validator, {"items": _items, "uniqueItems": _unique_texts}
)


@lru_cache(maxsize=16)
def validator(schema: str) -> Validator:
    """Return the validator for a JSON Schema that is given as JSON text.

    The validator is cached, because building a validator takes longer than checking a file.
    """
    return _Checker(json.loads(schema))
