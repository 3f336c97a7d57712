"""The scopes of Auth0's Management API, each with a risk level.

The scope names come from Auth0's OpenAPI document of June 2026, a live tenant of August 2026, and published exports.
The authors of reconciler chose the risk levels. A scope is critical if the scope allows changes of code, credentials,
keys, identities, roles or messages. An application with a critical scope can take over the tenant. For example, an
application that can change e-mail templates can steal the link that resets a password.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from reconciler.core.characters import to_latin
from reconciler.core.directory import MANAGEMENT_API_SUFFIX
from reconciler.core.problems import Level
from reconciler.core.system_apis import system_api_of

CACHE_SIZE = 4096
READING_VERBS = frozenset({"get", "list", "read", "search", "view"})
SEPARATOR = "[^a-z]?"
ADMINISTRATION_WORDS = (
    "[a-z]*admin(s|ister|istrat[a-z]*)?",
    "all",
    "bypass",
    f"break{SEPARATOR}glass",
    "(elevat|escalat|impersonat|masquerad)[a-z]*",
    "everything",
    f"full{SEPARATOR}(access|control|permissions?|rights?)",
    f"god({SEPARATOR}mode)?",
    "manage",
    f"(act|log{SEPARATOR}in|run|sign{SEPARATOR}in){SEPARATOR}as",
    f"on{SEPARATOR}behalf{SEPARATOR}of",
    f"(co{SEPARATOR})?owner(s|ship)?",
    "privileged?s?",
    "root",
    f"(power|super){SEPARATOR}users?",
    "sudo",
    "(unlimited|unrestricted|wildcard)",
)
ADMINISTRATION = re.compile(rf"\*|(^|[^a-z])full($|[:./ ])|(^|[^a-z])({'|'.join(ADMINISTRATION_WORDS)})([^a-z]|$)")
"""Matches scopes whose name contains a word that suggests administration, such as `admin`.

A word such as `admin` does not match inside a word such as `badminton`.
"""


def is_administration(scope: str) -> bool:
    """Return whether the name of a scope suggests administration, such as `admin`, `manage:users` or `write:*`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", to_latin(scope))
    return ADMINISTRATION.search(spaced.lower()) is not None


@lru_cache(CACHE_SIZE)
def scope_order(audience: str, scope: str) -> tuple[int, bool, str]:
    """Return the sort key of a scope of the API `audience`. The most dangerous scopes come first.

    Within a risk level, scopes that write come before scopes that read.
    """
    return scope_level(audience, scope).order, re.split("[^a-z]", scope.lower())[0] in READING_VERBS, scope


def scope_level(audience: str, scope: str) -> Level:
    """Return the risk level of a scope of the API `audience`."""
    if audience.endswith(MANAGEMENT_API_SUFFIX):
        return level_of(scope)
    if api := system_api_of(audience):
        return api.level_of(scope)
    return Level.HIGH if is_administration(scope) else Level.LOW


# Scopes that let an application take over the tenant, for example by giving access or changing keys, code, messages or
# pages.
TAKEOVER_SCOPES: Mapping[str, str] = {
    "actions": "create update",
    "authentication_methods": "create update",
    "branding": "update",
    "client_credentials": "create update",
    "client_grants": "create update",
    "client_keys": "create read update",
    "client_token_vault_privileged_access": "update",
    "clients": "create update",
    "connections": "create update",
    "connections_keys": "create update",
    "connections_options": "update",
    "custom_domains": "create update",
    "custom_signing_keys": "create update",
    "device_credentials": "create update",
    "directory_provisionings": "create update",
    "email_provider": "create update",
    "email_templates": "create update",
    "encryption_keys": "create update",
    "flows": "create update",
    "flows_vault": "create update",
    "flows_vault_connections": "create update",
    "group_roles": "create",
    "hooks": "create update",
    "organization_client_grants": "create",
    "organization_connections": "create update",
    "organization_group_roles": "create",
    "organization_invitations": "create read",
    "organization_member_roles": "create",
    "organization_members": "create",
    "phone_providers": "create update",
    "prompts": "update",
    "resource_servers": "create update",
    "role_members": "create",
    "roles": "create update",
    "rules": "create update",
    "rules_configs": "update",
    "scim_config": "create update",
    "scim_token": "create",
    "self_service_profiles": "create update",
    "signing_keys": "create update",
    "sso_access_tickets": "create",
    "tenant_settings": "update",
    "token_exchange_profiles": "create update",
    "triggers": "update",
    "user_tickets": "create",
    "users": "create update",
    "users_app_metadata": "create update",
}

