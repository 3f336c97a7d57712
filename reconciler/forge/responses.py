"""Read values from the responses of hosting services. A value with an unexpected type causes a ForgeError.

`service` is the name of the hosting service in the message of the ForgeError.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.forge.http import ForgeError


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


def _value_at(data: object, path: tuple[str, ...]) -> object:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _missing(service: str, path: tuple[str, ...], expected: str) -> ForgeError:
    where = f"has no valid {'.'.join(path)}: it" if path else "is not valid: it"
    return ForgeError(f"the response of {service} {where} must be {expected}; check the API address and try again")
