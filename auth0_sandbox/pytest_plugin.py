"""Fixtures that create a separate tenant for each test, for test suites of Management API clients.

pytest loads this module automatically if the package is installed. The sandbox is imported when a test uses the
fixture.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from auth0_sandbox.served import ServedSandbox

MARKER = "auth0_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker `auth0_sandbox`."""
    config.addinivalue_line(
        "markers",
        (f"{MARKER}(tls=…, settings=…, faults=…, rate_limit=…): options of the tenant in the fixture auth0_sandbox"),
    )


@pytest.fixture
def auth0_sandbox_seed() -> Path | None:
    """The path of the seed of the tenant, a YAML file, or None. Override `auth0_sandbox_seed` to use a seed."""
    return None


@pytest.fixture
def auth0_sandbox(
    request: pytest.FixtureRequest, tmp_path: Path, auth0_sandbox_seed: Path | None
) -> "Iterator[ServedSandbox]":
    """A tenant for one test, served over HTTP. With the marker option tls=True, the tenant is served over HTTPS.

    If several markers set the same option, the marker closest to the test takes precedence.
    """
    from auth0_sandbox.served import served  # noqa: PLC0415 - this module is loaded by every run of pytest

    options: dict[str, Any] = {}  # the values of the markers
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        options |= marker.kwargs
    with served(tmp_path / "auth0.db", auth0_sandbox_seed, **options) as sandbox:
        yield sandbox
