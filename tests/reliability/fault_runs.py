"""Apply a plan to a sandbox with injected faults, in virtual time. Then apply again without faults."""

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
LIST_ORGANIZATIONS, ASSOCIATE, DISSOCIATE = (
    f"GET {ORGANIZATIONS_OF}",
    f"POST {GRANTS_OF}",
    f"DELETE {GRANTS_OF}/{{grant_id}}",
)
WRITE_ENDPOINTS = {"create": CREATE, "update": UPDATE, "delete": DELETE}
HOLDERS = {"create": "new", "update": "old", "delete": "stray"}
ATTEMPTS = 5
LATENCY_SECONDS = 0.1
CLIENT_OPTIONS = ClientOptions(RateOptions(), RetryPolicy(ATTEMPTS, jitter=lambda _, high: high))
NO_NAMES = RequiredListings(application_names=False, api_names=False, apis=False)
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
NEW_SPEC = a_spec(client_id="new", scope=("a",))
UNCHANGED_SPEC = a_spec(client_id="old", scope=("a",))
WIDENED_SPEC = a_spec(client_id="old", scope=("a", "b"))


@dataclass(frozen=True, slots=True)
class Desired:
    """The declared grants. `expected` has the tenant's scopes by holder after an apply."""

    specs: tuple[GrantSpec, ...]
    expected: dict[str, str]
    prune: bool = False


BEFORE = {"old": "a", "stray": "a", "guard": "a", "made": "a"}
DESIRED = {
    "create": Desired((NEW_SPEC, UNCHANGED_SPEC), {**BEFORE, "new": "a"}),
    "update": Desired((WIDENED_SPEC,), {**BEFORE, "old": "ab"}),
    "delete": Desired(
        (UNCHANGED_SPEC,), {name: scope for name, scope in BEFORE.items() if name != "stray"}, prune=True
    ),
}
ALL_ACTIONS = Desired((NEW_SPEC, WIDENED_SPEC), {"new": "a", "old": "ab", "guard": "a", "made": "a"}, prune=True)


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request is not sent. `error` is the exception of httpx."""

    error: type[httpx.TransportError]


AnyFault = Fault | NotSent
Calls = tuple[int, ...] | Series


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault for some requests to an endpoint such as `GET /path`. Requests after the plan are counted from 1."""

    fault: AnyFault
    endpoint: str
    calls: Calls = (1,)


AfterRequest = Callable[[Sandbox, str], None]
"""A function that is called with the endpoint after each request. It may edit the tenant like another client."""


def do_nothing(_: Sandbox, __: str) -> None:
    """Do not edit the tenant."""


@dataclass(slots=True)
class FaultRun:
    """The results of an apply with faults, and of a second apply without faults.

    Attributes:
        outcomes: The outcomes of the first apply.
        calls: The number of requests of the first apply by endpoint.
        after: The scopes by holder after the first apply.
        converged: Whether the tenant equaled the files after the first apply.
        journal: The journal of the first apply.
        second_outcomes: The outcomes of the second apply.
        after_second: The scopes by holder after the second apply.
        own_unchanged: Whether reconciler's own grant is unchanged.
        second_converged: Whether the tenant equaled the files after the second apply.
        seconds: The virtual duration of everything.
    """

    outcomes: tuple[Outcome, ...] = ()
    calls: Counter[str] = field(default_factory=Counter)
    after: dict[str, str] = field(default_factory=dict)
    converged: bool = False
    journal: list[dict[str, Any]] = field(default_factory=list)
    second_outcomes: tuple[Outcome, ...] = ()
    after_second: dict[str, str] = field(default_factory=dict)
    own_unchanged: bool = False
    second_converged: bool = False
    seconds: float = 0.0

    @property
    def results(self) -> dict[str, Result]:
        return {each.change.key.holder: each.result for each in self.outcomes}

    @property
    def events(self) -> list[str]:
        return [entry.get("outcome", entry["event"]) for entry in self.journal]


