"""The risk rules. Each risk rule checks changes for one kind of risk."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.core.characters import shorten
from reconciler.core.directory import MANAGEMENT_API_SUFFIX, Directory, TenantList
from reconciler.core.expiry import TEMPORARY_ACCESS, TEMPORARY_ACCESS_MEANING
from reconciler.core.fields import callers_gaining_access
from reconciler.core.grant import ClientGrant, Key, has_callers, widens
from reconciler.core.plan import Change, Create, Delete, removes_all_access
from reconciler.core.problems import Level, Risk
from reconciler.core.scopes import is_administration, level_of, scope_level, scope_order
from reconciler.core.system_apis import system_api_of
from reconciler.core.token_lifetime import LONG_LIFETIME_SECONDS, duration, token_lifetime

SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""Matches a scope that contains only the characters that OAuth allows (RFC 6749, section 3.3)."""
MAX_SCOPES_NAMED = 5
REMOVAL_RISK = Risk("removal-without-effect", Level.HIGH, "no longer declared, but the access stays")
"""The risk of a grant that stays in the tenant, although the files no longer declare the grant."""
MAX_SCOPE_LENGTH = 100
APPLICATIONS = frozenset({TenantList.APPLICATIONS})


class AccessDiff(NamedTuple):
    """A grant before and after a change, and the facts that the risk rules need."""

    key: Key
    """The fields that identify the grant: application, API and subject type."""
    before: ClientGrant
    """The grant before the change. For a new grant, `before` contains no scopes and only default settings."""
    after: ClientGrant
    """The grant after the change. For a deleted grant, `after` contains no scopes and only default settings."""
    creates: bool
    """True if the change creates the grant."""
    deletes: bool
    """True if the change deletes the grant."""
    removes_all_access: bool
    """True if the change deletes the grant, removes all scopes of the grant, or excludes all its callers."""
    is_own_grant: bool
    """True if the grant belongs to an application that runs reconciler."""
    third_party: bool | None
    """True if the application belongs to a third party, or None if the owner is unknown."""
    is_custom_api: bool
    """True if reconciler has read the API, and the API is not one of Auth0's own APIs."""
    why_unknown: str = ""
    """The reason why reconciler may not know whether the application belongs to a third party."""
    lifetime: int | None = None
    """The lifetime of access tokens for the API in seconds, or None if the lifetime is unknown."""

    @property
    def removed_critical_scopes(self) -> list[str]:
        """The critical scopes that the change removes, sorted."""
        removed = sorted(self.before.scope - self.after.scope)
        return [each for each in removed if scope_level(self.key.audience, each) is Level.CRITICAL]

    @property
    def scopes(self) -> list[str]:
        """The scopes that the change adds, sorted."""
        return sorted(self.after.scope - self.before.scope)

    @property
    def widens(self) -> bool:
        """True if the change adds any access.

        A new grant without scopes also adds access, because the application can get tokens for the API.
        """
        return self.creates or widens(self.before, self.after)


def _never_unknown(_: AccessDiff) -> str:
    return ""


class RiskRule(NamedTuple):
    """A risk rule, as a row in the table RULES."""

    name: str
    """The name of the rule in policies and in the output."""
    level: Level
    """The severity of the risk."""
    meaning: str
    """A human-readable description of the rule."""
    found: Callable[[AccessDiff], str]
    """A function that returns the message about the risk, or an empty string if the change does not have the risk."""
    needs: frozenset[TenantList] = frozenset()
    """The lists of the tenant (applications, APIs, organizations) that the rule needs."""
    unknown: Callable[[AccessDiff], str] = _never_unknown
    """A function that returns a message if reconciler cannot decide whether the rule applies to a change.

    The function returns an empty string if reconciler can decide whether the rule applies to a change.
    """


def find_risks(change: Change, is_own: Callable[[Change], bool], directory: Directory) -> tuple[Risk, ...]:
    """Return the risks of a change, the most dangerous risk first.

    `is_own` returns whether a change concerns one of reconciler's own grants.
    """
    return _evaluate(_access_diff(change, is_own, directory))


