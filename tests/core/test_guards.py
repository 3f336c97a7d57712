from collections.abc import Callable

import pytest
from support.builders import INVOICES, OWN, a_directory, a_grant, a_key, a_spec, an_api, an_observed

from reconciler.core.directory import Application, Directory
from reconciler.core.grant import Key
from reconciler.core.guards import Limits, ProtectionRules, forbid_too_many, forbid_untouchable
from reconciler.core.pattern import ManagedScope, Match, Pattern, Protect
from reconciler.core.plan import Change, Create, Delete, Reason, Update
from reconciler.core.resolve import DesiredGrant

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
def test_what_the_configuration_protects_is_never_changed(change: Change) -> None:
    untouchable = ProtectionRules(OWN, (Protect(client_id="billing", reason="frozen until the audit"),))

    allowed, (blocked,) = forbid_untouchable([change], untouchable, NOBODY)

    assert (allowed, blocked.change) == ((), change)
    assert blocked.reason == 'protected: frozen until the audit (protect: client_id "billing")'


def test_auth0s_own_grants_are_never_changed() -> None:
    system = Delete(an_observed(is_system=True))

    _, (blocked,) = forbid_untouchable([system], ProtectionRules(OWN), NOBODY)

    assert blocked.reason == "system: Auth0 created this grant, and it cannot be changed"


def test_the_grant_that_the_tool_lives_by_is_never_changed() -> None:
    own = Delete(an_observed(a_grant(OWN)))

    _, (blocked,) = forbid_untouchable([own], ProtectionRules(OWN), NOBODY)

    assert blocked.reason.startswith("own: ")


def test_everything_else_may_be_changed() -> None:
    assert forbid_untouchable([create(), delete()], ProtectionRules(OWN), NOBODY) == ((create(), delete()), ())


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
def test_a_protection_covers_what_meets_all_its_patterns(protect: Protect, covers: object) -> None:
    assert (protect.matches(a_key(), DIRECTORY) is Match.YES) is covers


def test_a_name_that_looks_like_a_pattern_is_protected_by_its_own_spelling() -> None:
    directory = a_directory({"billing": "Billing [prod]"}, [an_api()])

    assert Protect(client="Billing [prod]").matches(a_key(), directory) is Match.YES


def test_whether_a_name_matches_that_is_not_known_is_unknown() -> None:
    assert Protect(client="*ing").matches(a_key(), NOBODY) is Match.UNKNOWN
    assert Protect(client="*").matches(a_key(), NOBODY) is Match.YES
    assert Protect(client="*ing", subject_type="user").matches(a_key(), NOBODY) is Match.NO


def test_a_protection_by_a_name_that_is_not_known_protects() -> None:
    untouchable = ProtectionRules(OWN, (Protect(client="Legacy *"),))

    _, (blocked,) = forbid_untouchable([delete()], untouchable, NOBODY)

    assert blocked.reason == (
        "protected: reconciler.yaml protects this grant "
        '(protect: client "Legacy *" may match, because the name is unknown)'
    )


def test_a_default_grant_has_no_application() -> None:
    default = a_key(None, default_for="third_party_clients")

    assert Pattern(client="*").matches(default, DIRECTORY) is Match.NO
    assert Pattern(client_id="*").matches(default, DIRECTORY) is Match.NO
    assert Pattern(audience="*").matches(default, DIRECTORY) is Match.YES


OURS = ManagedScope((Pattern(client="Billing *"), Pattern(client_id="por*", subject_type="user")))


@pytest.mark.parametrize(
    ("border", "key", "within"),
    [
        (ManagedScope(), a_key("anybody"), True),
        (OURS, a_key(), True),
        (OURS, a_key("portal", subject_type="user"), True),
        (OURS, a_key("portal"), False),
        (OURS, a_key("nameless"), False),
        (OURS, a_key(None, default_for="third_party_clients"), False),
        (ManagedScope((Pattern(audience="*"),)), a_key(None, default_for="third_party_clients"), True),
    ],
    ids=["no border", "by name", "by all patterns", "by one of two", "no known name", "default", "everything"],
)
def test_the_border_surrounds_what_one_of_its_items_covers(border: ManagedScope, key: Key, within: object) -> None:
    assert border.surrounds(key, DIRECTORY) is within


