from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.imports.selection import ImportFilter
from reconciler.core.tenant_filter import TargetTenant
from reconciler.foreign.grants import ForeignGrants
from reconciler.foreign.terraform import DEPOSED, read_terraform, without_keys, wrong_document

DEV = TargetTenant("dev", {})


def a_resource(address: str, kind: str = "auth0_client_grant", **values: object) -> dict[str, Any]:
    known: dict[str, object] = {
        "id": address,
        "client_id": "b1",
        "audience": "urn:x",
        "scopes": ["a"],
        "subject_type": "client",
        "organization_usage": "",
        "allow_any_organization": False,
        "allow_all_scopes": None,
    }
    grant = known if "grant" in kind else {}
    return {"address": address, "type": kind, "mode": "managed", "values": grant | values}


def a_state(*resources: dict[str, Any], modules: object = None) -> dict[str, Any]:
    return {
        "format_version": "1.0",
        "values": {"root_module": {"resources": list(resources), "child_modules": modules}},
    }


def read(*resources: dict[str, Any], modules: object = None) -> ForeignGrants:
    return read_terraform(a_state(*resources, modules=modules), "state.json", DEV, "dev.auth0.com")


def test_names_replace_ids_only_if_they_are_unambiguous() -> None:
    named = [a_resource(f"auth0_client.{i}", "auth0_client", client_id=f"b{i}", name="Same") for i in (1, 2)]
    api = a_resource("auth0_resource_server.x", "auth0_resource_server", identifier="urn:x", name="X")

    found = read(*named, api, a_resource("auth0_client_grant.g"))

    assert [grant.fields for grant in found.by_tenant["dev"]] == [{"client_id": "b1", "api": "X", "scope": ("a",)}]
    assert read(*named[:1], a_resource("g")).by_tenant["dev"][0].fields["client"] == "Same"


def test_the_domain_of_the_tenant_becomes_a_variable() -> None:
    audience = "https://dev.auth0.com/api/v2/"

    assert (
        read(a_resource("g", audience=audience)).by_tenant["dev"][0].fields["audience"] == "https://${domain}/api/v2/"
    )
    unknown = read_terraform(a_state(a_resource("g", audience=audience)), "state.json", DEV, None)
    assert unknown.domains == {"dev": "dev.auth0.com"}


def test_values_of_old_versions_and_null_are_read() -> None:
    found = read(a_resource("g", scopes=None, scope=["b"], subject_type=None, organization_usage=None))

    assert found.by_tenant["dev"][0].fields == {"client_id": "b1", "audience": "urn:x", "scope": ("b",)}


def test_values_that_an_old_provider_does_not_know_are_noted() -> None:
    old = a_resource("g")
    del old["values"]["organization_usage"], old["values"]["allow_all_scopes"]

    assert "does not know allow_all_scopes and organization_usage. The grant files" in read(old).notes[0]
    assert read(a_resource("g")).notes == ()


@pytest.mark.parametrize(
    ("others", "problem"),
    [
        ([("auth0_client_grant", {"audience": "https://prod.auth0.com/api/v2/"})], "this state is for prod.auth0.com"),
        ([("auth0_resource_server", {"identifier": "https://prod.auth0.com/api/v2/"})], "this state is for prod"),
        ([("auth0_tenant", {"domain": "prod.auth0.com"})], "this state is for prod.auth0.com, but the domain of the "),
        (
            [("auth0_tenant", {"domain": f"{name}.auth0.com"}) for name in ("dev", "prod")],
            "this state has resources of several tenants: dev.auth0.com and prod.auth0.com",
        ),
    ],
)
def test_a_state_of_another_tenant_is_refused(others: list[tuple[str, dict[str, str]]], problem: str) -> None:
    resources = [a_resource(f"r{index}", kind, **values) for index, (kind, values) in enumerate(others)]

    (found,) = read(a_resource("g"), *resources).problems

    assert found.what.startswith(problem)
    custom = read_terraform(a_state(a_resource("g"), resources[0]), "state.json", DEV, "login.example.com")
    assert custom.problems == ()


def test_the_domain_of_a_state_is_compared_in_normalized_form() -> None:
    tenant = a_resource("t", "auth0_tenant", domain="DEV.auth0.com")

    assert read(a_resource("g"), tenant).problems == ()
    assert read_terraform(a_state(tenant), "state.json", DEV, None).domains == {"dev": "dev.auth0.com"}


def test_organizations_are_noted_and_those_of_other_grants_are_listed() -> None:
    kind = "auth0_organization_client_grant"
    own = a_resource("o", kind, grant_id="g", organization_id="org_1")
    other = a_resource("p", kind, grant_id="cgr_other", organization_id="org_1")

    found = read(a_resource("g"), own, other)

    assert found.by_tenant["dev"][0].fields["organizations"] == ("org_1",)
    assert found.notes[0].startswith("organizations: for g, the import declares the organizations in the state")
    assert [(each.label, each.reason) for each in found.left_out] == [
        ("p: org_1 -> cgr_other", "the grant is not in the state")
    ]


def test_a_deposed_grant_is_listed() -> None:
    found = read(a_resource("g") | {"deposed_key": "0123abcd"})

    assert found.by_tenant["dev"] == []
    assert found.protect == {"dev": [{"client_id": "b1", "audience": "urn:x", "reason": "not imported from Terraform"}]}
    assert [each.reason for each in found.left_out] == [DEPOSED]
    assert found.handover == ()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"is_system": True}, "Auth0 created this grant and does not allow changes"),
        ({"subject_type": "robot"}, 'the subject type "robot" is unknown'),
        ({"client_id": None}, "the grant has an unknown kind of recipient"),
        ({"allow_all_scopes": True}, 'the grant has both "scopes" and "allow_all_scopes"'),
        ({"scopes": None}, "the state does not contain the scopes of the grant"),
    ],
)
def test_a_grant_that_a_file_cannot_express_is_listed_with_its_address(values: dict[str, Any], reason: str) -> None:
    found = read(a_resource("module.m.auth0_client_grant.g", **values))

    assert found.by_tenant["dev"] == []
    assert [(each.reason, each.label.split(": ")[0]) for each in found.left_out] == [
        (reason, "module.m.auth0_client_grant.g")
    ]
    assert found.handover == ()


