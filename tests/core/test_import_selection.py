import pytest
from support.builders import OWN, a_directory, a_grant, a_key, an_api, an_observed

from reconciler.core.grant import ClientGrant, ObservedGrant
from reconciler.core.guards import ProtectionRules
from reconciler.core.import_selection import GrantImport, ImportFilter, adopt
from reconciler.core.pattern import ManagedScope, Pattern, Protect

INVOICES = a_grant()
PORTAL = a_grant(a_key("portal"))
DEFAULT = a_grant(a_key(None, default_for="third_party_clients"))
NAMES = a_directory({"billing": "Billing", "portal": "Customer Portal"}, [an_api()])


def adopted(*observed: ObservedGrant, **options: object) -> GrantImport:
    choice = ImportFilter(**options) if options else ImportFilter()  # type: ignore[arg-type] # what a test says of it
    return adopt(observed, NAMES, choice=choice, untouchable=ProtectionRules(OWN), declared=())


def grants_in(adoption: GrantImport) -> dict[str, list[ClientGrant]]:
    return {name: list(grants) for name, grants in adoption.holders}


def test_each_application_has_a_file_and_what_holds_by_default_one_of_its_own() -> None:
    more = a_grant(a_key(subject_type="user"))

    found = grants_in(adopted(*map(an_observed, [DEFAULT, PORTAL, more, INVOICES])))

    assert found == {
        "billing": [INVOICES, more],
        "customer-portal": [PORTAL],
        "default-for-third-party-clients": [DEFAULT],
    }


def test_applications_whose_names_come_to_one_file_name_are_kept_apart() -> None:
    names = a_directory({"a": "Billing", "b": "BILLING!"})
    observed = [an_observed(a_grant(a_key(client_id))) for client_id in "ab"]

    adoption = adopt(observed, names, choice=ImportFilter(), untouchable=ProtectionRules(OWN), declared=())

    assert [name for name, _ in adoption.holders] == ["billing", "billing"]


def test_what_is_not_ours_and_what_no_file_can_say_is_left_out_with_its_reason() -> None:
    system = an_observed(a_grant(a_key("auth0")), is_system=True)
    odd = an_observed(a_grant(a_key("odd", subject_type="robot")))

    adoption = adopted(system, an_observed(a_grant(OWN)), odd)

    assert adoption.holders == ()
    assert [(each.key.client_id, each.why) for each in adoption.left_out] == [
        ("auth0", "Auth0 created this grant, and it cannot be changed"),
        ("odd", 'a grant file cannot express it: its subject type "robot" is unknown'),
        ("own-client", "reconciler uses this grant to access the tenant"),
    ]


def test_what_is_protected_is_written_and_what_lies_beyond_the_border_is_not() -> None:
    untouchable = ProtectionRules(OWN, (Protect(client="*"),), ManagedScope((Pattern(client_id="billing"),)))
    observed = [an_observed(INVOICES), an_observed(PORTAL)]

    adoption = adopt(observed, NAMES, choice=ImportFilter(), untouchable=untouchable, declared=())

    assert grants_in(adoption) == {"billing": [INVOICES]}
    assert [each.why for each in adoption.left_out] == ["manage in reconciler.yaml does not match this grant"]


def test_what_is_declared_is_skipped() -> None:
    adoption = adopt(
        [an_observed()], NAMES, choice=ImportFilter(), untouchable=ProtectionRules(OWN), declared={a_key()}
    )

    assert adoption == GrantImport((), (), declared=1)


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
def test_patterns_choose_by_name_or_id_one_of_each_kind(choice: dict[str, object], files: set[str]) -> None:
    assert grants_in(adopted(an_observed(INVOICES), an_observed(PORTAL), **choice)).keys() == files
