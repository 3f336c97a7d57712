"""Create the documents of a new tenant from a seed. Equal seeds create equal documents, including ids."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

from auth0_sandbox.api.clients import NewClient, global_client
from auth0_sandbox.api.credentials import METHODS, Registrar, register
from auth0_sandbox.api.grant_rules import canonical
from auth0_sandbox.api.logs import new_event
from auth0_sandbox.api.organizations import new_organization
from auth0_sandbox.api.resource_servers import management_api, management_scope, new_resource_server
from auth0_sandbox.errors import FileError, FileProblem
from auth0_sandbox.store.database import DocumentKind, SandboxTenant
from auth0_sandbox.store.documents import Document, parse_time
from auth0_sandbox.store.identities import (
    client_id,
    client_secret,
    derived_from,
    grant_id,
    organization_id,
    resource_server_id,
)
from auth0_sandbox.yaml_files import YamlFile, suggest

# The caller has validated the seed against its schema. Additional attributes of items are also stored.
Item = Mapping[str, Any]
Documents = Mapping[DocumentKind, Sequence[Document]]

TOOL_NAME = "Reconciler"
TOOL_CLIENT_ID = "reconciler-sandbox-tool-0000000000"
TOOL_CLIENT_SECRET = "known-to-everybody-and-opens-nothing-but-a-sandbox"  # noqa: S105 - what it says
TOOL_SCOPE = (
    "read:client_grants",
    "create:client_grants",
    "update:client_grants",
    "delete:client_grants",
    "read:clients",
    "read:resource_servers",
    "read:organizations",
    "read:organization_client_grants",
    "create:organization_client_grants",
    "delete:organization_client_grants",
)
# `${domain}` is replaced by the canonical domain of the tenant, and `$${` by `${`. Grant files have the same rules.
_PLACEHOLDER = re.compile(r"\$\$\{|\$\{domain\}")
# The attributes that must be unique among the documents of a kind.
_UNIQUE: Mapping[DocumentKind, tuple[tuple[str, ...], ...]] = {
    DocumentKind.CLIENTS: (("client_id",),),
    DocumentKind.RESOURCE_SERVERS: (("id",), ("identifier",)),
    DocumentKind.ORGANIZATIONS: (("id",), ("name",)),
    DocumentKind.CLIENT_GRANTS: (("id",), ("client_id", "default_for", "audience", "subject_type")),
    DocumentKind.CREDENTIALS: (("id",),),
    DocumentKind.ASSOCIATIONS: (("organization_id", "grant_id"),),
    DocumentKind.LOGS: (("log_id",),),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The client id and secret of an application."""

    client_id: str
    client_secret: str = field(repr=False)


def tool_credentials(seed: Item) -> Credentials:
    """Return the credentials of the tool's own application. A seed without credentials gets well-known credentials."""
    tool: Item = seed.get("tool", {})
    return Credentials(tool.get("client_id", TOOL_CLIENT_ID), tool.get("client_secret", TOOL_CLIENT_SECRET))


def identity(kind: DocumentKind, document: Document) -> str:
    """Return the id of a document."""
    return ":".join(document[name] for name in _UNIQUE[kind][0])


def documents(file: YamlFile, tenant: SandboxTenant, management_scopes: Sequence[str], now: float) -> Documents:
    """Return the documents of a seed and the documents that every tenant has.

    Every tenant has the Management API with its scopes, the global client "All Applications", and the tool's own
    application with its grant. The caller has validated `file` against the seed schema and has called `with_domain`.
    The ages of log events count back from `now` (UNIX seconds).

    Raises:
        FileError: if a grant or an event has an unknown name, or two items have the same key.
    """
    seed = file.data
    clients, credentials = _registered([_tool(seed, tenant), *_applications(seed, tenant)])
    apis = [
        management_api(_api_id(tenant.management_audience), tenant, _management_scopes(seed, management_scopes)),
        *map(_api, seed.get("apis", ())),
    ]
    organizations = [_organization(item) for item in seed.get("organizations", ())]
    grants, problems = _grants(file, clients, apis)
    associations, unknown = _associations(file, grants, organizations)
    events, unclear = _events(file, tenant, _Named(clients, apis), now)
    content = {
        DocumentKind.CLIENTS: [*clients, _global_client(tenant)],
        DocumentKind.RESOURCE_SERVERS: apis,
        DocumentKind.ORGANIZATIONS: organizations,
        DocumentKind.CLIENT_GRANTS: [_own_grant(seed, tenant), *grants],
        DocumentKind.CREDENTIALS: credentials,
        DocumentKind.ASSOCIATIONS: associations,
        DocumentKind.LOGS: events,
    }
    problems += [*unknown, *unclear]
    problems += [FileProblem(file.name, 0, 0, duplicate) for duplicate in _duplicates(content)]
    if problems:
        raise FileError(problems, file.text)
    return content


