"""Find declared grants that would have no effect or that Auth0 would refuse.

The checks run before reconciler makes the first change in the tenant.

The table CHECKS contains a row for each check. Each row contains a check and the lists (applications, APIs) that
reconciler must read before the check. The function `core/permissions.py:lists_to_read` uses the table CHECKS to decide
which lists reconciler reads. If reconciler cannot read a list, the plan reports which checks were skipped.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.core.characters import join_some
from reconciler.core.directory import Api, Directory, TenantList
from reconciler.core.fields import USAGE_DENY
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.resolve import DesiredGrant
from reconciler.core.suggest import Suggestions
from reconciler.core.system_apis import MY_ORGANIZATION_SUFFIX

MIN_IDENTIFIER_SIMILARITY = 0.9
"""The minimum similarity (0 to 1) between a wrong API identifier and a suggested API identifier.

The minimum similarity is high, because a company's API identifiers often start with the same URL.
"""
MAX_SCOPE_PROBLEMS = 3
"""The maximum number of undefined scopes that reconciler reports separately for a grant."""
EXPRESS_CONFIGURATION = "express_configuration"
APPLICATIONS = frozenset({TenantList.APPLICATIONS})
APIS = frozenset({TenantList.APIS})


class CheckSubject(NamedTuple):
    """The input of a check: a declared grant, the current grant in the tenant, and the tenant's names and ids.

    The class is a subclass of tuple, because Python creates tuples faster than other objects.
    """

    desired: DesiredGrant
    observed: ObservedGrant | None
    directory: Directory
    suggest: Suggestions
    key: Key
    """The fields that identify the declared grant: application, API and subject type."""
    api: Api | None
    """The API of the grant, or None if reconciler has not found the API in the tenant."""

    @property
    def sends_scopes(self) -> bool:
        """True if the planned request to Auth0 contains the scopes of the grant."""
        if self.observed is None:
            return True
        before, after = self.observed.grant, self.desired.grant
        return (before.scope, before.allow_all_scopes) != (after.scope, after.allow_all_scopes)


class Check(NamedTuple):
    """A check of declared grants, as a row in the table CHECKS."""

    what: str
    """A description of the check, for use in messages."""
    needs: frozenset[TenantList]
    """The tenant's lists (applications, APIs, organizations) that this check needs."""
    applies_to: Callable[[CheckSubject], bool]
    """A function that returns whether the check applies to a grant."""
    find: Callable[[CheckSubject], Iterable[Problem]]
    """A function that returns the problems of a grant."""


class NotChecked(NamedTuple):
    """A skipped check, with the reason and the number of affected grants."""

    what: str
    why: str
    grants: int


def run_checks(
    desired: Iterable[DesiredGrant], observed: Mapping[Key, ObservedGrant], directory: Directory
) -> tuple[tuple[Problem, ...], tuple[NotChecked, ...]]:
    """Run all checks. Return the problems of the declared grants, and the skipped checks.

    A value that Auth0 would refuse causes only a warning if the tenant's grant already has the value.
    """
    suggest = Suggestions()
    runnable = [each for each in CHECKS if directory.has_read(each.needs)]
    skipped = [each for each in CHECKS if not directory.has_read(each.needs)]
    problems: list[Problem] = []
    unchecked: Counter[str] = Counter()
    for each in desired:
        subject = _subject(each, observed.get(each.key), directory, suggest)
        for row in runnable:
            problems += row.find(subject)
        unchecked.update(row.what for row in skipped if row.applies_to(subject))
    return tuple(problems), tuple(
        NotChecked(row.what, directory.reason_unread(row.needs), unchecked[row.what])
        for row in skipped
        if unchecked[row.what]
    )


def required_lists(desired: DesiredGrant, observed: ObservedGrant | None, directory: Directory) -> set[TenantList]:
    """Return the lists (applications, APIs) that reconciler must read from the tenant to check a declared grant."""
    subject = _subject(desired, observed, directory, Suggestions())
    return {needed for row in CHECKS if row.applies_to(subject) for needed in row.needs}


