"""Fixtures for test suites of anything that talks to Auth0's Management API: a tenant of its own for each test.

pytest loads this module by itself where the package is installed; the sandbox is loaded when a test asks for it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from auth0_sandbox.served import ServedSandbox

MARKER = "auth0_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(tls=…, settings=…, faults=…, rate_limit=…): how the tenant of the fixture auth0_sandbox behaves",
    )


@pytest.fixture
def auth0_sandbox_seed() -> Path | None:
    """What the tenant holds: a YAML file, nothing if None. To be overridden."""
    return None


@pytest.fixture
def auth0_sandbox(
    request: pytest.FixtureRequest, tmp_path: Path, auth0_sandbox_seed: Path | None
) -> "Iterator[ServedSandbox]":
    """A tenant of this test's own, served over HTTP (https if the marker says tls=True).

    Of several markers, the one closest to the test has the last word.
    """
    from auth0_sandbox.served import served  # noqa: PLC0415 - this module is loaded by every run of pytest

    options: dict[str, Any] = {}  # whatever the markers say
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        options |= marker.kwargs
    with served(tmp_path / "auth0.db", auth0_sandbox_seed, **options) as sandbox:
        yield sandbox
