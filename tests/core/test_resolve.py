from dataclasses import replace

from support.builders import INVOICES, a_directory, a_key, a_spec, an_api

from reconciler.core.directory import Application, Directory
from reconciler.core.grant import ClientGrant
from reconciler.core.problems import Source
from reconciler.core.resolve import resolve

DIRECTORY = a_directory({"id1": "Billing Worker", "id2": "Portal", "id3": "Portal"}, [an_api()])


def test_names_are_replaced_by_ids() -> None:
    desired, problems = resolve([a_spec(client="Billing Worker", api="Invoices API")], DIRECTORY)

    assert problems == ()
    assert [each.grant for each in desired] == [ClientGrant(a_key("id1"), frozenset({"read:invoices"}))]


def test_ids_are_kept() -> None:
    desired, _ = resolve([a_spec(client_id="anything", audience="urn:any")], a_directory())

    assert desired[0].key == a_key("anything", "urn:any")


def test_a_default_for_third_parties_has_no_client() -> None:
    desired, _ = resolve([a_spec(default_for="third_party_clients")], a_directory())

    assert desired[0].key == a_key(None, default_for="third_party_clients")


def test_an_unknown_name_is_a_problem_with_a_suggestion() -> None:
    _, (client, api) = resolve([a_spec(client="Biling worker", api="Invoice API")], DIRECTORY)

    assert (client.source, client.what) == (
        Source("grants/a.yaml", 2, 5),
        'the tenant has no application named "Biling worker"',
    )
    assert client.fix == 'did you mean "Billing Worker"?'
    assert (api.source, api.fix) == (Source("grants/a.yaml", 3, 5), 'did you mean "Invoices API"?')


def test_a_name_without_similar_names_has_no_suggestion() -> None:
    _, (problem,) = resolve([a_spec(client="Zzz")], DIRECTORY)

    assert problem.fix == "create the application first, or correct the name"


def test_an_ambiguous_application_name_is_a_problem_with_the_ids() -> None:
    _, (problem,) = resolve([a_spec(client="Portal")], DIRECTORY)

    assert problem.message == '2 applications are named "Portal": id2, id3; use client_id instead'


def test_an_ambiguous_api_name_is_a_problem_with_the_identifiers() -> None:
    directory = a_directory({}, [an_api("urn:one"), an_api("urn:two")])

    _, (problem,) = resolve([a_spec(api="Invoices API")], directory)

    assert problem.message == '2 APIs are named "Invoices API": urn:one, urn:two; use audience instead'


def test_a_grant_by_name_and_by_id_is_a_duplicate() -> None:
    specs = [a_spec(client="Billing Worker"), a_spec(line=9, client_id="id1", audience=INVOICES)]

    desired, (problem,) = resolve(specs, DIRECTORY)

    assert len(desired) == 1
    assert problem.source == Source("grants/a.yaml", 9, 5)
    assert problem.what == "this grant is already declared at grants/a.yaml:2:5"


def test_grants_with_different_subject_types_are_different() -> None:
    desired, problems = resolve([a_spec(), a_spec(subject_type="user")], DIRECTORY)

    assert (len(desired), problems) == (2, ())


ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"
ORGANIZATIONS = a_directory(organizations={ACME: "acme", GLOBEX: "globex", "org_1": "org_2", "org_2": "initech"})


def test_organizations_are_declared_by_name_or_id() -> None:
    ((named,), _) = resolve([a_spec(organizations=("acme", GLOBEX))], ORGANIZATIONS)
    ((given,), _) = resolve([a_spec(organizations=(GLOBEX, ACME))], a_directory())

    assert named.grant.organizations == given.grant.organizations == frozenset({ACME, GLOBEX})


def test_an_empty_list_of_organizations_differs_from_an_undeclared_list() -> None:
    ((none,), _) = resolve([a_spec(organizations=())], ORGANIZATIONS)
    ((undeclared,), _) = resolve([a_spec()], ORGANIZATIONS)

    assert (none.grant.organizations, undeclared.grant.organizations) == (frozenset(), None)


def test_each_unknown_organization_is_a_problem_at_its_item() -> None:
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


def test_a_text_that_is_a_name_and_another_id_is_ambiguous() -> None:
    _, (problem,) = resolve([a_spec(organizations=("org_2",))], ORGANIZATIONS)

    assert problem.what == '"org_2" is the id of one organization and the name of another'


def test_a_text_in_id_format_never_matches_a_name() -> None:
    gone, other = "org_acmeacmeacmeacme", "org_globexglobexglob"
    directory = a_directory(organizations={other: gone})

    assert directory.find_organizations(gone) == ()
    assert directory.find_organizations(other) == (other,)
    assert a_directory().find_organizations(gone) == (gone,)


def test_an_identity_in_place_of_a_name_gets_advice() -> None:
    directory = a_directory({"billing": "Billing"}, [an_api()])

    _, problems = resolve([a_spec(client="billing", api="https://api.example.com/invoices")], directory)

    assert [each.fix for each in problems] == [
        "this is a client id: use client_id instead of client",
        "this is an identifier: use audience instead of api",
    ]


def test_a_spec_is_resolved_once_for_a_directory() -> None:
    spec = a_spec(client="Billing", client_id=None)
    known = Directory(applications=(Application("billing", "Billing"),))

    (first,), _ = resolve([spec], known)
    (second,), _ = resolve([spec], known)

    assert first is second
    assert resolve([spec._replace()], known)[0][0] is not first


def test_a_directory_with_other_names_resolves_a_spec_again() -> None:
    spec = a_spec(client="Billing", client_id=None)
    known = Directory(applications=(Application("billing", "Billing"),))
    changed = replace(known, applications=(Application("other", "Billing"),))

    assert resolve([spec], known)[0][0].key.client_id == "billing"
    assert resolve([spec], changed)[0][0].key.client_id == "other"
    assert resolve([spec], replace(known, applications=()))[0] == ()
