"""Calls for both SDKs of Auth0: all calls for grants, applications, APIs and organizations, and searches and logs."""

import re
from collections.abc import Mapping
from typing import Any

from auth0.management import ManagementClient
from auth0.management.core.api_error import ApiError

Step = Mapping[str, Any]
Result = Mapping[str, Any]  # {"value"}, or {"status", "body"} for an error of the API

CUSTOMERS, INVOICES, ORDERS = "https://customers.example.com/", "https://invoices.example.com/", "urn:orders"
KEY = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo
4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0/IzW7yWR7QkrmBL7jTKEn5u
+qKhbwKfBstIs+bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyeh
kd3qqGElvW/VDL5AaWTg0nLVkjRo9z+40RQzuVaE8AkAFmxZzow3x+VJYKdjykkJ
0iT9wCS0DRTXu269V264Vf/3jvredZiKRkgwlL9xNAwxXFg0x/XFw005UWVRIkdg
cKWTjpBP2dPwVZ4WWC+9aGVd+Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbc
mwIDAQAB
-----END PUBLIC KEY-----"""


def step(call: str, *arguments: object, name: str = "") -> Step:
    """Return a step. A text `{name.attribute}` in the arguments refers to the result of the step with that name."""
    return {"name": name, "call": call, "arguments": list(arguments)}


GRANTS = (
    step(
        "clientGrants.create",
        {"client_id": "application-one", "audience": CUSTOMERS, "scope": ["read:customers"]},
        name="grant",
    ),
    step("clientGrants.get", "{grant.id}"),
    step("clientGrants.update", "{grant.id}", {"scope": [], "organization_usage": "require"}),
    step("clientGrants.list", {"take": 2}),
    step("clientGrants.list", {"audience": CUSTOMERS, "subject_type": "user"}),
    step("clientGrants.list", {"allow_any_organization": True}),
    step("clientGrants.list", {"default_for": "third_party_clients"}),
    step("clientGrants.create", {"client_id": "application-one", "audience": CUSTOMERS, "scope": []}),
    step("clientGrants.create", {"client_id": "nobody", "audience": CUSTOMERS, "scope": []}),
    step("clientGrants.update", "cgr_0000000000000009", {"scope": []}),
)
ASSOCIATIONS = (
    step("organizations.create", {"name": "initech", "display_name": "Initech"}, name="organization"),
    step("organizations.clientGrants.create", "{organization.id}", {"grant_id": "{grant.id}"}),
    step("organizations.clientGrants.create", "{organization.id}", {"grant_id": "{grant.id}"}),
    step("organizations.clientGrants.list", "{organization.id}", {"audience": CUSTOMERS}),
    step("clientGrants.organizations.list", "{grant.id}", {"take": 1}),
)
ORGANIZATIONS = (
    step("organizations.get", "{organization.id}"),
    step("organizations.getByName", "initech"),
    step("organizations.update", "{organization.id}", {"display_name": "INITECH", "metadata": {"plan": "gold"}}),
    step("organizations.list", {"take": 1}),
    step("organizations.get", "org_0000000000000009"),
    step("organizations.connections.list", "{organization.id}"),
    step("organizations.enabledConnections.list", "{organization.id}"),
    step("organizations.discoveryDomains.list", "{organization.id}"),
    step("organizations.clients.list", "{organization.id}"),
    step("organizations.members.list", "{organization.id}"),
)
APIS = (
    step(
        "resourceServers.create",
        {"identifier": ORDERS, "name": "Orders", "scopes": [{"value": "read:orders", "description": "Read"}]},
        name="api",
    ),
    step("resourceServers.create", {"identifier": ORDERS}),
    step("resourceServers.get", "{api.id}"),
    step("resourceServers.get", INVOICES),
    step("resourceServers.update", "{api.id}", {"scopes": [{"value": "write:orders"}], "token_lifetime": 60}),
    step("resourceServers.list", {"per_page": 2}),
    step("resourceServers.get", "urn:nothing"),
)
APPLICATIONS = (
    step("clients.create", {"name": "New", "app_type": "non_interactive"}, name="client"),
    step("clients.get", "{client.client_id}", {"fields": "client_id,name,app_type"}),
    step("clients.update", "{client.client_id}", {"description": "changed", "grant_types": ["client_credentials"]}),
    step("clients.list", {"per_page": 3, "is_global": False, "fields": "client_id,name"}),
    step("clients.list", {"app_type": "regular_web"}),
    step("clients.rotateSecret", "{client.client_id}"),
    step("clients.get", "nobody"),
    step(
        "clients.credentials.create",
        "{client.client_id}",
        {"credential_type": "public_key", "name": "key", "pem": KEY},
        name="credential",
    ),
    step("clients.credentials.list", "{client.client_id}"),
    step("clients.credentials.get", "{client.client_id}", "{credential.id}"),
    step("clients.credentials.update", "{client.client_id}", "{credential.id}", {"expires_at": "2030-01-01T00:00:00Z"}),
    step("clients.credentials.delete", "{client.client_id}", "{credential.id}"),
)
SEARCHES = (
    step("clientGrants.search", {"q": f'audience eq "{CUSTOMERS}"', "parser": "scim", "sort": "audience", "take": 2}),
    step("clientGrants.search", {"q": "_exists_:default_for", "fields": "id,default_for"}),
    step("clientGrants.search", {"q": 'scope eq "x"', "parser": "scim"}),
    step("clients.search", {"q": 'name sw "one" or name co "ew"', "parser": "scim", "sort": "name", "take": 1}),
    step("resourceServers.search", {"q": 'identifier sw "https://"', "parser": "scim", "take": 2, "sort": "name"}),
    step("resourceServers.search", {"q": "name:Inv*"}),
    step("organizations.search", {"q": "metadata.plan:gold"}),
    step("organizations.search", {"q": "nonsense"}),
)
LOGS = (
    step("logs.list", {"per_page": 100, "fields": "type,description,client_id,client_name"}),
    step("logs.get", "9"),
)
DELETIONS = (
    step("organizations.clientGrants.delete", "{organization.id}", "{grant.id}"),
    step("clientGrants.delete", "{grant.id}"),
    step("clientGrants.delete", "{grant.id}"),
    step("organizations.delete", "{organization.id}"),
    step("clients.delete", "{client.client_id}"),
    step("resourceServers.delete", "{api.id}"),
)
STEPS = (*GRANTS, *ASSOCIATIONS, *ORGANIZATIONS, *APIS, *APPLICATIONS, *SEARCHES, *LOGS, *DELETIONS)


def run_in_python(client: ManagementClient, steps: tuple[Step, ...]) -> list[Result]:
    """Make the calls with the SDK for Python."""
    results: list[Result] = []
    named: dict[str, Any] = {}
    for each in steps:
        owner: Any = client
        for part in each["call"].split("."):
            owner = getattr(owner, _snake_case(part))
        arguments = _filled(each["arguments"], named)
        parameters = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
        try:
            value = _plain(owner(*arguments, **parameters, request_options={"max_retries": 0}))
        except ApiError as error:
            results.append({"status": error.status_code, "body": error.body})
            continue
        named[each["name"]] = value
        results.append({"value": value})
    return results


def _plain(result: Any) -> Any:
    if result is None:
        return None
    if isinstance(result, list) or hasattr(result, "iter_pages"):
        return [_plain(each) for each in result]
    return result.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _snake_case(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


def _filled(value: Any, named: Mapping[str, Any]) -> Any:
    match value:
        case str() if found := re.fullmatch(r"\{(\w+)\.(\w+)\}", value):
            return named[found[1]][found[2]]
        case list():
            return [_filled(each, named) for each in value]
        case dict():
            return {name: _filled(each, named) for name, each in value.items()}
        case _:
            return value
