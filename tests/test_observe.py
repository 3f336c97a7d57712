from collections.abc import Callable
from dataclasses import replace
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

EVERYTHING = RequiredListings(application_names=True, api_names=True, scopes=True)
NOTHING = RequiredListings(application_names=False, api_names=False, scopes=False)
ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"
NAMED = replace(NOTHING, organizations=True, organization_names=True)
SEED = """
tool: {{name: Tool, scope: [{scope}]}}
applications: [{{name: Billing, client_id: billing}}]
apis: [{{name: Invoices, identifier: "https://api.example.com/invoices", scopes: ["read:invoices"]}}]
grants: [{{client: Billing, api: Invoices, scope: ["read:invoices"]}}]
"""
ALL = '"read:client_grants", "read:clients", "read:resource_servers"'


def seen(
    folder: Path,
    needs: RequiredListings,
    scope: str = ALL,
    meddle: Callable[[Sandbox], None] = lambda _: None,
) -> tuple[Observation, list[str]]:
    calls: list[str] = []

    async def note(request: httpx.Request, forward: Forward) -> httpx.Response:
        calls.append(f"{request.method} {request.url.path}")
        return await forward()

    async def run() -> Observation:
        with a_sandbox(folder, SEED.format(scope=scope)) as sandbox:
            meddle(sandbox)
            async with connected_client(sandbox, note) as client:
                return await observe(client, needs)

    return run_virtually(run())[0], sorted(calls)


