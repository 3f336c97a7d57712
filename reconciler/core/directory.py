"""Pure: the tenant's names and ids, and how a person reads them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from reconciler.core.characters import LONGEST_NAME, is_deceptive, skeleton, with_visible_blanks
from reconciler.core.grant import SUBJECT_USER, Key
from reconciler.core.quoting import shortened

LONGEST_ID = 200
STRICT_THIRD_PARTY = "tpc_"
"""How the ids of third-party applications in strict mode begin."""
MANAGEMENT_API_SUFFIX = "/api/v2/"

# What a user may be granted on the Management API; these stand in no list of scopes (Auth0's command line tool knows
# them by heart too).
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
    """A list of the tenant's Management API."""

    APPLICATIONS = "applications"
    APIS = "APIs"
    ORGANIZATIONS = "organizations"


PERMISSIONS: Mapping[TenantList, str] = {
    TenantList.APPLICATIONS: "read:clients",
    TenantList.APIS: "read:resource_servers",
    TenantList.ORGANIZATIONS: "read:organizations",
}
"""The permission that a token needs to read each list."""


@dataclass(frozen=True, slots=True)
class Application:
    """An application of the tenant. Names are not unique; `is_third_party` is None if the tenant does not say it."""

    client_id: str
    name: str
    is_third_party: bool | None = False
    app_type: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """An API (resource server) of the tenant and the scopes it defines."""

    identifier: str
    name: str
    scopes: frozenset[str] = field(default_factory=frozenset)
    is_system: bool = False

    def scopes_for(self, key: Key) -> frozenset[str]:
        """Return the scopes that a grant with `key` may name."""
        if self.is_system and self.identifier.endswith(MANAGEMENT_API_SUFFIX) and key.subject_type == SUBJECT_USER:
            return CURRENT_USER_SCOPES
        return self.scopes


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization of the tenant. Names are unique, but one may be spelt as another's id."""

    id: str
    name: str


