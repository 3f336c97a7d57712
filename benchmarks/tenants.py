"""Pure: tenants of any size, the measured tasks, and the grant files of each task.

A tenant of N grants has N/10 applications and 20 APIs. One application and one grant belong to the tool itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

Json = dict[str, object]

APIS = 20
GRANTS_PER_APPLICATION = 10
SCOPES = frozenset({"list:things", "read:things", "write:things"})
OLD_SCOPES = SCOPES - {"list:things"}  # the scopes of outdated grants in the tenant
CHANGED_EVERY = 10
GRANTS_PER_FILE = 1000
CLIENT_PREFIX = "client"

OWN_CLIENT_ID = "benchmark-tool-00000000000000000"
OWN_SECRET = "opens-nothing"
OWN_AUDIENCE = "https://benchmark.invalid/api/v2/"
OWN_SCOPES = frozenset(
    {
        *("create:client_grants", "read:client_grants", "update:client_grants", "delete:client_grants"),
        *("read:clients", "read:resource_servers"),
    },
)


class Work(StrEnum):
    """The task of a tool in a measurement."""

    NOTHING = "nothing to do"
    CHANGED = "a tenth changed"
    MISSING = "all missing"
    REMOVED = "all to be removed"
    EXPORT = "export to files"
    PLANNED = "all missing, planned and saved"


STARTS_EMPTY = frozenset({Work.MISSING, Work.PLANNED})


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant with its key and its scopes."""

    client_id: str
    audience: str
    scopes: frozenset[str] = SCOPES


OWN_GRANT = Grant(OWN_CLIENT_ID, OWN_AUDIENCE, OWN_SCOPES)


@dataclass(frozen=True, slots=True)
class Case:
    """A task on a tenant with `size` grants, a latency in seconds, and the rate limits of an Auth0 plan."""

    work: Work
    size: int
    latency: float = 0.0
    plan: str = "none"

    def __str__(self) -> str:
        latency = f", latency {self.latency * 1000:.0f} ms" if self.latency else ""
        plan = f", limits of {self.plan}" if self.plan != "none" else ""
        return f"{self.work}, {grants_text(self.size)}{latency}{plan}"

    @property
    def declared(self) -> tuple[Grant, ...]:
        """The grants in the files, without the tool's own grant.

        The files of `REMOVED` declare one grant, because no tool accepts empty files.
        """
        return tuple(islice(grants(self.size), 1 if self.work is Work.REMOVED else None))

    @property
    def before(self) -> tuple[Grant, ...]:
        """The grants of the tenant before the run."""
        if self.work in STARTS_EMPTY:
            return (OWN_GRANT,)
        interval = CHANGED_EVERY if self.work is Work.CHANGED else self.size + 1
        others = (
            Grant(grant.client_id, grant.audience, OLD_SCOPES) if number % interval == 0 else grant
            for number, grant in enumerate(grants(self.size), start=1)
        )
        return (OWN_GRANT, *others)

    @property
    def after(self) -> tuple[Grant, ...]:
        """The grants that the tenant must have after the run."""
        return self.before if self.work is Work.PLANNED else (OWN_GRANT, *self.declared)

    @property
    def count_before(self) -> int:
        """The number of grants before the run.

        The number is computed without building the tenant, because building is slow.
        """
        return 1 if self.work in STARTS_EMPTY else self.size

    @property
    def count_after(self) -> int:
        """The number of grants that the tenant must have after the run."""
        return {Work.REMOVED: 2, Work.PLANNED: 1}.get(self.work, self.size)

    @property
    def writes(self) -> int:
        """The number of grants that the tool must create, update or delete."""
        changed = (self.size - 1) // CHANGED_EVERY if self.work is Work.CHANGED else 0
        return changed + abs(self.count_after - self.count_before)


def grants_text(count: int) -> str:
    """Return a number of grants as text, for example "1 grant" or "1,000 grants"."""
    return f"{count:,} grant{'' if count == 1 else 's'}"


