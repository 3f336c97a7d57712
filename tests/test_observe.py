from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from support.builders import INVOICES, OWN, a_key, a_spec
from support.tenants import Forward, a_sandbox, connected_client, direct_response, stored_grants
from support.virtual_time import run_virtually

from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import Sandbox
from reconciler.auth0.errors import RefusedCallError
from reconciler.core.directory import TenantList
from reconciler.core.guards import ProtectionRules
from reconciler.core.organizations import DeclaredOrganizations
from reconciler.core.pattern import Protect
from reconciler.core.planner import Observation
from reconciler.core.spec import GrantSpec
from reconciler.errors import ReconcilerError
from reconciler.observe import (
    NO_APIS,
    NO_APPLICATIONS,
    NO_ASSOCIATIONS,
    NO_ORGANIZATIONS,
    ORGANIZATIONS_NOT_SAVED,
    RequiredListings,
    observe,
    observe_everything,
    observe_further,
    observe_organizations,
    required_listings,
)

ALL_LISTINGS = RequiredListings(application_names=True, api_names=True, apis=True)
NO_LISTINGS = RequiredListings(application_names=False, api_names=False, apis=False)
ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"
WITH_ORGANIZATION_NAMES = NO_LISTINGS._replace(organizations=True, organization_names=True)
SEED = """
tool: {{name: Tool, scope: [{scope}]}}
applications: [{{name: Billing, client_id: billing}}]
apis: [{{name: Invoices, identifier: "https://api.example.com/invoices", scopes: ["read:invoices"]}}]
grants: [{{client: Billing, api: Invoices, scope: ["read:invoices"]}}]
"""
ALL_PERMISSIONS = '"read:client_grants", "read:clients", "read:resource_servers"'


def observe_tenant(
    folder: Path,
    needs: RequiredListings,
    scope: str = ALL_PERMISSIONS,
    edit_tenant: Callable[[Sandbox], None] = lambda _: None,
) -> tuple[Observation, list[str]]:
    calls: list[str] = []

    async def record(request: httpx.Request, forward: Forward) -> httpx.Response:
        calls.append(f"{request.method} {request.url.path}")
        return await forward()

    async def run() -> Observation:
        with a_sandbox(folder, SEED.format(scope=scope)) as sandbox:
            edit_tenant(sandbox)
            async with connected_client(sandbox, record) as client:
                return await observe(client, needs)

    return run_virtually(run())[0], sorted(calls)


@pytest.mark.parametrize(
    ("spec", "protect", "expected"),
    [
        (a_spec(scope=()), (), NO_LISTINGS),
        (a_spec(), (), RequiredListings(application_names=False, api_names=False, apis=True)),
        (a_spec(client="B", scope=()), (), RequiredListings(application_names=True, api_names=False, apis=False)),
        (a_spec(api="I", scope=()), (), RequiredListings(application_names=False, api_names=True, apis=False)),
        (
            a_spec(scope=()),
            (Protect(client="B"),),
            RequiredListings(application_names=True, api_names=False, apis=False),
        ),
        (
            a_spec(scope=()),
            (Protect(api="I"),),
            RequiredListings(application_names=False, api_names=True, apis=False),
        ),
        (a_spec(scope=()), (Protect(client_id="b"),), NO_LISTINGS),
        (a_spec(scope=(), organizations=()), (), NO_LISTINGS._replace(organizations=True)),
        (a_spec(scope=(), organizations=(ACME,)), (), NO_LISTINGS._replace(organizations=True)),
        (a_spec(scope=(), organizations=(ACME, "globex")), (), WITH_ORGANIZATION_NAMES),
    ],
    ids=[
        "ids",
        "scopes",
        "client name",
        "API name",
        "protected client",
        "protected API",
        "protected id",
        "no organizations",
        "organization ids",
        "organization name",
    ],
)
def test_a_file_needs_only_the_listings_for_its_fields(
    spec: GrantSpec, protect: tuple[Protect, ...], expected: RequiredListings
) -> None:
    assert required_listings([spec], protect) == expected


def test_prune_needs_the_list_of_third_parties_and_the_lifetimes_of_tokens() -> None:
    needs = required_listings([a_spec(scope=())], (), prunes=True)

    assert needs == RequiredListings(application_names=False, api_names=False, apis=True, third_parties=True)


def test_applications_are_read_for_third_parties(tmp_path: Path) -> None:
    observation, calls = observe_tenant(tmp_path, NO_LISTINGS._replace(third_parties=True))

    assert calls == ["GET /api/v2/client-grants", "GET /api/v2/clients", "POST /oauth/token"]
    assert observation.directory.third_party(a_key()) is False