def scopes_of(sandbox: Sandbox) -> dict[str, str]:
    """Return the scopes by holder, followed by `@` and the grant's organizations if it has any.

    reconciler's own grant is omitted. The test fails if a holder has two grants.
    """
    grants = [each for each in stored_grants(sandbox) if each["audience"] != AUDIENCE]
    assert len(grants) == len({(each["client_id"], each["audience"]) for each in grants}), "a duplicate"
    organizations = {each["id"]: ",".join(organizations_of(sandbox, each["id"])) for each in grants}
    return {
        each["client_id"]: "".join(sorted(each.get("scope", ["*"])))
        + (f"@{organizations[each['id']]}" if organizations[each["id"]] else "")
        for each in grants
    }


def own_grant(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [each for each in stored_grants(sandbox) if each["audience"] == AUDIENCE]


def endpoint_path(path: str) -> str:
    """Return the path of a request with placeholders instead of ids."""
    match path.removeprefix("/api/v2/").split("/"):
        case ["client-grants", _, *rest]:
            return "/".join([GRANT, *rest])
        case ["organizations", _, "client-grants", *grant]:
            return "/".join([GRANTS_OF, *("{grant_id}" for _ in grant)])
        case _:
            return path


class FaultInjector:
    """Counts requests, raises the errors of requests that are not sent, and calls a function after each request."""

    def __init__(
        self, sandbox: Sandbox, injected: Iterable[InjectedFault] = (), after_request: AfterRequest = do_nothing
    ) -> None:
        self.calls: Counter[str] = Counter()
        self._sandbox = sandbox
        self._not_sent = {each.endpoint: each for each in injected if isinstance(each.fault, NotSent)}
        self._after_request = after_request

    async def intercept(self, request: httpx.Request, forward: Forward) -> httpx.Response:
        endpoint = f"{request.method} {endpoint_path(request.url.path)}"
        self.calls[endpoint] += 1
        not_sent = self._not_sent.get(endpoint)
        if not_sent and isinstance(not_sent.fault, NotSent) and self.calls[endpoint] in not_sent.calls:
            raise not_sent.fault.error("not sent", request=request)
        try:
            return await forward()
        finally:
            self._after_request(self._sandbox, endpoint)
            await asyncio.sleep(LATENCY_SECONDS)


def fault_rules(injected: Iterable[InjectedFault]) -> FaultPlan:
    """Return the faults that the sandbox injects."""
    return FaultPlan(
        tuple(
            Rule(each.fault, method, path, each.calls)
            for each in injected
            for method, path in [each.endpoint.split(" ")]
            if not isinstance(each.fault, NotSent)
        )
    )


@asynccontextmanager
async def client_through(
    sandbox: Sandbox, injector: FaultInjector, client_options: ClientOptions = CLIENT_OPTIONS
) -> AsyncIterator[ManagementClient]:
    tool = sandbox.credentials
    credentials = ClientSecret(tool.client_id, tool.client_secret, AUDIENCE)
    transport = InterceptingTransport(SandboxTransport(sandbox.app), injector.intercept)
    async with open_client(
        f"http://{DOMAIN}", credentials, transport=transport, client_options=client_options
    ) as client:
        yield client


async def plan_tenant(client: ManagementClient, desired: Desired) -> Plan:
    observation = await observe(client, NO_NAMES)
    protection = ProtectionRules(client.own_key(), (PROTECT,))
    declared = DeclaredOrganizations(desired.specs, protection if desired.prune else None)
    # prune deletes only grants of applications that are not third parties
    directory = replace(first_parties(desired.specs, observation.grants), apis=observation.directory.apis)
    observation = await observe_organizations(client, observation._replace(directory=directory), declared)
    return make_plan(desired.specs, observation, rules(protection=protection, prune=desired.prune), TENANT)


async def apply_plan(
    plan: Plan, client: ManagementClient, journal: Journal, stop: StopSignal | None = None
) -> tuple[Outcome, ...]:
    context = ApplyContext(
        client=client,
        journal=journal,
        stop=stop or StopSignal(),
        on_outcome=lambda _: None,
        concurrency=8,
        observed=len(BEFORE),
        retry_policy=CLIENT_OPTIONS.retry_policy,
    )
    return await execute_plan(plan, context)


def run_with_faults(
    folder: Path,
    desired: Desired,
    *injected: InjectedFault,
    faults_during_plan: tuple[InjectedFault, ...] = (),
    after_request: AfterRequest = do_nothing,
    seed: str = SEED,
    stop: StopSignal | None = None,
) -> FaultRun:
    """Make a plan, apply it with the faults `injected`, and apply again without faults.

    The plan itself is made with `faults_during_plan`.
    """
    run = FaultRun()

    async def work() -> None:
        injector = FaultInjector(sandbox, injected, after_request)
        sandbox.control.set_faults(fault_rules(faults_during_plan))
        async with client_through(sandbox, injector) as client:
            plan = await plan_tenant(client, desired)
            injector.calls.clear()
            sandbox.control.set_faults(fault_rules(injected))
            run.outcomes = await apply_plan(plan, client, journal, stop)
            run.calls = injector.calls
            sandbox.control.set_faults(NO_FAULTS)
        run.after = scopes_of(sandbox)
        async with client_through(sandbox, FaultInjector(sandbox)) as client:
            second_plan = await plan_tenant(client, desired)
            run.converged = second_plan.converged
            run.second_outcomes = await apply_plan(second_plan, client, second_journal)
            run.second_converged = (await plan_tenant(client, desired)).converged

    with a_sandbox(folder, seed) as sandbox, closing(open_journal(folder)) as journal:
        own_before = own_grant(sandbox)
        with closing(open_journal(folder / "again")) as second_journal:
            _, run.seconds = run_virtually(work())
        run.after_second, run.own_unchanged = scopes_of(sandbox), own_grant(sandbox) == own_before
        run.journal = [json.loads(line) for line in journal.path.read_text(encoding="utf-8").splitlines()]
    return run


@dataclass(frozen=True, slots=True)
class PlanRun:
    """The result of a plan with faults: the plan or its error, the requests, and the tenant's scopes."""

    result: Plan | ReconcilerError
    calls: Counter[str]
    after: dict[str, str]


def plan_with_faults(
    folder: Path, *injected: InjectedFault, desired: Desired = DESIRED["create"], seed: str = SEED
) -> PlanRun:
    """Make a plan with the faults `injected`."""

    async def work() -> tuple[Plan | ReconcilerError, Counter[str]]:
        sandbox.control.set_faults(fault_rules(injected))
        injector = FaultInjector(sandbox, injected)
        async with client_through(sandbox, injector) as client:
            try:
                return await plan_tenant(client, desired), injector.calls
            except ReconcilerError as error:
                return error, injector.calls

    with a_sandbox(folder, seed) as sandbox:
        (result, calls), _ = run_virtually(work())
        after = scopes_of(sandbox)
    return PlanRun(result, calls, after)


def assert_consistent(run: FaultRun, desired: Desired, changing: str) -> None:
    """Assert that no other grant changed, the journal is complete, and a second apply converges."""
    untouched = {name: scope for name, scope in BEFORE.items() if name != changing}
    assert {name: scope for name, scope in run.after.items() if name != changing} == untouched
    assert run.own_unchanged
    assert_second_apply_converges(run, desired)
    writes = sum(count for endpoint, count in run.calls.items() if endpoint in WRITE_ENDPOINTS.values())
    assert run.events.count("intent") == writes
    assert run.events[-1:] == ([str(run.outcomes[0].result)] if writes else [])


def assert_second_apply_converges(run: FaultRun, desired: Desired) -> None:
    """Assert that the second apply converged and that the tenant has the expected scopes."""
    assert {each.result for each in run.second_outcomes} <= {Result.APPLIED}
    assert run.second_converged
    assert run.after_second == desired.expected
