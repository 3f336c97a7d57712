"""A plan carried out on a tenant that misbehaves, on a clock that jumps; then a clean apply when all is well again."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from support.builders import TENANT, a_spec, first_parties, rules
from support.tenants import AUDIENCE, DOMAIN, Forward, InterceptingTransport, a_sandbox, organizations_of, stored_grants
from support.virtual_time import run_virtually

from auth0_sandbox.faults.plan import NO_FAULTS, Fault, FaultPlan, Rule, Series
from auth0_sandbox.server.transport import SandboxTransport
from auth0_sandbox.tenant import Sandbox
from reconciler.apply import ApplyContext, StopSignal, execute_plan
from reconciler.artifacts.journal import Journal, open_journal
from reconciler.auth0.client import ManagementClient, open_client
from reconciler.auth0.credentials import ClientSecret
from reconciler.auth0.management import ClientOptions
from reconciler.auth0.rate_limit import RateOptions
from reconciler.core.guards import ProtectionRules
from reconciler.core.organizations import DeclaredOrganizations
from reconciler.core.outcome import Outcome, Result
from reconciler.core.pattern import Protect
from reconciler.core.plan import Plan
from reconciler.core.planner import make_plan
from reconciler.core.spec import GrantSpec
from reconciler.errors import ReconcilerError
from reconciler.http.retry import RetryPolicy
from reconciler.observe import RequiredListings, observe, observe_organizations

GRANTS, GRANT = "/api/v2/client-grants", "/api/v2/client-grants/{id}"
ORGANIZATIONS_OF = f"{GRANT}/organizations"
GRANTS_OF = "/api/v2/organizations/{id}/client-grants"
TOKEN = "POST /oauth/token"
LIST, CREATE, UPDATE, DELETE = f"GET {GRANTS}", f"POST {GRANTS}", f"PATCH {GRANT}", f"DELETE {GRANT}"
LOOK, ASSOCIATE, DISSOCIATE = f"GET {ORGANIZATIONS_OF}", f"POST {GRANTS_OF}", f"DELETE {GRANTS_OF}/{{grant_id}}"
VERBS = {"create": CREATE, "update": UPDATE, "delete": DELETE}
HOLDERS = {"create": "new", "update": "old", "delete": "stray"}
ATTEMPTS = 5
LATENCY_SECONDS = 0.1  # of the answer
PATIENT = ClientOptions(RateOptions(), RetryPolicy(ATTEMPTS, jitter=lambda _, high: high))
NO_NAMES = RequiredListings(application_names=False, api_names=False, scopes=False)
PROTECT = Protect(client_id="guard")
SEED = """
applications:
  - {name: New, client_id: new}
  - {name: Old, client_id: old}
  - {name: Stray, client_id: stray}
  - {name: Guard, client_id: guard}
  - {name: Made, client_id: made}
apis: [{name: Invoices, identifier: "https://api.example.com/invoices", scopes: [a, b]}]
grants:
  - {client: Old, api: Invoices, scope: [a]}
  - {client: Stray, api: Invoices, scope: [a]}
  - {client: Guard, api: Invoices, scope: [a]}
  - {client: Made, api: Invoices, scope: [a], is_system: true}