def with_domain(file: YamlFile, domain: str) -> YamlFile:
    """Return the seed with the tenant's domain in place of `${domain}` in all texts."""
    return replace(file, data=_substituted(file.data, domain))


def _substituted(value: Any, domain: str) -> Any:  # noqa: ANN401 - any YAML value
    match value:
        case str():
            return _PLACEHOLDER.sub(lambda found: domain if found[0] == "${domain}" else "${", value)
        case list():
            return [_substituted(item, domain) for item in value]
        case dict():
            return {name: _substituted(item, domain) for name, item in value.items()}
        case _:
            return value


def _global_client(tenant: SandboxTenant) -> Document:
    return global_client(client_id(derived_from("global client")), client_secret(derived_from("global secret")), tenant)


def _tool(seed: Item, tenant: SandboxTenant) -> Document:
    tool: Item = seed.get("tool", {})
    attributes: Document = {"app_type": "non_interactive", "grant_types": ["client_credentials"]}
    attributes |= {name: tool[name] for name in ("name", "public_key") if name in tool}
    attributes = {"name": TOOL_NAME} | attributes
    return NewClient(attributes, tenant.client_id, tenant.client_secret).document(tenant)


def _own_grant(seed: Item, tenant: SandboxTenant) -> Document:
    scope = list(seed.get("tool", {}).get("scope", TOOL_SCOPE))
    return _identified({"client_id": tenant.client_id, "audience": tenant.management_audience, "scope": scope})


def _applications(seed: Item, tenant: SandboxTenant) -> Iterator[Document]:
    """Yield the applications. Names may repeat, so a derived id also depends on the number of earlier equal names."""
    met: Counter[str] = Counter()
    for item in seed.get("applications", ()):
        name, place = item["name"], str(met[item["name"]])
        met[name] += 1
        identity = item.get("client_id") or client_id(derived_from("client", name, place))
        secret = item.get("client_secret") or client_secret(derived_from("secret", name, place))
        yield NewClient(dict(item), identity, secret).document(tenant)