def test_prune_without_permission_to_read_applications_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="must know the third-party applications"):
        observe_tenant(tmp_path, NO_LISTINGS._replace(third_parties=True), '"read:client_grants"')


def test_files_with_ids_need_only_the_list_of_grants(tmp_path: Path) -> None:
    observation, calls = observe_tenant(tmp_path, NO_LISTINGS)

    assert calls == ["GET /api/v2/client-grants", "POST /oauth/token"]
    assert observation.directory.applications is None
    assert observation.directory.apis is None


def test_names_of_applications_and_apis_need_one_request_each(tmp_path: Path) -> None:
    observation, calls = observe_tenant(tmp_path, ALL_LISTINGS)

    assert calls == [
        "GET /api/v2/client-grants",
        "GET /api/v2/clients",
        "GET /api/v2/resource-servers",
        "POST /oauth/token",
    ]
    assert observation.directory.client_ids_by_name["Billing"] == ("billing",)
    assert observation.directory.identifiers_by_name["Invoices"] == (INVOICES,)
    assert observation.notes == ()
    assert "All Applications" not in observation.directory.client_ids_by_name


def test_a_refused_list_of_apis_is_recorded_if_only_scopes_need_it(tmp_path: Path) -> None:
    needs = RequiredListings(application_names=False, api_names=False, apis=True)

    observation, _ = observe_tenant(tmp_path, needs, scope='"read:client_grants"')

    assert observation.directory.refused == {TenantList.APIS}


def test_unknown_fields_are_ignored_with_a_note(tmp_path: Path) -> None:
    def edit_tenant(sandbox: Sandbox) -> None:
        for grant in stored_grants(sandbox):
            sandbox.store.replace(DocumentKind.CLIENT_GRANTS, grant["id"], {**grant, "colour": "red"})

    observation, _ = observe_tenant(tmp_path, NO_LISTINGS, edit_tenant=edit_tenant)

    assert observation.notes == ('ignored unknown field "colour" in 2 grants of the tenant',)


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        ('"read:client_grants", "read:resource_servers"', NO_APPLICATIONS),
        ('"read:client_grants", "read:clients"', NO_APIS),
    ],
    ids=["applications", "APIs"],
)
def test_without_permission_names_cannot_be_resolved(tmp_path: Path, scope: str, message: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        observe_tenant(tmp_path, ALL_LISTINGS, scope)

    assert str(caught.value) == message


def test_a_refused_list_of_grants_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RefusedCallError, match="Insufficient scope, expected any of: read:client_grants"):
        observe_tenant(tmp_path, NO_LISTINGS, scope='"read:clients"')


@pytest.mark.parametrize("path", ["/api/v2/clients", "/api/v2/resource-servers"])
def test_a_failed_list_of_names_is_an_error(tmp_path: Path, path: str) -> None:
    async def refuse(request: httpx.Request, forward: Forward) -> httpx.Response:
        return direct_response(request, 429) if request.url.path == path else await forward()

    async def run() -> None:
        with a_sandbox(tmp_path, SEED.format(scope=ALL_PERMISSIONS)) as sandbox:
            async with connected_client(sandbox, refuse) as client:
                await observe(client, ALL_LISTINGS)

    with pytest.raises(RefusedCallError, match="429"):
        run_virtually(run())[0]


SEED_WITH_ORGANIZATIONS = """
tool: {{name: Tool, scope: [{scope}]}}
applications: [{{name: A, client_id: a}}, {{name: B, client_id: b}}, {{name: Stray, client_id: stray}}]
apis: [{{name: Invoices, identifier: "https://api.example.com/invoices"}}]
organizations: [{organizations}]
grants:
  - {{id: cgr_aaaaaaaaaaaaaaaa, client: A, api: Invoices, organization_usage: allow, organizations: [{of_a}]}}
  - {{id: cgr_bbbbbbbbbbbbbbbb, client: B, api: Invoices, organization_usage: allow, organizations: [acme]}}
  - {{id: cgr_cccccccccccccccc, client: Stray, api: Invoices, organization_usage: allow, organizations: [acme, globex]}}
"""
ORGANIZATION_PERMISSIONS = '"read:client_grants", "read:organizations", "read:organization_client_grants"'
ORGANIZATION_IDS = {"acme": ACME, "globex": GLOBEX}


