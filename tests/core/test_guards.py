from collections.abc import Callable
from typing import Any

import pytest
from support.builders import INVOICES, OWN, a_directory, a_grant, a_key, a_spec, an_api, an_observed

from reconciler.core.directory import Application, Directory
from reconciler.core.grant import Key
from reconciler.core.guards import ProtectionRules, forbid_over_limit, forbid_protected
from reconciler.core.pattern import ManagedScope, Match, Pattern, Protect
from reconciler.core.plan import Change, Create, Delete, Reason, Update
from reconciler.core.resolve import DesiredGrant
from reconciler.core.settings import Limits

DIRECTORY = a_directory({"billing": "Billing Worker"}, [an_api()])
NOBODY = Directory()


def create(client_id: str = "billing") -> Create:
    return Create(DesiredGrant(a_grant(a_key(client_id)), a_spec()))


def update(client_id: str = "billing") -> Update:
    grant = a_grant(a_key(client_id))
    return Update(an_observed(grant), DesiredGrant(grant, a_spec()), ())


def delete(client_id: str = "billing") -> Delete:
    return Delete(an_observed(a_grant(a_key(client_id))))


@pytest.mark.parametrize("change", [create(), update(), delete()], ids=["create", "update", "delete"])
def test_a_change_of_a_protected_grant_is_blocked(change: Change) -> None:
    protection = ProtectionRules(OWN, (Protect(client_id="billing", reason="frozen until the audit"),))

    allowed, (blocked,) = forbid_protected([change], protection, NOBODY)

    assert (allowed, blocked.change) == ((), change)
    assert blocked.reason == 'protected: frozen until the audit (protect: client_id "billing")'


def test_a_change_of_a_grant_that_auth0_created_is_blocked() -> None:
    system = Delete(an_observed(is_system=True))

    _, (blocked,) = forbid_protected([system], ProtectionRules(OWN), NOBODY)

    assert blocked.reason == "system: Auth0 created this grant and does not allow changes"


def test_a_change_of_reconcilers_own_grant_is_blocked() -> None:
    own = Delete(an_observed(a_grant(OWN)))

    _, (blocked,) = forbid_protected([own], ProtectionRules(OWN), NOBODY)

    assert blocked.reason.startswith("own: ")


def test_changes_of_other_grants_are_allowed() -> None:
    assert forbid_protected([create(), delete()], ProtectionRules(OWN), NOBODY) == ((create(), delete()), ())


@pytest.mark.parametrize(
    ("protect", "covers"),
    [
        (Protect(client="Billing*"), True),
        (Protect(client="billing*"), False),
        (Protect(api="Invoices API"), True),
        (Protect(audience="https://api.example.com/*"), True),
        (Protect(client="[B]illing Worker"), False),
        (Protect(audience=INVOICES, client_id="other"), False),
        (Protect(audience=INVOICES, client_id="bill?ng"), True),
        (Protect(subject_type="user"), False),
        (Protect(subject_type="client"), True),
    ],
    ids=str,
)
def test_an_item_of_protect_matches_if_all_its_patterns_match(protect: Protect, covers: object) -> None:
    assert (protect.matches(a_key(), DIRECTORY) is Match.YES) is covers


def test_brackets_in_a_pattern_are_literal() -> None:
    directory = a_directory({"billing": "Billing [prod]"}, [an_api()])

    assert Protect(client="Billing [prod]").matches(a_key(), directory) is Match.YES


def test_the_match_of_an_unknown_name_is_unknown() -> None:
    assert Protect(client="*ing").matches(a_key(), NOBODY) is Match.UNKNOWN
    assert Protect(client="*").matches(a_key(), NOBODY) is Match.YES
    assert Protect(client="*ing", subject_type="user").matches(a_key(), NOBODY) is Match.NO


def test_a_grant_is_protected_if_the_match_of_its_name_is_unknown() -> None:
    protection = ProtectionRules(OWN, (Protect(client="Legacy *"),))

    _, (blocked,) = forbid_protected([delete()], protection, NOBODY)

    assert blocked.reason == (
        "protected: reconciler.yaml protects this grant "
        '(protect: client "Legacy *" might match, because the name is unknown)'
    )


def test_a_default_grant_has_no_application() -> None:
    default = a_key(None, default_for="third_party_clients")

    assert Pattern(client="*").matches(default, DIRECTORY) is Match.NO
    assert Pattern(client_id="*").matches(default, DIRECTORY) is Match.NO
    assert Pattern(audience="*").matches(default, DIRECTORY) is Match.YES


OURS = ManagedScope((Pattern(client="Billing *"), Pattern(client_id="por*", subject_type="user")))