@pytest.mark.parametrize(
    ("spec", "protect", "expected"),
    [
        (a_spec(scope=()), (), NOTHING),
        (a_spec(), (), RequiredListings(application_names=False, api_names=False, scopes=True)),
        (a_spec(client="B", scope=()), (), RequiredListings(application_names=True, api_names=False, scopes=False)),
        (a_spec(api="I", scope=()), (), RequiredListings(application_names=False, api_names=True, scopes=False)),
        (
            a_spec(scope=()),
            (Protect(client="B"),),
            RequiredListings(application_names=True, api_names=False, scopes=False),
        ),
        (
            a_spec(scope=()),
            (Protect(api="I"),),
            RequiredListings(application_names=False, api_names=True, scopes=False),
        ),
        (a_spec(scope=()), (Protect(client_id="b"),), NOTHING),
        (a_spec(scope=(), organizations=()), (), replace(NOTHING, organizations=True)),
        (a_spec(scope=(), organizations=(ACME,)), (), replace(NOTHING, organizations=True)),
        (a_spec(scope=(), organizations=(ACME, "globex")), (), NAMED),
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
def test_only_what_a_file_needs_is_needed(
    spec: GrantSpec, protect: tuple[Protect, ...], expected: RequiredListings
) -> None:
    assert required_listings([spec], protect) == expected


def test_who_prunes_has_to_know_third_parties() -> None:
    needs = required_listings([a_spec(scope=())], (), prunes=True)

    assert needs == RequiredListings(application_names=False, api_names=False, scopes=False, third_parties=True)


def test_applications_are_read_for_third_parties(tmp_path: Path) -> None:
    observation, calls = seen(tmp_path, replace(NOTHING, third_parties=True))

    assert calls == ["GET /api/v2/client-grants", "GET /api/v2/clients", "POST /oauth/token"]
    assert observation.directory.third_party(a_key()) is False


def test_without_permission_third_parties_cannot_be_told(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="must know which applications belong to third parties"):
        seen(tmp_path, replace(NOTHING, third_parties=True), '"read:client_grants"')


def test_ids_alone_need_no_names(tmp_path: Path) -> None:
    observation, calls = seen(tmp_path, NOTHING)

    assert calls == ["GET /api/v2/client-grants", "POST /oauth/token"]
    assert observation.directory.applications is None
    assert observation.directory.apis is None


def test_names_take_one_call_each(tmp_path: Path) -> None:
    observation, calls = seen(tmp_path, EVERYTHING)

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


def test_without_permission_the_list_of_apis_is_refused(tmp_path: Path) -> None:
    needs = RequiredListings(application_names=False, api_names=False, scopes=True)

    observation, _ = seen(tmp_path, needs, scope='"read:client_grants"')

    assert observation.directory.refused == {TenantList.APIS}


def test_what_this_version_does_not_know_is_said_and_passed_over(tmp_path: Path) -> None:
    def meddle(sandbox: Sandbox) -> None:
        for grant in stored_grants(sandbox):
            sandbox.store.replace(DocumentKind.CLIENT_GRANTS, grant["id"], {**grant, "colour": "red"})

    observation, _ = seen(tmp_path, NOTHING, meddle=meddle)

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
        seen(tmp_path, EVERYTHING, scope)

    assert str(caught.value) == message


def test_grants_that_cannot_be_read_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(RefusedCallError, match="Insufficient scope, expected any of: read:client_grants"):
        seen(tmp_path, NOTHING, scope='"read:clients"')


@pytest.mark.parametrize("path", ["/api/v2/clients", "/api/v2/resource-servers"])
def test_a_listing_of_names_that_fails_ends_the_run(tmp_path: Path, path: str) -> None:
    async def refuse(request: httpx.Request, forward: Forward) -> httpx.Response:
        return direct_response(request, 429) if request.url.path == path else await forward()

    async def run() -> None:
        with a_sandbox(tmp_path, SEED.format(scope=ALL)) as sandbox:
            async with connected_client(sandbox, refuse) as client:
                await observe(client, EVERYTHING)

    with pytest.raises(RefusedCallError, match="429"):
        run_virtually(run())[0]


MANY = """
tool: {{name: Tool, scope: [{scope}]}}
applications: [{{name: A, client_id: a}}, {{name: B, client_id: b}}, {{name: Stray, client_id: stray}}]
apis: [{{name: Invoices, identifier: "https://api.example.com/invoices"}}]
organizations: [{organizations}]
grants:
  - {{id: cgr_aaaaaaaaaaaaaaaa, client: A, api: Invoices, organization_usage: allow, organizations: [{tied}]}}
  - {{id: cgr_bbbbbbbbbbbbbbbb, client: B, api: Invoices, organization_usage: allow, organizations: [acme]}}
  - {{id: cgr_cccccccccccccccc, client: Stray, api: Invoices, organization_usage: allow, organizations: [acme, globex]}}
"""
PERMITTED = '"read:client_grants", "read:organizations", "read:organization_client_grants"'
TWO = {"acme": ACME, "globex": GLOBEX}


def organized(
    folder: Path,
    *specs: GrantSpec,
    scope: str = PERMITTED,
    tied: str = "acme",
    named: dict[str, str] = TWO,
    prune: bool = False,
) -> tuple[Observation, list[str]]:
    """Observe a tenant for `specs`; also return the calls, but for those for tokens, grants and applications."""
    calls: list[str] = []

    async def note(request: httpx.Request, forward: Forward) -> httpx.Response:
        calls.append(f"{request.method} {request.url.path.removeprefix('/api/v2/')}")
        return await forward()

    async def run() -> Observation:
        organizations = ", ".join(f"{{name: {name}, id: {identity}}}" for name, identity in named.items())
        permitted = f'{scope}, "read:clients"' if prune else scope
        with a_sandbox(
            folder,
            MANY.format(scope=permitted, organizations=organizations, tied=tied),
        ) as sandbox:
            async with connected_client(sandbox, note) as client:
                observation = await observe(client, required_listings(specs, (), prunes=prune))
                declared = DeclaredOrganizations(specs, ProtectionRules(OWN) if prune else None)
                return await observe_organizations(client, observation, declared)

    observation, _ = run_virtually(run())
    others = {"POST /oauth/token", "GET client-grants", "GET clients"}
    return observation, sorted(call for call in calls if call not in others)


def of(client_id: str, *organizations: str) -> GrantSpec:
    return a_spec(client_id=client_id, scope=(), organization_usage="allow", organizations=organizations)


def read_of(observation: Observation) -> dict[str, frozenset[str] | None]:
    return {each.key.holder: each.grant.organizations for each in observation.grants if each.key.holder in "ab stray"}


def test_where_no_file_says_organizations_none_are_read(tmp_path: Path) -> None:
    observation, calls = organized(tmp_path, a_spec(client_id="a", scope=()))

    assert calls == []
    assert set(read_of(observation).values()) == {None}
    assert observation.directory.organizations is None


def test_organizations_are_read_of_the_grants_alone_that_say_some(tmp_path: Path) -> None:
    observation, calls = organized(tmp_path, of("a", ACME), a_spec(client_id="b", scope=()))

    assert calls == ["GET client-grants/cgr_aaaaaaaaaaaaaaaa/organizations"]
    assert read_of(observation) == {"a": {ACME}, "b": None, "stray": None}


def test_all_organizations_are_listed_only_where_one_is_named(tmp_path: Path) -> None:
    _, named = organized(tmp_path, of("a", "acme"))
    observation, by_id = organized(tmp_path, of("a"), of("b", ACME))

    assert ("GET organizations" in named, "GET organizations" in by_id) == (True, False)
    assert observation.directory.organization_label(ACME) == "acme"  # met beside the grants


def test_of_what_is_pruned_they_are_read_as_well(tmp_path: Path) -> None:
    observation, calls = organized(tmp_path, of("a"), a_spec(client_id="b", scope=()), prune=True)

    assert calls == [
        "GET client-grants/cgr_aaaaaaaaaaaaaaaa/organizations",
        "GET client-grants/cgr_cccccccccccccccc/organizations",
    ]
    assert read_of(observation)["stray"] == frozenset({ACME, GLOBEX})


def test_the_grants_of_an_organization_are_counted_only_if_it_gets_more(tmp_path: Path) -> None:
    observation, calls = organized(tmp_path, of("a", "acme", "globex"))

    assert f"GET organizations/{GLOBEX}/client-grants" in calls
    assert f"GET organizations/{ACME}/client-grants" not in calls
    assert observation.organization_grants == {GLOBEX: 1}


def test_an_id_that_nothing_has_is_counted_as_such(tmp_path: Path) -> None:
    observation, _ = organized(tmp_path, of("a", "org_nobodynobodynobo"))

    assert observation.organization_grants == {"org_nobodynobodynobo": None}
    assert observation.directory.organizations is None


def test_more_organizations_than_a_page_holds_are_all_read(tmp_path: Path) -> None:
    many = {f"org-{number:03}": f"org_{number:016}" for number in range(150)}

    observation, calls = organized(tmp_path, of("a", "acme"), tied=", ".join(many), named=TWO | many)

    assert read_of(observation)["a"] == frozenset(many.values())
    assert [calls.count(call) for call in sorted(set(calls))] == [2, 2, 1]
    assert len(observation.directory.organizations or ()) == 152


def test_of_what_is_pruned_they_are_read_even_where_no_file_says_any(tmp_path: Path) -> None:
    specs = [a_spec(client_id=client_id, scope=()) for client_id in ("a", "b")]

    observation, calls = organized(tmp_path, *specs, prune=True)

    assert calls == ["GET client-grants/cgr_cccccccccccccccc/organizations"]
    assert read_of(observation) == {"a": None, "b": None, "stray": {ACME, GLOBEX}}


def test_where_only_what_is_pruned_has_them_a_token_that_may_not_read_them_is_worth_a_note(tmp_path: Path) -> None:
    observation, _ = organized(tmp_path, a_spec(client_id="a", scope=()), scope='"read:client_grants"', prune=True)

    assert observation.notes == (ORGANIZATIONS_NOT_SAVED,)
    assert set(read_of(observation).values()) == {None}


@pytest.mark.parametrize(
    ("lacking", "message"),
    [("read:organizations", NO_ORGANIZATIONS), ("read:organization_client_grants", NO_ASSOCIATIONS)],
)
def test_without_permission_organizations_cannot_be_declared(tmp_path: Path, lacking: str, message: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        organized(tmp_path, of("a", "acme"), scope=PERMITTED.replace(f'"{lacking}"', '"read:clients"'))

    assert str(caught.value) == message


def further(
    folder: Path, first: RequiredListings, then: RequiredListings, *specs: GrantSpec, scope: str = PERMITTED
) -> tuple[Observation, Observation, list[str]]:
    """Survey a tenant, then look further for other needs; also return the calls of the second look."""
    calls: list[str] = []

    async def note(request: httpx.Request, forward: Forward) -> httpx.Response:
        calls.append(f"{request.method} {request.url.path.removeprefix('/api/v2/')}")
        return await forward()

    async def run() -> tuple[Observation, Observation]:
        organizations = ", ".join(f"{{name: {name}, id: {identity}}}" for name, identity in TWO.items())
        with a_sandbox(
            folder,
            MANY.format(scope=scope, organizations=organizations, tied="acme"),
        ) as sandbox:
            async with connected_client(sandbox, note) as client:
                observe_all = await observe_everything(client, first)
                calls.clear()
                observation = await observe_further(client, observe_all, then)
                return observe_all, await observe_organizations(client, observation, DeclaredOrganizations(specs))

    (observe_all, observation), _ = run_virtually(run())
    return observe_all, observation, sorted(calls)


def test_after_a_survey_other_needs_take_no_further_call(tmp_path: Path) -> None:
    every = replace(EVERYTHING, organizations=True, organization_names=True)

    observe_all, observation, calls = further(tmp_path, NOTHING, every, of("a", "acme"), scope=f"{PERMITTED}, {ALL}")

    assert calls == []
    assert observation == observe_all


def test_what_a_survey_was_not_allowed_to_read_is_asked_for_where_it_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError) as caught:
        further(tmp_path, NOTHING, EVERYTHING)

    assert str(caught.value) == NO_APPLICATIONS


def test_a_list_that_a_survey_was_refused_is_not_asked_for_again_for_scopes(tmp_path: Path) -> None:
    observe_all, observation, calls = further(tmp_path, NOTHING, replace(NOTHING, scopes=True))

    assert observe_all.directory.refused == observation.directory.refused == {TenantList.APPLICATIONS, TenantList.APIS}
    assert calls == []


def test_organizations_that_are_gained_are_counted_after_a_survey_too(tmp_path: Path) -> None:
    _, observation, calls = further(tmp_path, NOTHING, NOTHING, of("a", ACME, GLOBEX))

    assert calls == [f"GET organizations/{GLOBEX}/client-grants"]
    assert observation.organization_grants == {GLOBEX: 1}