def find_grant_risks(grant: ClientGrant, directory: Directory) -> tuple[Risk, ...]:
    """Return the risks of creating a grant, the most dangerous risk first."""
    return _evaluate(
        AccessDiff(
            key=grant.key,
            before=ClientGrant(grant.key),
            after=grant,
            creates=True,
            deletes=False,
            removes_all_access=False,
            is_own_grant=False,
            third_party=directory.third_party(grant.key),
            is_custom_api=_is_custom(directory, grant.key.audience),
            why_unknown=_why_unknown(directory),
        )
    )


def _evaluate(diff: AccessDiff) -> tuple[Risk, ...]:
    found = [Risk(rule.name, rule.level, message) for rule in RULES if (message := rule.found(diff))]
    found += [Risk(rule.name, rule.level, message, is_known=False) for rule in RULES if (message := rule.unknown(diff))]
    return tuple(sorted(found, key=lambda risk: risk.level.order))


def find_all_risks(
    changes: Iterable[Change], is_own: Callable[[Change], bool], directory: Directory
) -> Mapping[Key, tuple[Risk, ...]]:
    """Return the risks of each change. Omit changes that have no risks."""
    found = ((change.key, find_risks(change, is_own, directory)) for change in changes)
    return {key: risks for key, risks in found if risks}


def _access_diff(change: Change, is_own: Callable[[Change], bool], directory: Directory) -> AccessDiff:
    key, no_access = change.key, ClientGrant(change.key)
    return AccessDiff(
        key=key,
        before=no_access if isinstance(change, Create) else change.before.grant,
        after=no_access if isinstance(change, Delete) else change.after.grant,
        creates=isinstance(change, Create),
        deletes=isinstance(change, Delete),
        removes_all_access=removes_all_access(change),
        is_own_grant=is_own(change),
        third_party=directory.third_party(key),
        is_custom_api=_is_custom(directory, key.audience),
        why_unknown=_why_unknown(directory),
        lifetime=token_lifetime(key, directory),
    )


def _is_custom(directory: Directory, audience: str) -> bool:
    """Return whether the tenant has the API and the API is not one of Auth0's own APIs."""
    api = directory.apis_by_identifier.get(audience)
    return api is not None and not api.is_system


def _why_unknown(directory: Directory) -> str:
    if directory.has_read(APPLICATIONS):
        return "the application is not listed, or the response does not contain this information"
    return directory.reason_unread(APPLICATIONS)


def _management(level: Level, description: str) -> Callable[[AccessDiff], str]:
    def found(diff: AccessDiff) -> str:
        if not diff.key.audience.endswith(MANAGEMENT_API_SUFFIX):
            return ""
        return _with_scopes(description, diff, [scope for scope in diff.scopes if level_of(scope) is level])

    return found


def _management_access(diff: AccessDiff) -> str:
    if diff.creates and not diff.scopes and diff.key.audience.endswith(MANAGEMENT_API_SUFFIX):
        return "can get tokens for the Management API, without scopes"
    return _management(Level.LOW, "can access the Management API")(diff)


def _system_api(level: Level, description: str) -> Callable[[AccessDiff], str]:
    """Return a function that finds scopes with the risk level `level` on system APIs other than the Management API.

    The identifier of a custom API may end like the identifier of a system API. For a custom API with this ending, the
    returned function ignores the scopes that the system API does not define.
    """

    def found(diff: AccessDiff) -> str:
        api = system_api_of(diff.key.audience)
        if api is None:
            return ""
        scopes = [scope for scope in diff.scopes if api.has(scope) or not diff.is_custom_api]
        return _with_scopes(
            f"{description} {api.name}", diff, [scope for scope in scopes if api.level_of(scope) is level]
        )

    return found