def application_count(size: int) -> int:
    """Return the number of applications with grants in a tenant, without the tool's own application."""
    return max(1, size // GRANTS_PER_APPLICATION - 1)


def client_id(number: int) -> str:
    """Return the id of the application with the number `number`."""
    return f"{CLIENT_PREFIX}{number:026}"


def audience(number: int) -> str:
    """Return the identifier of the API with the number `number`."""
    return f"https://api{number}.example/"


def grants(size: int) -> Iterator[Grant]:
    """Yield the `size` - 1 grants of a tenant without the tool's own grant, ordered by id."""
    holders = application_count(size)
    return (Grant(client_id(number % holders), audience(number // holders)) for number in range(size - 1))


def applications(size: int) -> list[Json]:
    """Return the applications of a tenant in the API's form, with the usual fields."""
    names = {OWN_CLIENT_ID: "Benchmark Tool"} | {client_id(n): f"App {n}" for n in range(application_count(size))}
    return [
        {
            "tenant": "benchmark",
            "global": False,
            "is_token_endpoint_ip_header_trusted": False,
            "name": name,
            "description": "Calls APIs by itself",
            "is_first_party": True,
            "oidc_conformant": True,
            "sso_disabled": False,
            "cross_origin_authentication": False,
            "refresh_token": {"rotation_type": "non-rotating", "expiration_type": "non-expiring", "leeway": 0},
            "callbacks": [],
            "allowed_logout_urls": [],
            "client_id": identifier,
            "jwt_configuration": {"alg": "RS256", "lifetime_in_seconds": 36000, "secret_encoded": False},
            "token_endpoint_auth_method": "client_secret_post",
            "app_type": "non_interactive",
            "grant_types": ["client_credentials"],
            "custom_login_page_on": True,
        }
        for identifier, name in names.items()
    ]


def apis() -> list[Json]:
    """Return the APIs of a tenant in the API's form, including the Management API."""
    others = [_api(number, f"API {number}", audience(number), SCOPES) for number in range(APIS)]
    return [_api(APIS, "Auth0 Management API", OWN_AUDIENCE, OWN_SCOPES) | {"is_system": True}, *others]


def _api(number: int, name: str, identifier: str, scopes: Iterable[str]) -> Json:
    return {
        "id": f"{number:024x}",
        "name": name,
        "identifier": identifier,
        "is_system": False,
        "allow_offline_access": False,
        "signing_alg": "RS256",
        "token_lifetime": 86400,
        "scopes": [{"value": scope, "description": scope} for scope in sorted(scopes)],
    }


def wire_grant(grant_id: str, grant: Grant) -> Json:
    """Return a grant in the API's form."""
    return {
        "id": grant_id,
        "client_id": grant.client_id,
        "audience": grant.audience,
        "scope": sorted(grant.scopes),
        "subject_type": "client",
    }


def grant_files(case: Case) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each grant file.

    A grant has six lines, with the name of the application and the identifier of the API.
    """
    declared = case.declared
    for start in range(0, len(declared), GRANTS_PER_FILE):
        items = (
            f"  - client: {application_name(grant)}\n    audience: {grant.audience}\n    scope:\n{_scope_lines(grant)}"
            for grant in declared[start : start + GRANTS_PER_FILE]
        )
        yield f"{start:06}.yaml", "grants:\n" + "".join(items)


def deploy_cli_file(case: Case) -> str:
    """Return the declared grants as a file for auth0-deploy-cli.

    The file contains names of applications instead of ids.
    """
    items = (
        f"  - client_id: {application_name(grant)}\n    audience: {grant.audience}\n    subject_type: client\n"
        f"    scope:\n{_scope_lines(grant)}"
        for grant in case.declared
    )
    return "clientGrants:\n" + "".join(items)


def application_name(grant: Grant) -> str:
    """Return the name of the grant's application."""
    return f"App {int(grant.client_id.removeprefix(CLIENT_PREFIX))}"


def _scope_lines(grant: Grant) -> str:
    return "".join(f"      - {scope}\n" for scope in sorted(grant.scopes))
