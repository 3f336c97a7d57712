"""Faults of requests about the organizations of new and existing grants, and of reads of organizations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reliability.fault_runs import (
    ASSOCIATE,
    CREATE,
    DELETE,
    DISSOCIATE,
    GRANTS_OF,
    LIST,
    LIST_ORGANIZATIONS,
    SEED,
    UPDATE,
    Calls,
    Desired,
    FaultRun,
    InjectedFault,
    assert_second_apply_converges,
    plan_with_faults,
    run_with_faults,
)
from reliability.fault_table import ALWAYS, LONGER_THAN_TIMEOUT_SECONDS, ONCE, ROWS, Row
from support.builders import a_spec

from auth0_sandbox.faults.plan import AnswerFault, Delay, Drop, Fault, Lag, LoseWrite, Series, When
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import Sandbox
from reconciler.apply import StopSignal
from reconciler.auth0.errors import RefusedCallError
from reconciler.core.outcome import Result
from reconciler.core.spec import GrantSpec
from reconciler.errors import ProblemsError
from reconciler.observe import NO_ASSOCIATIONS

pytestmark = pytest.mark.slow

APPLIED, FAILED, CONFLICT, UNKNOWN = Result.APPLIED, Result.FAILED, Result.CONFLICT, Result.UNKNOWN
ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"
COUNT_GRANTS = f"GET {GRANTS_OF}"
SEED_WITH_ORGANIZATIONS = (
    SEED.replace(
        "{client: Old, api: Invoices, scope: [a]}",
        "{client: Old, api: Invoices, scope: [a], organization_usage: allow}",
    ).replace(
        "{client: Stray, api: Invoices, scope: [a]}",
        "{client: Stray, api: Invoices, scope: [a], organization_usage: allow, organizations: [acme]}",
    )
    + f"organizations: [{{name: acme, id: {ACME}}}, {{name: globex, id: {GLOBEX}}}]\n"
)
BEFORE = {"old": "a", "stray": "a@acme", "guard": "a", "made": "a"}


def with_organizations(holder: str, *organizations: str, scope: tuple[str, ...] = ("a",)) -> GrantSpec:
    return a_spec(client_id=holder, scope=scope, organization_usage="allow", organizations=organizations)


HOLDERS = {"new grant": "new", "associate": "old", "dissociate": "stray"}
DESIRED = {
    "new grant": Desired((with_organizations("new", ACME),), {**BEFORE, "new": "a@acme"}),
    "associate": Desired((with_organizations("old", ACME),), {**BEFORE, "old": "a@acme"}),
    "dissociate": Desired((with_organizations("stray"),), {**BEFORE, "stray": "a"}),
}
ENDPOINTS = {"new grant": ASSOCIATE, "associate": ASSOCIATE, "dissociate": DISSOCIATE}
WITHOUT_REQUEST = {"new grant": "a", "associate": "a", "dissociate": "a@acme"}
"""The state of the grant if only the request to the endpoint has no effect."""


class Write(NamedTuple):
    """The expected result of a change with a fault, the number of requests, and whether the change took effect."""

    result: Result
    writes: int
    is_done: bool


def for_each_action(write: Write) -> dict[str, Write]:
    return dict.fromkeys(HOLDERS, write)


DONE_IN_ONE_REQUEST = Write(APPLIED, 1, is_done=True)
DONE_IN_TWO_REQUESTS = Write(APPLIED, 2, is_done=True)
EXPECTED: Mapping[str, tuple[Mapping[str, Write], Mapping[str, Write]]] = {
    ROWS[0].name: (for_each_action(DONE_IN_TWO_REQUESTS), for_each_action(Write(FAILED, 5, is_done=False))),
    "429": (for_each_action(DONE_IN_TWO_REQUESTS), for_each_action(Write(FAILED, 5, is_done=False))),
    ROWS[2].name: (for_each_action(DONE_IN_TWO_REQUESTS), for_each_action(Write(FAILED, 5, is_done=False))),
    ROWS[3].name: (for_each_action(DONE_IN_ONE_REQUEST), for_each_action(DONE_IN_ONE_REQUEST)),
    "409": (
        {
            "new grant": Write(FAILED, 1, is_done=False),
            "associate": Write(CONFLICT, 1, is_done=False),
            "dissociate": Write(CONFLICT, 1, is_done=False),
        },
    )
    * 2,
    "409 after the effect": (
        {"new grant": DONE_IN_ONE_REQUEST, "associate": DONE_IN_ONE_REQUEST, "dissociate": DONE_IN_ONE_REQUEST},
    )
    * 2,
    "404": (
        {
            "new grant": Write(FAILED, 1, is_done=False),
            "associate": Write(FAILED, 1, is_done=False),
            "dissociate": Write(APPLIED, 1, is_done=False),
        },
    )
    * 2,
    "401 (expired token)": (for_each_action(DONE_IN_TWO_REQUESTS), for_each_action(Write(FAILED, 2, is_done=False))),
    "402, 403, 405, 413, 422": (for_each_action(Write(FAILED, 1, is_done=False)),) * 2,
    "400": (for_each_action(Write(FAILED, 1, is_done=False)),) * 2,
}
"""The expected results for each row of the table of faults: once and always, each by action."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, the action that it affects, and the affected requests."""

    row: Row
    fault: str
    action: str
    calls: Calls

    @property
    def id(self) -> str:
        return f"{self.row.name}: {self.fault}, {self.action}, {'once' if self.calls == ONCE else 'always'}"

    @property
    def write(self) -> Write:
        return EXPECTED[self.row.name][self.calls == ALWAYS][self.action]