def _system_api_access(diff: AccessDiff) -> str:
    api = system_api_of(diff.key.audience)
    if api and diff.creates and not diff.scopes and not diff.is_custom_api:
        return f"can get tokens for {api.name}, without scopes"
    return _system_api(Level.LOW, "can access")(diff)


def _all_scopes(diff: AccessDiff) -> str:
    new = diff.after.allow_all_scopes and not diff.before.allow_all_scopes
    return "gives every scope of the API, including future scopes" if new else ""


def _any_organization(diff: AccessDiff) -> str:
    new = diff.after.allow_any_organization and not diff.before.allow_any_organization
    return "every organization can use the grant, not only assigned organizations" if new else ""


def _organization_usage(diff: AccessDiff) -> str:
    callers = (
        ""
        if diff.deletes
        else " and ".join(sorted(callers_gaining_access(diff.before.organization_usage, diff.after.organization_usage)))
    )
    return f"organization_usage gives access to {callers}" if callers else ""


def _default_grant(diff: AccessDiff) -> str:
    return (
        "applies to every third-party application, including future ones"
        if diff.key.default_for and diff.widens
        else ""
    )


def _own_grant(diff: AccessDiff) -> str:
    return "reconciler's own grant gains access" if diff.is_own_grant and diff.widens else ""


def _administration(diff: AccessDiff) -> str:
    if diff.key.audience.endswith(MANAGEMENT_API_SUFFIX):
        return ""
    administrative = [each for each in diff.scopes if is_administration(each)]
    return _with_scopes("scopes with administrative names", diff, administrative)


def _unusual_scopes(diff: AccessDiff) -> str:
    """Return a message about added scopes if the scopes contain characters that RFC 6749 does not allow.

    The message escapes unusual characters, because some of the characters look like letters.
    """
    unusual = [each for each in diff.scopes if not SCOPE.fullmatch(each)]
    return _with_scopes("scopes with characters that OAuth does not allow", diff, unusual)


def escaped_scope(scope: str) -> str:
    """Escape the characters of a scope that RFC 6749 does not allow."""
    return "".join(char if SCOPE.fullmatch(char) else _escape(char) for char in scope)


def _escape(char: str) -> str:
    return (
        char.encode("unicode_escape").decode()
        if not char.isascii() or not char.isprintable()
        else f"\\x{ord(char):02x}"
    )


def _third_party(diff: AccessDiff) -> str:
    return "the application belongs to a third party" if diff.third_party and diff.widens else ""


def _unknown_third_party(diff: AccessDiff) -> str:
    if diff.third_party is not None or not diff.widens:
        return ""
    return f"it is not known whether the application belongs to a third party: {diff.why_unknown}"


def _delete(diff: AccessDiff) -> str:
    return "the application loses its access to the API" if diff.removes_all_access else ""


def _all_access_removed(diff: AccessDiff) -> str:
    if not diff.removes_all_access or diff.deletes:
        return ""
    if not has_callers(diff.after):
        return "no caller can use the grant any more, because it requires an organization and has none"
    return "the grant loses all scopes; the application can still get tokens without scopes"


def _lasting_tokens(diff: AccessDiff) -> str:
    if diff.lifetime is None or diff.lifetime <= LONG_LIFETIME_SECONDS:
        return ""
    what = f"tokens that were issued earlier keep critical scopes for up to {duration(diff.lifetime)}"
    return _with_scopes(what, diff, diff.removed_critical_scopes)


def _unknown_lifetime(diff: AccessDiff) -> str:
    what = "it is not known how long tokens that were issued earlier keep critical scopes"
    return _with_scopes(what, diff, diff.removed_critical_scopes) if diff.lifetime is None else ""


