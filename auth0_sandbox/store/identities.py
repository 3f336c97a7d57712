"""Ids in Auth0's formats: random ids for new documents, and derived ids for seeds."""

import secrets
from collections.abc import Callable
from hashlib import sha512
from string import ascii_letters, digits

_ALPHANUMERIC = digits + ascii_letters
_HEX = "0123456789abcdef"

Pick = Callable[[str, int], str]  # returns a text of a given alphabet and length


def randomly(alphabet: str, length: int) -> str:
    """Return random characters from `alphabet`."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def derived_from(*parts: str) -> Pick:
    """Return a function that returns equal characters for equal `parts` on every machine."""
    seed = int.from_bytes(sha512("\0".join(parts).encode()).digest())

    def pick(alphabet: str, length: int) -> str:
        return "".join(alphabet[seed // len(alphabet) ** place % len(alphabet)] for place in range(length))

    return pick


def grant_id(pick: Pick) -> str:
    """Return the id of a client grant: `cgr_` and 16 alphanumeric characters."""
    return f"cgr_{pick(_ALPHANUMERIC, 16)}"


def organization_id(pick: Pick) -> str:
    """Return the id of an organization: `org_` and 16 alphanumeric characters."""
    return f"org_{pick(_ALPHANUMERIC, 16)}"


def client_id(pick: Pick) -> str:
    """Return a client id of 32 alphanumeric characters."""
    return pick(_ALPHANUMERIC, 32)


def client_secret(pick: Pick) -> str:
    """Return a client secret of 64 alphanumeric characters."""
    return pick(_ALPHANUMERIC, 64)


def resource_server_id(pick: Pick) -> str:
    """Return the id of a resource server: 24 hexadecimal digits."""
    return pick(_HEX, 24)


def credential_id(pick: Pick) -> str:
    """Return the id of a credential: `cred_` and 22 alphanumeric characters."""
    return f"cred_{pick(_ALPHANUMERIC, 22)}"


def signing_secret(pick: Pick) -> str:
    """Return a signing secret of 32 alphanumeric characters."""
    return pick(_ALPHANUMERIC, 32)
