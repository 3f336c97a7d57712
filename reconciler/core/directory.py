"""Pure: the names and ids of a tenant's applications, APIs and organizations, and labels with these names and ids."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from reconciler.core.characters import MAX_NAME_LENGTH, escape_spaces, is_deceptive, shorten, skeleton
from reconciler.core.grant import SUBJECT_USER, Key

MAX_ID_LENGTH = 200
STRICT_THIRD_PARTY_PREFIX = "tpc_"
"""The prefix of the ids of third-party applications in strict mode."""
MANAGEMENT_API_SUFFIX = "/api/v2/"

# Scopes for users of the Management API, which the API itself does not list. Auth0's command line tool contains the
# same list.
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
    """A listing that the Management API provides."""

    APPLICATIONS = "applications"
    APIS = "APIs"
    ORGANIZATIONS = "organizations"


PERMISSIONS: Mapping[TenantList, str] = {
    TenantList.APPLICATIONS: "read:clients",
    TenantList.APIS: "read:resource_servers",
    TenantList.ORGANIZATIONS: "read:organizations",
}
"""The permission (scope) that a token needs to read each listing."""


@dataclass(frozen=True, slots=True)
class Application:
    """An application.

    Several applications may share a name. `is_third_party` is None if the response lacks the property.
    """

    client_id: str
    name: str
    is_third_party: bool | None = False
    app_type: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """An API (resource server) with its scopes.

    `token_lifetime` is in seconds, or None if the lifetime is not known.
    """

    identifier: str
    name: str
    scopes: frozenset[str] = field(default_factory=frozenset)
    is_system: bool = False
    token_lifetime: int | None = None

    def scopes_for(self, key: Key) -> frozenset[str]:
        """Return the scopes that a grant with `key` may contain."""
        if self.is_system and self.identifier.endswith(MANAGEMENT_API_SUFFIX) and key.subject_type == SUBJECT_USER:
            return CURRENT_USER_SCOPES
        return self.scopes


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization. Organization names are unique, but a name may equal the id of another organization."""

    id: str
    name: str