# Scopes that weaken the security of the tenant, destroy data, or read personal data, secrets or logs.
SENSITIVE_SCOPES: Mapping[str, str] = {
    "actions": "delete read",
    "anomaly_blocks": "delete",
    "attack_protection": "update",
    "authentication_methods": "delete read",
    "client_credentials": "delete",
    "client_grants": "delete",
    "client_keys": "delete",
    "clients": "delete",
    "connection_profiles": "create delete update",
    "connections": "delete read",
    "connections_options": "read",
    "current_user_device_credentials": "create delete",
    "current_user_identities": "update",
    "custom_domains": "delete",
    "custom_signing_keys": "delete",
    "device_credentials": "delete read",
    "directory_provisionings": "delete",
    "email_provider": "delete read",
    "encryption_keys": "delete",
    "event_deliveries": "read",
    "event_streams": "create delete read update",
    "events": "read",
    "federated_connections_tokens": "delete read",
    "flows": "delete read",
    "flows_executions": "delete read",
    "flows_vault": "delete read",
    "flows_vault_connections": "delete read",
    "forms": "create delete update",
    "grants": "delete",
    "group_members": "read",
    "group_roles": "delete",
    "groups": "create delete update",
    "guardian_enrollment_tickets": "create",
    "guardian_enrollments": "delete read",
    "guardian_factors": "update",
    "hooks": "delete read",
    "limits": "update",
    "log_streams": "create delete read update",
    "logs": "read",
    "logs_users": "read",
    "mfa_policies": "update",
    "network_acl_keys": "create delete read update",
    "network_acls": "create delete update",
    "organization_client_grants": "delete",
    "organization_clients": "create delete update",
    "organization_connections": "delete",
    "organization_discovery_domains": "create delete update",
    "organization_group_roles": "delete",
    "organization_groups": "create delete",
    "organization_invitations": "delete",
    "organization_member_roles": "delete",
    "organization_members": "delete read",
    "organizations": "create delete update",
    "passwords_checking_job": "create delete",
    "phone_providers": "delete read",
    "phone_templates": "create delete update",
    "portals": "create delete update",
    "rate_limit_policies": "create delete update",
    "refresh_tokens": "delete read update",
    "resource_servers": "delete",
    "role_members": "delete read",
    "roles": "delete",
    "rules": "delete read",
    "rules_configs": "delete",
    "scim_config": "delete",
    "scim_token": "delete",
    "self_service_profiles": "delete",
    "sessions": "delete read update",
    "shields": "create delete update",
    "sso_access_tickets": "delete",
    "token_exchange_profiles": "delete",
    "user_attribute_profiles": "create delete update",
    "user_custom_blocks": "create delete",
    "user_idp_tokens": "read",
    "users": "delete read",
    "users_app_metadata": "delete read",
}

# Scopes, such as `read:branding`, that neither allow a takeover of the tenant nor give access to sensitive data.
OTHER_SCOPES: Mapping[str, str] = {
    "anomaly_blocks": "read",
    "attack_protection": "read",
    "branding": "delete read",
    "client_credentials": "read",
    "client_grants": "read",
    "client_summary": "read",
    "clients": "read",
    "connection_profiles": "read",
    "connections_keys": "read",
    "current_user": "delete read",
    "current_user_metadata": "update",
    "custom_domains": "read",
    "custom_signing_keys": "read",
    "directory_provisionings": "read",
    "email_templates": "read",
    "encryption_keys": "read",
    "entitlements": "read",
    "event_deliveries": "update",
    "experimentation": "create delete read update",
    "forms": "read",
    "grants": "read",
    "group_roles": "read",
    "groups": "read",
    "guardian_factors": "read",
    "insights": "read",
    "limits": "read",
    "mfa_policies": "read",
    "network_acls": "read",
    "organization_client_grants": "read",
    "organization_clients": "read",
    "organization_connections": "read",
    "organization_discovery_domains": "read",
    "organization_group_roles": "read",
    "organization_groups": "read",
    "organization_member_effective_roles": "read",
    "organization_member_role_source_groups": "read",
    "organization_member_roles": "read",
    "organizations": "read",
    "organizations_summary": "read",
    "phone_templates": "read",
    "portals": "read",
    "prompts": "read",
    "rate_limit_policies": "read",
    "resource_servers": "read",
    "roles": "read",
    "rules_configs": "read",
    "scim_config": "read",
    "scim_token": "read",
    "security_metrics": "read",
    "self_service_profile_custom_texts": "read update",
    "self_service_profiles": "read",
    "shields": "read",
    "signing_keys": "read",
    "stats": "read",
    "tenant_settings": "read",
    "token_exchange_profiles": "read",
    "triggers": "read",
    "user_attribute_profiles": "read",
    "user_custom_blocks": "read",
    "user_effective_permissions": "read",
    "user_effective_roles": "read",
    "user_permission_source_roles": "read",
    "user_role_source_groups": "read",
    "vdcs_templates": "create delete read update",
}


def level_of(scope: str) -> Level:
    """Return the risk level of a scope of the Management API. The risk level of an unknown scope is HIGH."""
    return LEVELS.get(scope.strip(), Level.HIGH)


def _scope_levels(table: Mapping[str, str], level: Level) -> dict[str, Level]:
    return {f"{verb}:{noun}": level for noun, verbs in table.items() for verb in verbs.split()}


LEVELS: Mapping[str, Level] = {
    **_scope_levels(OTHER_SCOPES, Level.LOW),
    **_scope_levels(SENSITIVE_SCOPES, Level.HIGH),
    **_scope_levels(TAKEOVER_SCOPES, Level.CRITICAL),
    "blacklist:tokens": Level.HIGH,  # the only scope that does not start with create, delete, read or update
}
