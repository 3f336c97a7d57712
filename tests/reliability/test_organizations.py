"""Every fault for the calls that are about organizations: those of a new grant, of one that is there, and the reads."""

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
    LOOK,
    SEED,
    UPDATE,
    Calls,
    Strike,
    Trial,
    Wish,
    assert_settled,
    read_tried,
    tried,
)
from reliability.rows import ALWAYS, LATER_THAN_ANYBODY_WAITS, ONCE, ROWS, Row
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
COUNT = f"GET {GRANTS_OF}"
OF_ORGANIZATIONS = (
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


def of(holder: str, *organizations: str, scope: tuple[str, ...] = ("a",)) -> GrantSpec:
    return a_spec(client_id=holder, scope=scope, organization_usage="allow", organizations=organizations)


HOLDERS = {"new grant": "new", "associate": "old", "dissociate": "stray"}
WISHES = {
    "new grant": Wish((of("new", ACME),), {**BEFORE, "new": "a@acme"}),
    "associate": Wish((of("old", ACME),), {**BEFORE, "old": "a@acme"}),
    "dissociate": Wish((of("stray"),), {**BEFORE, "stray": "a"}),
}
ENDPOINTS = {"new grant": ASSOCIATE, "associate": ASSOCIATE, "dissociate": DISSOCIATE}
HALF = {"new grant": "a", "associate": "a", "dissociate": "a@acme"}
"""What the holder has where only this call is missing."""


class Write(NamedTuple):
    """What becomes of a change whose call meets a fault, how often the call is made, and whether it takes effect."""

    result: Result
    writes: int
    done: bool


def alike(write: Write) -> dict[str, Write]:
    return dict.fromkeys(HOLDERS, write)


WELL = Write(APPLIED, 1, done=True)
AGAIN = Write(APPLIED, 2, done=True)
EXPECTED: Mapping[str, tuple[Mapping[str, Write], Mapping[str, Write]]] = {
    ROWS[0].name: (alike(AGAIN), alike(Write(FAILED, 5, done=False))),
    "429": (alike(AGAIN), alike(Write(FAILED, 5, done=False))),
    ROWS[2].name: (alike(AGAIN), alike(Write(FAILED, 5, done=False))),
    ROWS[3].name: (alike(WELL), alike(WELL)),
    "409": (
        {
            "new grant": Write(FAILED, 1, done=False),
            "associate": Write(CONFLICT, 1, done=False),
            "dissociate": Write(CONFLICT, 1, done=False),
        },
    )
    * 2,
    "409 after the effect": ({"new grant": WELL, "associate": WELL, "dissociate": WELL},) * 2,
    "404": (
        {
            "new grant": Write(FAILED, 1, done=False),
            "associate": Write(FAILED, 1, done=False),
            "dissociate": Write(APPLIED, 1, done=False),
        },
    )
    * 2,
    "401, the token has expired": (alike(AGAIN), alike(Write(FAILED, 2, done=False))),
    "402, 403, 405, 413, 422": (alike(Write(FAILED, 1, done=False)),) * 2,
    "400": (alike(Write(FAILED, 1, done=False)),) * 2,
}
"""Once and always, each by what is done; the faults are those of the table for grants."""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault, what is done, how often."""

    row: Row
    fault: str
    deed: str
    calls: Calls

    @property
    def id(self) -> str:
        return f"{self.row.name}: {self.fault}, {self.deed}, {'once' if self.calls == ONCE else 'always'}"

    @property
    def write(self) -> Write:
        return EXPECTED[self.row.name][self.calls == ALWAYS][self.deed]


def cases() -> Iterator[Case]:
    for row in ROWS:
        for fault in row.troubles:
            for deed in HOLDERS:
                if deed != "dissociate" or fault not in row.not_for_deletes:
                    yield Case(row, fault, deed, ONCE)
                    yield Case(row, fault, deed, ALWAYS)


def assert_sound(trial: Trial, wish: Wish, changing: str) -> None:
    """Nobody else's grant has changed, the journal tells all, and a clean apply sets it right."""
    untouched = {name: grant for name, grant in BEFORE.items() if name != changing}
    assert {name: grant for name, grant in trial.after.items() if name != changing} == untouched
    assert trial.own_unchanged
    assert_settled(trial, wish)
    writes = sum(trial.calls[endpoint] for endpoint in (CREATE, UPDATE, ASSOCIATE, DISSOCIATE))
    assert trial.events.count("intent") == writes
    assert {entry["number"] for entry in trial.journal} == {1}
    assert trial.events[-1] == str(trial.outcomes[0].result)


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.id)
def test_a_call_about_an_organization_that_meets_a_fault_ends_as_the_table_says(tmp_path: Path, case: Case) -> None:
    wish, holder = WISHES[case.deed], HOLDERS[case.deed]

    trial = tried(
        tmp_path, wish, Strike(case.row.troubles[case.fault], ENDPOINTS[case.deed], case.calls), seed=OF_ORGANIZATIONS
    )

    assert trial.results == {holder: case.write.result}
    assert trial.calls[ENDPOINTS[case.deed]] == case.write.writes
    assert trial.calls[CREATE] == (case.deed == "new grant")
    assert trial.after[holder] == (wish.goal[holder] if case.write.done else HALF[case.deed])
    assert trial.converged is case.write.done
    assert_sound(trial, wish, holder)


