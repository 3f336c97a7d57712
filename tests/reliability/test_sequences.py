"""Random sequences of edits, plans, applies with faults, interruptions and kills, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from reliability.fault_runs import (
    LIST,
    WRITE_ENDPOINTS,
    AnyFault,
    Desired,
    FaultInjector,
    InjectedFault,
    NotSent,
    apply_plan,
    client_through,
    fault_rules,
    plan_tenant,
)
from reliability.fault_table import ALWAYS, LONGER_THAN_TIMEOUT_SECONDS, ONCE
from support.builders import INVOICES, a_spec
from support.tenants import AUDIENCE, a_sandbox, stored_grants
from support.virtual_time import run_virtually

from auth0_sandbox.faults.plan import (
    NO_FAULTS,
    AnswerFault,
    Damage,
    Delay,
    Drop,
    ExpireToken,
    Lag,
    LoseScope,
    LoseWrite,
    RateLimit,
)
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.store.documents import Document
from auth0_sandbox.tenant import Sandbox
from reconciler.apply import StopSignal
from reconciler.artifacts.journal import open_journal
from reconciler.auth0.client import ManagementClient
from reconciler.auth0.errors import Auth0Error
from reconciler.core.outcome import Outcome, Result
from reconciler.core.plan import Plan
from reconciler.errors import RefusedError

pytestmark = pytest.mark.slow

T = TypeVar("T")

MANAGED = ("a", "b", "c", "d", "e")
PROTECTED = ("guard", "made", "own")
"""The holders of grants that no run may change: a protected one, one that Auth0 created, and reconciler's own."""
SEED = f"""
tool: {{client_id: own}}
applications: [{", ".join(f"{{name: {name}, client_id: {name}}}" for name in (*MANAGED, "guard", "made"))}]
apis: [{{name: Invoices, identifier: "{INVOICES}", scopes: [x, y]}}]
grants:
  - {{client: a, api: Invoices, scope: [x]}}
  - {{client: b, api: Invoices, scope: [x, y]}}
  - {{client: guard, api: Invoices, scope: [x]}}
  - {{client: made, api: Invoices, scope: [x], is_system: true}}
"""
REPORTED_FAULTS: tuple[AnyFault, ...] = (
    NotSent(httpx.ConnectError),
    RateLimit(),
    RateLimit(headers=False),
    ExpireToken(),
    AnswerFault(status=403),
    AnswerFault(status=503),
    AnswerFault(status=502, when="after", body="html"),
    AnswerFault(status=200, body="html"),
    Drop(),
    Drop(when="after"),
    Delay(seconds=LONGER_THAN_TIMEOUT_SECONDS),
    Delay(seconds=LONGER_THAN_TIMEOUT_SECONDS, when="after"),
    Damage(how="truncated"),
    Damage(how="garbled"),
)
HIDDEN_FAULTS: tuple[AnyFault, ...] = (
    Lag(reads=1),
    LoseWrite(),
    LoseScope(),
    AnswerFault(status=404),
    AnswerFault(status=409),
)
"""Faults with a wrong response. They are found only by the verification."""

holders = st.sampled_from(MANAGED)
scopes = st.frozensets(st.sampled_from(["x", "y"]))
files = st.dictionaries(holders, scopes, min_size=1)
endpoints = st.sampled_from([LIST, *WRITE_ENDPOINTS.values()])
calls = st.sampled_from([ONCE, (2,), (1, 2, 3), ALWAYS])
ends = st.sampled_from(["aborted", "killed", "stopped", "completed", "completed"])


def fault_lists(*faults: AnyFault) -> st.SearchStrategy[list[InjectedFault]]:
    return st.lists(st.builds(InjectedFault, st.sampled_from(faults), endpoints, calls), max_size=4)