def cases() -> Iterator[Case]:
    for row in ROWS:
        for fault in row.faults:
            for action in HOLDERS:
                if action != "dissociate" or fault not in row.not_for_deletes:
                    yield Case(row, fault, action, ONCE)
                    yield Case(row, fault, action, ALWAYS)


def assert_consistent(run: FaultRun, desired: Desired, changed_holder: str) -> None:
    """Assert that no other grant changed, the journal is complete, and a second apply converges."""
    untouched = {name: grant for name, grant in BEFORE.items() if name != changed_holder}
    assert {name: grant for name, grant in run.after.items() if name != changed_holder} == untouched
    assert run.own_unchanged
    assert_second_apply_converges(run, desired)
    writes = sum(run.calls[endpoint] for endpoint in (CREATE, UPDATE, ASSOCIATE, DISSOCIATE))
    assert run.events.count("intent") == writes
    assert {entry["number"] for entry in run.journal} == {1}
    assert run.events[-1] == str(run.outcomes[0].result)


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.id)
def test_a_request_about_an_organization_with_a_fault_has_the_expected_result(tmp_path: Path, case: Case) -> None:
    desired, holder = DESIRED[case.action], HOLDERS[case.action]

    run = run_with_faults(
        tmp_path,
        desired,
        InjectedFault(case.row.faults[case.fault], ENDPOINTS[case.action], case.calls),
        seed=SEED_WITH_ORGANIZATIONS,
    )

    assert run.results == {holder: case.write.result}
    assert run.calls[ENDPOINTS[case.action]] == case.write.writes
    assert run.calls[CREATE] == (case.action == "new grant")
    assert run.after[holder] == (desired.expected[holder] if case.write.is_done else WITHOUT_REQUEST[case.action])
    assert run.converged is case.write.is_done
    assert_consistent(run, desired, holder)


@cache
def plan_without_faults() -> object:
    with TemporaryDirectory() as folder:
        return plan_with_faults(Path(folder), desired=DESIRED["associate"], seed=SEED_WITH_ORGANIZATIONS).result


READS = {
    f"{row.name}: {fault}, {'once' if calls == ONCE else 'always'}": (row, fault, calls)
    for row in ROWS
    if row.reads
    for fault in row.faults
    for calls in (ONCE, ALWAYS)
}


@pytest.mark.parametrize("endpoint", [LIST_ORGANIZATIONS, COUNT_GRANTS])
@pytest.mark.parametrize("read", READS)
def test_a_read_of_organizations_with_a_fault_gives_the_complete_plan_or_an_error(
    tmp_path: Path, endpoint: str, read: str
) -> None:
    (row, fault, calls), desired = READS[read], DESIRED["associate"]
    assert row.reads
    expected_error = row.reads[calls == ALWAYS].error

    run = plan_with_faults(
        tmp_path, InjectedFault(row.faults[fault], endpoint, calls), desired=desired, seed=SEED_WITH_ORGANIZATIONS
    )

    assert run.after == BEFORE
    match row.name, fault, endpoint:
        case "404", _, "GET /api/v2/client-grants/{id}/organizations":  # the grant was deleted after it was listed
            assert run.result == plan_without_faults()
        case "404", _, _:
            assert isinstance(run.result, ProblemsError)
        case _, "403", _:
            assert str(run.result) == NO_ASSOCIATIONS
        case (
            "400",
            _,
            "GET /api/v2/organizations/{id}/client-grants",
        ):  # this request has no cursor that could have expired
            assert isinstance(run.result, RefusedCallError)
        case _ if expected_error:
            assert isinstance(run.result, expected_error)
        case _:
            assert run.result == plan_without_faults()