def _subject(
    desired: DesiredGrant, observed: ObservedGrant | None, directory: Directory, suggest: Suggestions
) -> CheckSubject:
    key = desired.grant.key
    return CheckSubject(desired, observed, directory, suggest, key, directory.apis_by_identifier.get(key.audience))


def _is_new(subject: CheckSubject) -> bool:
    return subject.observed is None


def _is_new_for_an_application(subject: CheckSubject) -> bool:
    return subject.observed is None and subject.key.client_id is not None


def _newly_allows_any_organization(subject: CheckSubject) -> bool:
    new = subject.observed is None or not subject.observed.grant.allow_any_organization
    return new and subject.desired.grant.allow_any_organization and subject.key.client_id is not None


def _has_scopes(subject: CheckSubject) -> bool:
    return bool(subject.desired.grant.scope)


def _uses_refused_field(subject: CheckSubject) -> bool:
    exists = subject.observed is not None and subject.observed.grant == subject.desired.grant
    return not exists and any(is_used for _, is_used in _fields_refused_by_system_apis(subject))


def _application_exists(subject: CheckSubject) -> Sequence[Problem]:
    client_id, directory = subject.key.client_id, subject.directory
    if subject.observed is not None or client_id is None or client_id in directory.applications_by_id:
        return ()
    what = f'the tenant has no application with id "{client_id}"'
    fix = subject.suggest(client_id, directory.applications_by_id) or "create the application first"
    if client_id in directory.client_ids_by_name:
        fix = "this is an application name: use client instead of client_id"
    return (Problem(subject.desired.spec.source_of("client_id"), what, fix, is_missing=True),)


def _application_can_hold_grants(subject: CheckSubject) -> Sequence[Problem]:
    application = subject.directory.applications_by_id.get(subject.key.client_id or "")
    if subject.observed is not None or application is None or application.app_type != EXPRESS_CONFIGURATION:
        return ()
    what = f'Auth0 refuses grants for "{application.name}", an application of type {EXPRESS_CONFIGURATION}'
    return (Problem(_source_of_application(subject), what, "remove this grant"),)


def _no_third_party_for_every_organization(subject: CheckSubject) -> Sequence[Problem]:
    if not _newly_allows_any_organization(subject) or not subject.directory.third_party(subject.key):
        return ()
    what = "Auth0 refuses allow_any_organization for third-party applications"
    source = subject.desired.spec.source_of("allow_any_organization")
    return (Problem(source, what, "list the organizations instead"),)


def _no_third_party_on_system_apis(subject: CheckSubject) -> Sequence[Problem]:
    api = subject.api if subject.observed is None else None
    if api is None or not api.is_system or not subject.directory.third_party(subject.key):
        return ()
    what = f'Auth0 refuses grants on its own API "{api.name}" for third-party applications'
    return (Problem(_source_of_application(subject), what, "remove this grant"),)


def _api_exists(subject: CheckSubject) -> Sequence[Problem]:
    if subject.api is not None:
        return ()
    audience, directory = subject.key.audience, subject.directory
    fix = subject.suggest(audience, directory.apis_by_identifier, MIN_IDENTIFIER_SIMILARITY) or "create the API first"
    if audience in directory.identifiers_by_name:
        fix = "this is an API name: use api instead of audience"
    what = f'the tenant has no API with identifier "{audience}"'
    exists = subject.observed is not None
    source = subject.desired.spec.source_of("audience")
    return (Problem(source, what, fix, _severity(already_there=exists), is_missing=not exists),)


def _scopes_are_defined(subject: CheckSubject) -> Iterable[Problem]:
    """Return a problem for each scope that the API does not define.

    If a grant has many undefined scopes, combine their problems into a single problem.

    If a grant on a system API has an undefined scope, Auth0 refuses all scopes of the grant. For custom APIs, Auth0
    accepts scopes that the API does not define. An undefined scope causes only a warning if the tenant's grant already
    contains the scope. An undefined scope in a snapshot causes a warning instead of an error.
    """
    api = subject.api
    if api is None or subject.desired.grant.scope <= api.scopes_for(subject.key):
        return ()
    return _undefined_scopes(subject, api)


