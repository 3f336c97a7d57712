"""The JSON documents of the sandbox, as text and as values."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# A document contains all attributes in the request, including unknown attributes. Responses contain the same
# attributes.
Document = dict[str, Any]
Schema = Mapping[str, Any]


class MalformedJsonError(ValueError):
    """The bytes are not JSON, or are JSON that the sandbox cannot store and return."""


def parse(text: str | bytes) -> Document:
    """Return the document in `text`. The text must come from the sandbox."""
    document: Document = json.loads(text)
    return document


def dump(value: object) -> str:
    """Return `value` as compact JSON. All responses are compact JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def parse_foreign(raw: bytes) -> object:
    """Return the JSON value in `raw`, which can come from any sender.

    Raises:
        MalformedJsonError: if `raw` is not JSON in UTF-8, or contains a value that no response can contain:
            NaN, infinite numbers, unpaired surrogates and deep nesting.
    """
    try:
        value: object = json.loads(raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
        if b"\\u" in raw:  # only an escape can encode a surrogate
            dump(value).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MalformedJsonError(str(error)) from error
    return value


def project(document: Document, names: frozenset[str], *, include: bool) -> Document:
    """Return `document` with only the attributes in `names`, or without these attributes, in the same order."""
    return {name: value for name, value in document.items() if (name in names) is include}


def without_nulls(document: Document) -> Document:
    """Return the document without null attributes, because the API never returns null attributes."""
    return {name: value for name, value in document.items() if value is not None}


def timestamp(at: float) -> str:
    """Return a time in UNIX seconds as text for documents. All texts have the same length, so they sort by time."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Return the time in an ISO 8601 text. The default zone is UTC.

    Raises:
        ValueError: if the text is not a time.
    """
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(digits)
    return number
