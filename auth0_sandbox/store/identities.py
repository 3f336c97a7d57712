"""Ids in Auth0's formats: random ones for new documents, derived ones for seeds."""

import secrets
from collections.abc import Callable
from hashlib import sha512
from string import ascii_letters, digits

_ALPHANUMERIC = digits + ascii_letters
_HEX = "0123456789abcdef"

Pick = Callable[[str, int], str]  # from an alphabet and a length to text


def randomly(alphabet: str, length: int) -> str:
    """Return random characters."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def derived_from(*parts: str) -> Pick:
    """Return a function that makes the same characters from the same parts on every machine."""
    seed = int.from_bytes(sha512("\0".join(parts).encode()).digest())

    def pick(alphabet: str, length: int) -> str:
        return "".join(alphabet[seed // len(alphabet) ** place % len(alphabet)] for place in range(length))

    return pick


def grant_id(pick: Pick) -> str:
    """Return `cgr_` and 16 alphanumerics."""
    return f"cgr_{pick(_ALPHANUMERIC, 16)}"


def organization_id(pick: Pick) -> str:
    """Return `org_` and 16 alphanumerics."""
    return f"org_{pick(_ALPHANUMERIC, 16)}"


def client_id(pick: Pick) -> str:
    """Return 32 alphanumerics."""
    return pick(_ALPHANUMERIC, 32)


def client_secret(pick: Pick) -> str:
    """Return 64 alphanumerics."""
    return pick(_ALPHANUMERIC, 64)


def resource_server_id(pick: Pick) -> str:
    """Return 24 hexadecimal digits."""
    return pick(_HEX, 24)


def credential_id(pick: Pick) -> str:
    """Return `cred_` and 22 alphanumerics."""
    return f"cred_{pick(_ALPHANUMERIC, 22)}"


def signing_secret(pick: Pick) -> str:
    """Return 32 alphanumerics."""
    return pick(_ALPHANUMERIC, 32)
