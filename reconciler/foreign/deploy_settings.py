"""Read a configuration file of auth0-deploy-cli, and find the grants that the configuration excludes.

Sources: the handlers clientGrants.ts and default.ts, context/index.ts and readonly.ts of auth0-deploy-cli 8.44.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.core.characters import join_some, quote_text
from reconciler.foreign.deploy_applications import DeployApplications
from reconciler.foreign.document import MAX_LEVELS, is_nested_deeper
from reconciler.foreign.grants import ProtectItem

MAPPINGS = "AUTH0_KEYWORD_REPLACE_MAPPINGS"
GRANTS = "clientGrants"
EVERYTHING: ProtectItem = {"audience": "*"}
"""An item for `protect` in reconciler.yaml that matches every grant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployTenant:
    """A tenant and its configuration file of auth0-deploy-cli."""

    name: str
    """The tenant name in reconciler.yaml, or an empty string if the auth0-deploy-cli files apply to every tenant."""
    file: str = ""
    """The name of the configuration file, or an empty string if the tenant has no configuration file."""
    domain: str | None = None
    """The domain in the identifiers of the tenant's own APIs, or None if the domain is unknown."""
    settings: Mapping[str, object] = field(default_factory=dict, repr=False)
    """The settings in the configuration file. A setting may contain a secret."""

    @property
    def mappings(self) -> Mapping[str, object]:
        """Maps the key of each placeholder to the tenant's value."""
        found = self.value(MAPPINGS)
        return found if isinstance(found, dict) else {}

    def value(self, name: str) -> object:
        """Return the value of the setting `name`.

        A string that contains JSON is parsed, because environment variables contain settings as strings.
        """
        value = self.settings.get(name)
        if isinstance(value, str):
            try:
                parsed = json.loads(value)
            except (RecursionError, ValueError):
                return value
            return value if is_nested_deeper(parsed, MAX_LEVELS) else parsed
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """Return the strings in the setting `name`. The value of the setting is a list, or a single string."""
        found = self.value(name)
        listed = found if isinstance(found, list) else [found]
        return tuple(each for each in listed if isinstance(each, str))

    def setting_without(self, kind: str) -> str:
        """Return the name of the setting that excludes all objects of a kind, such as `clientGrants`.

        Return an empty string if no setting excludes the kind. If the value of a setting is a string, auth0-deploy-cli
        searches for the kind in this string.
        """
        excluded, included = self.value("AUTH0_EXCLUDED"), self.value("AUTH0_INCLUDED_ONLY")
        if isinstance(excluded, list | str) and kind in excluded:
            return "AUTH0_EXCLUDED"
        return "AUTH0_INCLUDED_ONLY" if isinstance(included, list | str) and kind not in included else ""


class Exclusions:
    """Determines which grants the auth0-deploy-cli configuration of a tenant excludes."""

    def __init__(self, tenant: DeployTenant, applications: DeployApplications) -> None:
        self._tenant = tenant
        self._applications = applications
        self._clients = dict.fromkeys(tenant.names("AUTH0_EXCLUDED_CLIENTS"))
        own = tenant.settings.get("AUTH0_CLIENT_ID")
        self._own = own if isinstance(own, str) else ""
        self._third_parties = tenant.value("AUTH0_EXCLUDE_THIRD_PARTY_CLIENTS") is True
        self.setting_without_grants = tenant.setting_without(GRANTS)

    def reason(self, client: str) -> str:
        """Return the reason why auth0-deploy-cli excludes the grants of an application, or an empty string.

        `client` is the name or the id of the application.
        """
        texts = self._applications.texts(client)
        if client and not texts.isdisjoint(self._clients):
            return "AUTH0_EXCLUDED_CLIENTS excludes the application"
        if client and self._own in texts:
            return "auth0-deploy-cli never changes the grants of its own application"
        return ""

    def reason_of_third_party(self, client: str) -> str:
        """Return the reason why the setting for third-party applications excludes a grant, or an empty string.

        The setting also excludes an application that is not in the files, because the application may be third-party.
        """
        is_third_party = self._applications.is_third_party(client) if self._third_parties and client else False
        if is_third_party is None:
            setting = "AUTH0_EXCLUDE_THIRD_PARTY_CLIENTS"
            return f"{setting} is set, and the files do not show whether the application is first-party"
        return "AUTH0_EXCLUDE_THIRD_PARTY_CLIENTS excludes the application" if is_third_party else ""

    def protect(self) -> Iterator[ProtectItem]:
        """Yield items for `protect` in reconciler.yaml that match the grants excluded by auth0-deploy-cli."""
        if self.setting_without_grants:
            yield {**EVERYTHING, "reason": f"{self.setting_without_grants} of auth0-deploy-cli excludes grants"}
            return
        for text in dict.fromkeys(each for name in self._clients for each in sorted(self._applications.texts(name))):
            yield {**self._applications.holder(text), "reason": "AUTH0_EXCLUDED_CLIENTS of auth0-deploy-cli"}
        if self._own:
            yield {"client_id": self._own, "reason": "the application that runs auth0-deploy-cli"}

    def notes(self) -> Iterator[str]:
        """Yield a note for the user about each setting of auth0-deploy-cli that affects the import."""
        where = f" in {self._tenant.file}" if self._tenant.file else ""
        name = quote_text(self._tenant.name)
        if setting := self.setting_without_grants:
            yield f"{setting}{where} excludes all grants, so the import protects all grants of {name} and declares none"
        elif self._clients:
            clients = join_some(self._clients)
            yield f"AUTH0_EXCLUDED_CLIENTS{where}: for {name}, the import protects the grants of {clients}"
        if self._own:
            yield (
                f"AUTH0_CLIENT_ID{where}: for {name}, the import protects the grants of auth0-deploy-cli's own "
                "application"
            )
        if self._tenant.names("AUTH0_EXCLUDED_RESOURCE_SERVERS"):
            yield (
                f"AUTH0_EXCLUDED_RESOURCE_SERVERS{where} excludes APIs but not the grants for these APIs, so "
                "the import declares the grants"
            )
        if self._tenant.value("AUTH0_ALLOW_DELETE") is True:
            yield f"AUTH0_ALLOW_DELETE{where}: reconciler deletes grants only with --prune-removed or --prune"
        excluded = self._tenant.value("EXCLUDED_PROPS")
        fields = excluded.get(GRANTS) if isinstance(excluded, dict) else None
        if isinstance(fields, list) and fields:
            lacking = join_some(list(map(str, fields)))
            yield f"EXCLUDED_PROPS{where}: exports lack {lacking}; check these fields in the plan"
