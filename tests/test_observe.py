from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from support.builders import INVOICES, a_key, a_spec
from support.tenants import Forward, a_sandbox, instead, reached, stored_grants
from support.virtual_time import run_virtually

from reconciler.auth0.errors import RefusedCallError
from reconciler.core.guards import Protect
from reconciler.core.planner import Observation
from reconciler.core.spec import GrantSpec
from reconciler.errors import ReconcilerError
from reconciler.observe import NO_APIS, NO_APPLICATIONS, SCOPES_UNCHECKED, Needs, needs_of, observe
from reconciler.sandbox.store import Kind
from reconciler.sandbox.tenant import Sandbox

EVERYTHING = Needs(application_names=True, api_names=True, scopes=True)
NOTHING = Needs(application_names=False, api_names=False, scopes=False)
SEED = """
tool: {{name: Tool, scope: [{scope}]}}
applications: [{{name: Billing, client_id: billing}}]
apis: [{{name: Invoices, identifier: "https://api.example.com/invoices", scopes: ["read:invoices"]}}]
grants: [{{client: Billing, api: Invoices, scope: ["read:invoices"]}}]
"""
ALL = '"read:client_grants", "read:clients", "read:resource_servers"'


def seen(
    folder: Path,
    needs: Needs,
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
            async with reached(sandbox, note) as client:
                return await observe(client, needs)

    return run_virtually(run())[0], sorted(calls)


@pytest.mark.parametrize(
    ("spec", "protect", "expected"),
    [
        (a_spec(scope=()), (), NOTHING),
        (a_spec(), (), Needs(application_names=False, api_names=False, scopes=True)),
        (a_spec(client="B", scope=()), (), Needs(application_names=True, api_names=False, scopes=False)),
        (a_spec(api="I", scope=()), (), Needs(application_names=False, api_names=True, scopes=False)),
        (a_spec(scope=()), (Protect(client="B"),), Needs(application_names=True, api_names=False, scopes=False)),
        (a_spec(scope=()), (Protect(api="I"),), Needs(application_names=False, api_names=True, scopes=False)),
        (a_spec(scope=()), (Protect(client_id="b"),), NOTHING),
    ],
    ids=["ids", "scopes", "client name", "API name", "protected client", "protected API", "protected id"],
)
def test_only_what_a_file_needs_is_needed(spec: GrantSpec, protect: tuple[Protect, ...], expected: Needs) -> None:
    assert needs_of([spec], protect) == expected


def test_who_prunes_has_to_know_third_parties() -> None:
    needs = needs_of([a_spec(scope=())], (), prunes=True)

    assert needs == Needs(application_names=False, api_names=False, scopes=False, third_parties=True)


def test_applications_are_read_for_third_parties(tmp_path: Path) -> None:
    observation, calls = seen(tmp_path, replace(NOTHING, third_parties=True))

    assert calls == ["GET /api/v2/client-grants", "GET /api/v2/clients", "POST /oauth/token"]
    assert not observation.directory.is_third_party(a_key())


def test_without_permission_third_parties_cannot_be_told(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="--prune has to know which applications belong to third parties"):
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


def test_without_permission_scopes_go_unchecked_and_that_is_said(tmp_path: Path) -> None:
    needs = Needs(application_names=False, api_names=False, scopes=True)

    observation, _ = seen(tmp_path, needs, scope='"read:client_grants"')

    assert observation.notes == (SCOPES_UNCHECKED,)


def test_what_this_version_does_not_know_is_said_and_passed_over(tmp_path: Path) -> None:
    def meddle(sandbox: Sandbox) -> None:
        for grant in stored_grants(sandbox):
            sandbox.store.replace(Kind.CLIENT_GRANTS, grant["id"], {**grant, "colour": "red"})

    observation, _ = seen(tmp_path, NOTHING, meddle=meddle)

    assert observation.notes == ('passed over in 2 of the tenant\'s grants, because unknown: field "colour"',)


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
        return instead(request, 429) if request.url.path == path else await forward()

    async def run() -> None:
        with a_sandbox(tmp_path, SEED.format(scope=ALL)) as sandbox:
            async with reached(sandbox, refuse) as client:
                await observe(client, EVERYTHING)

    with pytest.raises(RefusedCallError, match="429"):
        run_virtually(run())[0]
