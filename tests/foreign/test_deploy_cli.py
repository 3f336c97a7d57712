from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.imports.shared_grants import NamedGrant
from reconciler.core.scope_sets import expand_scopes
from reconciler.core.tenant_filter import substitute
from reconciler.foreign.deploy_cli import read_deploy_cli
from reconciler.foreign.deploy_files import DeployFile
from reconciler.foreign.deploy_settings import MAPPINGS, DeployTenant
from reconciler.foreign.grants import ForeignGrants
from reconciler.foreign.keywords import replace_keywords

TENANTS = ("dev", "prod")
VALUES = st.sampled_from(["x", "y", "dev.auth0.com", "a b", "${z}", "@s", "1", "##B##", "$"])
LISTS = st.lists(st.sampled_from(["read:a", "write:b", "@odd", "${v}", "x y"]), unique=True, max_size=3)
mappings = st.fixed_dictionaries({"A": VALUES, "B": st.sampled_from(["b1", "b2"]), "L": LISTS, "N": st.just(7)})
pieces = st.sampled_from(["##A##", "##B##", "x", "https://dev.auth0.com/", "-", "/p", "é"])
scalars = st.lists(pieces, min_size=1, max_size=3).map("".join)
quoted = st.builds(lambda text, quote: f"{quote}{text}{quote}", scalars, st.sampled_from(["", '"', "'"]))
scopes = (
    st.sampled_from(["@@L@@", "'@@L@@'", '"@@L@@"', "[]", '["##L##"]'])
    | st.lists(quoted, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    | st.lists(quoted, min_size=1, max_size=2).map(lambda items: "".join(f"\n      - {each}  # why" for each in items))
)


@st.composite
def files(draw: st.DrawFn) -> str:
    grants = draw(st.lists(st.tuples(quoted, quoted, scopes), max_size=4))
    return "other: ##A##\nclientGrants:\n" + "".join(
        f"  # about {number} ##A##\n  - client_id: {client}\n    audience: {audience}\n    scope: {scope}\n"
        for number, (client, audience, scope) in enumerate(grants)
    )


def filled(grant: NamedGrant, found: ForeignGrants, tenant: DeployTenant) -> dict[str, Any]:
    """Return the grant of a tenant as a file with these fields declares it."""
    values = {**found.variables[tenant.name], "domain": tenant.domain or ""}
    scopes = expand_scopes(tuple(map(str, grant.fields.get("scope", ()))), found.scope_sets[tenant.name])  # type: ignore[arg-type]
    return {
        "client_id": substitute(grant.holder, values),
        "audience": substitute(str(grant.fields["audience"]), values),
        "scope": sorted(substitute(each.text, values) for each in scopes),
    }


@settings(max_examples=300, deadline=None)
@given(files(), st.fixed_dictionaries(dict.fromkeys(TENANTS, mappings)))
def test_each_tenant_gets_exactly_what_auth0_deploy_cli_would_send(text: str, values: dict[str, Any]) -> None:
    tenants = [
        DeployTenant(name=name, domain=f"{name}.auth0.com", settings={MAPPINGS: values[name]}) for name in TENANTS
    ]

    found = read_deploy_cli([DeployFile("tenant.yaml", text)], tenants)

    for tenant in tenants:
        try:
            data = yaml.safe_load(replace_keywords(text, values[tenant.name]))
        except yaml.YAMLError:
            assert found.problems
            continue
        if found.problems:
            assert all(
                "is already declared at" in each.what
                or "after the replacement of the ##KEY## placeholders for" in each.what
                for each in found.problems
            )
            continue
        sent = [{**each, "scope": sorted(each["scope"])} for each in data["clientGrants"] or () if is_expressible(each)]
        read = [filled(each, found, tenant) for each in found.by_tenant[tenant.name]]
        assert sorted(map(str, read)) == sorted(map(str, sent))
        left_out = sum(tenant.name in each.tenants for each in found.left_out)
        assert len(read) + left_out == len(data["clientGrants"] or ())


def is_expressible(grant: Any) -> bool:
    """Return whether all values have the right type, and no text is empty, repeated or a keyword."""
    scope = grant["scope"]
    if "##" in str(grant):
        return False
    if not isinstance(scope, list) or not all(isinstance(each, str) and each for each in scope):
        return False
    texts = [grant["client_id"], grant["audience"]]
    return all(isinstance(each, str) and each for each in texts) and len(set(scope)) == len(scope)


def test_comments_stay_with_their_grants() -> None:
    text = (
        "clientGrants:\n  # one\n\n  # two ##A##\n  - client_id: A # holder\n    # api\n    audience: x\n"
        "    scope: [a, b] # both\n    # end of A\n  # three\n  - client_id: B\n    audience: x\n    scope:\n"
        "      # first\n      - a # item\n  # the last\nconnections: []\n"
    )
    tenant = DeployTenant(name="dev", settings={MAPPINGS: {"A": "x"}})

    one, other = read_deploy_cli([DeployFile("tenant.yaml", text)], [tenant]).by_tenant["dev"]

    assert (one.above, one.after) == (("one", "two ##A##"), ("end of A",))
    assert {key: (each.above, each.trailing) for key, each in one.comments.items()} == {
        ("client", ""): ((), "holder"),
        ("audience", ""): (("api",), ""),
        ("scope", ""): ((), "both"),
    }
    assert (other.above, other.after) == (("three",), ("the last",))
    assert {key: (each.above, each.trailing) for key, each in other.comments.items()} == {
        ("scope", "a"): (("first",), "item")
    }


@pytest.mark.parametrize(
    "organization",
    ["{name: '##ORG##', client_grants: [{client_id: Billing}]}", "{name: acme, client_grants: '@@ORG@@'}"],
    ids=["name", "list"],
)
def test_a_keyword_without_a_value_in_an_organization_is_a_problem(organization: str) -> None:
    grant = "{client_id: Billing, audience: 'urn:x', scope: [a]}"
    file = DeployFile("tenant.yaml", f"clientGrants: [{grant}]\norganizations: [{organization}]\n")

    found = read_deploy_cli([file], [DeployTenant(name="dev", domain="dev.auth0.com", settings={})])

    assert [each.what for each in found.problems] == ['the keyword "ORG" has no value for dev']