@dataclass(frozen=True)
class Directory:
    """The tenant's names and ids. A list is None if it was not read; `refused` has the lists the token may not read.

    `associated` are organizations that were read with grants: some of all there are. A directory that a plan
    was saved with does not know all names: `confusable` then has the ids whose names look like others.
    """

    applications: tuple[Application, ...] | None = None
    apis: tuple[Api, ...] | None = None
    organizations: tuple[Organization, ...] | None = None
    associated: tuple[Organization, ...] = ()
    refused: frozenset[TenantList] = frozenset()
    confusable: frozenset[str] | None = None

    @cached_property
    def read(self) -> frozenset[TenantList]:
        """The lists that were read."""
        lists = {
            TenantList.APPLICATIONS: self.applications,
            TenantList.APIS: self.apis,
            TenantList.ORGANIZATIONS: self.organizations,
        }
        return frozenset(name for name, content in lists.items() if content is not None)

    @property
    def settled(self) -> frozenset[TenantList]:
        """The lists that were read, or that the token may not read."""
        return self.read | self.refused

    def has_read(self, lists: Iterable[TenantList]) -> bool:
        """Return whether all of `lists` were read."""
        return self.read.issuperset(lists)

    def why_unread(self, lists: Iterable[TenantList]) -> str:
        """Return why some of `lists` were not read."""
        unread = [each for each in TenantList if each in lists and each not in self.read]
        refused = [each for each in unread if each in self.refused]
        if refused:
            return f"the token may not list {_and(refused)} ({_and(PERMISSIONS[each] for each in refused)})"
        return f"{_and(unread)} were not listed"

    @cached_property
    def applications_by_id(self) -> Mapping[str, Application]:
        """Applications by client id."""
        return {application.client_id: application for application in self.applications or ()}

    @cached_property
    def apis_by_identifier(self) -> Mapping[str, Api]:
        """APIs by identifier (what a grant calls audience)."""
        return {api.identifier: api for api in self.apis or ()}

    @cached_property
    def client_ids_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the applications that carry a name: one, or several."""
        return _grouped((application.name, application.client_id) for application in self.applications or ())

    @cached_property
    def identifiers_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The identifiers of the APIs that carry a name: one, or several."""
        return _grouped((api.name, api.identifier) for api in self.apis or ())

    @cached_property
    def organizations_by_id(self) -> Mapping[str, Organization]:
        """Organizations by id, as far as they are known."""
        return {organization.id: organization for organization in (*self.associated, *(self.organizations or ()))}

    @cached_property
    def organization_ids_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the organizations that carry a name: one, as Auth0 sees to it."""
        return _grouped((organization.name, organization.id) for organization in self.organizations_by_id.values())

    def organizations_called(self, name_or_id: str) -> tuple[str, ...]:
        """Return the ids of the organizations that have this name or id.

        A text in the form of an id is an id only: anybody can give an organization the id of another as its name. If
        organizations were not listed, such a text is taken as an id.
        """
        by_id = (name_or_id,) if name_or_id in self.organizations_by_id else ()
        if ORGANIZATION_ID.fullmatch(name_or_id):
            return by_id or ((name_or_id,) if self.organizations is None else ())
        return tuple(sorted({*by_id, *self.organization_ids_by_name.get(name_or_id, ())}))

    def client_name(self, key: Key) -> str | None:
        """Return the name of the application that holds the grant, None where it is unknown."""
        application = self.applications_by_id.get(key.client_id or "")
        return application.name or None if application else None

    def api_name(self, key: Key) -> str | None:
        """Return the name of the API that the grant opens, None where it is unknown."""
        api = self.apis_by_identifier.get(key.audience)
        return api.name if api else None

    def third_party(self, key: Key) -> bool | None:
        """Return whether the application that holds the grant belongs to a third party; None if that is not known.

        It is not known for an application that is missing from the list: somebody may have just registered it.
        """
        if key.default_for is not None:
            return False
        if key.holder.startswith(STRICT_THIRD_PARTY):
            return True
        application = self.applications_by_id.get(key.client_id or "")
        return application.is_third_party if application else None

    def client_label(self, key: Key) -> str:
        """Return who holds the grant, for a person: the name, with the id where the name could be another's too."""
        if key.other_holder:
            return key.other_holder
        if key.client_id is None:
            return f"default for {key.default_for}"
        return self._label(self.client_name(key), key.client_id, self._alike_applications)

    def api_label(self, key: Key) -> str:
        """Return what the grant opens, for a person: the name, with the identifier where it could be another's too."""
        return self._label(self.api_name(key), key.audience, self._alike_apis)

    def organization_label(self, organization_id: str) -> str:
        """Return an organization for a person: the name, the id where that is unknown."""
        return self._label(self.organization_name(organization_id), organization_id, self._alike_organizations)

    def organization_name(self, organization_id: str) -> str | None:
        """Return the name of an organization, None where it is unknown."""
        organization = self.organizations_by_id.get(organization_id)
        return organization.name or None if organization else None

    def shown_with_id(self, keys: Iterable[Key], organizations: Iterable[str]) -> tuple[str, ...]:
        """Return the ids that labels show beside names because of other names of the tenant, sorted."""
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
            return shortened(identity, LONGEST_ID)
        if not is_deceptive(name) and not self._is_confusable(identity, alike):
            return name
        return f"{shortened(with_visible_blanks(name), LONGEST_NAME)} ({shortened(identity, LONGEST_ID)})"


class LookalikeNames:
    """The names of applications, APIs or organizations, by what they look like."""

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        self._names = {identity: name for name, identity in named}
        self._by_skeleton = _grouped((skeleton(name), identity) for identity, name in self._names.items())

    def is_confusable(self, identity: str) -> bool:
        """Return whether the name of `identity` looks like another name, or like another's id or label."""
        name = self._names.get(identity)
        if not name:
            return False
        if len(self._by_skeleton[skeleton(name)]) > 1 or (name != identity and name in self._names):
            return True
        _, opening, inside = name.rpartition("(")
        return bool(opening) and inside.endswith(")") and inside[:-1] in self._names


def _and(words: Iterable[str]) -> str:
    return " and ".join(words)


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, identity in pairs:
        groups[name].append(identity)
    return {name: tuple(sorted(identities)) for name, identities in groups.items()}
