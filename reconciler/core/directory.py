"""The names and ids of a tenant's applications, APIs and organizations, and the labels that reconciler shows."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from reconciler.core.characters import MAX_NAME_LENGTH, escape_spaces, is_deceptive, shorten, skeleton
from reconciler.core.grant import SUBJECT_USER, Key

MAX_ID_LENGTH = 200
STRICT_THIRD_PARTY_PREFIX = "tpc_"
"""The prefix of the client ids that Auth0's strict mode gives to third-party applications."""
MANAGEMENT_API_SUFFIX = "/api/v2/"

# The Management API scopes that Auth0 allows in a user's token. The Management API does not return the scopes for user
# tokens. The list of scopes comes from the source code of Auth0's command line tool.
CURRENT_USER_SCOPES = frozenset(
    {
        "read:current_user",
        "update:current_user_metadata",
        "delete:current_user_metadata",
        "create:current_user_metadata",
        "create:current_user_device_credentials",
        "delete:current_user_device_credentials",
        "update:current_user_identities",
    },
)

ORGANIZATION_ID = re.compile(r"org_[A-Za-z0-9]{16}")


class TenantList(StrEnum):
    """A list that the Management API returns: applications, APIs or organizations."""

    APPLICATIONS = "applications"
    APIS = "APIs"
    ORGANIZATIONS = "organizations"


PERMISSIONS: Mapping[TenantList, str] = {
    TenantList.APPLICATIONS: "read:clients",
    TenantList.APIS: "read:resource_servers",
    TenantList.ORGANIZATIONS: "read:organizations",
}
"""For each list of the tenant, the permission (scope) that a token needs to read the list."""


class Application(NamedTuple):
    """An application.

    Several applications may have the same name. `is_third_party` is None if Auth0's response does not contain the
    owner.
    """

    client_id: str
    name: str
    is_third_party: bool | None = False
    app_type: str = ""


class Api(NamedTuple):
    """An API (resource server) with its scopes.

    `token_lifetime` is the lifetime of access tokens in seconds, or None if the lifetime is unknown.
    """

    identifier: str
    name: str
    scopes: frozenset[str] = frozenset()
    is_system: bool = False
    token_lifetime: int | None = None
    policies: tuple[tuple[str, str], ...] = ()
    """Pairs of a subject type and the API's policy for this subject type, such as `deny_all`.

    `policies` lacks the subject types whose policy is unknown.
    """

    def policy_for(self, subject_type: str) -> str:
        """Return the API's policy for a subject type, or an empty string if the policy is unknown."""
        return dict(self.policies).get(subject_type, "")

    def scopes_for(self, key: Key) -> frozenset[str]:
        """Return the scopes that Auth0 allows in a grant with the same subject type as `key`."""
        if self.is_system and self.identifier.endswith(MANAGEMENT_API_SUFFIX) and key.subject_type == SUBJECT_USER:
            return CURRENT_USER_SCOPES
        return self.scopes


class Organization(NamedTuple):
    """An organization. Organization names are unique, but a name may be identical to another organization's id."""

    id: str
    name: str


