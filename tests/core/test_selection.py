from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import INVOICES, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed, spec_of
from support.strategies import files, tenants

from reconciler.core.directory import Api, Application, Directory
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.pattern import Match
from reconciler.core.plan import Delete, Plan
from reconciler.core.problems import Source
from reconciler.core.removals import Removal
from reconciler.core.selection import GrantSelection, refuse_empty_selection, select_grants, split_specs
from reconciler.core.settings import Limits
from reconciler.core.spec import TenantPattern, TenantPatterns
from reconciler.errors import ProblemsError, ReconcilerError

NAMES = {"a": "Alpha", "b": "Beta", "c": "Alpha"}
APIS = {"https://one": "One", "https://two": "Two"}
DIRECTORY = Directory(
    tuple(Application(each, name) for each, name in NAMES.items()),
    tuple(Api(each, name, frozenset()) for each, name in APIS.items()),
)
UNLIMITED = Limits(deletes_percent=100, updates_percent=100, max_deletes=1000, max_updates=1000)


def effects(plan: Plan) -> dict[Key, str]:
    changes = [*plan.changes, *(each.change for each in plan.blocked)]
    return {each.key: type(each).__name__ for each in changes}


@given(
    files(),
    tenants(),
    st.lists(st.sampled_from(["Alpha", "Be*", "a", "b", "?"]), max_size=2),
    st.lists(st.sampled_from(["One", "T*", "https://one"]), max_size=2),
)
def test_a_plan_of_selected_grants_is_that_part_of_the_whole_plan(
    desired: dict[Key, ClientGrant], tenant: dict[Key, ClientGrant], clients: list[str], apis: list[str]
) -> None:
    observed = [ObservedGrant(f"cgr_{number}", grant) for number, grant in enumerate(tenant.values())]
    specs = [spec_of(grant)._replace(scope=()) for grant in desired.values()]
    matching = {
        "Alpha": {"a", "c"}, "Be*": {"b"}, "a": {"a"}, "b": {"b"}, "?": {"a", "b", "c"},
        "One": {"https://one"}, "T*": {"https://two"}, "https://one": {"https://one"},
    }  # fmt: skip
    wanted = set(
        product(
            set().union(*(matching[each] for each in clients)) if clients else NAMES,
            set().union(*(matching[each] for each in apis)) if apis else APIS,
        )
    )

    whole = a_plan(specs, observed, DIRECTORY, prune=True, limits=UNLIMITED)
    part = a_plan(
        specs,
        observed,
        DIRECTORY,
        prune=True,
        limits=UNLIMITED,
        selection=GrantSelection(clients=tuple(clients), apis=tuple(apis)),
    )

    assert effects(part) == {
        key: name for key, name in effects(whole).items() if (key.client_id, key.audience) in wanted
    }
    assert {each.observed.key for each in part.left_alone} == {
        each.observed.key
        for each in whole.left_alone
        if (each.observed.key.client_id, each.observed.key.audience) in wanted
    }


def test_files_select_declared_grants_and_undeclared_ones_that_they_declared_earlier() -> None:
    here, elsewhere = a_spec(client_id="a")._replace(file="grants/x/a.yaml"), a_spec(client_id="b")
    earlier = a_spec(client_id="c")._replace(file="grants/x/old.yaml in 0123abc")
    observed = [an_observed(a_grant(a_key(each)), f"cgr_{each}") for each in "bcd"]

    plan = a_plan(
        [here, elsewhere],
        observed,
        removals=(Removal(earlier, is_from_history=True),),
        prune=True,
        limits=UNLIMITED,
        selection=GrantSelection(files=("grants/x",)),
    )

    assert effects(plan) == {a_key("a"): "Create", a_key("c"): "Delete"}
    assert plan.selection
    assert (plan.selection.selected, plan.selection.others) == (2, 1)


def test_a_folder_does_not_select_files_whose_path_starts_with_its_name() -> None:
    selection = GrantSelection(files=("grants/a",))
    specs = [a_spec()._replace(file=name) for name in ("grants/a/b.yaml", "grants/a.yaml", "grants/ab/c.yaml")]

    assert [selection.matches_spec(each, DIRECTORY) for each in specs] == [Match.YES, Match.NO, Match.NO]


