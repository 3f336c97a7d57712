"""The comparison of `protect` and `manage` with the base revision must find every setting that became less strict."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.config_rules import LOOSENED
from reconciler.core.directory import Api, Application, Directory
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import ManagedScope, Match, Pattern, Protect
from reconciler.core.pattern_changes import compare_manage, compare_protect
from reconciler.core.problems import Level, Risk

OWN = Key("own", "https://t.example/api/v2/")
KEYS = [Key(client, api) for client, api in product(("a", "b"), ("x", "y"))]
KEYS.append(Key(None, "x", default_for="third_party_clients"))
DIRECTORIES = [
    Directory((Application("a", "A", is_third_party=True), Application("b", "B")), (Api("x", "X"), Api("y", "Y"))),
    Directory((Application("a", 'A", api "X'), Application("b", "A"))),
    Directory(),
]
PATTERNS = st.fixed_dictionaries(
    {},
    optional={
        "client": st.sampled_from(["*", "A", "A*", "?", 'A", api "X']),
        "client_id": st.sampled_from(["*", "a", "b", "?"]),
        "api": st.sampled_from(["*", "X"]),
        "audience": st.sampled_from(["*", "x"]),
    },
).filter(bool)


def is_loosened(risks: list[Risk]) -> bool:
    return any(each.rule == LOOSENED.name for each in risks)


@given(st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=3))
def test_a_loosened_protect_is_reported(old: list[dict[str, str]], new: list[dict[str, str]]) -> None:
    before, after = (tuple(Protect(**each) for each in items) for items in (old, new))

    def protected(items: tuple[Protect, ...]) -> set[tuple[Key, int]]:
        return {
            (key, number)
            for key, (number, directory) in product(KEYS, enumerate(DIRECTORIES))
            if any(each.matches(key, directory) is not Match.NO for each in items)
        }

    if protected(before) - protected(after):
        assert is_loosened(list(compare_protect(before, after)))


@given(st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=3))
def test_a_loosened_manage_is_reported(old: list[dict[str, str]], new: list[dict[str, str]]) -> None:
    before, after = (tuple(Pattern(**each) for each in items) for items in (old, new))

    def allowed(items: tuple[Pattern, ...]) -> set[tuple[Key, int, bool]]:
        """Return the grants that reconciler may change or, with --prune, delete."""
        rules = ProtectionRules(OWN, managed_scope=ManagedScope(items))
        return {
            (key, number, deletes)
            for key, (number, directory), deletes in product(KEYS, enumerate(DIRECTORIES), (False, True))
            if rules.managed_scope.includes(key, directory)
            and not (deletes and rules.reason_to_keep(ObservedGrant("cgr_1", ClientGrant(key)), directory, prunes=True))
        }

    if allowed(after) - allowed(before):
        assert is_loosened(list(compare_manage(before, after)))


@pytest.mark.parametrize("client_id", ["*", None])
def test_a_client_id_allows_deletes_of_grants_of_third_parties(client_id: str | None) -> None:
    old = (Pattern(client_id=client_id),) if client_id else ()
    deletes = "`manage` now allows deletes of default grants and grants of third-party applications: "

    risks = list(compare_manage(old, (*old, Pattern(audience="x", client_id="partner"))))

    assert (risks[0].level, risks[0].message) == (Level.CRITICAL, f'{deletes}client_id "partner", audience "x"')
    assert [each.level for each in risks[1:]] == ([] if client_id else [Level.LOW])


def test_a_text_that_looks_like_two_fields_is_another_pattern() -> None:
    (risk,) = compare_protect((Protect(client="A", api="X"),), (Protect(client='A", api "X'),))

    assert risk.message == '`protect` no longer contains: client "A", api "X"'


def test_many_narrow_patterns_do_not_hide_a_broad_pattern() -> None:
    narrow = [Pattern(client=f"a*b*c*{number}*", client_id="*") for number in range(20)]

    (risk,) = compare_manage((Pattern(client="team"),), (*narrow, Pattern(client="*")))

    assert risk.message.startswith('`manage` now matches: client "*", client "a*b*c*')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Protect(client="a*"), Protect(client="a?")),
        (Protect(audience="x"), Protect(client="*", audience="x")),
    ],
    ids=["question mark", "default grants"],
)
def test_a_pattern_that_may_match_fewer_grants_does_not_replace_another(old: Protect, new: Protect) -> None:
    (risk,) = compare_protect((old,), (new,))

    assert (risk.level, risk.message) == (Level.CRITICAL, f"`protect` no longer contains: {old}")


@pytest.mark.parametrize(
    ("old", "added"),
    [([], Pattern(client="Billing")), ([Pattern(audience="*")], Pattern(client_id="b*", audience="x"))],
    ids=["name", "wildcard"],
)
def test_a_name_or_a_wildcard_allows_no_deletes_of_grants_of_third_parties(old: list[Pattern], added: Pattern) -> None:
    (risk,) = compare_manage(old, [*old, added])

    assert risk.level is Level.LOW