LOST_RESPONSE = AnswerFault(status=503, when="after")
BUSY = AnswerFault(status=503)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("read_endpoint", [LIST, LIST_ORGANIZATIONS])
@pytest.mark.parametrize("action", HOLDERS)
def test_a_change_is_unknown_if_its_response_is_lost_and_the_grant_cannot_be_read(
    tmp_path: Path, action: str, read_endpoint: str, when: When
) -> None:
    lost_response = InjectedFault(AnswerFault(status=503, when=when), ENDPOINTS[action])
    first_failed_read = 1 if action == "new grant" else 2

    run = run_with_faults(
        tmp_path,
        DESIRED[action],
        lost_response,
        InjectedFault(BUSY, read_endpoint, Series(first=first_failed_read)),
        seed=SEED_WITH_ORGANIZATIONS,
    )

    assert run.results == {HOLDERS[action]: UNKNOWN}
    without_request = {**BEFORE, HOLDERS[action]: WITHOUT_REQUEST[action]}
    assert run.after == (without_request if when == "before" else DESIRED[action].expected)
    assert_consistent(run, DESIRED[action], HOLDERS[action])


@pytest.mark.parametrize(
    ("injected", "result", "after"),
    [
        ([InjectedFault(LOST_RESPONSE, CREATE)], APPLIED, "a@acme"),
        ([InjectedFault(BUSY, CREATE), InjectedFault(LOST_RESPONSE, ASSOCIATE)], APPLIED, "a@acme"),
        ([InjectedFault(LOST_RESPONSE, CREATE), InjectedFault(BUSY, ASSOCIATE)], APPLIED, "a@acme"),
        ([InjectedFault(LOST_RESPONSE, CREATE), InjectedFault(AnswerFault(status=403), ASSOCIATE)], FAILED, "a"),
        ([InjectedFault(AnswerFault(status=403), ASSOCIATE)], FAILED, "a"),
        ([InjectedFault(LOST_RESPONSE, CREATE), InjectedFault(Lag(reads=1), LIST)], APPLIED, "a@acme"),
        ([InjectedFault(AnswerFault(status=409, when="after"), CREATE)], APPLIED, "a@acme"),
        ([InjectedFault(Drop(when="after"), CREATE), InjectedFault(Drop(when="after"), ASSOCIATE)], APPLIED, "a@acme"),
        (
            [
                InjectedFault(LOST_RESPONSE, CREATE),
                InjectedFault(LOST_RESPONSE, ASSOCIATE),
                InjectedFault(BUSY, LIST_ORGANIZATIONS),
            ],
            APPLIED,
            "a@acme",
        ),
    ],
    ids=[
        "lost response to the grant",
        "grant fails once, then lost response to the organization",
        "lost response to the grant, then the organization fails once",
        "lost response to the grant, then the organization is refused",
        "refused organization",
        "lost response to the grant, and a lagging read",
        "409 after the grant was created",
        "both responses are lost",
        "both responses are lost, and a read fails once",
    ],
)
def test_a_new_grant_gets_its_organizations_after_any_fault(
    tmp_path: Path, injected: list[InjectedFault], result: Result, after: str
) -> None:
    desired = DESIRED["new grant"]

    run = run_with_faults(tmp_path, desired, *injected, seed=SEED_WITH_ORGANIZATIONS)

    assert run.results == {"new": result}
    assert run.after == {**BEFORE, "new": after}
    assert ("only part of the change took effect" in run.outcomes[0].detail) == (result is FAILED)
    assert_consistent(run, desired, "new")


THREE_REQUESTS = Desired((with_organizations("stray", GLOBEX, scope=("a", "b")),), {**BEFORE, "stray": "ab@globex"})