def observe_with_organizations(
    folder: Path,
    *specs: GrantSpec,
    scope: str = ORGANIZATION_PERMISSIONS,
    organizations_of_a: str = "acme",
    organizations: dict[str, str] = ORGANIZATION_IDS,
    prune: bool = False,
) -> tuple[Observation, list[str]]:
    """Observe a tenant for `specs`. Return the observation and the requests.

    Requests for tokens, grants and applications are omitted.
    """
    calls: list[str] = []

    async def record(request: httpx.Request, forward: Forward) -> httpx.Response:
        calls.append(f"{request.method} {request.url.path.removeprefix('/api/v2/')}")
        return await forward()

    async def run() -> Observation:
        seeds = ", ".join(f"{{name: {name}, id: {identity}}}" for name, identity in organizations.items())
        permitted = f'{scope}, "read:clients"' if prune else scope
        with a_sandbox(
            folder,
            SEED_WITH_ORGANIZATIONS.format(scope=permitted, organizations=seeds, of_a=organizations_of_a),
        ) as sandbox:
            async with connected_client(sandbox, record) as client:
                observation = await observe(client, required_listings(specs, (), prunes=prune))
                declared = DeclaredOrganizations(specs, ProtectionRules(OWN) if prune else None)
                return await observe_organizations(client, observation, declared)

    observation, _ = run_virtually(run())
    others = {"POST /oauth/token", "GET client-grants", "GET clients"}
    return observation, sorted(call for call in calls if call not in others)


def with_organizations(client_id: str, *organizations: str) -> GrantSpec:
    return a_spec(client_id=client_id, scope=(), organization_usage="allow", organizations=organizations)


def organizations_by_holder(observation: Observation) -> dict[str, frozenset[str] | None]:
    return {each.key.holder: each.grant.organizations for each in observation.grants if each.key.holder in "ab stray"}


def test_organizations_are_not_read_if_no_file_declares_them(tmp_path: Path) -> None:
    observation, calls = observe_with_organizations(tmp_path, a_spec(client_id="a", scope=()))

    assert calls == []
    assert set(organizations_by_holder(observation).values()) == {None}
    assert observation.directory.organizations is None


def test_organizations_are_read_only_for_grants_that_declare_them(tmp_path: Path) -> None:
    observation, calls = observe_with_organizations(
        tmp_path, with_organizations("a", ACME), a_spec(client_id="b", scope=())
    )

    assert calls == ["GET client-grants/cgr_aaaaaaaaaaaaaaaa/organizations"]
    assert organizations_by_holder(observation) == {"a": {ACME}, "b": None, "stray": None}


def test_all_organizations_are_listed_only_if_a_file_names_one(tmp_path: Path) -> None:
    _, by_name = observe_with_organizations(tmp_path, with_organizations("a", "acme"))
    observation, by_id = observe_with_organizations(tmp_path, with_organizations("a"), with_organizations("b", ACME))

    assert ("GET organizations" in by_name, "GET organizations" in by_id) == (True, False)
    assert observation.directory.organization_label(ACME) == "acme"  # from the list of the grant's organizations


def test_organizations_of_pruned_grants_are_read(tmp_path: Path) -> None:
    observation, calls = observe_with_organizations(
        tmp_path, with_organizations("a"), a_spec(client_id="b", scope=()), prune=True
    )

    assert calls == [
        "GET client-grants/cgr_aaaaaaaaaaaaaaaa/organizations",
        "GET client-grants/cgr_cccccccccccccccc/organizations",
        "GET resource-servers",
    ]
    assert organizations_by_holder(observation)["stray"] == frozenset({ACME, GLOBEX})


def test_the_grants_of_an_organization_are_counted_only_if_it_gains_one(tmp_path: Path) -> None:
    observation, calls = observe_with_organizations(tmp_path, with_organizations("a", "acme", "globex"))

    assert f"GET organizations/{GLOBEX}/client-grants" in calls
    assert f"GET organizations/{ACME}/client-grants" not in calls
    assert observation.organization_grants == {GLOBEX: 1}


def test_an_organization_id_that_does_not_exist_has_no_count(tmp_path: Path) -> None:
    observation, _ = observe_with_organizations(tmp_path, with_organizations("a", "org_nobodynobodynobo"))

    assert observation.organization_grants == {"org_nobodynobodynobo": None}
    assert observation.directory.organizations is None


