"""Any sequence of edits, foreign edits, plans, applies under faults, interruptions and kills, in virtual time."""

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
    VERBS,
    NotSent,
    Strike,
    Trouble,
    Wire,
    Wish,
    carried_out,
    client_of,
    fault_rules,
    planned,
)
from reliability.rows import ALWAYS, LATER_THAN_ANYBODY_WAITS, ONCE
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

OURS = ("a", "b", "c", "d", "e")
NEVER = ("guard", "made", "own")
"""Whose grants no run may touch: one is protected, Auth0 made one, one is the tool's own."""
SEED = f"""
tool: {{client_id: own}}
applications: [{", ".join(f"{{name: {name}, client_id: {name}}}" for name in (*OURS, "guard", "made"))}]
apis: [{{name: Invoices, identifier: "{INVOICES}", scopes: [x, y]}}]
grants:
  - {{client: a, api: Invoices, scope: [x]}}
  - {{client: b, api: Invoices, scope: [x, y]}}
  - {{client: guard, api: Invoices, scope: [x]}}
  - {{client: made, api: Invoices, scope: [x], is_system: true}}
"""
HONEST: tuple[Trouble, ...] = (
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
    Delay(seconds=LATER_THAN_ANYBODY_WAITS),
    Delay(seconds=LATER_THAN_ANYBODY_WAITS, when="after"),
    Damage(how="truncated"),
    Damage(how="garbled"),
)
LIARS: tuple[Trouble, ...] = (Lag(reads=1), LoseWrite(), LoseScope(), AnswerFault(status=404), AnswerFault(status=409))
"""A tenant that answers what is not so is found out only when it is read again."""

holders = st.sampled_from(OURS)
scopes = st.frozensets(st.sampled_from(["x", "y"]))
files = st.dictionaries(holders, scopes, min_size=1)
endpoints = st.sampled_from([LIST, *VERBS.values()])
calls = st.sampled_from([ONCE, (2,), (1, 2, 3), ALWAYS])
ends = st.sampled_from(["cut", "killed", "stopped", "whole", "whole"])


def strikes(*troubles: Trouble) -> st.SearchStrategy[list[Strike]]:
    return st.lists(st.builds(Strike, st.sampled_from(troubles), endpoints, calls), max_size=4)


class Interruption:
    """What ends a run before its time, right behind its call number `moment`: a signal, two of them, or a kill."""

    def __init__(self, end: str = "whole", moment: int = 0) -> None:
        self.stop = StopSignal()
        self.killed = asyncio.Event()
        self._end, self._left = end, moment

    def behind_a_call(self, _: Sandbox, __: str) -> None:
        self._left -= 1
        if self._left == 0 and self._end != "whole":
            self.stop.request_stop("interrupted")
            if self._end == "cut":
                self.stop.abort.set()
            if self._end == "killed":
                self.killed.set()


def scope_of(grant: Document) -> frozenset[str]:
    return frozenset(grant["scope"])