@dataclass(frozen=True)
class Directory:
    """The names and ids of a tenant. A listing is None if reconciler did not read the listing."""

    applications: tuple[Application, ...] | None = None
    apis: tuple[Api, ...] | None = None
    organizations: tuple[Organization, ...] | None = None
    associated: tuple[Organization, ...] = ()
    """The organizations that were read together with grants, possibly not all organizations."""
    refused: frozenset[TenantList] = frozenset()
    """The listings that the token may not read."""
    confusable: frozenset[str] | None = None
    """The ids with lookalike names, only for a saved plan, which lacks some names."""

    @cached_property
    def read(self) -> frozenset[TenantList]:
        """The listings that reconciler read from the tenant."""
        lists = {
            TenantList.APPLICATIONS: self.applications,
            TenantList.APIS: self.apis,
            TenantList.ORGANIZATIONS: self.organizations,
        }
        return frozenset(name for name, content in lists.items() if content is not None)

    @property
    def settled(self) -> frozenset[TenantList]:
        """The listings that reconciler has read or is not allowed to read."""
        return self.read | self.refused

    def has_read(self, lists: Iterable[TenantList]) -> bool:
        """Return whether reconciler read all of `lists`."""
        return self.read.issuperset(lists)

    def reason_unread(self, lists: Iterable[TenantList]) -> str:
        """Return the reason why reconciler did not read some of `lists`."""
        unread = [each for each in TenantList if each in lists and each not in self.read]
        refused = [each for each in unread if each in self.refused]
        if refused:
            return f"the token may not list {_join(refused)} ({_join(PERMISSIONS[each] for each in refused)})"
        return f"{_join(unread)} were not listed"

    @cached_property
    def resolved_specs(self) -> dict[int, tuple[Any, Any]]:
        """The resolved specs and the results of `resolve`, by the `id()` of the spec.

        An entry keeps the spec in memory, so that Python does not reuse the `id()` of the spec.
        """
        return {}

    @cached_property
    def applications_by_id(self) -> Mapping[str, Application]:
        """The applications by client id."""
        return {application.client_id: application for application in self.applications or ()}

    @cached_property
    def apis_by_identifier(self) -> Mapping[str, Api]:
        """The APIs by identifier. The field `audience` of a grant contains the identifier."""
        return {api.identifier: api for api in self.apis or ()}

    @cached_property
    def client_ids_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The client ids by application name. Several applications may share a name."""
        return _group((application.name, application.client_id) for application in self.applications or ())

    @cached_property
    def identifiers_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The API identifiers by API name. Several APIs may share a name."""
        return _group((api.name, api.identifier) for api in self.apis or ())

    @cached_property
    def organizations_by_id(self) -> Mapping[str, Organization]:
        """The known organizations by id."""
        return {organization.id: organization for organization in (*self.associated, *(self.organizations or ()))}

    @cached_property
    def organization_ids_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The organization ids by name. Auth0 keeps organization names unique."""
        return _group((organization.name, organization.id) for organization in self.organizations_by_id.values())

    def find_organizations(self, name_or_id: str) -> tuple[str, ...]:
        """Return the ids of the organizations with this name or id.

        A text in the format of an organization id never matches a name. Somebody could otherwise choose the id of an
        organization as the name of another organization. If organizations were not listed, the id is assumed to exist.
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

        Return None if the application is missing in the listing, because the application may be new.
        """
        if key.default_for is not None:
            return False
        if key.holder.startswith(STRICT_THIRD_PARTY_PREFIX):
            return True
        application = self.applications_by_id.get(key.client_id or "")
        return application.is_third_party if application else None

    def client_label(self, key: Key) -> str:
        """Return a label for the application of a grant, or for `default_for`.

        The label is the name, with the id if the name is ambiguous.
        """
        if key.other_holder:
            return key.other_holder
        if key.client_id is None:
            return f"default for {key.default_for}"
        return self._label(self.client_name(key), key.client_id, self._alike_applications)

    def api_label(self, key: Key) -> str:
        """Return a label for the API of a grant.

        The label is the name, with the identifier if the name is ambiguous.
        """
        return self._label(self.api_name(key), key.audience, self._alike_apis)

    def organization_label(self, organization_id: str) -> str:
        """Return a label for an organization. The label is the name, or the id if the name is unknown."""
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
    def _alike_applications(self) -> "LookalikeNames":
        return LookalikeNames((each.name, each.client_id) for each in self.applications or ())

    @cached_property
    def _alike_apis(self) -> "LookalikeNames":
        return LookalikeNames((each.name, each.identifier) for each in self.apis or ())

    @cached_property
    def _alike_organizations(self) -> "LookalikeNames":
        return LookalikeNames((each.name, each.id) for each in self.organizations_by_id.values())

    def _is_confusable(self, identity: str, alike: "LookalikeNames") -> bool:
        return alike.is_confusable(identity) if self.confusable is None else identity in self.confusable

    def _label(self, name: str | None, identity: str, alike: "LookalikeNames") -> str:
        if not name:
            return shorten(identity, MAX_ID_LENGTH)
        if not is_deceptive(name) and not self._is_confusable(identity, alike):
            return name
        return f"{shorten(escape_spaces(name), MAX_NAME_LENGTH)} ({shorten(identity, MAX_ID_LENGTH)})"


class LookalikeNames:
    """The names of applications, APIs or organizations, grouped by skeleton to find names that look alike."""

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        self._names = {identity: name for name, identity in named}
        self._by_skeleton = _group((skeleton(name), identity) for identity, name in self._names.items())

    def is_confusable(self, identity: str) -> bool:
        """Return whether the name of `identity` looks like the name, id or label of another object."""
        name = self._names.get(identity)
        if not name:
            return False
        if len(self._by_skeleton[skeleton(name)]) > 1 or (name != identity and name in self._names):
            return True
        _, opening, inside = name.rpartition("(")
        return bool(opening) and inside.endswith(")") and inside[:-1] in self._names


def _join(words: Iterable[str]) -> str:
    return " and ".join(words)


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, identity in pairs:
        groups[name].append(identity)
    return {name: tuple(sorted(identities)) for name, identities in groups.items()}