def test_a_removed_block_is_not_printed_if_an_instance_stays_in_terraform() -> None:
    stays = a_resource('auth0_client_grant.g["system"]', is_system=True)
    association = a_resource(
        "auth0_organization_client_grant.o[0]",
        "auth0_organization_client_grant",
        grant_id='auth0_client_grant.g["a b"]',
        organization_id="org_1",
    )

    found = read(stays, a_resource('auth0_client_grant.g["a b"]', organization_usage="allow"), association)

    text = "\n".join(found.handover)
    assert "from = auth0_client_grant.g" not in text
    assert "from = auth0_organization_client_grant.o\n" in text
    assert "terraform state rm 'auth0_client_grant.g[\"a b\"]'" in text
    assert found.by_tenant["dev"][0].fields["organizations"] == ("org_1",)


def test_grants_that_are_not_selected_stay_in_terraform() -> None:
    state = a_state(a_resource("auth0_client_grant.g[0]"), a_resource("auth0_client_grant.g[1]", audience="urn:y"))

    found = read_terraform(state, "state.json", DEV, None, ImportFilter(audiences=("urn:y",)))

    assert len(found.by_tenant["dev"]) == 1
    text = "\n".join(found.handover)
    assert "removed {" not in text
    assert "terraform state rm 'auth0_client_grant.g[1]'" in text


def test_an_address_cannot_add_lines_to_the_output() -> None:
    found = read(a_resource('auth0_client_grant.g\n}\nresource "x" "y" {'))

    lines = "\n".join(found.handover).splitlines()
    assert [line for line in lines if line.startswith("resource")] == []


def test_data_sources_and_deposed_objects_are_not_imported() -> None:
    data = a_resource("data.auth0_client_grant.g") | {"mode": "data"}
    deposed = a_resource("auth0_client_grant.g") | {"deposed_key": "1"}

    assert read(data, deposed).by_tenant == {"dev": []}


def test_a_deposed_assignment_of_an_organization_is_listed_and_not_imported() -> None:
    assignment = a_resource("o", "auth0_organization_client_grant", grant_id="g", organization_id="org_1")

    found = read(a_resource("g"), assignment | {"deposed_key": "1"})

    assert "organizations" not in found.by_tenant["dev"][0].fields
    assert [(each.label, each.reason) for each in found.left_out] == [("o", DEPOSED)]


def test_a_grant_that_auth0_created_needs_no_protection() -> None:
    assert read(a_resource("g", is_system=True)).protect == {"dev": []}


def test_two_resources_for_one_grant_are_a_problem() -> None:
    (problem,) = read(a_resource("g"), a_resource("h")).problems

    assert problem.what == "h declares the same grant as g"


def nested(levels: int) -> dict[str, Any]:
    module: dict[str, Any] = {"resources": [a_resource("g")]}
    for _ in range(levels):
        module = {"child_modules": [module]}
    return module


def test_nesting_is_limited() -> None:
    assert len(read(modules=[nested(10)]).by_tenant["dev"]) == 1
    assert read(modules=[nested(500)]).problems[0].what == "a module is nested too deeply or is not valid"


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ([], "this is not the output of terraform show -json"),
        ({"planned_values": {}}, "this is a plan of Terraform, not a state"),
        (
            {"version": 4, "terraform_version": "1.9", "resources": []},
            "this is a state file of Terraform, whose format",
        ),
        ({"format_version": "1.0", "values": {}}, "this state has no root module"),
    ],
)
def test_other_documents_are_refused_with_the_command(document: object, what: str) -> None:
    (problem,) = read_terraform(document, "state.json", DEV, None).problems

    assert problem.what.startswith(what)
    assert "terraform show -json" in problem.fix


def test_an_empty_state_has_no_grants() -> None:
    found = read_terraform({"format_version": "1.0", "terraform_version": "1.9"}, "state.json", DEV, None)

    assert (found.by_tenant, found.problems) == ({"dev": []}, ())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ('module.a["x.y"].module.b[0].auth0_client_grant.g["q\\"]["]', "module.a.module.b.auth0_client_grant.g"),
        ("auth0_client_grant.g", "auth0_client_grant.g"),
    ],
)
def test_removed_blocks_have_no_instance_keys(address: str, expected: str) -> None:
    assert without_keys(address) == expected


def test_a_configuration_is_recognized() -> None:
    assert wrong_document('# grants\nresource "auth0_client_grant" "x" {\n}\n')
    assert not wrong_document('{"format_version": "1.0"}')


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
odd_resources = st.fixed_dictionaries(
    {"address": st.text(max_size=5), "type": st.sampled_from(["auth0_client_grant", "auth0_client"])},
    optional={
        "mode": st.sampled_from(["managed", "data", 1]),
        "values": st.dictionaries(
            st.sampled_from(["id", "client_id", "audience", "scopes", "name", "subject_type"]), json_data, max_size=6
        ),
    },
)


@given(st.lists(odd_resources | json_data, max_size=4), json_data)
def test_no_document_crashes_the_reader(resources: list[Any], modules: object) -> None:
    document = a_state(*resources, modules=modules if isinstance(modules, list) else [])

    assert set(read_terraform(document, "state.json", DEV, None).by_tenant) == {"dev"}
