"""The scopes of Auth0's own APIs (system APIs), each with a risk level.

A separate module contains the scopes of the Management API.

The names of the scopes come from Auth0's documentation and SDKs. The authors of reconciler chose the risk level of each
scope. The module `scopes` explains the risk levels.
"""

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.core.problems import Level

MY_ORGANIZATION_SUFFIX = "/my-org/"
"""The suffix of the My Organization API's identifier.

The My Organization API is the only system API for which Auth0 allows grants with organization settings. A test with a
live tenant showed that grants for users also have organization settings.
"""


class SystemApi(NamedTuple):
    """A system API: one of the APIs that Auth0 provides in every tenant.

    `unknown` is the risk level of scopes that `levels` does not contain.
    """

    name: str
    identifier: str
    levels: Mapping[str, Level]
    unknown: Level = Level.HIGH

    def level_of(self, scope: str) -> Level:
        """Return the risk level of a scope of the system API."""
        return self.levels.get(_normalized(scope), self.unknown)

    def has(self, scope: str) -> bool:
        """Return whether the scope is a known scope of the system API."""
        return _normalized(scope) in self.levels


def _normalized(scope: str) -> str:
    """Replace hyphens in a scope with underscores.

    Auth0's documentation spells some scopes in two ways: with hyphens and with underscores.
    """
    return scope.strip().replace("-", "_")


def system_api_of(audience: str) -> SystemApi | None:
    """Return the system API with the identifier `audience`. Return None for the Management API and for custom APIs."""
    ending = audience.removesuffix("/") + "/"
    return next((api for api in SYSTEM_APIS if ending.endswith(api.identifier)), None)


def _scope_levels(prefix: str, tables: Mapping[Level, Mapping[str, str]]) -> dict[str, Level]:
    return {
        f"{verb}:{prefix}{noun}": level
        for level, table in tables.items()
        for noun, verbs in table.items()
        for verb in verbs.split()
    }


# An application that can add an identity provider, domain or member to an organization can sign in as any member.
MY_ORGANIZATION = _scope_levels(
    "my_org:",
    {
        Level.CRITICAL: {
            "domains": "create update",
            "organization_domains": "create update",
            "identity_providers": "create update",
            "identity_providers_domains": "create",
            "identity_provider_domains": "create",
            "identity_providers_provisioning": "create update",
            "identity_provider_provisioning": "create update",
            "identity_providers_scim_tokens": "create",
            "scim_tokens": "create",
            "member_invitations": "create read",
            "invitations": "create read",
            "member_roles": "create update",
            "members": "create update",
            "memberships": "create update",
        },
        Level.HIGH: {
            "details": "update",
            "domains": "delete",
            "organization_domains": "delete",
            "identity_providers": "delete read",
            "identity_providers_detach": "update",
            "identity_provider_detach": "update",
            "identity_providers_domains": "delete",
            "identity_provider_domains": "delete",
            "identity_providers_provisioning": "delete",
            "identity_provider_provisioning": "delete",
            "identity_providers_scim_tokens": "delete",
            "scim_tokens": "delete",
            "member_invitations": "delete",
            "invitations": "delete",
            "member_roles": "delete",
            "members": "delete read",
            "memberships": "delete read",
        },
        Level.LOW: {
            "configuration": "read",
            "details": "read",
            "domains": "read",
            "organization_domains": "read",
            "identity_providers_domains": "read",
            "identity_provider_domains": "read",
            "identity_providers_provisioning": "read",
            "identity_provider_provisioning": "read",
            "identity_providers_scim_tokens": "read",
            "scim_tokens": "read",
            "member_roles": "read",
            "roles": "read",
        },
    },
)

# An application that can enroll an authentication method for a user can later sign in as the user.
MY_ACCOUNT = _scope_levels(
    "me:",
    {
        Level.CRITICAL: {"authentication_methods": "create update"},
        Level.HIGH: {
            "authentication_methods": "delete read",
            "connected_accounts": "create delete read",
        },
        Level.LOW: {"enrollments": "read", "factors": "read"},
    },
)

MFA = {
    "enroll": Level.CRITICAL,
    "remove:authenticators": Level.HIGH,
    "read:authenticators": Level.LOW,
}

SYSTEM_APIS = (
    SystemApi("the My Organization API", MY_ORGANIZATION_SUFFIX, MY_ORGANIZATION),
    SystemApi("the My Account API", "/me/", MY_ACCOUNT),
    SystemApi("the MFA API", "/mfa/", MFA),
    # Every scope of the express configuration API changes how the users of an enterprise sign in.
    SystemApi("the express configuration API", "urn:auth0:express-configure/", {}, Level.CRITICAL),
)
