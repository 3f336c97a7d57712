from support.builders import INVOICES, a_directory, a_key, a_spec, an_api

from reconciler.core.grant import ClientGrant
from reconciler.core.problems import Source
from reconciler.core.resolve import resolve

DIRECTORY = a_directory({"id1": "Billing Worker", "id2": "Portal", "id3": "Portal"}, [an_api()])


def test_names_become_the_tenants_ids() -> None:
    desired, problems = resolve([a_spec(client="Billing Worker", api="Invoices API")], DIRECTORY)

    assert problems == ()
    assert [each.grant for each in desired] == [ClientGrant(a_key("id1"), frozenset({"read:invoices"}))]


def test_ids_are_taken_as_they_are() -> None:
    desired, _ = resolve([a_spec(client_id="anything", audience="urn:any")], a_directory())

    assert desired[0].key == a_key("anything", "urn:any")


def test_a_default_for_third_parties_has_no_client() -> None:
    desired, _ = resolve([a_spec(default_for="third_party_clients")], a_directory())

    assert desired[0].key == a_key(None, default_for="third_party_clients")


def test_an_unknown_name_is_a_problem_at_its_place_with_near_misses() -> None:
    _, (client, api) = resolve([a_spec(client="Biling worker", api="Invoice API")], DIRECTORY)

    assert (client.source, client.what) == (
        Source("grants/a.yaml", 2, 5),
        'the tenant has no application named "Biling worker"',
    )
    assert client.fix == 'did you mean "Billing Worker"?'
    assert (api.source, api.fix) == (Source("grants/a.yaml", 3, 5), 'did you mean "Invoices API"?')


def test_a_name_like_no_other_comes_without_a_guess() -> None:
    _, (problem,) = resolve([a_spec(client="Zzz")], DIRECTORY)

    assert problem.fix == "create the application first, or correct the name"


def test_a_name_that_two_applications_carry_is_a_problem_with_their_ids() -> None:
    _, (problem,) = resolve([a_spec(client="Portal")], DIRECTORY)

    assert problem.message == '2 applications are named "Portal": id2, id3; use client_id instead'


def test_a_name_that_two_apis_carry_is_a_problem_with_their_identifiers() -> None:
    directory = a_directory({}, [an_api("urn:one"), an_api("urn:two")])

    _, (problem,) = resolve([a_spec(api="Invoices API")], directory)

    assert problem.message == '2 APIs are named "Invoices API": urn:one, urn:two; use audience instead'


def test_one_grant_by_name_and_by_id_is_declared_twice() -> None:
    specs = [a_spec(client="Billing Worker"), a_spec(line=9, client_id="id1", audience=INVOICES)]

    desired, (problem,) = resolve(specs, DIRECTORY)

    assert len(desired) == 1
    assert problem.source == Source("grants/a.yaml", 9, 5)
    assert problem.what == "this grant is already declared at grants/a.yaml:2:5"


def test_two_grants_that_differ_in_subject_type_only_are_two() -> None:
    desired, problems = resolve([a_spec(), a_spec(subject_type="user")], DIRECTORY)

    assert (len(desired), problems) == (2, ())


ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"
ORGANIZATIONS = a_directory(organizations={ACME: "acme", GLOBEX: "globex", "org_1": "org_2", "org_2": "initech"})


def test_organizations_are_named_or_given_by_id() -> None:
    ((named,), _) = resolve([a_spec(organizations=("acme", GLOBEX))], ORGANIZATIONS)
    ((given,), _) = resolve([a_spec(organizations=(GLOBEX, ACME))], a_directory())

    assert named.grant.organizations == given.grant.organizations == frozenset({ACME, GLOBEX})


def test_no_organizations_are_something_else_than_nothing_said_about_them() -> None:
    ((none,), _) = resolve([a_spec(organizations=())], ORGANIZATIONS)
    ((unsaid,), _) = resolve([a_spec()], ORGANIZATIONS)

    assert (none.grant.organizations, unsaid.grant.organizations) == (frozenset(), None)


def test_an_unknown_organization_is_a_problem_at_its_item_beside_all_others() -> None:
    desired, problems = resolve([a_spec(client="Zzz", organizations=("acme", "globax", "x"))], ORGANIZATIONS)

    assert desired == ()
    assert [(str(each.source), each.message, each.is_missing) for each in problems] == [
        (
            "grants/a.yaml:2:5",
            'the tenant has no application named "Zzz"; create the application first, or correct the name',
            True,
        ),
        ("grants/a.yaml:83:9", 'the tenant has no organization "globax"; did you mean "globex"?', True),
        (
            "grants/a.yaml:84:9",
            'the tenant has no organization "x"; create the organization first, or correct the name',
            True,
        ),
    ]


def test_a_name_that_is_spelt_as_the_id_of_another_organization_stands_for_neither() -> None:
    _, (problem,) = resolve([a_spec(organizations=("org_2",))], ORGANIZATIONS)

    assert problem.what == '"org_2" is the id of one organization and the name of another'


def test_an_organization_that_is_named_like_the_id_of_another_is_not_taken_for_it() -> None:
    gone, other = "org_acmeacmeacmeacme", "org_globexglobexglob"
    directory = a_directory(organizations={other: gone})

    assert directory.organizations_called(gone) == ()
    assert directory.organizations_called(other) == (other,)
    assert a_directory().organizations_called(gone) == (gone,)