def _registered(clients: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """Return the applications and their credentials. In a seed, `public_key` is a short form of a credential."""
    registered: list[Document] = []
    credentials: list[Document] = []
    for client in clients:
        attributes = dict(client)
        if pem := attributes.pop("public_key", None):
            attributes[METHODS] = {"private_key_jwt": {"credentials": [{"pem": pem}]}}
        identity = client["client_id"]
        registrar = Registrar(client_id=identity, now=0, pick=partial(derived_from, "credential", identity))
        registration = register(attributes, registrar)
        registered.append(registration.attributes)
        credentials += registration.credentials
    return registered, credentials


def _management_scopes(seed: Item, listed: Sequence[str]) -> list[Document]:
    """Return the scopes of the Management API: the scopes of the seed, or else the scopes of live tenants."""
    changes: Item = seed.get("management_api", {})
    declared: list[str | Document] = [*changes.get("scopes", listed), *changes.get("add_scopes", ())]
    scopes = [management_scope(each) if isinstance(each, str) else each for each in declared]
    return list({scope["value"]: scope for scope in scopes}.values())


def _api(item: Item) -> Document:
    scopes: list[str | Document] = item.get("scopes", [])
    objects = [{"value": scope, "description": ""} if isinstance(scope, str) else scope for scope in scopes]
    attributes = dict(item) | ({"scopes": objects} if "scopes" in item else {})
    return new_resource_server(item.get("id") or _api_id(item["identifier"]), attributes)


def _api_id(identifier: str) -> str:
    return resource_server_id(derived_from("resource server", identifier))


def _organization(item: Item) -> Document:
    identity = item.get("id") or organization_id(derived_from("organization", item["name"]))
    return new_organization(identity, dict(item))


def _grants(
    file: YamlFile, clients: Sequence[Document], apis: Sequence[Document]
) -> tuple[list[Document], list[FileProblem]]:
    """Return the grants with resolved names, and the problems of grants with unresolvable names."""
    applications = [(client["name"], client["client_id"]) for client in clients]
    identifiers = [(api["name"], api["identifier"]) for api in apis]
    grants, problems = [], []
    for place, item in enumerate(file.data.get("grants", ())):
        grant = dict(item)
        for name, attribute, known in (("client", "client_id", applications), ("api", "audience", identifiers)):
            try:
                grant |= {attribute: _named(item[name], known, name)} if name in item else {}
            except LookupError as error:
                problems.append(file.problem(("grants", place, name), error.args[0]))
        grants.append(grant)
    return [_identified(grant) for grant in grants if not problems], problems


def _associations(
    file: YamlFile, grants: Sequence[Document], organizations: Sequence[Document]
) -> tuple[list[Document], list[FileProblem]]:
    """Return the associations of grants and organizations, and the problems of unknown organization names.

    `grants` has the order of the seed. `grants` is empty if the grants have problems.
    """
    known = [(organization["name"], organization["id"]) for organization in organizations]
    associations, problems = [], []
    for place, item in enumerate(file.data.get("grants", ())):
        grant = grants[place]["id"] if grants else ""
        for index, name in enumerate(item.get("organizations", ())):
            try:
                identity = _named(name, known, "organization")
            except LookupError as error:
                problems.append(file.problem(("grants", place, "organizations", index), error.args[0]))
            else:
                associations.append({"organization_id": identity, "grant_id": grant})
    return associations, problems


@dataclass(frozen=True, slots=True)
class _Named:
    """The applications and APIs of a seed."""

    clients: Sequence[Document]
    apis: Sequence[Document]

    def resolved(self, item: Item) -> Document:
        """Return the attributes of an event. The names in `client` and `api` become ids. Raises LookupError."""
        event = {name: value for name, value in item.items() if name not in {"client", "api", "days_ago", "date"}}
        if "client" in item:
            known = [(client["name"], client["client_id"]) for client in self.clients]
            event["client_id"] = _named(item["client"], known, "client")
        if "api" in item:
            event["audience"] = _named(item["api"], [(api["name"], api["identifier"]) for api in self.apis], "api")
        named = {client["client_id"]: client["name"] for client in self.clients}
        name = named.get(event.get("client_id", ""), "")
        sender = {"ip": "127.0.0.1", "client_ip": "127.0.0.1", "user_agent": ""}
        return {"client_id": "", "client_name": name} | sender | event


def _events(
    file: YamlFile, tenant: SandboxTenant, named: _Named, now: float
) -> tuple[list[Document], list[FileProblem]]:
    """Return the log events of a seed, the oldest first, and the problems of the events."""
    found: list[tuple[float, str, Document]] = []
    problems: list[FileProblem] = []
    for place, item in enumerate(file.data.get("logs", ())):
        try:
            found.append((_time_of(item, now), item["type"], named.resolved(item)))
        except LookupError as error:
            problems.append(file.problem(("logs", place), error.args[0]))
        except ValueError:
            problems.append(file.problem(("logs", place, "date"), f'"{item["date"]}" is not a time in ISO 8601'))
    events: list[Document] = []
    for at, kind, attributes in sorted(found, key=lambda each: each[0]):
        events.append(new_event(kind, at, attributes, tenant, events[-1]["log_id"] if events else ""))
    return events, problems


def _time_of(item: Item, now: float) -> float:
    """Return the time of an event in UNIX seconds. Raises ValueError for an invalid date."""
    if "date" not in item:
        return max(0.0, now - timedelta(days=item["days_ago"]).total_seconds())
    return parse_time(item["date"]).timestamp()


def _named(name: str, known: Sequence[tuple[str, str]], what: str) -> str:
    """Return the id or identifier of the item with the name `name`.

    Raises:
        LookupError: if the name is unknown or ambiguous.
    """
    matching = [identity for other, identity in known if other == name]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise LookupError(f'"{name}" is ambiguous: {", ".join(matching)}; use one of these ids')
    hint = suggest(name, dict(known))
    raise LookupError(f'no {what} of this seed is named "{name}"' + (f"; {hint}" if hint else ""))


def _identified(grant: Item) -> Document:
    """Return the grant in the form of the API, with the id from the seed or an id derived from the grant's key."""
    shown = canonical(grant)
    key = [str(shown.get(name, "")) for name in _UNIQUE[DocumentKind.CLIENT_GRANTS][1]]
    return canonical({"id": grant_id(derived_from("client grant", *key))} | shown)


def _duplicates(content: Documents) -> Iterator[str]:
    """Yield a message for each duplicate within a kind of documents."""
    for kind, identities in _UNIQUE.items():
        for names in identities:
            counts = Counter(tuple(str(document.get(name, "")) for name in names) for document in content[kind])
            for values, count in counts.items():
                if count > 1:
                    yield f"{count} {kind} have the same {', '.join(names)}: {' '.join(filter(None, values))}"