class Interruption:
    """Ends a run after its request number `request_number`.

    `end` is stopped (one signal), aborted (two signals), killed, or completed (no interruption).
    """

    def __init__(self, end: str = "completed", request_number: int = 0) -> None:
        self.stop = StopSignal()
        self.killed = asyncio.Event()
        self._end, self._remaining = end, request_number

    def after_request(self, _: Sandbox, __: str) -> None:
        self._remaining -= 1
        if self._remaining == 0 and self._end != "completed":
            self.stop.request_stop("interrupted")
            if self._end == "aborted":
                self.stop.abort.set()
            if self._end == "killed":
                self.killed.set()


def scope_of(grant: Document) -> frozenset[str]:
    return frozenset(grant["scope"])


class TenantHistory(RuleBasedStateMachine):
    """A tenant, and the files that are applied to it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.sandbox = a_sandbox(Path(self._folder.name), SEED)
        self.files: dict[str, frozenset[str]] = {}

    def teardown(self) -> None:
        self.sandbox.close()
        self._folder.cleanup()

    # steps

    @initialize(files=files)
    def declare_first(self, files: dict[str, frozenset[str]]) -> None:
        self.files = files

    @rule(files=files)
    def declare(self, files: dict[str, frozenset[str]]) -> None:
        self.files |= files

    @rule(holder=holders)
    def remove_declaration(self, holder: str) -> None:
        self.files.pop(holder, None)

    @rule(holder=st.sampled_from([*MANAGED, "guard"]), scope=scopes)
    def edit_by_others(self, holder: str, scope: frozenset[str]) -> None:
        grant = self.tenant().get(holder)
        template = grant or {**self.tenant()["guard"], "client_id": holder, "id": f"cgr_{holder:0>16}"}
        write = self.sandbox.store.replace if grant else self.sandbox.store.add
        write(DocumentKind.CLIENT_GRANTS, str(template["id"]), {**template, "scope": sorted(scope)})

    @rule(holder=holders)
    def delete_by_others(self, holder: str) -> None:
        self.sandbox.store.remove(DocumentKind.CLIENT_GRANTS, {"client_id": holder})

    @rule(faults=fault_lists(*REPORTED_FAULTS, *HIDDEN_FAULTS), prune=st.booleans())
    def plan(self, faults: list[InjectedFault], *, prune: bool) -> None:
        before = self.tenant()
        with suppress(Auth0Error, RefusedError):
            self.run(faults, lambda client: plan_tenant(client, self.desired(prune=prune)))
        assert self.tenant() == before

    @rule(
        files=files,
        faults=fault_lists(*REPORTED_FAULTS),
        prune=st.booleans(),
        end=ends,
        request_number=st.integers(1, 8),
    )
    def apply_with_faults(
        self,
        files: dict[str, frozenset[str]],
        faults: list[InjectedFault],
        end: str,
        request_number: int,
        *,
        prune: bool,
    ) -> None:
        self.files |= files
        before = self.tenant()
        outcomes = self.apply_files(faults, end, request_number, prune=prune)
        self.assert_only_allowed_changes(before, prune=prune)
        for outcome in outcomes:
            self.assert_outcome_is_true(outcome, before)

    @rule(faults=fault_lists(*HIDDEN_FAULTS), prune=st.booleans())
    def apply_with_hidden_faults(self, faults: list[InjectedFault], *, prune: bool) -> None:
        before = self.tenant()
        self.apply_files(faults, "completed", 0, prune=prune)
        self.assert_only_allowed_changes(before, prune=prune, scopes_may_be_lost=True)

    @rule(prune=st.booleans())
    def apply_without_faults(self, *, prune: bool) -> None:
        before = self.tenant()
        outcomes = self.apply_files([], "completed", 0, prune=prune)
        assert {outcome.result for outcome in outcomes} <= {Result.APPLIED}
        self.assert_only_allowed_changes(before, prune=prune)
        if self.files:
            assert self.declared_scopes() == self.files
            assert not prune or self.tenant().keys() == {*self.files, *PROTECTED}
        converged = self.tenant()
        assert self.apply_files([], "completed", 0, prune=prune) == ()
        assert self.tenant() == converged

    # assertions

    def assert_only_allowed_changes(
        self, before: dict[str, Document], *, prune: bool, scopes_may_be_lost: bool = False
    ) -> None:
        """Assert that undeclared grants are unchanged or pruned, and declared grants unchanged or as declared."""
        after = self.tenant()
        for name in {*before, *after} - set(self.files):
            may_be_deleted = prune and name not in PROTECTED and bool(self.files)
            assert after.get(name) == before.get(name) or (may_be_deleted and name not in after)
        for name, scope in self.files.items():
            if after.get(name) != before.get(name):
                assert scope_of(after[name]) == scope or (scopes_may_be_lost and scope_of(after[name]) < scope)

    def assert_outcome_is_true(self, outcome: Outcome, before: dict[str, Document]) -> None:
        """Assert that the tenant has the reported state of a change."""
        name = outcome.change.key.holder
        grant = self.tenant().get(name)
        match outcome.result:
            case Result.APPLIED:
                assert (scope_of(grant) if grant else None) == self.files.get(name)
            case Result.FAILED | Result.SKIPPED:
                assert grant == before.get(name)
            case Result.UNKNOWN:
                assert grant == before.get(name) or (scope_of(grant) if grant else None) == self.files.get(name)
            case Result.CONFLICT:
                pytest.fail("a conflict without an edit by others")

    # helpers

    def tenant(self) -> dict[str, Document]:
        grants = stored_grants(self.sandbox)
        assert len({grant["client_id"] for grant in grants}) == len(grants), "a duplicate"
        assert [grant["audience"] for grant in grants if grant["client_id"] == "own"] == [AUDIENCE]
        return {grant["client_id"]: grant for grant in grants}

    def declared_scopes(self) -> dict[str, frozenset[str]]:
        tenant = self.tenant()
        return {name: scope_of(tenant[name]) for name in self.files if name in tenant}

    def desired(self, *, prune: bool) -> Desired:
        return Desired(
            tuple(a_spec(client_id=name, scope=tuple(scope)) for name, scope in self.files.items()), {}, prune
        )

    def apply_files(
        self, faults: list[InjectedFault], end: str, request_number: int, *, prune: bool
    ) -> tuple[Outcome, ...]:
        """Make a plan without faults, and apply it with `faults`. Interrupt the run after a number of requests."""
        plan = self.run([], lambda client: plan_tenant(client, self.desired(prune=prune)))
        assert isinstance(plan, Plan)
        if not self.files:
            assert plan.changes == ()
            return ()
        interruption = Interruption(end, request_number)
        with closing(open_journal(Path(self._folder.name))) as journal:
            outcomes = self.run(
                faults, lambda client: apply_plan(plan, client, journal, interruption.stop), interruption
            )
        return outcomes or ()

    def run(
        self,
        faults: list[InjectedFault],
        work: Callable[[ManagementClient], Awaitable[T]],
        interruption: Interruption | None = None,
    ) -> T | None:
        """Return the result of `work` with `faults`, or None if it is killed."""
        interruption = interruption or Interruption()

        async def work_with_client() -> T:
            async with client_through(
                self.sandbox, FaultInjector(self.sandbox, faults, interruption.after_request)
            ) as client:
                return await work(client)

        async def until_killed() -> T | None:
            task = asyncio.create_task(work_with_client())
            killed = asyncio.create_task(interruption.killed.wait())
            await asyncio.wait({task, killed}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None

        self.sandbox.control.set_faults(fault_rules(faults))
        try:
            return run_virtually(until_killed())[0]
        finally:
            self.sandbox.control.set_faults(NO_FAULTS)


TenantHistory.TestCase.settings = settings(
    max_examples=50,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestTenantHistory = TenantHistory.TestCase