def _undefined_scopes(subject: CheckSubject, api: Api) -> Iterator[Problem]:
    spec = subject.desired.spec
    defined = api.scopes_for(subject.key)
    current = subject.observed.grant.scope if subject.observed else frozenset()
    by_acceptance: dict[bool, list[tuple[str, Source]]] = {False: [], True: []}
    for scope, source in spec.scopes_with_sources():
        if scope not in defined:
            accepted = not subject.sends_scopes if api.is_system else scope in current or spec.is_snapshot
            by_acceptance[accepted].append((scope, source))
    for accepted, undefined in by_acceptance.items():
        severity = _severity(already_there=accepted)
        if len(undefined) > MAX_SCOPE_PROBLEMS:
            names = join_some([scope for scope, _ in undefined])
            what = f'the API "{api.name}" does not define {len(undefined)} scopes of this grant: {names}'
            yield Problem(
                undefined[0][1],
                what,
                "define the scopes on the API first, or remove the scopes from the grant",
                severity,
            )
            continue
        for scope, source in undefined:
            fix = (
                subject.suggest(scope, defined)
                or "define the scope on the API first, or remove the scope from the grant"
            )
            what = f'the API "{api.name}" does not define the scope "{scope}"'
            if api.is_system and scope in current and not accepted:
                what += ", so Auth0 refuses the whole list of scopes"
            yield Problem(source, what, fix, severity)


def _system_api_accepts_fields(subject: CheckSubject) -> Sequence[Problem]:
    api = subject.api
    if api is None or not api.is_system:
        return ()
    exists = subject.observed is not None and subject.observed.grant == subject.desired.grant
    return [
        Problem(
            subject.desired.spec.source_of(field),
            f'Auth0 refuses {field} on its own API "{api.name}"',
            "remove it",
            _severity(already_there=exists),
        )
        for field, is_used in _fields_refused_by_system_apis(subject)
        if is_used
    ]


def _fields_refused_by_system_apis(subject: CheckSubject) -> Iterator[tuple[str, bool]]:
    """Yield the name of each field that Auth0 refuses for system APIs, and whether the grant uses the field."""
    grant = subject.desired.grant
    yield "allow_all_scopes", grant.allow_all_scopes
    yield "default_for", subject.key.default_for is not None
    if not subject.key.audience.endswith(MY_ORGANIZATION_SUFFIX):
        yield "organization_usage", grant.organization_usage != USAGE_DENY
        yield "allow_any_organization", grant.allow_any_organization
        yield "organizations", bool(grant.organizations)


def _source_of_application(subject: CheckSubject) -> Source:
    spec = subject.desired.spec
    return spec.source_of("client" if spec.client is not None else "client_id")


def _severity(*, already_there: bool) -> Severity:
    return Severity.WARNING if already_there else Severity.ERROR


CHECKS: tuple[Check, ...] = (
    Check("the application exists", APPLICATIONS, _is_new_for_an_application, _application_exists),
    Check("the application can hold grants", APPLICATIONS, _is_new_for_an_application, _application_can_hold_grants),
    Check(
        "no third-party application may use `allow_any_organization`",
        APPLICATIONS,
        _newly_allows_any_organization,
        _no_third_party_for_every_organization,
    ),
    Check("the API exists", APIS, _is_new, _api_exists),
    Check(
        "no third party has access to Auth0's own APIs",
        APPLICATIONS | APIS,
        _is_new_for_an_application,
        _no_third_party_on_system_apis,
    ),
    Check("the API defines the scopes", APIS, _has_scopes, _scopes_are_defined),
    Check("Auth0's own APIs accept the settings", APIS, _uses_refused_field, _system_api_accepts_fields),
)