@cache
def planned_in_peace() -> object:
    with TemporaryDirectory() as folder:
        return read_tried(Path(folder), wish=WISHES["associate"], seed=OF_ORGANIZATIONS).made


READS = {
    f"{row.name}: {fault}, {'once' if calls == ONCE else 'always'}": (row, fault, calls)
    for row in ROWS
    if row.reads
    for fault in row.troubles
    for calls in (ONCE, ALWAYS)
}


@pytest.mark.parametrize("endpoint", [LOOK, COUNT])
@pytest.mark.parametrize("read", READS)
def test_a_read_about_organizations_that_meets_a_fault_gives_the_whole_plan_or_none(
    tmp_path: Path, endpoint: str, read: str
) -> None:
    (row, fault, calls), wish = READS[read], WISHES["associate"]
    assert row.reads
    lasting = row.reads[calls == ALWAYS].error

    trial = read_tried(tmp_path, Strike(row.troubles[fault], endpoint, calls), wish=wish, seed=OF_ORGANIZATIONS)

    assert trial.after == BEFORE
    match row.name, fault, endpoint:
        case "404", _, "GET /api/v2/client-grants/{id}/organizations":  # the grant has gone meanwhile
            assert trial.made == planned_in_peace()
        case "404", _, _:
            assert isinstance(trial.made, ProblemsError)
        case _, "403", _:
            assert str(trial.made) == NO_ASSOCIATIONS
        case "400", _, "GET /api/v2/organizations/{id}/client-grants":  # no cursor can have expired here
            assert isinstance(trial.made, RefusedCallError)
        case _ if lasting:
            assert isinstance(trial.made, lasting)
        case _:
            assert trial.made == planned_in_peace()


LOST = AnswerFault(status=503, when="after")
BUSY = AnswerFault(status=503)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("look", [LIST, LOOK])
@pytest.mark.parametrize("deed", HOLDERS)
def test_a_change_that_neither_answers_nor_can_be_looked_up_is_unknown(
    tmp_path: Path, deed: str, look: str, when: When
) -> None:
    lost = Strike(AnswerFault(status=503, when=when), ENDPOINTS[deed])
    first = 1 if deed == "new grant" else 2

    trial = tried(tmp_path, WISHES[deed], lost, Strike(BUSY, look, Series(first=first)), seed=OF_ORGANIZATIONS)

    assert trial.results == {HOLDERS[deed]: UNKNOWN}
    half = {**BEFORE, HOLDERS[deed]: HALF[deed]}
    assert trial.after == (half if when == "before" else WISHES[deed].goal)
    assert_sound(trial, WISHES[deed], HOLDERS[deed])


