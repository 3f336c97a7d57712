"""A workspace for the real command. Its tenant is served over loopback HTTP and can inject faults."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.commands import SECRET, CommandResult, a_workspace, reconciler

from auth0_sandbox.served import ServedSandbox, served

INVOICES = "https://api.example.com/invoices"
MANAGEMENT = "https://sandbox.localhost/api/v2/"
CONFIG = "protect: [{client_id: guard}]\n"
SEED = f"""
tool: {{name: Reconciler, client_id: own, client_secret: {SECRET}}}
applications:
  - {{name: New, client_id: new}}
  - {{name: Old, client_id: old}}
  - {{name: Stray, client_id: stray}}
  - {{name: Guard, client_id: guard}}
  - {{name: Made, client_id: made}}
apis: [{{name: Invoices, identifier: "{INVOICES}", scopes: [a, b]}}]
grants:
  - {{client: Old, api: Invoices, scope: [a]}}
  - {{client: Stray, api: Invoices, scope: [a]}}
  - {{client: Guard, api: Invoices, scope: [a]}}
  - {{client: Made, api: Invoices, scope: [a], is_system: true}}
"""
GRANTS = f"""
grants:
  - {{client: New, audience: "{INVOICES}", scope: [a]}}
  - {{client_id: old, audience: "{INVOICES}", scope: [a, b]}}
"""
BEFORE = {"old": "a", "stray": "a", "guard": "a", "made": "a"}
EXPECTED = {"new": "a", "old": "ab", "guard": "a", "made": "a"}
WRITES = ("POST", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class ServedWorkspace:
    """A folder for commands, and the tenant that they connect to."""

    folder: Path
    tenant: ServedSandbox

    def scopes(self) -> dict[str, str]:
        """Return the scopes by holder, and assert that reconciler's own grant is unchanged."""
        (own,) = (grant for grant in self.tenant.grants() if grant["client_id"] == "own")
        assert "delete:client_grants" in own["scope"]
        grants = [grant for grant in self.tenant.grants() if grant["client_id"] != "own"]
        assert len({grant["client_id"] for grant in grants}) == len(grants), "a duplicate"
        return {grant["client_id"]: "".join(sorted(grant["scope"])) for grant in grants}

    def writes(self) -> int:
        """Return the number of write requests so far."""
        return sum(number for (method, path), number in self._calls() if method in WRITES and "oauth" not in path)

    def grant_reads(self) -> int:
        """Return the number of requests so far that read grants."""
        return sum(number for endpoint, number in self._calls() if endpoint == ("GET", "/api/v2/client-grants"))

    def _calls(self) -> Iterator[tuple[tuple[str, str], int]]:
        endpoints: Any = self.tenant.statistics()["endpoints"]
        return (((each["method"], each["path"]), each["requests"]) for each in endpoints)

    def journal(self) -> str:
        """Return the content of all journals."""
        return "".join(file.read_text(encoding="utf-8") for file in self.folder.glob(".reconciler/journal/*.jsonl"))

    def apply(self, *arguments: str) -> CommandResult:
        """Apply in this process, and assert that the output and all written files contain no secret."""
        ran = reconciler("apply", "--yes", "--prune", "-v", *arguments)
        written = [
            file.read_text(encoding="utf-8") for file in self.folder.glob(".reconciler/*/**/*") if file.is_file()
        ]
        assert SECRET not in "".join([ran.output, *written])
        return ran

    def assert_next_apply_converges(self) -> None:
        """Apply without faults, and assert that the tenant has the expected grants and the next plan is empty."""
        self.tenant.set_faults()
        assert self.apply().code == 0
        assert self.scopes() == EXPECTED
        assert reconciler("plan", "--prune", "--detailed-exitcode").code == 0


@contextmanager
def served_workspace(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, seed: str = SEED, grants: str = GRANTS
) -> Iterator[ServedWorkspace]:
    """Serve the tenant of `seed`, write grant files, and set the credentials in the environment."""
    a_workspace(folder, monkeypatch, reconciler=CONFIG, tenant=seed, **{"grants/billing": grants})
    with served(folder / "tenant.db", folder / "tenant.yaml") as tenant:
        for name, value in tenant.environment.items():
            monkeypatch.setenv(name, value)
        yield ServedWorkspace(folder, tenant)