@dataclass(frozen=True)
class Directory:
    """The names and ids of a tenant's applications, APIs and organizations.

    A field (`applications`, `apis` or `organizations`) is None if reconciler did not read the list with that name.
    """

    applications: tuple[Application, ...] | None = None
    apis: tuple[Api, ...] | None = None
    organizations: tuple[Organization, ...] | None = None
    associated: tuple[Organization, ...] = ()
    """The organizations that Auth0 returned together with grants.

    `associated` may omit organizations that have no grants.
    """
    refused: frozenset[TenantList] = frozenset()
    """The lists (applications, APIs, organizations) that the access token has no permission to read."""
    confusable: frozenset[str] | None = None
    """The ids of the applications, APIs and organizations with ambiguous names, according to a saved plan.

    For a new plan, `confusable` is None, because reconciler finds the ambiguous names itself.
    """

    @cached_property
    def read(self) -> frozenset[TenantList]:
        """The lists that reconciler has read from the tenant, such as the list of applications."""
        lists = {
            TenantList.APPLICATIONS: self.applications,
            TenantList.APIS: self.apis,
            TenantList.ORGANIZATIONS: self.organizations,
        }
        return frozenset(name for name, content in lists.items() if content is not None)

    @property
    def settled(self) -> frozenset[TenantList]:
        """The lists (applications, APIs, organizations) that reconciler has read or has no permission to read."""
        return self.read | self.refused

    def has_read(self, lists: Iterable[TenantList]) -> bool:
        """Return whether reconciler has read all of `lists` (such as the list of applications) from the tenant."""
        return self.read.issuperset(lists)

    def reason_unread(self, lists: Iterable[TenantList]) -> str:
        """Return the reason why reconciler has not read all of `lists` (such as the list of APIs) from the tenant."""
        unread = [each for each in TenantList if each in lists and each not in self.read]
        refused = [each for each in unread if each in self.refused]
        if refused:
            permissions = f"permission{'s' * (len(refused) > 1)} {_join(PERMISSIONS[each] for each in refused)}"
            return f"the token lacks the {permissions} to list {_join(refused)}"
        return f"{_join(unread)} were not listed"

    @cached_property
    def resolved_specs(self) -> dict[int, tuple[Any, Any]]:
        """A cache for the function `resolve`. The cache maps the `id()` of a declaration to the result of `resolve`.

        The cache keeps each declaration in memory, so that Python does not reuse the declaration's `id()`.
        """
        return {}

    @cached_property
    def applications_by_id(self) -> Mapping[str, Application]:
        """The applications of the tenant, by client id."""
        return {application.client_id: application for application in self.applications or ()}

    @cached_property
    def apis_by_identifier(self) -> Mapping[str, Api]:
        """The APIs of the tenant, by identifier. The field `audience` of a grant contains the identifier of the API."""
        return {api.identifier: api for api in self.apis or ()}

    @cached_property
    def client_ids_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The client ids of the tenant's applications, grouped by application name.

        Several applications may have the same name.
        """
        return _group((application.name, application.client_id) for application in self.applications or ())

    @cached_property
    def identifiers_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The identifiers of the tenant's APIs, grouped by API name. Several APIs may have the same name."""
        return _group((api.name, api.identifier) for api in self.apis or ())

    @cached_property
    def organizations_by_id(self) -> Mapping[str, Organization]:
        """The organizations that reconciler has read, by id."""
        return {organization.id: organization for organization in (*self.associated, *(self.organizations or ()))}

    @cached_property
    def organization_ids_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the organizations that reconciler has read, grouped by organization name.

        In Auth0, two organizations never have the same name.
        """
        return _group((organization.name, organization.id) for organization in self.organizations_by_id.values())

    def find_organizations(self, name_or_id: str) -> tuple[str, ...]:
        """Return the ids of the organizations whose name or id is `name_or_id`.

        If `name_or_id` looks like an organization id, compare `name_or_id` only with ids, and not with names. An
        attacker could create an organization whose name is another organization's id. If reconciler did not read the
        list of organizations, assume that an organization with the id exists.
        """
        by_id = (name_or_id,) if name_or_id in self.organizations_by_id else ()
        if ORGANIZATION_ID.fullmatch(name_or_id):
            return by_id or ((name_or_id,) if self.organizations is None else ())
        return tuple(sorted({*by_id, *self.organization_ids_by_name.get(name_or_id, ())}))

    def client_name(self, key: Key) -> str | None:
        """Return the name of the application of a grant, or None if the name is unknown."""
        application = self.applications_by_id.get(key.client_id or "")
        return application.name or None if application else None

    def api_name(self, key: Key) -> str | None:
        """Return the name of the API of a grant, or None if the name is unknown."""
        api = self.apis_by_identifier.get(key.audience)
        return api.name if api else None

    def third_party(self, key: Key) -> bool | None:
        """Return whether the application of a grant belongs to a third party, or None if the owner is unknown.

        Return None if the list of applications does not contain the application. An application that is newer than the
        list of applications may be missing from the list.
        """
        if key.default_for is not None:
            return False
        if key.holder.startswith(STRICT_THIRD_PARTY_PREFIX):
            return True
        application = self.applications_by_id.get(key.client_id or "")
        return application.is_third_party if application else None

    def client_label(self, key: Key) -> str:
        """Return the name of a grant's application for output, or a description of a default grant.

        If the application name is ambiguous, the client id follows the name.
        """
        if key.other_holder:
            return key.other_holder
        if key.client_id is None:
            return f"default for {key.default_for}"
        return self._label(self.client_name(key), key.client_id, self._alike_applications)

    def api_label(self, key: Key) -> str:
        """Return the label of a grant's API: the name, followed by the identifier if the name is ambiguous."""
        return self._label(self.api_name(key), key.audience, self._alike_apis)

    def organization_label(self, organization_id: str) -> str:
        """Return the label of an organization: the name, followed by the id if the name is ambiguous.

        Return the id if reconciler does not know the name of the organization.
        """
        return self._label(self.organization_name(organization_id), organization_id, self._alike_organizations)

    def organization_name(self, organization_id: str) -> str | None:
        """Return the name of an organization, or None if the name is unknown."""
        organization = self.organizations_by_id.get(organization_id)
        return organization.name or None if organization else None

    def ambiguous_ids(self, keys: Iterable[Key], organizations: Iterable[str]) -> tuple[str, ...]:
        """Return the ids of applications, APIs and organizations with ambiguous names, sorted."""
        found = {
            key.client_id
            for key in keys
            if key.client_id and self._is_confusable(key.client_id, self._alike_applications)
        }
        found |= {key.audience for key in keys if self._is_confusable(key.audience, self._alike_apis)}
        found |= {each for each in organizations if self._is_confusable(each, self._alike_organizations)}
        return tuple(sorted(found))

    @cached_property
    def _alike_applications(self) -> frozenset[str]:
        return _confusable_ids((each.name, each.client_id) for each in self.applications or ())

    @cached_property
    def _alike_apis(self) -> frozenset[str]:
        return _confusable_ids((each.name, each.identifier) for each in self.apis or ())

    @cached_property
    def _alike_organizations(self) -> frozenset[str]:
        return _confusable_ids((each.name, each.id) for each in self.organizations_by_id.values())

    def _is_confusable(self, identity: str, alike: frozenset[str]) -> bool:
        return identity in (alike if self.confusable is None else self.confusable)

    def _label(self, name: str | None, identity: str, alike: frozenset[str]) -> str:
        if not name:
            return shorten(identity, MAX_ID_LENGTH)
        if not is_deceptive(name) and not self._is_confusable(identity, alike):
            return name
        return f"{shorten(escape_spaces(name), MAX_NAME_LENGTH)} ({shorten(identity, MAX_ID_LENGTH)})"


def _confusable_ids(named: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the ids of applications, APIs or organizations with a name that looks like another name or like an id.

    `named` contains pairs of a name and an id.
    """
    names = {identity: name for name, identity in named}
    simplified = {identity: skeleton(name) for identity, name in names.items()}
    uses = Counter(simplified.values())

    def ends_with_id(name: str) -> bool:
        _, opening, inside = name.rpartition("(")
        return bool(opening) and inside.endswith(")") and inside[:-1] in names

    return frozenset(
        identity
        for identity, name in names.items()
        if name and (uses[simplified[identity]] > 1 or (name != identity and name in names) or ends_with_id(name))
    )


def _join(words: Iterable[str]) -> str:
    return " and ".join(words)


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, identity in pairs:
        groups[name].append(identity)
    return {name: tuple(sorted(identities)) for name, identities in groups.items()}
