"""Pure: the JSON documents that the sandbox keeps and answers, as text and as values."""

import json
from collections.abc import Callable, Mapping
from typing import Any

# Any: a document holds whatever a caller sent; attributes that mean nothing here are kept and given back.
Document = dict[str, Any]
Schema = Mapping[str, Any]


class MalformedJsonError(ValueError):
    """The bytes are no JSON that can be kept and given back."""


def parse(text: str | bytes) -> Document:
    """Return the document that the sandbox itself has written as `text`."""
    document: Document = json.loads(text)
    return document


def dump(value: object) -> str:
    """Return `value` as compact JSON, the way every answer is written."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def parse_foreign(raw: bytes) -> object:
    """Return the JSON value in `raw`, sent by anybody.

    Raises:
        MalformedJsonError: for anything but JSON in UTF-8; also for NaN, infinite numbers, lone surrogates and a
            nesting too deep to be read: such values could not be answered again.
    """
    try:
        value: object = json.loads(raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
        if b"\\u" in raw:  # only an escape can smuggle in what UTF-8 itself cannot carry
            dump(value).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MalformedJsonError(str(error)) from error
    return value


def project(document: Document, names: frozenset[str], *, include: bool) -> Document:
    """Return `document` with only the named attributes, or without them; their order stays."""
    return {name: value for name, value in document.items() if (name in names) is include}


def on_text(change: Callable[[Document], Document]) -> Callable[[str], str]:
    """Return `change` as a function from stored text to answered text."""
    return lambda text: dump(change(parse(text)))


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(digits)
    return number
