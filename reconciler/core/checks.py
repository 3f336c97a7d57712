"""Pure: find grants that Auth0 would refuse or accept without effect, before any request.

CHECKS has one row per check. Each check declares the lists that it needs and the grants that it matters for.
`core/permissions.py` derives the reads from these declarations. A check whose lists were not read is reported as not
checked.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.directory import Api, Directory, TenantList
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.organization_usage import USAGE_DENY
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.resolve import DesiredGrant
from reconciler.core.suggest import Suggestions
from reconciler.core.system_apis import MY_ORGANIZATION_SUFFIX

CLOSENESS_OF_IDENTIFIERS = 0.9
"""API identifiers are mostly URLs. The URLs of one company are similar."""
EXPRESS_CONFIGURATION = "express_configuration"
APPLICATIONS = frozenset({TenantList.APPLICATIONS})
APIS = frozenset({TenantList.APIS})


@dataclass(frozen=True, slots=True)
class CheckSubject:
    """A declared grant, the grant of the tenant if it exists, and the names and ids of the tenant."""

    desired: DesiredGrant
    observed: ObservedGrant | None
    directory: Directory
    guess: Suggestions

    @property
    def key(self) -> Key:
        """The key of both grants."""
        return self.desired.key

    @property
    def api(self) -> Api | None:
        """The API, or None if the tenant does not list it."""
        return self.directory.apis_by_identifier.get(self.key.audience)

    @property
    def sends_scopes(self) -> bool:
        """Whether the plan sends the list of scopes."""
        if self.observed is None:
            return True
        before, after = self.observed.grant, self.desired.grant
        return (before.scope, before.allow_all_scopes) != (after.scope, after.allow_all_scopes)


@dataclass(frozen=True, slots=True)
class Check:
    """One row of CHECKS.

    `matters` returns whether the tenant may refuse the grant because of this check. `find` yields problems. It is
    called only if all needed lists were read.
    """

    what: str
    needs: frozenset[TenantList]
    matters: Callable[[CheckSubject], bool]
    find: Callable[[CheckSubject], Iterable[Problem]]


@dataclass(frozen=True, slots=True)
class NotChecked:
    """A check that was skipped for some grants, and the reason."""

    what: str
    why: str
    grants: int


def check(
    desired: Iterable[DesiredGrant], observed: Mapping[Key, ObservedGrant], directory: Directory
) -> tuple[tuple[Problem, ...], tuple[NotChecked, ...]]:
    """Return the problems of all checks, and the skipped checks.

    A problem is a warning if the tenant already accepted the same.
    """
    guess = Suggestions()
    possible = [each for each in CHECKS if directory.has_read(each.needs)]
    impossible = [each for each in CHECKS if not directory.has_read(each.needs)]
    problems: list[Problem] = []
    unchecked: Counter[str] = Counter()
    for each in desired:
        subject = CheckSubject(each, observed.get(each.key), directory, guess)
        for row in possible:
            problems += row.find(subject)
        unchecked.update(row.what for row in impossible if row.matters(subject))
    return tuple(problems), tuple(
        NotChecked(row.what, directory.why_unread(row.needs), unchecked[row.what])
        for row in impossible
        if unchecked[row.what]
    )


def lists_that_matter(desired: DesiredGrant, observed: ObservedGrant | None, directory: Directory) -> set[TenantList]:
    """Return the lists that the checks need for a grant."""
    subject = CheckSubject(desired, observed, directory, Suggestions())
    return {needed for row in CHECKS if row.matters(subject) for needed in row.needs}


def _is_new(subject: CheckSubject) -> bool:
    return subject.observed is None


def _is_new_for_an_application(subject: CheckSubject) -> bool:
    return subject.observed is None and subject.key.client_id is not None


def _opens_to_any_organization(subject: CheckSubject) -> bool:
    new = subject.observed is None or not subject.observed.grant.allow_any_organization
    return new and subject.desired.grant.allow_any_organization and subject.key.client_id is not None


def _names_scopes(subject: CheckSubject) -> bool:
    return bool(subject.desired.grant.scope)


def _says_what_system_apis_refuse(subject: CheckSubject) -> bool:
    there = subject.observed is not None and subject.observed.grant == subject.desired.grant
    return not there and any(said for _, said in _refused_by_system_apis(subject))


def _application_exists(subject: CheckSubject) -> Iterator[Problem]:
    client_id, directory = subject.key.client_id, subject.directory
    if subject.observed is not None or client_id is None or client_id in directory.applications_by_id:
        return
    what = f'the tenant has no application with id "{client_id}"'
    fix = subject.guess(client_id, directory.applications_by_id) or "create the application first"
    if client_id in directory.client_ids_by_name:
        fix = "this is an application name: use client instead of client_id"
    yield Problem(subject.desired.spec.source_of("client_id"), what, fix, is_missing=True)


def _application_can_hold_grants(subject: CheckSubject) -> Iterator[Problem]:
    application = subject.directory.applications_by_id.get(subject.key.client_id or "")
    if subject.observed is None and application and application.app_type == EXPRESS_CONFIGURATION:
        what = f'Auth0 refuses grants for "{application.name}", an application of type {EXPRESS_CONFIGURATION}'
        yield Problem(_source_of_application(subject), what, "remove this grant")


def _no_third_party_for_every_organization(subject: CheckSubject) -> Iterator[Problem]:
    if _opens_to_any_organization(subject) and subject.directory.third_party(subject.key):
        what = "Auth0 refuses allow_any_organization for the application of a third party"
        yield Problem(subject.desired.spec.source_of("allow_any_organization"), what, "name the organizations instead")


def _no_third_party_on_system_apis(subject: CheckSubject) -> Iterator[Problem]:
    api = subject.api
    if subject.observed is None and api and api.is_system and subject.directory.third_party(subject.key):
        what = f'Auth0 refuses grants on its own API "{api.name}" for the application of a third party'
        yield Problem(_source_of_application(subject), what, "remove this grant")


def _api_exists(subject: CheckSubject) -> Iterator[Problem]:
    if subject.api is not None:
        return
    audience, directory = subject.key.audience, subject.directory
    fix = subject.guess(audience, directory.apis_by_identifier, CLOSENESS_OF_IDENTIFIERS) or "create the API first"
    if audience in directory.identifiers_by_name:
        fix = "this is an API name: use api instead of audience"
    what = f'the tenant has no API with identifier "{audience}"'
    there = subject.observed is not None
    source = subject.desired.spec.source_of("audience")
    yield Problem(source, what, fix, _severity(already_there=there), is_missing=not there)


def _scopes_are_defined(subject: CheckSubject) -> Iterator[Problem]:
    """Yield a problem per undefined scope.

    System APIs refuse the whole list if one scope is undefined. Other APIs accept undefined scopes. A scope that the
    tenant has, or had at the time of a snapshot, is therefore a warning.
    """
    api, spec = subject.api, subject.desired.spec
    if api is None or subject.desired.grant.scope <= api.scopes_for(subject.key):
        return
    defined = api.scopes_for(subject.key)
    there = subject.observed.grant.scope if subject.observed else frozenset()
    for scope, place in spec.placed_scopes():
        if scope in defined:
            continue
        accepted = not subject.sends_scopes if api.is_system else scope in there or spec.is_snapshot
        fix = subject.guess(scope, defined) or "define it on the API first, or remove it"
        what = f'the API "{api.name}" does not define the scope "{scope}"'
        if api.is_system and scope in there and not accepted:
            what += ", and Auth0 refuses the whole list"
        yield Problem(place, what, fix, _severity(already_there=accepted))


def _system_api_accepts_fields(subject: CheckSubject) -> Iterator[Problem]:
    api = subject.api
    if api is None or not api.is_system:
        return
    there = subject.observed is not None and subject.observed.grant == subject.desired.grant
    for field, said in _refused_by_system_apis(subject):
        if said:
            what = f'Auth0 refuses {field} on its own API "{api.name}"'
            yield Problem(subject.desired.spec.source_of(field), what, "remove it", _severity(already_there=there))


def _refused_by_system_apis(subject: CheckSubject) -> Iterator[tuple[str, bool]]:
    """Yield the fields that system APIs refuse, and whether the grant has them."""
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
        "no third party may act for every organization",
        APPLICATIONS,
        _opens_to_any_organization,
        _no_third_party_for_every_organization,
    ),
    Check("the API exists", APIS, _is_new, _api_exists),
    Check(
        "no third party has access to Auth0's own APIs",
        APPLICATIONS | APIS,
        _is_new_for_an_application,
        _no_third_party_on_system_apis,
    ),
    Check("the API defines the scopes", APIS, _names_scopes, _scopes_are_defined),
    Check("Auth0's own APIs accept the settings", APIS, _says_what_system_apis_refuse, _system_api_accepts_fields),
)