def test_problems_of_grants_that_are_not_selected_do_not_stop_the_plan() -> None:
    directory = a_directory({"a": "Alpha"}, [an_api()])
    specs = [a_spec(client="Alpha"), a_spec(9, client="Missing")]

    assert len(a_plan(specs, directory=directory, selection=GrantSelection(clients=("Alpha",))).changes) == 1
    with pytest.raises(ProblemsError):
        a_plan(specs, directory=directory, selection=GrantSelection(clients=("Missing",)))


def test_an_ambiguous_name_that_is_not_selected_by_name_may_be_selected_by_id() -> None:
    directory = a_directory({"a": "Twin", "b": "Twin"}, [an_api()])

    with pytest.raises(ProblemsError) as caught:
        a_plan([a_spec(client="Twin")], directory=directory, selection=GrantSelection(clients=("a",)))

    assert [each.what for each in caught.value.problems] == ['2 applications are named "Twin": a, b']


def test_a_grant_that_may_be_selected_is_a_problem() -> None:
    with pytest.raises(ProblemsError) as caught:
        a_plan([a_spec()], directory=Directory(), selection=GrantSelection(clients=("Billing",)))

    assert [each.what for each in caught.value.problems] == [
        'reconciler does not know whether client "Billing" selects this grant, because a name was not read'
    ]


def test_an_undeclared_grant_that_may_be_selected_is_left_out_with_a_note() -> None:
    plan = a_plan(
        [a_spec()],
        [an_observed(), an_observed(a_grant(a_key("other")))],
        Directory(),
        prune=True,
        limits=UNLIMITED,
        selection=GrantSelection(clients=("billing", "B*")),
    )

    assert plan.converged
    assert plan.notes[-1].startswith("left out 1 undeclared grant, because a name was not read")


@pytest.mark.parametrize("others", [0, 95])
def test_limits_count_the_declared_grants_that_are_not_selected(others: int) -> None:
    specs = [a_spec(client_id=f"other{number}") for number in range(others)]
    observed = [an_observed(a_grant(a_key(each.client_id)), f"cgr_{each.client_id}") for each in specs]

    gone = [an_observed(a_grant(a_key(f"gone{number}")), f"cgr_gone{number}") for number in range(12)]

    plan = a_plan(
        [a_spec(client_id="kept"), *specs],
        [*gone, *observed],
        prune=True,
        limits=Limits(deletes_percent=20),
        selection=GrantSelection(clients=("gone*", "kept")),
    )

    changes = plan.changes if others else [each.change for each in plan.blocked]
    assert sum(isinstance(each, Delete) for each in changes) == len(gone)


def test_a_selection_without_any_grant_is_refused_with_a_suggestion() -> None:
    selection = GrantSelection(clients=("Biling",), files=("grants/a.yml",))
    plan = a_plan([a_spec()], directory=a_directory({"billing": "Billing"}, [an_api()]), selection=selection)

    with pytest.raises(ReconcilerError) as caught:
        refuse_empty_selection([plan.selection])

    assert str(caught.value) == (
        'client "Biling" selects no grant; did you mean "Billing"?; '
        'file "grants/a.yml" selects no grant; did you mean "grants/a.yaml"?'
    )
    refuse_empty_selection([plan.selection, a_plan([a_spec()], selection=GrantSelection(apis=(INVOICES,))).selection])


def test_a_selection_of_grants_with_unread_names_only_is_refused() -> None:
    plan = a_plan([], [an_observed()], Directory(), prune=True, selection=GrantSelection(clients=("Billing",)))

    with pytest.raises(ReconcilerError, match=r'client "Billing" selects no grant; left out 1 .*a name was not read'):
        refuse_empty_selection([plan.selection])


