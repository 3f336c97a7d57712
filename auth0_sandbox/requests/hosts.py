"""Check the names in Host headers: the names of this machine, and the custom domain of the tenant."""

import re
from ipaddress import ip_address

from auth0_sandbox.errors import SandboxError

HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(?::(?P<port>[0-9]{1,5}))?")
NAME = re.compile(r"(?=.{1,253}$)[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?(\.[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?)*")
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_local(host: str) -> bool:
    """Return whether a Host header names this machine.

    With DNS rebinding, requests with other names also arrive at the sandbox.
    """
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = found["name"].strip("[]").lower()
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def is_own(host: str, scheme: str, server: tuple[str, int | None] | None) -> bool:
    """Return whether a Host header names the answering server by its own name or a local name, and by its port."""
    found, (own_name, own_port) = HOST.fullmatch(host), server or ("", None)
    if found is None:
        return False
    default = DEFAULT_PORTS.get(scheme)
    is_same_port = int(found["port"] or default or 0) == (own_port or default)
    return is_same_port and (is_local(host) or found["name"].lower() == own_name.lower())


def is_custom_domain(host: str, custom_domain: str | None) -> bool:
    """Return whether a Host header names the custom domain. The port is ignored."""
    found = HOST.fullmatch(host)
    return found is not None and custom_domain is not None and found["name"].lower() == custom_domain


def check_custom_domain(custom_domain: str | None, canonical: str) -> None:
    """Check the custom domain of a tenant. `canonical` is the canonical domain of the tenant.

    Raises:
        SandboxError: if the custom domain is not a lower-case host name, or equals the canonical domain.
    """
    if custom_domain is None:
        return
    if NAME.fullmatch(custom_domain) is None:
        raise SandboxError(f'"{custom_domain}" is not a valid custom domain; write a host like login.localhost')
    if custom_domain == canonical:
        raise SandboxError(f"{canonical} is the canonical domain of the tenant; choose another custom domain")
