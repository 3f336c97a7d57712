"""Read values from the responses of hosting services. A value with an unexpected type causes a ForgeError.

`service` is the name of the hosting service in the message of the ForgeError.
"""

import re
from collections.abc import Mapping
from typing import Any

from reconciler.forge.http import ForgeError

COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def object_at(data: object, service: str, *path: str) -> Mapping[str, Any]:
    """Follow the keys `path` in `data`, and return the object at the last key. Raises ForgeError."""
    found = _value_at(data, path)
    if not isinstance(found, dict):
        raise _missing(service, path, "an object")
    return found


def text_at(data: object, service: str, *path: str) -> str:
    """Follow the keys `path` in `data`, and return the string at the last key. Raises ForgeError."""
    found = _value_at(data, path)
    if not isinstance(found, str):
        raise _missing(service, path, "a string")
    return found


def optional_text_at(data: object, service: str, *path: str) -> str:
    """Return the same as `text_at`, or an empty string if the value is missing or null. Raises ForgeError."""
    return "" if _value_at(data, path) is None else text_at(data, service, *path)


def flag_at(data: object, service: str, *path: str) -> bool:
    """Follow the keys `path` in `data`, and return the boolean at the last key. Raises ForgeError.

    Return False if the value is missing or null.
    """
    found = _value_at(data, path)
    if not isinstance(found, bool | None):
        raise _missing(service, path, "true or false")
    return found is True


def objects_at(data: object, service: str, *path: str) -> list[Mapping[str, Any]]:
    """Follow the keys `path` in `data`, and return the list of objects at the last key. Raises ForgeError."""
    found = _value_at(data, path)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise _missing(service, path, "a list of objects")
    return found


def number_at(data: object, service: str, *path: str) -> int:
    """Follow the keys `path` in `data`, and return the number at the last key. Raises ForgeError.

    The number must not be negative, because requests contain the number in their path.
    """
    found = _value_at(data, path)
    if type(found) is not int or found < 0:
        raise _missing(service, path, "a valid number")
    return found


def commit_id(value: object) -> str:
    """Return `value`. Raise ForgeError if `value` is not a complete commit id."""
    if not isinstance(value, str) or not COMMIT.fullmatch(value):
        raise ForgeError("the response does not contain a commit id")
    return value


def request_number(value: object) -> int:
    """Return `value`. Raise ForgeError if `value` is not a valid number of a pull request or merge request."""
    if type(value) is not int or value < 1:
        raise ForgeError("the response does not contain the number of a pull or merge request")
    return value


def _value_at(data: object, path: tuple[str, ...]) -> object:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _missing(service: str, path: tuple[str, ...], expected: str) -> ForgeError:
    where = f"has no valid {'.'.join(path)}: it" if path else "is not valid: it"
    return ForgeError(f"the response of {service} {where} must be {expected}; check the API address and try again")
