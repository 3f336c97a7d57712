"""Pure: the names of this machine in Host headers."""

import re
from ipaddress import ip_address

HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(?::(?P<port>[0-9]{1,5}))?")
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_local(host: str) -> bool:
    """Return whether a Host header names this machine. With DNS rebinding, other names may also lead here."""
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = found["name"].strip("[]").lower()
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def is_own(host: str, scheme: str, server: tuple[str, int | None] | None) -> bool:
    """Return whether a Host header names the answering server: its own name or one of this machine, and its port."""
    found, (own_name, own_port) = HOST.fullmatch(host), server or ("", None)
    if found is None:
        return False
    default = DEFAULT_PORTS.get(scheme)
    is_same_port = int(found["port"] or default or 0) == (own_port or default)
    return is_same_port and (is_local(host) or found["name"].lower() == own_name.lower())
