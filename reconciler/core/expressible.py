"""Find grants that a grant file cannot express, because a value in the tenant is invalid in grant files.

For example, a grant file cannot express a very long scope, because the JSON Schema limits the length of scopes. The
code for plans, `--prune`, `import` and snapshots uses the functions in `expressible.py`.
"""

import re
from collections.abc import Iterator

from reconciler.core.characters import quote_text
from reconciler.core.fields import CALLERS, SUBJECT_CLIENT, USAGE_DENY
from reconciler.core.grant import EMPTY_SET, SUBJECT_ANONYMOUS, SUBJECT_USER, ClientGrant, Key
from reconciler.core.scope_sets import escape_scope
from reconciler.core.system_apis import MY_ORGANIZATION_SUFFIX
from reconciler.core.tenant_filter import escape_variables

SUBJECT_TYPES = frozenset({SUBJECT_CLIENT, SUBJECT_USER, SUBJECT_ANONYMOUS})
DEFAULT_HOLDERS = frozenset({"third_party_clients"})
MAX_TEXT_LENGTH = 8 * 1024  # the maximum length of a string in a grant file, in characters
MAX_SCOPE_LENGTH = 280
MAX_TYPE_LENGTH = 255
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
KEYWORD = re.compile("##[A-Za-z0-9_]+##|@@[A-Za-z0-9_]+@@")
"""Matches the placeholders of auth0-deploy-cli, such as `##KEY##`, which grant files must not contain."""
SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Matches Unicode surrogates. JSON can contain an unpaired surrogate, but a text file cannot."""


def reason_not_expressible(grant: ClientGrant) -> str | None:
    """Return the reason why a grant file cannot express the grant, or None for an expressible grant."""
    return next(_reasons(grant), None)


def keep_inexpressible_values(desired: ClientGrant, observed: ClientGrant) -> ClientGrant:
    """Copy values from the tenant's grant to the declared grant if a grant file cannot express the values.

    Without the copied values, an update would remove the values from the tenant's grant.
    """
    if any(_organization_reasons(observed)):
        usage, any_organization = observed.organization_usage, observed.allow_any_organization
        desired = desired._replace(organization_usage=usage, allow_any_organization=any_organization)
    if any(_type_reasons(observed)):
        desired = desired._replace(authorization_details_types=observed.authorization_details_types)
    kept = _inexpressible_scopes(observed)
    return desired._replace(scope=desired.scope | kept) if kept and not desired.allow_all_scopes else desired


def expressible_part(grant: ClientGrant) -> ClientGrant:
    """Return `grant` without the values that a grant file cannot express."""
    if any(_organization_reasons(grant)):
        grant = grant._replace(organization_usage=USAGE_DENY, allow_any_organization=False, organizations=None)
    if any(_type_reasons(grant)):
        grant = grant._replace(authorization_details_types=EMPTY_SET)
    return grant._replace(scope=grant.scope - _inexpressible_scopes(grant))


def has_expressible_key(key: Key) -> bool:
    """Return whether a grant file can contain the application, the API and the subject type of `key`."""
    return not any(_key_reasons(key))


def allows_organizations(key: Key) -> bool:
    """Return whether a grant file may declare organization settings for a grant with `key`."""
    if key.default_for is not None:
        return False
    return key.subject_type == SUBJECT_CLIENT or is_user_grant_on_my_organization(key)


def is_user_grant_on_my_organization(key: Key) -> bool:
    """Return whether `key` identifies a grant for users (subject type `user`) on the My Organization API.

    The My Organization API is the only API for which Auth0 allows organization settings in grants for users.
    """
    return key.subject_type == SUBJECT_USER and key.audience.endswith(MY_ORGANIZATION_SUFFIX)


def is_writable(text: str) -> bool:
    """Return whether a grant file can contain `text` as a name or an id."""
    is_short = 0 < len(escape_variables(text)) <= MAX_TEXT_LENGTH
    return is_short and not SURROGATE.search(text) and not KEYWORD.search(text)


def _reasons(grant: ClientGrant) -> Iterator[str]:
    yield from _key_reasons(grant.key)
    yield from _organization_reasons(grant)
    yield from _type_reasons(grant)
    for text in sorted(_inexpressible_scopes(grant)):
        what = (
            "looks like a keyword of auth0-deploy-cli"
            if KEYWORD.search(text)
            else "is empty, too long or not printable"
        )
        yield f"the scope {quote_text(text)} {what}"


def _key_reasons(key: Key) -> Iterator[str]:
    if key.other_holder:
        yield "the grant has an unknown kind of recipient"
    if key.subject_type not in SUBJECT_TYPES:
        yield f"the subject type {quote_text(key.subject_type)} is unknown"
    if key.default_for is not None and key.default_for not in DEFAULT_HOLDERS:
        yield f"the value {quote_text(key.default_for)} of default_for is unknown"
    if not is_writable(key.holder) or not is_writable(key.audience):
        yield "a grant file cannot contain the client id or the identifier of the API"


def _organization_reasons(grant: ClientGrant) -> Iterator[str]:
    if grant.organization_usage not in CALLERS:
        yield f"the value {quote_text(grant.organization_usage)} of organization_usage is unknown"
    elif grant.organization_usage == USAGE_DENY and grant.allow_any_organization:
        yield "the grant allows any organization, but organization_usage denies organizations"
    elif grant.organization_usage != USAGE_DENY and not allows_organizations(grant.key):
        yield "organization settings are only valid for grants of applications"
    elif grant.organizations is not None and (grant.key.subject_type, grant.key.default_for) != (SUBJECT_CLIENT, None):
        yield "organizations are only valid for grants of applications"


def _type_reasons(grant: ClientGrant) -> Iterator[str]:
    if grant.authorization_details_types and grant.key.subject_type != SUBJECT_USER:
        yield "authorization_details_types are only valid for grants of users"
    for text in sorted(grant.authorization_details_types):
        if not _fits(text, MAX_TYPE_LENGTH):
            yield f"the item {quote_text(text)} of authorization_details_types is empty, too long or not printable"


def _inexpressible_scopes(grant: ClientGrant) -> frozenset[str]:
    texts = {scope: escape_scope(escape_variables(scope)) for scope in grant.scope}
    return frozenset(
        scope for scope, text in texts.items() if not _fits(text, MAX_SCOPE_LENGTH) or KEYWORD.search(text)
    )


def _fits(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and not CONTROL_CHARACTER.search(text) and not SURROGATE.search(text)