@pytest.mark.parametrize(
    "fault", [BUSY, LOST_RESPONSE, Drop(), Delay(seconds=LONGER_THAN_TIMEOUT_SECONDS, when="after")], ids=repr
)
@pytest.mark.parametrize("endpoint", [UPDATE, ASSOCIATE, DISSOCIATE])
def test_a_change_of_three_requests_is_completed_if_one_of_them_fails_once(
    tmp_path: Path, endpoint: str, fault: Fault
) -> None:
    run = run_with_faults(tmp_path, THREE_REQUESTS, InjectedFault(fault, endpoint), seed=SEED_WITH_ORGANIZATIONS)

    assert run.results == {"stray": APPLIED}
    assert run.after == THREE_REQUESTS.expected
    assert_consistent(run, THREE_REQUESTS, "stray")


@pytest.mark.parametrize(
    ("endpoint", "status", "after"),
    [
        (ASSOCIATE, 403, "a@acme"),
        (UPDATE, 403, "a@acme,globex"),
        (UPDATE, 404, "a@acme,globex"),
        (DISSOCIATE, 409, "ab@acme,globex"),
    ],
)
def test_a_partly_refused_change_is_reported_and_adds_access_before_it_removes_any(
    tmp_path: Path, endpoint: str, status: int, after: str
) -> None:
    run = run_with_faults(
        tmp_path,
        THREE_REQUESTS,
        InjectedFault(AnswerFault(status=status), endpoint, ALWAYS),
        seed=SEED_WITH_ORGANIZATIONS,
    )

    assert run.results == {"stray": FAILED}
    assert ("only part of the change took effect" in run.outcomes[0].detail) == (endpoint != ASSOCIATE)
    assert run.after == {**BEFORE, "stray": after}
    assert_consistent(run, THREE_REQUESTS, "stray")


MORE_DESIRED = {
    "associate both": Desired((with_organizations("old", ACME, GLOBEX),), {**BEFORE, "old": "a@acme,globex"}),
    "delete": Desired(
        (with_organizations("old"),), {name: grant for name, grant in BEFORE.items() if name != "stray"}, prune=True
    ),
}


def associate(sandbox: Sandbox, holder: str, organization: str) -> None:
    grant = sandbox.store.first(DocumentKind.CLIENT_GRANTS, {"client_id": holder})
    assert grant
    names = {"organization_id": organization, "grant_id": grant["id"]}
    sandbox.store.add(DocumentKind.ASSOCIATIONS, f"{organization}:{grant['id']}", names)


@pytest.mark.parametrize(
    ("action", "organization", "result", "after"),
    [
        ("associate", ACME, APPLIED, "a@acme"),
        ("associate", GLOBEX, CONFLICT, "a@globex"),
        ("associate both", GLOBEX, CONFLICT, "a@globex"),
        ("dissociate", GLOBEX, CONFLICT, "a@acme,globex"),
        ("delete", GLOBEX, CONFLICT, "a@acme,globex"),
    ],
    ids=[
        "the declared organization is added",
        "another organization is added",
        "one of two declared organizations is added",
        "an organization is added before another is removed",
        "an organization is added before the grant is deleted",
    ],
)
def test_an_edit_of_organizations_after_the_plan_is_not_overwritten(
    tmp_path: Path, action: str, organization: str, result: Result, after: str
) -> None:
    desired, holder = (DESIRED | MORE_DESIRED)[action], "old" if action.startswith("associate") else "stray"
    listings: list[str] = []

    def edit_tenant(sandbox: Sandbox, endpoint: str) -> None:
        if endpoint == LIST and len(listings) == 1:  # the grants were listed; their organizations were not read yet
            associate(sandbox, holder, organization)
        listings.extend([endpoint] if endpoint == LIST else [])

    run = run_with_faults(tmp_path, desired, after_request=edit_tenant, seed=SEED_WITH_ORGANIZATIONS)

    assert run.results == {holder: result}
    assert run.after == {**BEFORE, holder: after}
    assert_second_apply_converges(run, desired)


def test_an_association_without_effect_is_found_by_the_verification(tmp_path: Path) -> None:
    desired = DESIRED["associate"]

    run = run_with_faults(tmp_path, desired, InjectedFault(LoseWrite(), ASSOCIATE), seed=SEED_WITH_ORGANIZATIONS)

    assert (run.results, run.converged) == ({"old": APPLIED}, False)
    assert_consistent(run, desired, "old")


