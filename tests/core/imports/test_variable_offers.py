import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.imports.shared_grants import NamedGrant
from reconciler.core.imports.variable_offers import VariableOffer, apply_offers, find_offers, texts_of
from reconciler.core.tenant_filter import escape_variables, substitute

NAMES = {"dev": ["dev", "shop-dev.eu.auth0.com"], "prod": ["prod", "shop-prod.eu.auth0.com"]}


def offers(dev: list[str], prod: list[str], taken: tuple[str, ...] = ()) -> list[tuple[str, str, str, int]]:
    found = find_offers({"dev": dev, "prod": prod}, NAMES, taken)
    return [(each.name, each.values["dev"], each.values["prod"], each.texts) for each in found]


@pytest.mark.parametrize(
    ("dev", "prod", "expected"),
    [
        (["Portal dev"], ["Portal prod"], [("stage", "dev", "prod", 2)]),
        (["Portal dev", "Portal Admin"], ["Portal prod", "Portal Admin"], [("stage", "dev", "prod", 2)]),
        (["https://api.dev.example.com/x"], ["https://api.prod.example.com/x"], [("stage", "dev", "prod", 2)]),
        (["https://api.dev.x.com/v"], ["https://api.x.com/v"], [("api_host", "api.dev.x.com", "api.x.com", 2)]),
        (["https://a.x/v"], ["https://b.x/v"], [("host", "a.x", "b.x", 2)]),
        (["a 1", "b 1"], ["a 2", "b 2"], [("stage", "1", "2", 4)]),
        (["x_dev_dev"], ["x_prod_prod"], [("stage", "dev", "prod", 2)]),
        (["Billing Worker"], ["Billing Service"], []),
        (["Alpha"], ["Beta"], []),
        (["Portal dev"], ["Portal"], []),
        (["${domain} dev"], ["${domain} prod"], [("stage", "dev", "prod", 2)]),
        (
            ["Portal dev", "Shop DEV"],
            ["Portal prod", "Shop PROD"],
            [("stage", "DEV", "PROD", 2), ("stage_2", "dev", "prod", 2)],
        ),
        (["read:dev"], ["read:dev"], []),
        ([], [], []),
    ],
)
def test_values_that_differ_regularly_are_offered(
    dev: list[str], prod: list[str], expected: list[tuple[str, str, str, int]]
) -> None:
    assert offers(dev, prod) == expected


def test_a_name_that_is_taken_gets_a_number() -> None:
    assert offers(["Portal dev"], ["Portal prod"], ("stage", "stage_2")) == [("stage_3", "dev", "prod", 2)]


def test_tenants_without_the_text_need_no_value() -> None:
    texts = {"a": ["App a", "Job a"], "b": ["App b", "Job b"], "c": ["App c"], "d": ["Other"]}

    (offer,) = find_offers(texts, {name: [name] for name in texts}, ())

    assert offer == VariableOffer("stage", {"a": "a", "b": "b", "c": "c"}, 5)


words = st.sampled_from(
    ["dev", "prod", "test", "Portal", "api.x.com", "api.dev.x.com", "a-b", "$", "${", "$dev", "$prod", "1", "é"]
)
texts = st.lists(words, min_size=1, max_size=4).map(" ".join).map(escape_variables) | st.lists(
    words, min_size=1, max_size=3
).map("/".join).map(escape_variables)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(["dev", "prod", "test"]), st.lists(texts, max_size=5), max_size=3))
def test_variables_never_change_the_imported_grants_of_a_tenant(by_tenant: dict[str, list[str]]) -> None:
    grants = {
        tenant: [NamedGrant(fields={"client": each, "audience": "x", "scope": (each,)}) for each in listed]
        for tenant, listed in by_tenant.items()
    }
    found = find_offers(by_tenant, {name: [name] for name in by_tenant}, ())

    applied = apply_offers(grants, found)

    for tenant, listed in by_tenant.items():
        values = {offer.name: offer.values[tenant] for offer in found if tenant in offer.values}
        filled = [substitute(text, values) for text in texts_of(applied[tenant])]
        assert filled == [substitute(text, {}) for each in listed for text in (each, "x", each)]
    for offer in found:
        assert len(set(offer.values.values())) > 1
        assert any(f"${{{offer.name}}}" in text for listed in applied.values() for text in texts_of(listed))
