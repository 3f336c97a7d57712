"""Read YAML files strictly, and report the position of each problem. Duplicate keys, aliases and tags are refused."""

import difflib
import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import yaml

from auth0_sandbox.errors import FileError, FileProblem, SandboxError, reason

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

MOST_BYTES = 5_000_000
MOST_LEVELS = 32
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Cs", "Zl", "Zp"})
JOINERS = frozenset("\u200d\ufe0f")
BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5")
"""Characters without a visible glyph in a Unicode category of visible characters."""
TYPE_NAMES = {
    "string": "a text",
    "array": "a list",
    "object": "a mapping",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
CORE_TAGS = "tag:yaml.org,2002:"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path_ = tuple[str | int, ...]
Position = tuple[int, int]


@dataclass(frozen=True, slots=True)
class YamlFile:
    """The content of a YAML file.

    `positions` contains the line and column of each value by its path of keys and indexes. `keys` contains the line and
    column of each key. `digest` is the SHA-256 of the file, or an empty text without a file.
    """

    name: str
    text: str
    data: Mapping[str, Any]
    positions: Mapping[Path_, Position] = field(default_factory=dict)
    keys: Mapping[Path_, Position] = field(default_factory=dict)
    digest: str = ""

    def problem(self, path: Sequence[str | int], what: str, fix: str = "") -> FileProblem:
        """Return a problem at the value at `path`.

        If the value does not exist, use the nearest existing value above `path`.
        """
        steps = tuple(path)
        while steps and steps not in self.positions:
            steps = steps[:-1]
        line, column = self.positions.get(steps, (1, 1))
        return FileProblem(self.name, line, column, what, fix)

    def key_problem(self, path: Sequence[str | int], what: str, fix: str = "") -> FileProblem:
        """Return a problem at the key at the end of `path`."""
        return FileProblem(self.name, *self.keys.get(tuple(path), (1, 1)), what, fix)


NO_FILE = YamlFile("", "", {})


def read_file(path: Path, schema: Mapping[str, Any]) -> YamlFile:
    """Read a YAML or JSON file and validate the content against `schema`.

    Raises:
        SandboxError: if the file cannot be read.
        FileError: if the file is not valid. The error contains every problem.
    """
    try:
        content = path.read_bytes() if path.stat().st_size <= MOST_BYTES else None
    except FileNotFoundError as error:
        raise SandboxError(f"{path} does not exist; check the path") from error
    except OSError as error:
        raise SandboxError(f"{path} cannot be read: {reason(error)}") from error
    if content is None:
        raise SandboxError(f"{path} is larger than {MOST_BYTES // 1_000_000} MB")
    return parse_file(content, path.as_posix(), schema)


def parse_file(content: bytes, name: str, schema: Mapping[str, Any]) -> YamlFile:
    """Parse YAML or JSON and validate the content against `schema`. Problems contain `name` as the file name.

    Raises:
        FileError: if the content is not valid. The error contains every problem.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError([FileProblem(name, 1, 1, "this is not UTF-8 text", "save the file as UTF-8")]) from error
    if hidden := list(_hidden_characters(text, name)):
        raise FileError(hidden, text)
    reader = _Reader(name)
    try:
        node = yaml.compose(text, LOADER)
        data = reader.value(node, (), 0) if node is not None else None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = getattr(error, "problem", None) or "this is nested too deeply"
        problem = FileProblem(name, line, column, f"this is not valid YAML ({what})")
        raise FileError([*reader.problems, problem], text) from error
    digest = hashlib.sha256(content).hexdigest()
    file = YamlFile(name, text, data if isinstance(data, dict) else {}, reader.positions, reader.keys, digest)
    if not reader.problems and jsonschema_rs.is_valid(dict(schema), data):
        return file
    from jsonschema import Draft202012Validator  # slow to import, and needed only for files that are not valid

    found = sorted(Draft202012Validator(schema).iter_errors(data), key=lambda each: [str(step) for step in each.path])
    problems = [*reader.problems, *(_explain(each, file) for each in found)]
    if problems:
        raise FileError(problems, text)
    return file


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `did you mean "x"?` with a word similar to `word`, or an empty text without a similar word."""
    near = difflib.get_close_matches(word, list(known)[:1000], n=1, cutoff=0.6) if len(word) <= MOST_LEVELS * 2 else []
    return f'did you mean "{near[0]}"?' if near else ""


def _hidden_characters(text: str, name: str) -> Iterator[FileProblem]:
    """Yield a problem for each character that a reviewer cannot see. Joiners after a symbol (emoji) are allowed."""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if line.isascii() and line.isprintable():
            continue
        for index, char in enumerate(line):
            category = unicodedata.category(char)
            is_space = category == "Zs" and char != " "
            joins = char in JOINERS and index and unicodedata.category(line[index - 1]) in {"So", "Sk", "Mn"}
            is_hidden = category in HIDDEN_CATEGORIES or char in JOINERS
            if (is_hidden and char != "\t" and not joins) or is_space or char in BLANKS:
                what = (
                    f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip() + " is invisible or a control character"
                )
                yield FileProblem(name, number, index + 1, what, "remove it, or write it as an escape in double quotes")


class _Reader:
    """Converts YAML nodes to plain data."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: set[int] = set()
        self.problems: list[FileProblem] = []
        self.positions: dict[Path_, Position] = {}
        self.keys: dict[Path_, Position] = {}

    def value(self, node: Any, path: Path_, level: int) -> Any:  # noqa: ANN401 - PyYAML has no types
        """Return the plain value of a node. Add the problems of the node to `self.problems`."""
        self.positions[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if level > MOST_LEVELS:
            self._refuse(node, f"this is nested more than {MOST_LEVELS} levels deep")
            return None
        if id(node) in self._seen:
            self._refuse(node, "aliases are not allowed", "write the value out")
            return None
        self._seen.add(id(node))
        if not node.tag.startswith(CORE_TAGS):
            self._refuse(node, f"the tag {node.tag} is not allowed", "remove it")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, level)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index), level + 1) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: Any, path: Path_, level: int) -> dict[str, Any]:  # noqa: ANN401 - PyYAML has no types
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(key, "a key must be text")
            elif key.value in found:
                self._refuse(key, f'duplicate key "{key.value}"', "keep one of them")
            else:
                self.keys[*path, key.value] = (key.start_mark.line + 1, key.start_mark.column + 1)
                found[key.value] = self.value(value, (*path, key.value), level + 1)
        return found

    def _scalar(self, node: Any) -> Any:  # noqa: ANN401 - PyYAML has no types
        kind = node.tag.removeprefix(CORE_TAGS)
        if kind in {"bool", "int", "float", "null"} and node.value.lower() not in {"yes", "no", "on", "off"}:
            return yaml.safe_load(node.value)
        return node.value

    def _refuse(self, node: Any, what: str, fix: str = "") -> None:  # noqa: ANN401 - PyYAML has no types
        self.problems.append(FileProblem(self._name, node.start_mark.line + 1, node.start_mark.column + 1, what, fix))


def _explain(error: "ValidationError", file: YamlFile) -> FileProblem:
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    path = tuple(error.absolute_path)
    texts = [step for step in path if isinstance(step, str)]
    name = f'"{texts[-1]}"' if texts else "the file"
    if isinstance(schema.get("errorMessage"), str):
        what, _, fix = schema["errorMessage"].partition("; ")
        return file.problem(path, what, fix)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = schema.get("properties", {})
        unknown = next((key for key in error.instance if key not in known), "")
        return file.key_problem((*path, unknown), f'the key "{unknown}" is unknown', suggest(unknown, known))
    if error.validator == "required" and isinstance(error.instance, dict):
        missing = next((key for key in schema["required"] if key not in error.instance), "")
        return file.problem(path, f'"{missing}" is missing')
    if error.validator == "enum":
        choices = " or ".join(str(each) for each in schema["enum"])
        return file.problem(path, f'{name} cannot be "{error.instance}"', f"write {choices}")
    return file.problem(path, f"{name} {_requirement(str(error.validator), schema)}")


def _requirement(validator: str, schema: Mapping[str, Any]) -> str:
    """Return the requirement of a schema keyword in words, because messages of the library contain Python values."""
    expected = schema.get(validator)
    match validator:
        case "type":
            types = [expected] if isinstance(expected, str) else expected or []
            return f"must be {' or '.join(TYPE_NAMES[each] for each in types)}"
        case "minLength" | "minItems":
            return "is empty" if expected == 1 else f"is shorter than {expected}"
        case "minimum":
            return f"must be at least {expected}"
        case "maximum":
            return f"must be at most {expected}"
        case "pattern":
            return f"does not match the pattern {expected}"
        case _:
            return "is not valid"