@pytest.mark.parametrize(
    ("desired", "holder", "endpoint", "after"),
    [
        (DESIRED["new grant"], "new", CREATE, "a"),
        (DESIRED["new grant"], "new", ASSOCIATE, "a@acme"),
        (THREE_REQUESTS, "stray", ASSOCIATE, "a@acme,globex"),
        (THREE_REQUESTS, "stray", UPDATE, "ab@acme,globex"),
        (THREE_REQUESTS, "stray", DISSOCIATE, "ab@globex"),
    ],
    ids=["grant", "organization of a new grant", "first of three", "second of three", "last of three"],
)
def test_a_change_aborted_after_a_request_is_unknown_and_completed_by_the_next_apply(
    tmp_path: Path, desired: Desired, holder: str, endpoint: str, after: str
) -> None:
    stop = StopSignal()

    def abort_after_request(_: Sandbox, requested: str) -> None:
        if requested == endpoint:
            stop.abort.set()

    run = run_with_faults(tmp_path, desired, after_request=abort_after_request, stop=stop, seed=SEED_WITH_ORGANIZATIONS)

    assert run.results == {holder: UNKNOWN}
    assert run.after == {**BEFORE, holder: after}
    assert_consistent(run, desired, holder)


NAMES = {"acme": ACME, "globex": GLOBEX}
usages = st.sampled_from(["deny", "allow", "require"])
organization_sets = st.frozensets(st.sampled_from(sorted(NAMES)))
tenants = st.dictionaries(st.sampled_from(["old", "stray"]), st.tuples(usages, organization_sets))
files = st.dictionaries(
    st.sampled_from(["new", "old", "stray"]), st.tuples(usages, st.one_of(st.none(), organization_sets)), min_size=1
)
injected = st.lists(
    st.builds(
        InjectedFault,
        st.sampled_from([BUSY, LOST_RESPONSE, Drop(), Drop(when="after"), AnswerFault(status=403)]),
        st.sampled_from([LIST, LIST_ORGANIZATIONS, CREATE, UPDATE, DELETE, ASSOCIATE, DISSOCIATE]),
        st.sampled_from([ONCE, (2,), (1, 2, 3), ALWAYS]),
    ),
    max_size=3,
)
Grants = dict[str, tuple[str, frozenset[str]]]
Declared = dict[str, tuple[str, frozenset[str] | None]]


def a_seed(tenant: Grants) -> str:
    head, _, _ = SEED.partition("grants:")
    grants = [
        f"{{client_id: {name}, api: Invoices, scope: [a], organization_usage: {usage}, "
        f"organizations: [{', '.join(sorted(organizations))}]}}"
        for name, (usage, organizations) in tenant.items()
    ]
    organizations = ", ".join(f"{{name: {name}, id: {identity}}}" for name, identity in NAMES.items())
    return f"{head}grants: [{', '.join(grants)}]\norganizations: [{organizations}]\n"


def grant_state(organizations: frozenset[str]) -> str:
    return "@".join(filter(None, ["a", ",".join(sorted(organizations))]))


def a_declared_spec(name: str, usage: str, organizations: frozenset[str] | None) -> GrantSpec:
    ids = None if organizations is None else tuple(NAMES[each] for each in sorted(organizations))
    return a_spec(client_id=name, scope=("a",), organization_usage=usage, organizations=ids)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(tenant=tenants, declared=files, injected=injected, prune=st.booleans())
def test_after_any_faults_declared_organizations_converge_and_others_are_unchanged(
    tenant: Grants, declared: Declared, injected: list[InjectedFault], *, prune: bool
) -> None:
    organizations_before = {name: organizations for name, (_, organizations) in tenant.items()}
    declared_organizations = {
        name: organizations_before.get(name, frozenset()) if organizations is None else organizations
        for name, (_, organizations) in declared.items()
    }
    specs = tuple(a_declared_spec(name, *settings) for name, settings in declared.items())
    expected = {
        name: grant_state(each)
        for name, each in (
            declared_organizations if prune else {**organizations_before, **declared_organizations}
        ).items()
    }

    with TemporaryDirectory() as folder:
        run = run_with_faults(Path(folder), Desired(specs, expected, prune), *injected, seed=a_seed(tenant))

    for name in organizations_before.keys() - declared.keys():
        assert run.after.get(name) in {
            grant_state(organizations_before[name]),
            None if prune else grant_state(organizations_before[name]),
        }
    assert run.own_unchanged
    assert_second_apply_converges(run, Desired(specs, expected, prune))
    for outcome in run.outcomes:
        name = outcome.change.key.holder
        if outcome.result is APPLIED:
            assert run.after.get(name) == expected.get(name)
