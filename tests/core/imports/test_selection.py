import pytest
from hypothesis import given
from support.builders import OWN, a_directory, a_grant, a_key, an_api, an_observed
from support.odd_tenants import odd_texts

from reconciler.core.grant import ClientGrant, ObservedGrant
from reconciler.core.guards import ProtectionRules
from reconciler.core.imports.selection import (
    MAX_STEM_LENGTH,
    GrantImport,
    ImportFilter,
    UniqueNames,
    file_stem,
    select_grants,
)
from reconciler.core.pattern import ManagedScope, Pattern, Protect

INVOICES = a_grant()
PORTAL = a_grant(a_key("portal"))
DEFAULT = a_grant(a_key(None, default_for="third_party_clients"))
NAMES = a_directory({"billing": "Billing", "portal": "Customer Portal"}, [an_api()])


def selected(*observed: ObservedGrant, **options: object) -> GrantImport:
    choice = ImportFilter(**options) if options else ImportFilter()  # type: ignore[arg-type] # options of the test
    return select_grants(observed, NAMES, choice=choice, protection=ProtectionRules(OWN), declared=())


def grants_in(grant_import: GrantImport) -> dict[str, list[ClientGrant]]:
    return {name: list(grants) for name, grants in grant_import.holders}


def test_each_application_and_each_default_has_its_own_file() -> None:
    more = a_grant(a_key(subject_type="user"))

    found = grants_in(selected(*map(an_observed, [DEFAULT, PORTAL, more, INVOICES])))

    assert found == {
        "billing": [INVOICES, more],
        "customer-portal": [PORTAL],
        "default-for-third-party-clients": [DEFAULT],
    }


def test_applications_with_the_same_file_name_are_separate_holders() -> None:
    names = a_directory({"a": "Billing", "b": "BILLING!"})
    observed = [an_observed(a_grant(a_key(client_id))) for client_id in "ab"]

    grant_import = select_grants(observed, names, choice=ImportFilter(), protection=ProtectionRules(OWN), declared=())

    assert [name for name, _ in grant_import.holders] == ["billing", "billing"]


def test_own_system_and_inexpressible_grants_are_not_imported() -> None:
    system = an_observed(a_grant(a_key("auth0")), is_system=True)
    odd = an_observed(a_grant(a_key("odd", subject_type="robot")))

    grant_import = selected(system, an_observed(a_grant(OWN)), odd)

    assert grant_import.holders == ()
    assert [(each.key.client_id, each.reason) for each in grant_import.left_out] == [
        ("auth0", "Auth0 created this grant and does not allow changes"),
        ("odd", 'a grant file cannot express this grant: the subject type "robot" is unknown'),
        ("own-client", "reconciler uses this grant to access the tenant"),
    ]


def test_protected_grants_are_imported_and_unmanaged_grants_are_not() -> None:
    protection = ProtectionRules(OWN, (Protect(client="*"),), ManagedScope((Pattern(client_id="billing"),)))
    observed = [an_observed(INVOICES), an_observed(PORTAL)]

    grant_import = select_grants(observed, NAMES, choice=ImportFilter(), protection=protection, declared=())

    assert grants_in(grant_import) == {"billing": [INVOICES]}
    assert [each.reason for each in grant_import.left_out] == ["`manage` in reconciler.yaml does not match this grant"]


def test_declared_grants_are_not_imported_again() -> None:
    grant_import = select_grants(
        [an_observed()], NAMES, choice=ImportFilter(), protection=ProtectionRules(OWN), declared={a_key()}
    )

    assert grant_import == GrantImport((), (), declared=1)


@pytest.mark.parametrize(
    ("choice", "files"),
    [
        ({"clients": ("Bill*",)}, {"billing"}),
        ({"clients": ("portal", "billing")}, {"billing", "customer-portal"}),
        ({"clients": ("*",), "audiences": ("Invoices *",)}, {"billing", "customer-portal"}),
        ({"audiences": ("https://api.example.com/*",), "clients": ("portal",)}, {"customer-portal"}),
        ({"audiences": ("https://elsewhere",)}, set()),
    ],
    ids=["name", "ids", "api-name", "identifier-and-id", "none"],
)
def test_a_filter_matches_names_and_ids(choice: dict[str, object], files: set[str]) -> None:
    assert grants_in(selected(an_observed(INVOICES), an_observed(PORTAL), **choice)).keys() == files


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Billing Worker", "billing-worker"),
        ("Überweisung (neu)", "uberweisung-neu"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("CON", "con-application"),
        ("com¹", "com1-application"),
        ("LPT9", "lpt9-application"),
        ("a" * 300, "a" * MAX_STEM_LENGTH),
        ("日本", "tpc-7ledgerly"),
        ("", "tpc-7ledgerly"),
    ],
)
def test_a_name_becomes_a_portable_file_name(name: str, file: str) -> None:
    assert file_stem(name, "tpc_7Ledgerly") == file


def test_a_file_has_a_default_name_if_name_and_id_have_no_usable_character() -> None:
    assert file_stem("日本", "///") == "application"


def test_unique_names_differ_in_more_than_case() -> None:
    free = UniqueNames(["Billing", "BILLING-3"])

    assert [free("billing"), free("billing"), free("billing-2"), free("other")] == [
        "billing-2",
        "billing-4",
        "billing-2-2",
        "other",
    ]


@given(odd_texts)
def test_a_file_name_has_only_letters_digits_and_hyphens_and_is_stable(name: str) -> None:
    made = file_stem(name, "id")

    assert made
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert made[0] != "-" != made[-1]
    assert file_stem(made) == made
