"""Pure: read the values of answers. Each value is checked and bounded here, before anything else uses it.

A value has the type that the API documents, a length that a request can carry, and no half of a surrogate pair. Ids are
parts of paths, so they must not be able to change a path.
"""

import json
import unicodedata
from collections.abc import Mapping
from typing import Any, NoReturn

from reconciler.auth0.errors import UnreadableError
from reconciler.core.grant import NOTHING, set_of
from reconciler.core.quoting import quoted

Json = Mapping[str, Any]

LONGEST_TEXT = 2_048
"""Characters. The longest text that Auth0 documents is the identifier of an API, with 600."""
LONGEST_ID = 512
LONGEST_CURSOR = 2_048
"""Percent-encoded, an id, an identifier and a cursor take at most 12 bytes a character, and fit into a URL of 64 KB."""
MOST_ITEMS = 10_000
"""Of a list within an entry. An API has at most a few thousand scopes."""
LARGEST_COUNT = 10**12


def parse(body: bytes) -> Any:  # noqa: ANN401 - JSON; the functions below read values out of it
    """Return the JSON of an answer.

    Raises:
        ValueError: if the body is not JSON in UTF-8, has a key twice, or nests too deeply.
    """
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def text(answer: Json, name: str) -> str:
    """Return a text that is not empty. Raises UnreadableError, as all of these do."""
    value = text_or_none(answer, name)
    if not value:
        raise UnreadableError(f"an answer of the tenant lacks {name}")
    return value


def text_or_none(answer: Json, name: str, longest: int = LONGEST_TEXT) -> str | None:
    """Return a text, or None if it is absent or null."""
    value = answer.get(name)
    return None if value is None else _text(value, name, longest)


def identifier(answer: Json, name: str) -> str:
    """Return an id that can be part of a path and leaves the rest of the path as it is."""
    value = text(answer, name)
    if len(value) > LONGEST_ID or value in {".", ".."} or any(unicodedata.category(each) == "Cc" for each in value):
        raise UnreadableError(f"an answer of the tenant has an {name} that is not a valid id: {quoted(value)}")
    return value


def flag(answer: Json, name: str) -> bool:
    """Return whether a flag is set."""
    return bool(flag_or_none(answer, name))


def flag_or_none(answer: Json, name: str) -> bool | None:
    """Return a flag, None if the answer does not have it."""
    value = answer.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise UnreadableError(f"an answer of the tenant has {name} with something else than true or false")


def texts(answer: Json, name: str) -> frozenset[str]:
    """Return a set of texts, empty if it is absent or null."""
    values = answer.get(name)
    if not values:
        return NOTHING
    if not isinstance(values, list) or not {str}.issuperset(map(type, values)):
        raise UnreadableError(f"an answer of the tenant has {name} with something else than a list of texts")
    if len(values) > MOST_ITEMS:
        raise UnreadableError(f"an answer of the tenant has {name} with more than {MOST_ITEMS} items")
    for value in values:
        _text(value, name, LONGEST_TEXT)
    return set_of(tuple(values))


def objects(answer: Json, name: str) -> list[Json]:
    """Return a list of objects, empty if it is absent or null."""
    values = answer.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise UnreadableError(f"an answer of the tenant has {name} with something else than a list of objects")
    if len(values) > MOST_ITEMS:
        raise UnreadableError(f"an answer of the tenant has {name} with more than {MOST_ITEMS} items")
    return values


def count(answer: object, name: str, most: int = LARGEST_COUNT) -> int | None:
    """Return a whole number from 0 to `most`, None for anything else."""
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if type(value) is int and 0 <= value <= most else None


def cursor(page: Json, name: str) -> str:
    """Return where the next page of a listing begins, "" if this page is the last one."""
    value = page.get(name)
    return "" if value is None else _text(value, name, LONGEST_CURSOR)


def _text(value: object, name: str, longest: int) -> str:
    if not isinstance(value, str):
        raise UnreadableError(f"an answer of the tenant has {name} with something else than a text")
    if len(value) > longest:
        raise UnreadableError(f"an answer of the tenant has {name} with more than {longest:,} characters")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UnreadableError(f"an answer of the tenant has {name} with half a surrogate pair") from error
    return value
