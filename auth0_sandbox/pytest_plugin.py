"""Fixtures that give each test its own tenant, for test suites of clients of Auth0's Management API.

pytest loads this module automatically if the package is installed. The sandbox is loaded when a test uses it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from auth0_sandbox.served import ServedSandbox

MARKER = "auth0_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        (f"{MARKER}(tls=…, settings=…, faults=…, rate_limit=…): options of the tenant in the fixture auth0_sandbox"),
    )


@pytest.fixture
def auth0_sandbox_seed() -> Path | None:
    """The seed of the tenant, a YAML file. Override this fixture to use one."""
    return None


@pytest.fixture
def auth0_sandbox(
    request: pytest.FixtureRequest, tmp_path: Path, auth0_sandbox_seed: Path | None
) -> "Iterator[ServedSandbox]":
    """A tenant for one test, served over HTTP, or https with the marker tls=True.

    The marker closest to the test takes precedence.
    """
    from auth0_sandbox.served import served  # noqa: PLC0415 - this module is loaded by every run of pytest

    options: dict[str, Any] = {}  # the values of the markers
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        options |= marker.kwargs
    with served(tmp_path / "auth0.db", auth0_sandbox_seed, **options) as sandbox:
        yield sandbox