def test_what_lies_beyond_the_border_is_never_changed() -> None:
    names = a_directory({"other": "Other"}, [an_api()])

    _, (known,) = forbid_untouchable([delete("other")], ProtectionRules(OWN, border=OURS), names)
    _, (unknown,) = forbid_untouchable([delete("other")], ProtectionRules(OWN, border=OURS), DIRECTORY)

    assert known.reason == "outside: manage in reconciler.yaml does not match this grant"
    assert unknown.reason == (
        "outside: manage in reconciler.yaml may not match this grant: "
        'client "Billing *" may match, because the name is unknown'
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
        "no border",
        "id by wildcard",
        "name by wildcard",
        "name",
        "id",
        "named for another API",
        "own application",
        "outside",
    ],
)
def test_pruning_takes_from_third_parties_only_what_the_border_spells_out(
    patterns: list[Pattern], client_id: str, reason: Reason | None
) -> None:
    observed = an_observed(a_grant(a_key(client_id)))
    untouchable = ProtectionRules(OWN, border=ManagedScope(tuple(patterns)))

    why = untouchable.reason_to_keep(observed, THIRD, prunes=True)

    assert (why and why[0]) is reason


def test_without_pruning_nobody_asks_whose_a_grant_is() -> None:
    observed = an_observed(a_grant(a_key("tpc_1")))

    assert ProtectionRules(OWN).reason_to_keep(observed, THIRD, prunes=False) == (Reason.UNMANAGED, "")


def test_a_third_party_can_be_told_by_the_directory_as_well() -> None:
    directory = Directory((Application("partner", "Partner", is_third_party=True),), ())
    observed = an_observed(a_grant(a_key("partner")))

    assert ProtectionRules(OWN).reason_to_keep(observed, directory, prunes=True) == (Reason.THIRD_PARTY, "")


def test_a_name_that_is_a_wildcard_itself_spells_nothing_out() -> None:
    directory = a_directory({"tpc_1": "*"}, [an_api()])
    untouchable = ProtectionRules(OWN, border=ManagedScope((Pattern(client="*"),)))

    kept = untouchable.reason_to_keep(an_observed(a_grant(a_key("tpc_1"))), directory, prunes=True)

    assert kept is not None
    assert kept[0] is Reason.THIRD_PARTY


def test_reasons_are_told_in_one_word_too() -> None:
    untouchable = ProtectionRules(OWN, (Protect(client_id="billing"),))

    assert untouchable.reason(a_key(), None, NOBODY) == (
        Reason.PROTECTED,
        'reconciler.yaml protects this grant (protect: client_id "billing")',
    )


def test_the_reason_says_which_pattern_decided() -> None:
    untouchable = ProtectionRules(OWN, (Protect(client="Bill*", api="Invoices API"),))

    assert untouchable.reason(a_key(), None, DIRECTORY) == (
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
def test_too_large_a_share_is_blocked_whole(
    kind: str,
    count: int,
    managed: int,
    limits: Limits,
    blocked: object,
) -> None:
    allowed, forbidden = forbid_too_many(changes(kind, count), limits, managed)

    assert (len(allowed), len(forbidden)) == ((0, count) if blocked else (count, 0))


def test_a_limit_says_how_it_is_lifted() -> None:
    _, forbidden = forbid_too_many(changes("delete", 4), Limits(), 10)

    assert forbidden[0].reason == (
        "limit: 4 deletes, more than 30 % of 10 managed grants; to allow this, use --max-deletes 4"
    )


def test_a_limit_on_deletes_leaves_the_other_changes() -> None:
    allowed, forbidden = forbid_too_many([*changes("delete", 4), create("new")], Limits(), 10)

    assert (allowed, len(forbidden)) == ((create("new"),), 4)


@pytest.mark.parametrize("scope", ["create:client_grants", "update:client_grants", "delete:client_grants"])
def test_the_grant_of_an_application_that_may_change_client_grants_is_our_own(scope: str) -> None:
    other = a_key("deploy", OWN.audience)
    writer, reader = an_observed(a_grant(other, scope=(scope,))), an_observed(a_grant(other, scope=("read:clients",)))

    assert ProtectionRules(OWN).why_own(other, writer)
    assert ProtectionRules(OWN).why_own(other, reader) is None
    assert ProtectionRules(OWN).why_own(a_key("deploy"), an_observed(a_grant(a_key("deploy"), scope=(scope,)))) is None


def test_an_application_that_the_configuration_names_is_our_own_on_the_management_api_only() -> None:
    untouchable = ProtectionRules(OWN, own_applications=frozenset({"planner"}))

    assert untouchable.why_own(a_key("planner", OWN.audience), None)
    assert untouchable.why_own(a_key("planner"), None) is None
    assert untouchable.why_own(a_key("other", OWN.audience), None) is None


def test_updates_that_take_all_scopes_count_as_deletes() -> None:
    emptied = [
        Update(an_observed(a_grant(a_key(f"app{n}"))), DesiredGrant(a_grant(a_key(f"app{n}"), scope=()), a_spec()), ())
        for n in range(4)
    ]

    assert forbid_too_many(emptied, Limits(deletes_percent=30), 10)[0] == ()
    assert forbid_too_many(emptied[:3], Limits(deletes_percent=30), 10)[1] == ()
    assert forbid_too_many(emptied, Limits(max_deletes=3, max_updates=9), 10)[0] == ()