class Life(RuleBasedStateMachine):
    """A tenant and the files that are applied to it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.sandbox = a_sandbox(Path(self._folder.name), SEED)
        self.files: dict[str, frozenset[str]] = {}

    def teardown(self) -> None:
        self.sandbox.close()
        self._folder.cleanup()

    # what happens

    @initialize(files=files)
    def declare_first(self, files: dict[str, frozenset[str]]) -> None:
        self.files = files

    @rule(files=files)
    def declare(self, files: dict[str, frozenset[str]]) -> None:
        self.files |= files

    @rule(holder=holders)
    def declare_no_more(self, holder: str) -> None:
        self.files.pop(holder, None)

    @rule(holder=st.sampled_from([*OURS, "guard"]), scope=scopes)
    def somebody_else_writes(self, holder: str, scope: frozenset[str]) -> None:
        grant = self.tenant().get(holder)
        like = grant or {**self.tenant()["guard"], "client_id": holder, "id": f"cgr_{holder:0>16}"}
        write = self.sandbox.store.replace if grant else self.sandbox.store.add
        write(DocumentKind.CLIENT_GRANTS, str(like["id"]), {**like, "scope": sorted(scope)})

    @rule(holder=holders)
    def somebody_else_deletes(self, holder: str) -> None:
        self.sandbox.store.remove(DocumentKind.CLIENT_GRANTS, {"client_id": holder})

    @rule(troubles=strikes(*HONEST, *LIARS), prune=st.booleans())
    def plan(self, troubles: list[Strike], *, prune: bool) -> None:
        before = self.tenant()
        with suppress(Auth0Error, RefusedError):
            self.run(troubles, lambda client: planned(client, self.wish(prune=prune)))
        assert self.tenant() == before

    @rule(files=files, troubles=strikes(*HONEST), prune=st.booleans(), end=ends, moment=st.integers(1, 8))
    def apply_under_faults(
        self, files: dict[str, frozenset[str]], troubles: list[Strike], end: str, moment: int, *, prune: bool
    ) -> None:
        self.files |= files
        before = self.tenant()
        outcomes = self.applied(troubles, end, moment, prune=prune)
        self.assert_within_bounds(before, prune=prune)
        for outcome in outcomes:
            self.assert_true(outcome, before)

    @rule(troubles=strikes(*LIARS), prune=st.booleans())
    def apply_to_a_liar(self, troubles: list[Strike], *, prune: bool) -> None:
        before = self.tenant()
        self.applied(troubles, "whole", 0, prune=prune)
        self.assert_within_bounds(before, prune=prune, scopes_may_be_lost=True)

    @rule(prune=st.booleans())
    def apply_in_peace(self, *, prune: bool) -> None:
        before = self.tenant()
        outcomes = self.applied([], "whole", 0, prune=prune)
        assert {outcome.result for outcome in outcomes} <= {Result.APPLIED}
        self.assert_within_bounds(before, prune=prune)
        if self.files:
            assert self.declared_now() == self.files
            assert not prune or self.tenant().keys() == {*self.files, *NEVER}
        settled = self.tenant()
        assert self.applied([], "whole", 0, prune=prune) == ()
        assert self.tenant() == settled

    # what it comes to

    def assert_within_bounds(
        self, before: dict[str, Document], *, prune: bool, scopes_may_be_lost: bool = False
    ) -> None:
        """Nobody else's grant has changed; ours are as they were, or as they are declared."""
        after = self.tenant()
        for name in {*before, *after} - set(self.files):
            may_go = prune and name not in NEVER and bool(self.files)
            assert after.get(name) == before.get(name) or (may_go and name not in after)
        for name, scope in self.files.items():
            if after.get(name) != before.get(name):
                assert scope_of(after[name]) == scope or (scopes_may_be_lost and scope_of(after[name]) < scope)

    def assert_true(self, outcome: Outcome, before: dict[str, Document]) -> None:
        """What is told of a change is what the tenant has."""
        name = outcome.change.key.holder
        now = self.tenant().get(name)
        match outcome.result:
            case Result.APPLIED:
                assert (scope_of(now) if now else None) == self.files.get(name)
            case Result.FAILED | Result.SKIPPED:
                assert now == before.get(name)
            case Result.UNKNOWN:
                assert now == before.get(name) or (scope_of(now) if now else None) == self.files.get(name)
            case Result.CONFLICT:
                pytest.fail("nobody else was there")

    # how it is done

    def tenant(self) -> dict[str, Document]:
        grants = stored_grants(self.sandbox)
        assert len({grant["client_id"] for grant in grants}) == len(grants), "a duplicate"
        assert [grant["audience"] for grant in grants if grant["client_id"] == "own"] == [AUDIENCE]
        return {grant["client_id"]: grant for grant in grants}

    def declared_now(self) -> dict[str, frozenset[str]]:
        tenant = self.tenant()
        return {name: scope_of(tenant[name]) for name in self.files if name in tenant}

    def wish(self, *, prune: bool) -> Wish:
        return Wish(tuple(a_spec(client_id=name, scope=tuple(scope)) for name, scope in self.files.items()), {}, prune)

    def applied(self, troubles: list[Strike], end: str, moment: int, *, prune: bool) -> tuple[Outcome, ...]:
        """Plan in peace, apply under `troubles`; after so many calls the run is brought to an `end`."""
        plan = self.run([], lambda client: planned(client, self.wish(prune=prune)))
        assert isinstance(plan, Plan)
        if not self.files:
            assert plan.changes == ()
            return ()
        interruption = Interruption(end, moment)
        with closing(open_journal(Path(self._folder.name))) as journal:
            done = self.run(
                troubles, lambda client: carried_out(plan, client, journal, interruption.stop), interruption
            )
        return done or ()

    def run(
        self,
        troubles: list[Strike],
        work: Callable[[ManagementClient], Awaitable[T]],
        interruption: Interruption | None = None,
    ) -> T | None:
        """Return what `work` does under `troubles`; None if it is killed."""
        interruption = interruption or Interruption()

        async def reached() -> T:
            async with client_of(self.sandbox, Wire(self.sandbox, troubles, interruption.behind_a_call)) as client:
                return await work(client)

        async def until_killed() -> T | None:
            task = asyncio.create_task(reached())
            killed = asyncio.create_task(interruption.killed.wait())
            await asyncio.wait({task, killed}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None

        self.sandbox.control.set_faults(fault_rules(troubles))
        try:
            return run_virtually(until_killed())[0]
        finally:
            self.sandbox.control.set_faults(NO_FAULTS)


Life.TestCase.settings = settings(
    max_examples=50,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyLife = Life.TestCase