@pytest.mark.parametrize(
    ("managed_scope", "key", "within"),
    [
        (ManagedScope(), a_key("anybody"), True),
        (OURS, a_key(), True),
        (OURS, a_key("portal", subject_type="user"), True),
        (OURS, a_key("portal"), False),
        (OURS, a_key("nameless"), False),
        (OURS, a_key(None, default_for="third_party_clients"), False),
        (ManagedScope((Pattern(audience="*"),)), a_key(None, default_for="third_party_clients"), True),
    ],
    ids=["no items", "by name", "by all patterns", "by one of two", "no known name", "default", "everything"],
)
def test_a_grant_is_managed_if_one_item_matches_it(managed_scope: ManagedScope, key: Key, within: object) -> None:
    assert managed_scope.includes(key, DIRECTORY) is within


def test_a_change_of_an_unmanaged_grant_is_blocked() -> None:
    names = a_directory({"other": "Other"}, [an_api()])

    _, (known,) = forbid_protected([delete("other")], ProtectionRules(OWN, managed_scope=OURS), names)
    _, (unknown,) = forbid_protected([delete("other")], ProtectionRules(OWN, managed_scope=OURS), DIRECTORY)

    assert known.reason == "outside: `manage` in reconciler.yaml does not match this grant"
    assert unknown.reason == (
        "outside: reconciler does not know whether `manage` matches this grant: "
        'client "Billing *" might match, because the name is unknown'
    )


THIRD = a_directory({"tpc_1": "Partner", "partner": "Partner [eu]"}, [an_api()])


@pytest.mark.parametrize(
    ("patterns", "client_id", "reason"),
    [
        ([], "tpc_1", Reason.THIRD_PARTY),
        ([Pattern(client_id="tpc_*")], "tpc_1", Reason.THIRD_PARTY),
        ([Pattern(client="Partne?")], "tpc_1", Reason.THIRD_PARTY),
        ([Pattern(client="Partner"), Pattern(audience="*")], "tpc_1", Reason.THIRD_PARTY),
        ([Pattern(client_id="tpc_1")], "tpc_1", None),
        (
            [Pattern(client_id="tpc_1", audience="https://elsewhere"), Pattern(audience="*")],
            "tpc_1",
            Reason.THIRD_PARTY,
        ),
        ([Pattern(client="Partner [eu]")], "partner", None),
        ([Pattern(client="Partner")], "partner", Reason.OUTSIDE),
    ],
    ids=[
        "no items",
        "id by wildcard",
        "name by wildcard",
        "name",
        "id",
        "named for another API",
        "own application",
        "outside",
    ],
)
def test_prune_deletes_grants_of_third_parties_only_if_manage_has_the_exact_id(
    patterns: list[Pattern], client_id: str, reason: Reason | None
) -> None:
    observed = an_observed(a_grant(a_key(client_id)))
    protection = ProtectionRules(OWN, managed_scope=ManagedScope(tuple(patterns)))

    why = protection.reason_to_keep(observed, THIRD, prunes=True)

    assert (why and why[0]) is reason


def test_without_prune_the_owner_of_a_grant_does_not_matter() -> None:
    observed = an_observed(a_grant(a_key("tpc_1")))

    assert ProtectionRules(OWN).reason_to_keep(observed, THIRD, prunes=False) == (Reason.UNMANAGED, "")


def test_the_directory_can_mark_an_application_as_third_party() -> None:
    directory = Directory((Application("partner", "Partner", is_third_party=True),), ())
    observed = an_observed(a_grant(a_key("partner")))

    assert ProtectionRules(OWN).reason_to_keep(observed, directory, prunes=True) == (Reason.THIRD_PARTY, "")


def test_a_name_that_equals_a_wildcard_pattern_is_not_an_exact_id() -> None:
    directory = a_directory({"tpc_1": "*"}, [an_api()])
    protection = ProtectionRules(OWN, managed_scope=ManagedScope((Pattern(client="*"),)))

    kept = protection.reason_to_keep(an_observed(a_grant(a_key("tpc_1"))), directory, prunes=True)

    assert kept is not None
    assert kept[0] is Reason.THIRD_PARTY


def test_a_guard_returns_a_reason_and_an_explanation() -> None:
    protection = ProtectionRules(OWN, (Protect(client_id="billing"),))

    assert protection.reason(a_key(), None, NOBODY) == (
        Reason.PROTECTED,
        'reconciler.yaml protects this grant (protect: client_id "billing")',
    )


def test_the_explanation_contains_the_matching_pattern() -> None:
    protection = ProtectionRules(OWN, (Protect(client="Bill*", api="Invoices API"),))

    assert protection.reason(a_key(), None, DIRECTORY) == (
        Reason.PROTECTED,
        'reconciler.yaml protects this grant (protect: client "Bill*", api "Invoices API")',
    )