@pytest.mark.parametrize(
    ("strikes", "result", "after"),
    [
        ([Strike(LOST, CREATE)], APPLIED, "a@acme"),
        ([Strike(BUSY, CREATE), Strike(LOST, ASSOCIATE)], APPLIED, "a@acme"),
        ([Strike(LOST, CREATE), Strike(BUSY, ASSOCIATE)], APPLIED, "a@acme"),
        ([Strike(LOST, CREATE), Strike(AnswerFault(status=403), ASSOCIATE)], FAILED, "a"),
        ([Strike(AnswerFault(status=403), ASSOCIATE)], FAILED, "a"),
        ([Strike(LOST, CREATE), Strike(Lag(reads=1), LIST)], APPLIED, "a@acme"),
        ([Strike(AnswerFault(status=409, when="after"), CREATE)], APPLIED, "a@acme"),
        ([Strike(Drop(when="after"), CREATE), Strike(Drop(when="after"), ASSOCIATE)], APPLIED, "a@acme"),
        ([Strike(LOST, CREATE), Strike(LOST, ASSOCIATE), Strike(BUSY, LOOK)], APPLIED, "a@acme"),
    ],
    ids=[
        "the grant's answer is lost",
        "the grant fails once, then the organization's answer is lost",
        "the grant's answer is lost, then the organization fails once",
        "the grant's answer is lost, then the organization is refused",
        "the organization is refused",
        "the grant's answer is lost, and it is seen late",
        "the grant is said to be there already",
        "both answers are lost",
        "both answers are lost, and a look fails once",
    ],
)
def test_a_new_grant_goes_on_to_its_organizations_from_wherever_it_is(
    tmp_path: Path, strikes: list[Strike], result: Result, after: str
) -> None:
    wish = WISHES["new grant"]

    trial = tried(tmp_path, wish, *strikes, seed=OF_ORGANIZATIONS)

    assert trial.results == {"new": result}
    assert trial.after == {**BEFORE, "new": after}
    assert ("only part of the change took effect" in trial.outcomes[0].detail) == (result is FAILED)
    assert_sound(trial, wish, "new")


STEPS = Wish((of("stray", GLOBEX, scope=("a", "b")),), {**BEFORE, "stray": "ab@globex"})


@pytest.mark.parametrize("fault", [BUSY, LOST, Drop(), Delay(seconds=LATER_THAN_ANYBODY_WAITS, when="after")], ids=repr)
@pytest.mark.parametrize("endpoint", [UPDATE, ASSOCIATE, DISSOCIATE])
def test_a_change_of_three_calls_is_brought_to_its_end_whichever_of_them_fails_once(
    tmp_path: Path, endpoint: str, fault: Fault
) -> None:
    trial = tried(tmp_path, STEPS, Strike(fault, endpoint), seed=OF_ORGANIZATIONS)

    assert trial.results == {"stray": APPLIED}
    assert trial.after == STEPS.goal
    assert_sound(trial, STEPS, "stray")


@pytest.mark.parametrize(
    ("endpoint", "status", "after"),
    [
        (ASSOCIATE, 403, "a@acme"),
        (UPDATE, 403, "a@acme,globex"),
        (UPDATE, 404, "a@acme,globex"),
        (DISSOCIATE, 409, "ab@acme,globex"),
    ],
)
def test_a_change_that_is_refused_half_way_says_so_and_gives_before_it_takes(
    tmp_path: Path, endpoint: str, status: int, after: str
) -> None:
    trial = tried(tmp_path, STEPS, Strike(AnswerFault(status=status), endpoint, ALWAYS), seed=OF_ORGANIZATIONS)

    assert trial.results == {"stray": FAILED}
    assert ("only part of the change took effect" in trial.outcomes[0].detail) == (endpoint != ASSOCIATE)
    assert trial.after == {**BEFORE, "stray": after}
    assert_sound(trial, STEPS, "stray")


MORE_WISHES = {
    "associate both": Wish((of("old", ACME, GLOBEX),), {**BEFORE, "old": "a@acme,globex"}),
    "delete": Wish((of("old"),), {name: grant for name, grant in BEFORE.items() if name != "stray"}, prune=True),
}


def tie(sandbox: Sandbox, holder: str, organization: str) -> None:
    grant = sandbox.store.first(DocumentKind.CLIENT_GRANTS, {"client_id": holder})
    assert grant
    names = {"organization_id": organization, "grant_id": grant["id"]}
    sandbox.store.add(DocumentKind.ASSOCIATIONS, f"{organization}:{grant['id']}", names)


@pytest.mark.parametrize(
    ("deed", "organization", "result", "after"),
    [
        ("associate", ACME, APPLIED, "a@acme"),
        ("associate", GLOBEX, CONFLICT, "a@globex"),
        ("associate both", GLOBEX, CONFLICT, "a@globex"),
        ("dissociate", GLOBEX, CONFLICT, "a@acme,globex"),
        ("delete", GLOBEX, CONFLICT, "a@acme,globex"),
    ],
    ids=[
        "as wanted",
        "another",
        "half of what is wanted",
        "one more before one goes",
        "one more before the grant goes",
    ],
)
def test_what_somebody_else_does_to_the_organizations_since_the_plan_is_not_overwritten(
    tmp_path: Path, deed: str, organization: str, result: Result, after: str
) -> None:
    wish, holder = (WISHES | MORE_WISHES)[deed], "old" if deed.startswith("associate") else "stray"
    done: list[str] = []

    def meddle(sandbox: Sandbox, endpoint: str) -> None:
        if endpoint == LIST and len(done) == 1:  # the look before the write, before it comes to the organizations
            tie(sandbox, holder, organization)
        done.extend([endpoint] if endpoint == LIST else [])

    trial = tried(tmp_path, wish, foreign=meddle, seed=OF_ORGANIZATIONS)

    assert trial.results == {holder: result}
    assert trial.after == {**BEFORE, holder: after}
    assert_settled(trial, wish)


