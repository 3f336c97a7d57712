"""Compile the JSON Schemas that users write under `policy`.

The library jsonschema-rs validates the data, because the library can match regular expressions in linear time. A slow
regular expression must not block a run.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError, ValidationErrorKind

from reconciler.core.characters import quote_text

REFERENCES = frozenset({"$ref", "$dynamicRef"})
MAX_PATTERN_BYTES = 1_000_000
"""The maximum size of a compiled regular expression, in bytes.

The larger the compiled expression, the longer a match takes.
"""
MAX_MESSAGE_CHARACTERS = 200
Path = tuple[str | int, ...]


class NotASchemaError(Exception):
    """A JSON Schema is invalid or uses an unsupported feature.

    `path` contains the keys and indexes that lead to the invalid part of the schema.
    """

    def __init__(self, what: str, fix: str, path: Path = ()) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.path = path


def compile_schema(schema: Mapping[str, Any]) -> Callable[[Mapping[str, object]], bool]:
    """Compile the JSON Schema `schema` into a function that validates data.

    The compiled function returns whether the data is valid. If the library jsonschema-rs cannot check the data, the
    compiled function returns False. A schema with a reference (`$ref`) is refused. A reference could make reconciler
    download another schema, or could make a schema circular.

    Raises:
        NotASchemaError: if `schema` is not a JSON Schema (2020-12), contains a reference, or contains a regular
            expression that cannot run in linear time.
    """
    for path in _references(schema):
        raise NotASchemaError(f"references ({path[-1]}) are not followed", "copy the referenced schema here", path)
    options = RegexOptions(size_limit=MAX_PATTERN_BYTES)
    try:
        validator = Draft202012Validator(
            _plain(schema), pattern_options=options, validate_formats=False, retriever=_fetch_nothing
        )
    except ValidationError as error:
        raise _schema_error(error) from error
    except (OverflowError, ReferencingError, ValueError) as error:
        raise NotASchemaError(f"this is not a JSON Schema: {error}", "correct it") from error

    def is_valid(data: Mapping[str, object]) -> bool:
        try:
            return validator.is_valid(data)
        except (OverflowError, ValidationError, ValueError):
            return False

    return is_valid


def _schema_error(error: ValidationError) -> NotASchemaError:
    path = tuple(error.instance_path)
    if isinstance(error.kind, ValidationErrorKind.Format) and error.kind.format == "regex":
        what = f"the pattern {quote_text(str(error.instance))} cannot run in linear time"
        return NotASchemaError(
            what, "correct the pattern; look-around, back-references and large counts do not work", path
        )
    location = f"{'/'.join(map(str, path))}: " if path else ""
    reason = (
        error.message if len(error.message) <= MAX_MESSAGE_CHARACTERS else f"{error.message[:MAX_MESSAGE_CHARACTERS]}…"
    )
    return NotASchemaError(f"this is not a JSON Schema: {location}{reason}", "correct it", path)


def count_patterns(node: object) -> int:
    """Return the number of patterns (regular expressions) in a JSON Schema."""
    match node:
        case dict():
            named = node.get("patternProperties")
            own = isinstance(node.get("pattern"), str) + (len(named) if isinstance(named, dict) else 0)
            return own + sum(map(count_patterns, node.values()))
        case list():
            return sum(map(count_patterns, node))
        case _:
            return 0


def _references(node: object, path: Path = ()) -> list[Path]:
    """Return the path of each `$ref` and `$dynamicRef` in a JSON Schema."""
    match node:
        case dict():
            found = [(*path, key) for key in node if key in REFERENCES]
            return found + [each for key, value in node.items() for each in _references(value, (*path, key))]
        case list():
            return [each for index, item in enumerate(node) for each in _references(item, (*path, index))]
        case _:
            return []


def _plain(node: Any) -> Any:  # noqa: ANN401 - the function accepts any JSON value
    """Copy JSON data into plain lists and dicts, because jsonschema-rs does not accept subclasses of list and dict."""
    match node:
        case dict():
            return {key: _plain(value) for key, value in node.items()}
        case list():
            return [_plain(item) for item in node]
        case _:
            return node


def _fetch_nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")
