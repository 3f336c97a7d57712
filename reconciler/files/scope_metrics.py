"""Read the last use of scopes from a file with the metrics of an API: CSV with a header, or JSON lines."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.core.problems import Problem
from reconciler.core.usage import DAY_LENGTH, UsedScope, moment, time_text
from reconciler.errors import ReconcilerError
from reconciler.files.discover import name_of, read

MAX_FILE_BYTES = 50_000_000
NAMES: Mapping[str, tuple[str, ...]] = {
    "client_id": ("client_id", "client"),
    "audience": ("audience",),
    "scope": ("scope",),
    "last_used": ("last_used", "last used", "last_use"),
}
"""The columns or keys, with other spellings."""


def read_scopes(path: Path) -> tuple[tuple[UsedScope, str], ...]:
    """Return the last use of each scope in a file. Raises ReconcilerError for a file that cannot be read completely."""
    content = read(path, MAX_FILE_BYTES)
    if isinstance(content, Problem):
        raise ReconcilerError(f"{content.source}: {content.what}; {content.fix}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReconcilerError(f"{name_of(path)} is not UTF-8 text") from error
    rows = _json_lines(text) if text.lstrip().startswith("{") else _csv(text)
    return tuple(_checked(rows, name_of(path)))


def _json_lines(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None


def _csv(text: str) -> Iterator[tuple[int, object]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, {str(name).strip().lower(): value for name, value in row.items()}
    except csv.Error:
        yield reader.line_num, None


def _checked(rows: Iterable[tuple[int, object]], name: str) -> Iterator[tuple[UsedScope, str]]:
    for number, row in rows:
        try:
            values = {column: _value(row if isinstance(row, dict) else {}, column) for column in NAMES}
            yield UsedScope(values["client_id"], values["audience"], values["scope"]), _time(values["last_used"])
        except ValueError as error:
            raise ReconcilerError(
                f"{name}:{number}: this line does not have client_id, audience, scope and last_used (a day, or a time "
                "with a zone)"
            ) from error


def _value(row: Mapping[str, Any], column: str) -> str:
    found = next((row[each] for each in NAMES[column] if row.get(each)), None)
    if not isinstance(found, str):
        raise ValueError(column)  # noqa: TRY004 - the caller reports the line
    return found.strip()


def _time(text: str) -> str:
    """Return a time. A day means its last moment."""
    return time_text(datetime.fromisoformat(f"{text}T23:59:59.999Z") if len(text) == DAY_LENGTH else moment(text))