def test_an_association_that_was_none_shows_when_the_tenant_is_read_again(tmp_path: Path) -> None:
    wish = WISHES["associate"]

    trial = tried(tmp_path, wish, Strike(LoseWrite(), ASSOCIATE), seed=OF_ORGANIZATIONS)

    assert (trial.results, trial.converged) == ({"old": APPLIED}, False)
    assert_sound(trial, wish, "old")


@pytest.mark.parametrize(
    ("wish", "holder", "behind", "after"),
    [
        (WISHES["new grant"], "new", CREATE, "a"),
        (WISHES["new grant"], "new", ASSOCIATE, "a@acme"),
        (STEPS, "stray", ASSOCIATE, "a@acme,globex"),
        (STEPS, "stray", UPDATE, "ab@acme,globex"),
        (STEPS, "stray", DISSOCIATE, "ab@globex"),
    ],
    ids=["new: the grant", "new: its organization", "first of three", "second of three", "last of three"],
)
def test_a_change_that_is_cut_off_behind_any_of_its_calls_is_unknown_and_goes_on_the_next_time(
    tmp_path: Path, wish: Wish, holder: str, behind: str, after: str
) -> None:
    stop = StopSignal()

    def cut(_: Sandbox, called: str) -> None:
        if called == behind:
            stop.abort.set()

    trial = tried(tmp_path, wish, foreign=cut, stop=stop, seed=OF_ORGANIZATIONS)

    assert trial.results == {holder: UNKNOWN}
    assert trial.after == {**BEFORE, holder: after}
    assert_sound(trial, wish, holder)


NAMES = {"acme": ACME, "globex": GLOBEX}
usages = st.sampled_from(["deny", "allow", "require"])
some = st.frozensets(st.sampled_from(sorted(NAMES)))
tenants = st.dictionaries(st.sampled_from(["old", "stray"]), st.tuples(usages, some))
files = st.dictionaries(
    st.sampled_from(["new", "old", "stray"]), st.tuples(usages, st.one_of(st.none(), some)), min_size=1
)
strikes = st.lists(
    st.builds(
        Strike,
        st.sampled_from([BUSY, LOST, Drop(), Drop(when="after"), AnswerFault(status=403)]),
        st.sampled_from([LIST, LOOK, CREATE, UPDATE, DELETE, ASSOCIATE, DISSOCIATE]),
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


def shown(organizations: frozenset[str]) -> str:
    return "@".join(filter(None, ["a", ",".join(sorted(organizations))]))


def a_spec_of(name: str, usage: str, organizations: frozenset[str] | None) -> GrantSpec:
    ids = None if organizations is None else tuple(NAMES[each] for each in sorted(organizations))
    return a_spec(client_id=name, scope=("a",), organization_usage=usage, organizations=ids)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(tenant=tenants, declared=files, strikes=strikes, prune=st.booleans())
def test_whatever_fails_the_organizations_come_to_be_those_declared_and_no_others_are_touched(
    tenant: Grants, declared: Declared, strikes: list[Strike], *, prune: bool
) -> None:
    had = {name: organizations for name, (_, organizations) in tenant.items()}
    wanted = {
        name: had.get(name, frozenset()) if organizations is None else organizations
        for name, (_, organizations) in declared.items()
    }
    specs = tuple(a_spec_of(name, *said) for name, said in declared.items())
    goal = {name: shown(each) for name, each in (wanted if prune else {**had, **wanted}).items()}

    with TemporaryDirectory() as folder:
        trial = tried(Path(folder), Wish(specs, goal, prune), *strikes, seed=a_seed(tenant))

    for name in had.keys() - declared.keys():
        assert trial.after.get(name) in {shown(had[name]), None if prune else shown(had[name])}
    assert trial.own_unchanged
    assert_settled(trial, Wish(specs, goal, prune))
    for outcome in trial.outcomes:
        name = outcome.change.key.holder
        if outcome.result is APPLIED:
            assert trial.after.get(name) == goal.get(name)