def test_a_selection_is_accepted_if_one_tenant_has_the_application() -> None:
    selection = GrantSelection(clients=("Portal",))
    without, with_portal = (
        a_plan([a_spec()], directory=a_directory(applications, [an_api()]), selection=selection)
        for applications in ({"billing": "Billing"}, {"billing": "Billing", "portal": "Portal"})
    )

    refuse_empty_selection([without.selection, with_portal.selection])
    with pytest.raises(ReconcilerError):
        refuse_empty_selection([without.selection])


def test_a_grant_of_other_tenants_only_is_named_with_its_line_and_its_tenants() -> None:
    source = Source("grants/portal.yaml", 7, 3)
    specs = tuple(
        a_spec(line, client="Portal")._replace(
            file="grants/portal.yaml",
            tenants=(TenantPatterns((TenantPattern("eu-*", source), TenantPattern("us", source))),),
        )
        for line in (7, 9)
    )
    for selection in (GrantSelection(clients=("Port*",)), GrantSelection(files=("portal.yaml",), folder="grants")):
        split = split_specs([a_spec()], selection, DIRECTORY, specs)

        (message,) = select_grants((), (), split, {}, DIRECTORY).notes

        assert message.endswith(
            " selects no grant; matching grants are declared for other tenants only: "
            "for eu-* and us at grants/portal.yaml:7, and in 1 more place"
        )
    (message,) = select_grants((), (), split._replace(of_all_tenants=()), {}, DIRECTORY).notes
    assert "other tenants" not in message


@pytest.mark.parametrize(
    ("file", "is_inside"),
    [
        ("a.yaml", True),
        ("team/..a/b.yaml", True),
        ("../a.yaml", False),
        ("..", False),
        (".", False),
        ("", False),
        ("/etc/passwd", False),
        ("a/../../b.yaml", False),
        ("a/../b.yaml", False),
        ("a//b.yaml", False),
        ("./a.yaml", False),
    ],
)
def test_only_files_of_the_grant_folder_are_inside(file: str, *, is_inside: bool) -> None:
    assert GrantSelection(files=("ok.yaml", file), folder="grants").is_inside is is_inside


RENAMED = a_directory({"billing": "New Name"}, [an_api()])


@pytest.mark.parametrize("selection", [GrantSelection(clients=("New Name",)), GrantSelection(clients=("bill*",))])
def test_prune_does_not_delete_while_another_declaration_has_an_unknown_name(selection: GrantSelection) -> None:
    specs = [a_spec(client="Old Name")]

    with pytest.raises(ProblemsError) as caught:
        a_plan(specs, [an_observed()], RENAMED, prune=True, limits=UNLIMITED, selection=selection)

    assert [each.what for each in caught.value.problems] == ['the tenant has no application named "Old Name"']
    assert not a_plan(specs, [an_observed()], RENAMED, selection=selection).changes


def test_a_declaration_with_an_unknown_organization_still_declares_its_grant() -> None:
    moved = a_spec(organization_usage="allow", organizations=("typo",))._replace(file="grants/b.yaml")
    earlier = a_spec()._replace(file="grants/a.yaml in 0123abc")

    plan = a_plan(
        [moved],
        [an_observed()],
        a_directory({"billing": "Billing"}, [an_api()], {}),
        prune=True,
        limits=UNLIMITED,
        removals=(Removal(earlier, is_from_history=True),),
        selection=GrantSelection(files=("grants/a.yaml",)),
    )

    assert not plan.changes


@pytest.mark.parametrize("expires", ["", "2020-01-31"])
def test_a_selected_grant_that_another_file_declares_is_a_problem(expires: str) -> None:
    directory = a_directory({"billing": "Billing"}, [an_api()])
    selected = a_spec(client="Billing", expires=expires)
    other = a_spec(9)._replace(file="grants/b.yaml")

    with pytest.raises(ProblemsError) as caught:
        a_plan(
            [selected, other],
            [an_observed()],
            directory,
            limits=UNLIMITED,
            selection=GrantSelection(files=("grants/a.yaml",)),
        )

    assert ["already declared at grants/b.yaml:9:5" in each.what for each in caught.value.problems] == [True]