def _with_scopes(what: str, diff: AccessDiff, scopes: list[str]) -> str:
    """Return a message with the most dangerous scopes in `scopes`. Return an empty string if `scopes` is empty."""
    more = len(scopes) - MAX_SCOPES_NAMED
    worst = sorted(scopes, key=lambda scope: scope_order(diff.key.audience, scope))[:MAX_SCOPES_NAMED]
    named = ", ".join(shorten(escaped_scope(scope), MAX_SCOPE_LENGTH) for scope in worst) + (
        f" and {more} more" if more > 0 else ""
    )
    return f"{what}: {named}" if scopes else ""


def _rules() -> Iterator[RiskRule]:
    yield RiskRule(
        "management-api-takeover",
        Level.CRITICAL,
        "scopes of the Management API that allow an application to take over the tenant",
        _management(Level.CRITICAL, "can take over the tenant"),
    )
    yield RiskRule(
        "system-api-takeover",
        Level.CRITICAL,
        "scopes that let an application sign in as other users, on any system API except the Management API",
        _system_api(Level.CRITICAL, "can take over accounts through"),
    )
    yield RiskRule(
        "own-grant-widened", Level.CRITICAL, "more access for an application that runs reconciler", _own_grant
    )
    yield RiskRule(
        "management-api-sensitive",
        Level.HIGH,
        "scopes of the Management API that weaken the tenant, destroy data, or read people's data and secrets",
        _management(Level.HIGH, "can weaken the tenant or read its data"),
    )
    yield RiskRule(
        "system-api-sensitive",
        Level.HIGH,
        (
            "scopes that destroy data, or read people's data and settings, and unknown scopes, on any system API "
            "except the Management API"
        ),
        _system_api(Level.HIGH, "can weaken or read accounts through"),
    )
    yield RiskRule("all-scopes", Level.HIGH, "allow_all_scopes: includes scopes that nobody has reviewed", _all_scopes)
    yield RiskRule(
        "any-organization",
        Level.HIGH,
        "allow_any_organization: organizations can use the grant without being assigned to it",
        _any_organization,
    )
    yield RiskRule(
        "organization-usage-loosened", Level.HIGH, "organization_usage gives more callers access", _organization_usage
    )
    yield RiskRule("default-grant", Level.HIGH, "default_for applies to all third-party applications", _default_grant)
    yield RiskRule(
        "third-party",
        Level.HIGH,
        "more access for a third-party application",
        _third_party,
        APPLICATIONS,
        _unknown_third_party,
    )
    yield RiskRule(
        "all-scopes-removed",
        Level.HIGH,
        "a grant loses all its scopes or all its callers, which removes access like a delete",
        _all_access_removed,
    )
    yield RiskRule(
        "lasting-tokens",
        Level.HIGH,
        "critical scopes are removed, but earlier tokens keep these scopes for more than a day",
        _lasting_tokens,
        unknown=_unknown_lifetime,
    )
    yield RiskRule(
        REMOVAL_RISK.rule,
        Level.HIGH,
        "a grant is no longer declared, but the plan does not delete the grant (needs --base)",
        _never_unknown,
    )
    yield RiskRule(TEMPORARY_ACCESS, Level.HIGH, TEMPORARY_ACCESS_MEANING, _never_unknown)
    yield RiskRule("administration", Level.HIGH, "scopes with administrative names", _administration)
    yield RiskRule(
        "unusual-scope",
        Level.HIGH,
        "scopes that may look like other scopes, because they contain characters that OAuth does not allow",
        _unusual_scopes,
    )
    yield RiskRule("management-api-access", Level.LOW, "low-risk access to the Management API", _management_access)
    yield RiskRule("system-api-access", Level.LOW, "low-risk access to a system API of Auth0", _system_api_access)
    yield RiskRule("delete", Level.LOW, "a grant is deleted, or loses all its scopes or all its callers", _delete)


RULES: tuple[RiskRule, ...] = tuple(_rules())
RULE_ORDER: Mapping[str, int] = {rule.name: number for number, rule in enumerate(RULES)}
RULE_LISTS = frozenset(needed for rule in RULES for needed in rule.needs)
"""The lists that reconciler must read from the tenant to check the risks of a change."""