def changes(kind: str, count: int) -> list[Change]:
    makers: dict[str, Callable[[str], Change]] = {"delete": delete, "update": update, "create": create}
    make = makers[kind]
    return [make(f"app{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("kind", "count", "managed", "limits", "blocked"),
    [
        ("delete", 3, 10, Limits(), False),
        ("delete", 4, 10, Limits(), True),
        ("delete", 9, 9, Limits(), False),
        ("update", 5, 10, Limits(), False),
        ("update", 6, 10, Limits(), True),
        ("delete", 1, 10, Limits(deletes_percent=0), True),
        ("delete", 4, 10, Limits(max_deletes=4), False),
        ("delete", 5, 10, Limits(max_deletes=4), True),
        ("delete", 1, 2, Limits(max_deletes=0), True),
        ("update", 10, 10, Limits(max_updates=10), False),
        ("update", 6, 10, Limits(max_deletes=10), True),
        ("create", 99, 10, Limits(), False),
    ],
    ids=str,
)
def test_all_changes_of_a_kind_over_its_limit_are_blocked(
    kind: str,
    count: int,
    managed: int,
    limits: Limits,
    blocked: object,
) -> None:
    allowed, forbidden = forbid_over_limit(changes(kind, count), limits, managed)

    assert (len(allowed), len(forbidden)) == ((0, count) if blocked else (count, 0))


def test_the_message_of_a_limit_names_the_option_that_raises_it() -> None:
    _, forbidden = forbid_over_limit(changes("delete", 4), Limits(), 10)

    assert forbidden[0].reason == (
        "limit: 4 deletes, more than 30 % of 10 declared or deleted grants; to allow this, use --max-deletes 4"
    )


def test_a_limit_on_deletes_does_not_block_other_changes() -> None:
    allowed, forbidden = forbid_over_limit([*changes("delete", 4), create("new")], Limits(), 10)

    assert (allowed, len(forbidden)) == ((create("new"),), 4)


@pytest.mark.parametrize("scope", ["create:client_grants", "update:client_grants", "delete:client_grants"])
def test_the_grant_of_an_application_that_may_change_client_grants_counts_as_own(scope: str) -> None:
    other = a_key("deploy", OWN.audience)
    writer, reader = an_observed(a_grant(other, scope=(scope,))), an_observed(a_grant(other, scope=("read:clients",)))

    assert ProtectionRules(OWN).reason_own(other, writer)
    assert ProtectionRules(OWN).reason_own(other, reader) is None
    assert (
        ProtectionRules(OWN).reason_own(a_key("deploy"), an_observed(a_grant(a_key("deploy"), scope=(scope,)))) is None
    )


def test_applications_under_own_count_as_own_only_on_the_management_api() -> None:
    protection = ProtectionRules(OWN, own_applications=frozenset({"planner"}))

    assert protection.reason_own(a_key("planner", OWN.audience), None)
    assert protection.reason_own(a_key("planner"), None) is None
    assert protection.reason_own(a_key("other", OWN.audience), None) is None


REQUIRE = {"organization_usage": "require"}
TWO: dict[str, object] = {"organizations": frozenset({"org_1", "org_2"})}
NONE: dict[str, object] = {"organizations": frozenset()}


@pytest.mark.parametrize(
    ("before", "after", "removes_all"),
    [
        ({}, {"scope": ()}, True),
        ({"scope": (), "allow_all_scopes": True}, {"scope": ()}, True),
        (REQUIRE | TWO, REQUIRE | NONE, True),
        ({"organization_usage": "allow"} | TWO, REQUIRE | NONE, True),
        ({}, REQUIRE | NONE, True),
        (REQUIRE | NONE | {"allow_any_organization": True}, REQUIRE | NONE, True),
        (REQUIRE | TWO, REQUIRE | {"organizations": frozenset({"org_1"})}, False),
        (REQUIRE | TWO, {"organization_usage": "allow"} | NONE, False),
        (REQUIRE | TWO, REQUIRE | NONE | {"allow_any_organization": True}, False),
        (REQUIRE, REQUIRE | {"scope": ("write:invoices",)}, False),
        (REQUIRE | NONE, REQUIRE | NONE | {"scope": ("write:invoices",)}, False),
    ],
)
def test_updates_that_remove_all_scopes_or_callers_count_as_deletes(
    before: dict[str, Any], after: dict[str, Any], *, removes_all: bool
) -> None:
    emptied = [
        Update(
            an_observed(a_grant(a_key(f"app{n}"), **before)),
            DesiredGrant(a_grant(a_key(f"app{n}"), **after), a_spec()),
            (),
        )
        for n in range(4)
    ]

    assert (forbid_over_limit(emptied, Limits(deletes_percent=30), 10)[0] == ()) == removes_all
    assert forbid_over_limit(emptied[:3], Limits(deletes_percent=30), 10)[1] == ()
    assert (forbid_over_limit(emptied, Limits(max_deletes=3, max_updates=9), 10)[0] == ()) == removes_all