"""
NEW = a_spec(client_id="new", scope=("a",))
OLD = a_spec(client_id="old", scope=("a",))
WIDER = a_spec(client_id="old", scope=("a", "b"))


@dataclass(frozen=True, slots=True)
class Wish:
    """What is declared, and whether the rest is to go; `goal` is what the tenant then has, by holder."""

    specs: tuple[GrantSpec, ...]
    goal: dict[str, str]
    prune: bool = False


BEFORE = {"old": "a", "stray": "a", "guard": "a", "made": "a"}
WISHES = {
    "create": Wish((NEW, OLD), {**BEFORE, "new": "a"}),
    "update": Wish((WIDER,), {**BEFORE, "old": "ab"}),
    "delete": Wish((OLD,), {name: scope for name, scope in BEFORE.items() if name != "stray"}, prune=True),
}
WIDER_NEW_AND_NO_STRAY = Wish((NEW, WIDER), {"new": "a", "old": "ab", "guard": "a", "made": "a"}, prune=True)


@dataclass(frozen=True, slots=True)
class NotSent:
    """The call never leaves; `error` is how httpx says so."""

    error: type[httpx.TransportError]


Trouble = Fault | NotSent
Calls = tuple[int, ...] | Series


@dataclass(frozen=True, slots=True)
class Strike:
    """Some calls of one endpoint, `GET /path`, meet a trouble; counted from 1 once the plan is made."""

    trouble: Trouble
    endpoint: str
    calls: Calls = (1,)


Foreign = Callable[[Sandbox, str], None]
"""What somebody else does to the tenant after each of our calls, whose endpoint it is told."""


def nobody(_: Sandbox, __: str) -> None:
    """Leave the tenant alone."""


@dataclass(slots=True)
class Trial:
    """What was seen. `calls` were made by the apply itself, endpoint by endpoint; scopes are by holder."""

    outcomes: tuple[Outcome, ...] = ()
    calls: Counter[str] = field(default_factory=Counter)
    after: dict[str, str] = field(default_factory=dict)
    converged: bool = False
    journal: list[dict[str, Any]] = field(default_factory=list)
    again: tuple[Outcome, ...] = ()
    end: dict[str, str] = field(default_factory=dict)
    own_unchanged: bool = False
    settled: bool = False
    seconds: float = 0.0

    @property
    def results(self) -> dict[str, Result]:
        return {each.change.key.holder: each.result for each in self.outcomes}

    @property
    def events(self) -> list[str]:
        return [entry.get("outcome", entry["event"]) for entry in self.journal]


def scopes_of(sandbox: Sandbox) -> dict[str, str]:
    """Return scopes by holder, `@` and the organizations behind them where there are any.

    The tool's own grant is left out; two grants of one holder would be a duplicate.
    """
    ours = [each for each in stored_grants(sandbox) if each["audience"] != AUDIENCE]
    assert len(ours) == len({(each["client_id"], each["audience"]) for each in ours}), "a duplicate"
    named = {each["id"]: ",".join(organizations_of(sandbox, each["id"])) for each in ours}
    return {
        each["client_id"]: "".join(sorted(each.get("scope", ["*"])))
        + (f"@{named[each['id']]}" if named[each["id"]] else "")
        for each in ours
    }


def own_grant(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [each for each in stored_grants(sandbox) if each["audience"] == AUDIENCE]


def pattern_of(path: str) -> str:
    """Return the path of the endpoint, without ids."""
    match path.removeprefix("/api/v2/").split("/"):
        case ["client-grants", _, *inner]:
            return "/".join([GRANT, *inner])
        case ["organizations", _, "client-grants", *grant]:
            return "/".join([GRANTS_OF, *("{grant_id}" for _ in grant)])
        case _:
            return path


class Wire:
    """Counts calls, keeps some from leaving, and lets somebody else act behind each."""

    def __init__(self, sandbox: Sandbox, strikes: Iterable[Strike] = (), foreign: Foreign = nobody) -> None:
        self.calls: Counter[str] = Counter()
        self._sandbox = sandbox
        self._kept = {each.endpoint: each for each in strikes if isinstance(each.trouble, NotSent)}
        self._foreign = foreign

    async def interfere(self, request: httpx.Request, forward: Forward) -> httpx.Response:
        endpoint = f"{request.method} {pattern_of(request.url.path)}"
        self.calls[endpoint] += 1
        kept = self._kept.get(endpoint)
        if kept and isinstance(kept.trouble, NotSent) and self.calls[endpoint] in kept.calls:
            raise kept.trouble.error("never left", request=request)
        try:
            return await forward()
        finally:
            self._foreign(self._sandbox, endpoint)
            await asyncio.sleep(LATENCY_SECONDS)


def fault_rules(strikes: Iterable[Strike]) -> FaultPlan:
    """Return the part of `strikes` that the sandbox itself carries out."""
    return FaultPlan(
        tuple(
            Rule(each.trouble, method, path, each.calls)
            for each in strikes
            for method, path in [each.endpoint.split(" ")]
            if not isinstance(each.trouble, NotSent)
        )
    )


@asynccontextmanager
async def client_of(
    sandbox: Sandbox, wire: Wire, client_options: ClientOptions = PATIENT
) -> AsyncIterator[ManagementClient]:
    own = sandbox.credentials
    credentials = ClientSecret(own.client_id, own.client_secret, AUDIENCE)
    transport = InterceptingTransport(SandboxTransport(sandbox.app), wire.interfere)
    async with open_client(
        f"http://{DOMAIN}", credentials, transport=transport, client_options=client_options
    ) as client:
        yield client


async def planned(client: ManagementClient, wish: Wish) -> Plan:
    observation = await observe(client, NO_NAMES)
    protection = ProtectionRules(client.own_key(), (PROTECT,))
    declared = DeclaredOrganizations(wish.specs, protection if wish.prune else None)
    # what is pruned must be known to belong to nobody else
    directory = replace(first_parties(wish.specs, observation.grants), apis=observation.directory.apis)
    observation = await observe_organizations(client, replace(observation, directory=directory), declared)
    return make_plan(wish.specs, observation, rules(protection=protection, prune=wish.prune), TENANT)


async def carried_out(
    plan: Plan, client: ManagementClient, journal: Journal, stop: StopSignal | None = None
) -> tuple[Outcome, ...]:
    context = ApplyContext(
        client=client,
        journal=journal,
        stop=stop or StopSignal(),
        on_outcome=lambda _: None,
        concurrency=8,
        observed=len(BEFORE),
        retry_policy=PATIENT.retry_policy,
    )
    return await execute_plan(plan, context)


def tried(
    folder: Path,
    wish: Wish,
    *strikes: Strike,
    planning: tuple[Strike, ...] = (),
    foreign: Foreign = nobody,
    seed: str = SEED,
    stop: StopSignal | None = None,
) -> Trial:
    """Plan in peace (or under `planning`), apply under `strikes`, look in peace, apply once more in peace."""
    trial = Trial()

    async def run() -> None:
        wire = Wire(sandbox, strikes, foreign)
        sandbox.control.set_faults(fault_rules(planning))
        async with client_of(sandbox, wire) as client:
            plan = await planned(client, wish)
            wire.calls.clear()
            sandbox.control.set_faults(fault_rules(strikes))
            trial.outcomes = await carried_out(plan, client, journal, stop)
            trial.calls = wire.calls
            sandbox.control.set_faults(NO_FAULTS)
        trial.after = scopes_of(sandbox)
        async with client_of(sandbox, Wire(sandbox)) as client:
            left = await planned(client, wish)
            trial.converged = left.converged
            trial.again = await carried_out(left, client, journal_of_the_second)
            trial.settled = (await planned(client, wish)).converged

    with a_sandbox(folder, seed) as sandbox, closing(open_journal(folder)) as journal:
        own = own_grant(sandbox)
        with closing(open_journal(folder / "again")) as journal_of_the_second:
            _, trial.seconds = run_virtually(run())
        trial.end, trial.own_unchanged = scopes_of(sandbox), own_grant(sandbox) == own
        trial.journal = [json.loads(line) for line in journal.path.read_text(encoding="utf-8").splitlines()]
    return trial


@dataclass(frozen=True, slots=True)
class ReadTrial:
    """What a plan made under strikes came to: the plan or why there is none, and the calls it took."""

    made: Plan | ReconcilerError
    calls: Counter[str]
    after: dict[str, str]


def read_tried(folder: Path, *strikes: Strike, wish: Wish = WISHES["create"], seed: str = SEED) -> ReadTrial:
    """Plan under `strikes`; then, in peace, the plan is the one that it should be."""

    async def run() -> tuple[Plan | ReconcilerError, Counter[str]]:
        sandbox.control.set_faults(fault_rules(strikes))
        wire = Wire(sandbox, strikes)
        async with client_of(sandbox, wire) as client:
            try:
                return await planned(client, wish), wire.calls
            except ReconcilerError as error:
                return error, wire.calls

    with a_sandbox(folder, seed) as sandbox:
        (made, calls), _ = run_virtually(run())
        after = scopes_of(sandbox)
    return ReadTrial(made, calls, after)


def assert_sound(trial: Trial, wish: Wish, changing: str) -> None:
    """Whatever went wrong: nobody else's grant has changed, the journal tells all, and a clean apply sets it right."""
    untouched = {name: scope for name, scope in BEFORE.items() if name != changing}
    assert {name: scope for name, scope in trial.after.items() if name != changing} == untouched
    assert trial.own_unchanged
    assert_settled(trial, wish)
    writes = sum(count for endpoint, count in trial.calls.items() if endpoint in VERBS.values())
    assert trial.events.count("intent") == writes
    assert trial.events[-1:] == ([str(trial.outcomes[0].result)] if writes else [])


def assert_settled(trial: Trial, wish: Wish) -> None:
    """A clean apply brings the tenant to its goal."""
    assert {each.result for each in trial.again} <= {Result.APPLIED}
    assert trial.settled
    assert trial.end == wish.goal