def test_all_pages_of_organizations_are_read(tmp_path: Path) -> None:
    many = {f"org-{number:03}": f"org_{number:016}" for number in range(150)}

    observation, calls = observe_with_organizations(
        tmp_path,
        with_organizations("a", "acme"),
        organizations_of_a=", ".join(many),
        organizations=ORGANIZATION_IDS | many,
    )

    assert organizations_by_holder(observation)["a"] == frozenset(many.values())
    assert [calls.count(call) for call in sorted(set(calls))] == [2, 2, 1]
    assert len(observation.directory.organizations or ()) == 152


def test_organizations_of_pruned_grants_are_read_even_if_no_file_declares_organizations(tmp_path: Path) -> None:
    specs = [a_spec(client_id=client_id, scope=()) for client_id in ("a", "b")]

    observation, calls = observe_with_organizations(tmp_path, *specs, prune=True)

    assert calls == ["GET client-grants/cgr_cccccccccccccccc/organizations", "GET resource-servers"]
    assert organizations_by_holder(observation) == {"a": None, "b": None, "stray": {ACME, GLOBEX}}


def test_unreadable_organizations_of_pruned_grants_give_a_note(tmp_path: Path) -> None:
    observation, _ = observe_with_organizations(
        tmp_path, a_spec(client_id="a", scope=()), scope='"read:client_grants"', prune=True
    )

    assert observation.notes == (ORGANIZATIONS_NOT_SAVED,)
    assert set(organizations_by_holder(observation).values()) == {None}


@pytest.mark.parametrize(
    ("lacking", "message"),
    [("read:organizations", NO_ORGANIZATIONS), ("read:organization_client_grants", NO_ASSOCIATIONS)],
)
def test_without_permission_organizations_cannot_be_declared(tmp_path: Path, lacking: str, message: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        observe_with_organizations(
            tmp_path,
            with_organizations("a", "acme"),
            scope=ORGANIZATION_PERMISSIONS.replace(f'"{lacking}"', '"read:clients"'),
        )

    assert str(caught.value) == message


def observe_twice(
    folder: Path,
    first: RequiredListings,
    needs: RequiredListings,
    *specs: GrantSpec,
    scope: str = ORGANIZATION_PERMISSIONS,
) -> tuple[Observation, Observation, list[str]]:
    """Observe everything, then observe for other required listings. Return both observations and the later requests."""
    calls: list[str] = []

    async def record(request: httpx.Request, forward: Forward) -> httpx.Response:
        calls.append(f"{request.method} {request.url.path.removeprefix('/api/v2/')}")
        return await forward()

    async def run() -> tuple[Observation, Observation]:
        organizations = ", ".join(f"{{name: {name}, id: {identity}}}" for name, identity in ORGANIZATION_IDS.items())
        with a_sandbox(
            folder,
            SEED_WITH_ORGANIZATIONS.format(scope=scope, organizations=organizations, of_a="acme"),
        ) as sandbox:
            async with connected_client(sandbox, record) as client:
                everything = await observe_everything(client, first)
                calls.clear()
                observation = await observe_further(client, everything, needs)
                return everything, await observe_organizations(client, observation, DeclaredOrganizations(specs))

    (everything, observation), _ = run_virtually(run())
    return everything, observation, sorted(calls)


def test_after_observing_everything_other_needs_send_no_request(tmp_path: Path) -> None:
    all_listings = ALL_LISTINGS._replace(organizations=True, organization_names=True)

    everything, observation, calls = observe_twice(
        tmp_path,
        NO_LISTINGS,
        all_listings,
        with_organizations("a", "acme"),
        scope=f"{ORGANIZATION_PERMISSIONS}, {ALL_PERMISSIONS}",
    )

    assert calls == []
    assert observation == everything


def test_names_from_a_refused_list_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError) as caught:
        observe_twice(tmp_path, NO_LISTINGS, ALL_LISTINGS)

    assert str(caught.value) == NO_APPLICATIONS


def test_a_list_that_was_refused_is_not_requested_again_for_scopes(tmp_path: Path) -> None:
    everything, observation, calls = observe_twice(tmp_path, NO_LISTINGS, NO_LISTINGS._replace(apis=True))

    assert everything.directory.refused == observation.directory.refused == {TenantList.APPLICATIONS, TenantList.APIS}
    assert calls == []


def test_grants_of_an_organization_are_counted_after_observing_everything(tmp_path: Path) -> None:
    _, observation, calls = observe_twice(tmp_path, NO_LISTINGS, NO_LISTINGS, with_organizations("a", ACME, GLOBEX))

    assert calls == [f"GET organizations/{GLOBEX}/client-grants"]
    assert observation.organization_grants == {GLOBEX: 1}
